"""What a source must do."""

from typing import Protocol, runtime_checkable

from oddspipe.core.batch.batch import Payloads


class Source(Protocol):
    """Give payloads in batches, from any place one has been before.

    The same place gives the same payloads again, ticks included: recovery reads the input a second
    time. A source inserts a heartbeat event where a recorded feed was alive and silent, and a tick
    event where nothing at all arrived for the tick interval.
    """

    @property
    def name(self) -> str:
        """Return the name of its kind: `replay`, `simulator` …."""
        ...

    @property
    def finite(self) -> bool:
        """Return whether the input ends by itself."""
        ...

    def open(self, position: int, token: bytes = b"") -> None:
        """Go to `position`: the next payload polled has this position or, with gaps, a later one.

        Raises:
            RunError: The place cannot be reached any more.
        """
        ...

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what has arrived, at the latest after `timeout_us`; None when the input is over.

        An empty `Payloads` means that nothing has arrived yet.
        """
        ...

    def acknowledge(self, position: int) -> None:
        """Everything before `position` is durable in every sink."""
        ...

    def total(self) -> int | None:
        """Return how many payloads there will be in all, where that is known."""
        ...

    def close(self) -> None:
        """Let go of connections and threads; may be called twice."""
        ...


@runtime_checkable
class Erring(Protocol):
    """A source that does wrong on demand, and says how often it did."""

    def injected(self) -> dict[str, int]:
        """Return how many faults of each name it has made so far, from its first payload on."""
        ...
