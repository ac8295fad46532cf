"""Read what is committed in the topics of a sport, from their beginning, outside any group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from confluent_kafka import Consumer, KafkaError, TopicPartition

from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.errors import RunError

ANSWER_S: Final = 20.0
AT_ONCE: Final = 10_000
GATHER_S: Final = 0.02
"""A call waits so long for `AT_ONCE` records, and gives what there is."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One record: its offset, its time in milliseconds, key and value."""

    offset: int
    time_ms: int
    key: bytes
    value: bytes


class Committed:
    """Reads topics of a cluster.

    Args:
        cluster: Where they lie.
        group: Whose positions are asked for.
    """

    def __init__(self, cluster: Cluster, group: str) -> None:
        """Take the names; connect nowhere yet."""
        self._settings: dict[str, Any] = {
            **cluster.settings(),
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 5,
        }

    def positions(self, topic: str, partitions: int) -> Mapping[int, int]:
        """Return up to where the group has taken each partition; negative for not at all."""
        reader = Consumer(self._settings)
        try:
            places = [TopicPartition(topic, p) for p in range(partitions)]
            return {one.partition: one.offset for one in reader.committed(places, ANSWER_S)}
        finally:
            reader.close()

    def records(self, topic: str, partition: int, first: int = 0) -> Iterator[list[Kept]]:
        """Yield what a partition holds now, from an offset on or the oldest after it, in order.

        Raises:
            RunError: The cluster does not answer.
        """
        reader = Consumer(self._settings)
        try:
            low, high = reader.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_S)
            low = max(low, first)
            if low >= high:
                return
            reader.assign([TopicPartition(topic, partition, low)])
            ended, silent = False, 0
            while not ended:
                found = reader.consume(AT_ONCE, GATHER_S)
                silent = 0 if found else silent + 1
                if silent * GATHER_S > ANSWER_S:
                    raise RunError(f"kafka: {topic} [{partition}] gives no answer")
                part = []
                for record in found:
                    error, offset = record.error(), record.offset() or 0
                    if error is None:
                        key, value = record.key() or b"", record.value() or b""
                        part.append(Kept(offset, record.timestamp()[1], key, value))
                    elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - their name
                        # Open transactions end it early; what they hold is not committed.
                        ended = offset >= high
                    else:
                        raise RunError(f"kafka: {topic} [{partition}]: {error.str()}")
                if part:
                    yield part
        finally:
            reader.close()


def payloads_of(records: list[Kept]) -> Payloads:
    """Return records as the stages take them."""
    times = np.array([one.time_ms for one in records], np.int64) * 1000
    made = Payloads.of([one.value for one in records], ingest_us=times)
    positions = np.array([one.offset for one in records], np.int64)
    return Payloads(made.data, made.starts, made.ends, made.ingest_us, positions)
