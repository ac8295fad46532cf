"""Records from and to Kafka through the Python API of confluent-kafka: the meaning of `_kafka`.

confluent-kafka keeps all control: the callers subscribe, assign, seek, pause and commit with its
`Consumer` and its `Producer`. A `Puller` and a `Pusher` only move the records.
"""

import time
from typing import Any

import numpy as np

from oddspipe.ext.records import (
    QUEUE_FULL,
    Group,
    Notice,
    Pulled,
    PushError,
    Rows,
    UnverifiedError,
    partitions_of,
    refusal,
)

FULL_WAIT_S = 0.01


class Puller:
    """Take records of claimed partitions off a consumer, many at a time.

    Claim a partition in `on_assign` before `assign`, release it in `on_revoke` and `on_lost`; close
    the puller before the consumer. All calls are made in one thread.

    Args:
        consumer: A `confluent_kafka.Consumer`.
        client_id: Its `client.id`.
    """

    def __init__(self, consumer: object, client_id: str) -> None:
        if not client_id:
            raise UnverifiedError("the consumer has no client.id to be known by")
        self._consumer: Any = consumer
        self._claimed: set[tuple[str, int]] = set()
        self._messages: list[Any] = []

    def claim(self, topic: str, partition: int) -> None:
        """Take records of this partition from now on."""
        self._claimed.add((topic, partition))

    def release(self, topic: str, partition: int) -> None:
        """Take no more of them; what has been fetched already is dropped."""
        self._claimed.discard((topic, partition))

    def pull(self, limit: int, timeout_ms: int) -> Pulled:
        """Wait for a record, and return it with all others that are there, up to `limit`.

        Callbacks of the consumer (rebalances, errors, statistics) run in here.

        Raises:
            RuntimeError: The puller or its consumer is closed.
        """
        if self._consumer is None:
            raise RuntimeError("the puller is closed")
        self._messages = []
        found = []
        first = self._consumer.poll(timeout_ms / 1000)
        if first is not None:
            found = [first]
            if limit > 1:
                found += self._consumer.consume(limit - 1, 0)
        notices = [_notice(message) for message in found if message.error() is not None]
        grouped: dict[tuple[str, int], list[Any]] = {}
        dropped = 0
        for message in found:
            if message.error() is None:
                place = (message.topic(), message.partition())
                if place in self._claimed:
                    grouped.setdefault(place, []).append(message)
                else:
                    dropped += 1
        return self._laid_out(grouped, tuple(notices), dropped)

    def key(self, row: int) -> bytes | None:
        """Return the key of a row of the last pull."""
        key: bytes | None = self._messages[row].key()
        return key

    def headers(self, row: int) -> list[tuple[str, bytes | None]]:
        """Return the headers of a row of the last pull, in order."""
        return list(self._messages[row].headers() or ())

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        self._claimed.clear()
        self._messages = []
        self._consumer = None

    def _laid_out(
        self, grouped: dict[tuple[str, int], list[Any]], notices: tuple[Notice, ...], dropped: int
    ) -> Pulled:
        messages = self._messages = [one for found in grouped.values() for one in found]
        groups, start = [], 0
        for (topic, partition), found in grouped.items():
            groups.append(Group(topic, partition, start, start + len(found)))
            start += len(found)
        values = [message.value() for message in messages]
        lengths = np.fromiter((len(value or b"") for value in values), np.int64, len(values))
        ends = np.cumsum(lengths, dtype=np.int64)
        times = np.fromiter((m.timestamp()[1] for m in messages), np.int64, len(messages))
        return Pulled(
            np.frombuffer(b"".join(value or b"" for value in values), np.uint8),
            ends - lengths,
            ends,
            np.maximum(times, 0) * 1000,
            np.fromiter((m.offset() for m in messages), np.int64, len(messages)),
            tuple(groups),
            tuple(row for row, value in enumerate(values) if value is None),
            notices,
            dropped,
        )


class Pusher:
    """Hand records to a transactional producer, many at a time.

    Whether they arrived is told by `commit_transaction`, which fails when one did not; a producer
    without transactions would lose that silently and is not for this.

    Args:
        producer: A `confluent_kafka.Producer` with a `transactional.id`.
        client_id: Its `client.id`.
    """

    def __init__(self, producer: object, client_id: str) -> None:
        if not client_id:
            raise UnverifiedError("the producer has no client.id to be known by")
        self._producer: Any = producer
        self._partitions: dict[str, int] = {}

    def push(self, topic: str, rows: Rows, timeout_s: float) -> None:
        """Queue records in order; while the queue is full, serve the producer and go on.

        Raises:
            PushError: A record was refused, or the queue stayed full for `timeout_s`.
            ValueError: The columns do not fit together.
            RuntimeError: The pusher or its producer is closed.
        """
        if self._producer is None:
            raise RuntimeError("the pusher is closed")
        if topic not in self._partitions:
            self._partitions[topic] = partitions_of(self._producer, topic, timeout_s)
        rows.check(self._partitions[topic])
        deadline = time.monotonic() + timeout_s
        for row in range(len(rows)):
            self._produce(topic, rows, row, deadline)

    def close(self) -> None:
        """Let go of the producer; may be called twice."""
        self._producer = None

    def _produce(self, topic: str, rows: Rows, row: int, deadline: float) -> None:
        value, key = rows.payloads.bytes_at(row), rows.keys.bytes_at(row)
        while True:
            try:
                self._producer.produce(topic, value, key, int(rows.partitions[row]))
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise PushError(row, QUEUE_FULL, "_QUEUE_FULL") from error
                self._producer.poll(FULL_WAIT_S)
            except Exception as error:
                raise refusal(row, error) from error
            else:
                return


def _notice(message: Any) -> Notice:  # noqa: ANN401 - as above
    error = message.error()
    partition, offset = message.partition(), message.offset()
    return Notice(
        error.code(),
        error.name(),
        message.topic() or "",
        -1 if partition is None else partition,
        -1 if offset is None else offset,
        error.str(),
    )
