#!/bin/sh
# Rendered by oddspipe 0.1.0 from sports/nfl.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Make the topics of nfl, and let our processes use them.
# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.
set -eu
: "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"

# Topics that are there are left alone; their settings are brought in line.
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.feed.v1 --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.feed.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.normalised.v1 --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.normalised.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=86400000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.odds.v1 --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.odds.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=604800000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.odds.corrections.v1 --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.odds.corrections.v1 --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=604800000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.dlq --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.dlq --add-config cleanup.policy=delete,min.insync.replicas=2,retention.ms=1209600000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.normalise.snapshots --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.normalise.snapshots --add-config cleanup.policy=compact,min.cleanable.dirty.ratio=0.1,min.insync.replicas=2,segment.bytes=16777216,segment.ms=60000
kafka-topics.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --create --if-not-exists --topic nfl.price.snapshots --partitions 50 --replication-factor 3
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type topics --entity-name nfl.price.snapshots --add-config cleanup.policy=compact,min.cleanable.dirty.ratio=0.1,min.insync.replicas=2,segment.bytes=16777216,segment.ms=60000

# Access: reading the feed, writing what is made of it, in transactions.
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.feed.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.normalised.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.dlq
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.normalise.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --topic nfl.price.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nfl.normalised.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nfl.odds.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nfl.odds.corrections.v1
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nfl.dlq
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nfl.normalise.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --topic nfl.price.snapshots
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Read --operation Describe --resource-pattern-type prefixed --group oddspipe.nfl
kafka-acls.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --add --allow-principal User:oddspipe --operation Write --operation Describe --resource-pattern-type prefixed --transactional-id oddspipe.nfl.
