"""Sport specs: data only."""
