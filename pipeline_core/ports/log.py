"""What a log of partitions must do: read, and write in transactions with the positions read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from oddspipe.ext.records import Pulled, Rows


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition stands.

    Attributes:
        snapshot: Content of its newest committed snapshot; None before the first.
        first: Oldest position that can be read.
        committed: Position up to which everything is committed; negative before the first commit.
    """

    snapshot: bytes | None
    first: int
    committed: int


class Members(Protocol):
    """Who is told that partitions come and go; called from within `Log.pull`."""

    def joined(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take partitions up; return where each is to be read from.

        One that is left out could not be taken up yet: nothing of it counts before a `seek`.
        """
        ...

    def leaving(self, partitions: Sequence[int]) -> None:
        """Commit what was made of them; they go to another worker after this call."""
        ...

    def lost(self, partitions: Sequence[int]) -> None:
        """Give up what was made of them: they are another worker's already."""
        ...


class Log(Protocol):
    """One worker's part of the log."""

    def open(self, members: Members) -> None:
        """Fence the worker that was here before, and take part."""
        ...

    def pull(self, limit: int, timeout_ms: int) -> Pulled:
        """Return what has come.

        Raises:
            RetryableError: What came is lost to the caller: seek every partition anew.
            FencedError: Another worker has this slot.
        """
        ...

    def place(self, partition: int) -> Place:
        """Find out where a partition stands.

        Raises:
            UnreachableError: Nobody answers.
        """
        ...

    def seek(self, partition: int, position: int) -> None:
        """Read a partition again from a position.

        Raises:
            UnreachableError: Nobody answers.
        """
        ...

    def hold(self, partition: int) -> None:
        """Bring nothing of a partition until it is let go."""
        ...

    def let_go(self, partition: int) -> None:
        """Bring a partition that was held again; where from, `seek` says after this."""
        ...

    def begin(self) -> None:
        """Begin a transaction.

        Raises:
            RetryableError: Not begun; `restart` and begin anew.
        """
        ...

    def push(self, topic: str, rows: Rows) -> None:
        """Write rows in the transaction.

        Raises:
            RetryableError: They are not in it.
        """
        ...

    def save(self, partition: int, position: int, content: bytes) -> None:
        """Write a snapshot in the transaction.

        Raises:
            RetryableError: It is not in it.
        """
        ...

    def commit(self, positions: Mapping[int, int]) -> None:
        """Commit the transaction with the positions reached.

        Raises:
            FencedError: Another worker has this slot.
            RetryableError: Perhaps committed, perhaps not: `restart`, then see `place`.
        """
        ...

    def restart(self) -> None:
        """Abort what is open and make the writing side anew; it must not be used again.

        Raises:
            UnreachableError: Nobody answers: nothing can be written before another `restart`.
        """
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
