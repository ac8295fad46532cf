"""The infrastructure of an environment, from the plans of its sports."""
