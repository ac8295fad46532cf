"""Check what a run has written against what it was given."""
