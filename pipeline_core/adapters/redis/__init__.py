"""The current odds of every game in Redis."""
