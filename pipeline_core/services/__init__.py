"""Real services on this machine without containers: Kafka, Redis, ClickHouse, PostgreSQL."""
