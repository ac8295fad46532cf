#!/bin/sh
# Rendered by oddspipe 0.1.0 from platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Let the mirror read at home (access.sh home), or write there.
# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.
set -eu
: "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"

case ${1:?home or there} in
  home)
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic mlb.odds.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic mlb.odds.corrections.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic mlb.raw.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic nba.odds.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic nba.odds.corrections.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic nba.raw.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic nfl.odds.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic nfl.odds.corrections.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --operation DescribeConfigs --topic nfl.feed.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Describe --resource-pattern-type prefixed --group acme.
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Describe --resource-pattern-type prefixed --group bluebook.
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --resource-pattern-type prefixed --topic mm2-offset-syncs.
    ;;
  there)
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic mlb.odds.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic mlb.odds.corrections.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic mlb.raw.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic nba.odds.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic nba.odds.corrections.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic nba.raw.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic nfl.odds.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic nfl.odds.corrections.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --operation AlterConfigs --topic nfl.feed.v1
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --resource-pattern-type prefixed --topic mm2-
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Create --operation Write --operation Read --operation Describe --operation DescribeConfigs --resource-pattern-type prefixed --topic home.checkpoints.
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --resource-pattern-type prefixed --group acme.
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --resource-pattern-type prefixed --group bluebook.
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Read --operation Describe --resource-pattern-type prefixed --group home-mm2
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id home-mm2
    kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe-mirror --operation IdempotentWrite --operation DescribeConfigs --cluster
    ;;
  *) echo "home or there, not $1" >&2; exit 2 ;;
esac
