"""Sources and sinks: the only places with I/O."""
