#!/bin/sh
# Rendered by oddspipe 0.1.0 from platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Let partners read the odds of their sports, and no faster.
# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.
set -eu
: "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"

# Acme Sportsbook, gold
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --operation Describe --topic nfl.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --operation Describe --topic nfl.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --operation Describe --topic nba.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --operation Describe --topic nba.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --operation Describe --topic mlb.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --operation Describe --topic mlb.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-acme --operation Read --resource-pattern-type prefixed --group acme.
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type users --entity-name partner-acme --add-config consumer_byte_rate=24000000

# Bluebook Exchange, silver
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-bluebook --operation Read --operation Describe --topic nfl.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-bluebook --operation Read --operation Describe --topic nfl.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:partner-bluebook --operation Read --resource-pattern-type prefixed --group bluebook.
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type users --entity-name partner-bluebook --add-config consumer_byte_rate=6000000

