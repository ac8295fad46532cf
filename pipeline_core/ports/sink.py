"""What a sink must do."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel

from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output


class Sink(Protocol):
    """Write outputs where others read them; writing one twice leaves the same state.

    A run that resumes may give outputs again, cut differently. Everything in an output carries a
    number that the same input always gives (event, rollup and odds numbers; odds sequences; for
    dead letters the stage and their position), so a sink skips what it already has.

    A sink that writes several outputs at once faster than one by one also has
    `write_many(outputs)`; its lane then hands over all that waits.
    """

    @property
    def name(self) -> str:
        """Return the name that the spec gives it."""
        ...

    @property
    def keeps(self) -> Guarantee:
        """Return what it promises about an output."""
        ...

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


@dataclass(frozen=True, slots=True)
class SinkPlace:
    """Where a sink of a package is: what it may know of the run that it is in.

    Attributes:
        name: Name that the spec gives it.
        sport: Name of the sport.
        plan: Logic digest of the plan.
        folder: State folder of the run; what it writes there outlives a crash.
    """

    name: str
    sport: str
    plan: str
    folder: Path


class SinkPlugin(Sink, Protocol):
    """A sink that a package brings: made of its parameters and its place."""

    Parameters: ClassVar[type[BaseModel]]

    def __init__(self, parameters: BaseModel, place: SinkPlace) -> None:
        """Take validated parameters, an instance of `Parameters`; connect to nothing yet."""
        ...
