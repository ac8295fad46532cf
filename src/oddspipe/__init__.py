"""One YAML file and one model plugin become a running odds pipeline."""

__version__ = "0.1.0"
