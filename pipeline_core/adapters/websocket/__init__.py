"""Feeds that a provider pushes over a WebSocket."""
