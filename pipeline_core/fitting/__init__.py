"""Fit models to recorded seasons, rate teams, and keep what comes of it with where it is from."""
