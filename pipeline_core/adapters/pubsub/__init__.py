"""Feeds that are pulled from Google Cloud Pub/Sub."""
