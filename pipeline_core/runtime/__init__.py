"""Runners that drive the graph of stages."""
