"""Columns of events, rejects and SQL expressions over columns."""
