"""What a sink must do."""

from typing import Protocol

from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output


class Sink(Protocol):
    """Write outputs where others read them; writing one twice leaves the same state.

    A run that resumes may give outputs again, cut differently. Everything in an output carries a
    number that the same input always gives (event, rollup and odds numbers; odds sequences; for
    dead letters the stage and their position), so a sink skips what it already has.
    """

    name: str
    keeps: Guarantee

    def open(self) -> None:
        """Connect, find out what is already there, cut off what was torn by a crash.

        Raises:
            RunError: It cannot be reached or does not fit; says where and what to do.
        """
        ...

    def write(self, output: Output) -> None:
        """Write and return when it is durable.

        Raises:
            RetryableError: The same call may work later.
        """
        ...

    def refresh(self) -> None:
        """Keep alive what expires; called at least once a second, between writes."""
        ...

    def close(self) -> None:
        """Flush and let go; may be called twice."""
        ...
