#!/bin/sh
# Rendered by oddspipe 0.1.0 from sports/nba.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Make the topics of nba, and let our processes use them.
# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.
set -eu
: "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"

# Topics that are there are left alone; their settings are brought in line.
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.raw.v1 --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.raw.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.normalised.v1 --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.normalised.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.odds.v1 --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.odds.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=604800000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.odds.corrections.v1 --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.odds.corrections.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=604800000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.dlq --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.dlq --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=1209600000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.normalise.snapshots --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.normalise.snapshots --add-config cleanup.policy=compact,min.cleanable.dirty.ratio=0.1,min.insync.replicas=2,segment.bytes=16777216,segment.ms=60000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.price.snapshots --partitions 10 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.price.snapshots --add-config cleanup.policy=compact,min.cleanable.dirty.ratio=0.1,min.insync.replicas=2,segment.bytes=16777216,segment.ms=60000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nba.ingest --partitions 1 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nba.ingest --add-config cleanup.policy=compact,min.insync.replicas=2

# Access: reading the feed, writing what is made of it, in transactions.
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.raw.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.normalised.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.dlq
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.normalise.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.price.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nba.ingest
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.raw.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.normalised.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.dlq
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.normalise.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.price.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nba.ingest
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --resource-pattern-type prefixed --group oddspipe.nba
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --group oddspipe.ingest.nba.raw.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id oddspipe.nba.
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id oddspipe.ingest.nba.raw.v1
