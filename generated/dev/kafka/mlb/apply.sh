#!/bin/sh
# Rendered by oddspipe 0.1.0 from sports/mlb.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Make the topics of mlb, and let our processes use them.
# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.
set -eu
: "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"

# Topics that are there are left alone; their settings are brought in line.
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic mlb.raw.v1 --partitions 8 --replication-factor 1
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name mlb.raw.v1 --add-config cleanup.policy=delete,min.insync.replicas=1,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic mlb.odds.v1 --partitions 8 --replication-factor 1
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name mlb.odds.v1 --add-config cleanup.policy=delete,min.insync.replicas=1,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic mlb.odds.corrections.v1 --partitions 8 --replication-factor 1
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name mlb.odds.corrections.v1 --add-config cleanup.policy=delete,min.insync.replicas=1,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic mlb.dlq --partitions 8 --replication-factor 1
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name mlb.dlq --add-config cleanup.policy=delete,min.insync.replicas=1,retention.ms=1209600000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic mlb.snapshots --partitions 8 --replication-factor 1
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name mlb.snapshots --add-config cleanup.policy=compact,min.cleanable.dirty.ratio=0.1,min.insync.replicas=1,segment.bytes=16777216,segment.ms=60000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic mlb.ingest --partitions 1 --replication-factor 1
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name mlb.ingest --add-config cleanup.policy=compact,min.insync.replicas=1

# Access: reading the feed, writing what is made of it, in transactions.
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic mlb.raw.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic mlb.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic mlb.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic mlb.dlq
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic mlb.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic mlb.ingest
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic mlb.raw.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic mlb.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic mlb.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic mlb.dlq
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic mlb.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic mlb.ingest
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --resource-pattern-type prefixed --group oddspipe.mlb
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --group oddspipe.ingest.mlb.raw.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id oddspipe.mlb.
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id oddspipe.ingest.mlb.raw.v1
