"""Game schedules: read from ICS, CSV and JSON, kept as one file a sport and season."""
