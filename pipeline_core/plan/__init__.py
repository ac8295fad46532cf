"""The resolved, immutable, hashed form of one sport."""
