"""Feeds that push or are pulled live: received, spooled durably, then read like any input."""
