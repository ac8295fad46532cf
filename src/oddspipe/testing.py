"""What a package's own tests hold its sources and sinks to: see docs/how-to/test-a-plugin.md."""

from oddspipe.core.testing.finding import Check, faults
from oddspipe.core.testing.samples import sample_outputs
from oddspipe.core.testing.sink import SinkCase, check_sink
from oddspipe.core.testing.source import SourceCase, check_source

__all__ = [
    "Check",
    "SinkCase",
    "SourceCase",
    "check_sink",
    "check_source",
    "faults",
    "sample_outputs",
]
