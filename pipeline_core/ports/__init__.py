"""Protocols at the edge of the world."""
