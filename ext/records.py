"""Records on their way from and to Kafka, in columns; what both twins of `kafka` give and take."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PARTITION_EOF: Final = -191
"""Code of the notice that a partition's end was reached (librdkafka's `_PARTITION_EOF`)."""
UNKNOWN_PARTITION: Final = -190
"""Code of librdkafka's `_UNKNOWN_PARTITION`."""
QUEUE_FULL: Final = -184
"""Code of librdkafka's `_QUEUE_FULL`."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows `start` to `stop` of a pull are of this partition, in offset order."""

    topic: str
    partition: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What the client says in place of a record: an error, or the end of a partition.

    Attributes:
        code: librdkafka's code; `PARTITION_EOF` is no error.
        name: Name of the code, e.g. `_AUTO_OFFSET_RESET`.
        topic, partition, offset: Where; empty and negative when it is of no partition.
        text: What librdkafka says of it.
    """

    code: int
    name: str
    topic: str
    partition: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """Records of one pull, grouped by partition.

    Attributes:
        data: All payload bytes, one after another, `uint8`.
        starts, ends: Where the payload of row i lies in `data`, shape (n,).
        timestamp_us: The record's own timestamp, 0 when it has none, shape (n,).
        offsets: Offset of row i in its partition, rising in each group, shape (n,).
        groups: One a partition that gave anything, in the order in which they came.
        nulls: Rows whose record has no payload at all (tombstones); their span is empty.
        notices: Errors and ends of partitions.
        dropped: Records left out because their partition is not claimed (any more).
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    timestamp_us: NDArray[np.int64]
    offsets: NDArray[np.int64]
    groups: tuple[Group, ...]
    nulls: tuple[int, ...]
    notices: tuple[Notice, ...]
    dropped: int

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.starts)

    @staticmethod
    def none() -> "Pulled":
        """Return what came when nothing did."""
        whole = np.empty(0, np.int64)
        return Pulled(np.empty(0, np.uint8), whole, whole, whole, whole, (), (), (), 0)


@dataclass(frozen=True, slots=True)
class Spans:
    """Byte strings in one buffer: row i is `data[starts[i]:ends[i]]`, or none where start is -1."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts)

    def bytes_at(self, row: int) -> bytes | None:
        """Return a copy of row `row`."""
        start = int(self.starts[row])
        return None if start < 0 else self.data[start : self.ends[row]].tobytes()

    @staticmethod
    def of(rows: "list[bytes | None]") -> "Spans":
        """Lay rows end to end in one buffer.

        >>> spans = Spans.of([b"ab", None, b""])
        >>> [spans.bytes_at(row) for row in range(3)]
        [b'ab', None, b'']
        """
        lengths = np.fromiter((len(row or b"") for row in rows), np.int64, len(rows))
        ends = np.cumsum(lengths, dtype=np.int64)
        starts = ends - lengths
        starts[[at for at, row in enumerate(rows) if row is None]] = -1
        return Spans(np.frombuffer(b"".join(row or b"" for row in rows), np.uint8), starts, ends)

    def check(self, rows: int) -> None:
        """See that every row lies in the buffer.

        Raises:
            ValueError: One does not, or there are not `rows` of them.
        """
        if len(self.starts) != rows or len(self.ends) != rows:
            raise ValueError(f"there are {len(self.starts)} starts and {len(self.ends)} ends")
        there = self.starts >= 0
        if (self.ends < self.starts)[there].any() or (self.ends > len(self.data))[there].any():
            raise ValueError("a span reaches past its buffer")


@dataclass(frozen=True, slots=True)
class Rows:
    """Records to be written: partition, payload and key of each; a missing payload is a tombstone.

    Attributes:
        partitions: Where each row goes, `int32`, shape (n,).
        payloads, keys: Its bytes.
    """

    partitions: NDArray[np.int32]
    payloads: Spans
    keys: Spans

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.partitions)

    def check(self, count: int) -> None:
        """See that the columns fit together, and that every row goes to one of `count` partitions.

        librdkafka itself leaves a record of a batch that goes nowhere in its count for ever, and
        no transaction of that producer could end any more.

        Raises:
            ValueError: The columns do not fit together.
            PushError: A row goes to a partition that there is not.
        """
        if self.partitions.dtype != np.int32:
            raise ValueError(f"partitions are {self.partitions.dtype} in place of int32")
        self.payloads.check(len(self))
        self.keys.check(len(self))
        beyond = (self.partitions < 0) | (self.partitions >= count)
        if beyond.any():
            raise PushError(int(beyond.argmax()), UNKNOWN_PARTITION, "_UNKNOWN_PARTITION")


class PushError(Exception):
    """A record was refused; earlier ones of the same push may be queued: abort the transaction.

    Args:
        row: Which of the rows that were pushed.
        code: librdkafka's code.
        name: Name of the code, e.g. `MSG_SIZE_TOO_LARGE`.
    """

    def __init__(self, row: int, code: int, name: str) -> None:
        super().__init__(f"row {row}: {name} ({code})")
        self.row = row
        self.code = code
        self.name = name


class UnverifiedError(Exception):
    """The client's handle cannot be trusted: use the plain twin."""


def refusal(row: int, error: Exception) -> Exception:
    """Return the client's exception as a `PushError`; as it is, when it carries no code."""
    cause: Any = error.args[0] if error.args else None
    return PushError(row, cause.code(), cause.name()) if hasattr(cause, "code") else error


def partitions_of(producer: Any, topic: str, timeout_s: float) -> int:  # noqa: ANN401 - no import of it here
    """Have a producer fetch what it must know of a topic before it is written to.

    Returns:
        The number of its partitions.

    Raises:
        PushError: There is no such topic, or nobody answers.
    """
    try:
        seen = producer.list_topics(topic, timeout_s).topics[topic]
    except Exception as failed:
        raise refusal(0, failed) from failed
    if seen.error is not None:
        raise PushError(0, seen.error.code(), seen.error.name())
    return len(seen.partitions)
