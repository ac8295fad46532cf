"""Events and odds history in ClickHouse."""
