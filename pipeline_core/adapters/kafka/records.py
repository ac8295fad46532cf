"""What is written to Kafka and what is read back: names, settings, rows. No I/O."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from oddspipe.core.adapters.dead_letters import Letters
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.layout import GAME_ID
from oddspipe.core.batch.normalised import as_halt, as_records
from oddspipe.core.errors import StateError
from oddspipe.core.ports.output import Output
from oddspipe.ext.records import Rows, Spans

TRANSACTION_MS = 10_000
"""An open transaction of a killed worker holds up its readers no longer than this."""
CALL_S = 8.0
"""Longest wait for one call of a transaction: below the timeout of the transaction itself."""
CHUNK_BYTES = 900_000
"""A snapshot is written in pieces below the broker's 1 MB a record."""
QUEUED_KB = 32_768
"""What may wait in the client before it is pulled: 0.4 s of 79-byte events at 1 M/s."""
SAME_BROKERS: Mapping[str, str] = {"metadata.recovery.strategy": "none"}
"""When no broker can be reached, a producer of transactions keeps the ones that it knows.

The default forgets them and asks the first addresses again. A call that sends offsets then waits
for the forgotten group coordinator for ever, past its timeout (librdkafka #5511, #5456): one cut
of every connection would stop a worker for good. A producer that fails is made anew anyway, and
asks the first addresses then.
"""
_CHUNK = struct.Struct("<qII")


@dataclass(frozen=True, slots=True)
class Worker:
    """Who takes part: one slot of one deployment. Its names are stable, so that a restart is known.

    Attributes:
        cluster: Where the topics lie.
        group: Consumer group of the deployment.
        slot: Number of the worker, from 0.
    """

    cluster: Cluster
    group: str
    slot: int

    @property
    def name(self) -> str:
        """Return `client.id`, `group.instance.id` and `transactional.id` in one."""
        return f"{self.group}.{self.slot}"


def consumer_settings(worker: Worker) -> dict[str, Any]:
    """Return the settings of the consumer of the feed, each for its reason."""
    return {
        **worker.cluster.settings(),
        "client.id": worker.name,
        "group.id": worker.group,
        # Known again after a restart: no rebalance, no wait for a session to run out.
        "group.instance.id": worker.name,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 1_000,
        # Above the longest step and commit together.
        "max.poll.interval.ms": 60_000,
        # Offsets are committed in the transaction of what was made of them, by us.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Committed offsets are asked for as stable: a pending commit is waited for.
        "isolation.level": "read_committed",
        # The end of a partition is told: a run that shall stop when all is drained needs it.
        "enable.partition.eof": True,
        # A place that is gone is a loss: to be told, never to be passed over.
        "auto.offset.reset": "error",
        # The default of one second starves a fast reader half of the time.
        "fetch.queue.backoff.ms": 5,
        "fetch.min.bytes": 100_000,
        "fetch.wait.max.ms": 20,
        "fetch.message.max.bytes": 4_000_000,
        # The default of 100,000 records a partition is no bound with 50 partitions.
        "queued.min.messages": 50_000,
        "queued.max.messages.kbytes": QUEUED_KB,
    }


def producer_settings(worker: Worker) -> dict[str, Any]:
    """Return the settings of the transactional producer, each for its reason."""
    return {
        **worker.cluster.settings(),
        "client.id": worker.name,
        # The same after a restart, so that it fences who was before.
        "transactional.id": worker.name,
        "transaction.timeout.ms": TRANSACTION_MS,
        "message.timeout.ms": TRANSACTION_MS,
        **SAME_BROKERS,
        "linger.ms": 5,
        "batch.size": 1_000_000,
        "compression.type": "lz4",
        # Above one transaction, so that no push waits for the broker.
        "queue.buffering.max.messages": 1_000_000,
        # What was delivered is told by the commit; a report a record costs as much as the record.
        "delivery.report.only.error": True,
    }


def reader_settings(worker: Worker) -> dict[str, Any]:
    """Return the settings of the consumer that reads snapshots; it is in no group's assignment."""
    return {
        **worker.cluster.settings(),
        "client.id": f"{worker.name}.snapshots",
        "group.id": worker.group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "fetch.queue.backoff.ms": 5,
        # The end of each partition is waited for, one after another, before a worker begins.
        "fetch.wait.max.ms": 5,
    }


def publisher_settings(worker: Worker, sink: str) -> dict[str, Any]:
    """Return the settings of the consumer that brings the odds topic to a sink."""
    name = f"{worker.group}.{sink}"
    return {
        **worker.cluster.settings(),
        "client.id": f"{name}.{worker.slot}",
        "group.id": name,
        "group.instance.id": f"{name}.{worker.slot}",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 1_000,
        # A sink that is down is tried for as long as it takes; its partitions stay with it.
        "max.poll.interval.ms": 86_400_000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "fetch.queue.backoff.ms": 5,
        "fetch.wait.max.ms": 20,
        # Bounds what waits here while the sink is down.
        "queued.max.messages.kbytes": 8_192,
    }


def odds_rows(partition: int, output: Output, origin: Origin, formats: tuple[str, ...]) -> Rows:
    """Return the odds messages of an output, the game's name as key."""
    lines = messages(output, origin, formats).splitlines()
    keys = [output.games[game].encode() for game in output.odds.game.tolist()]
    return rows_of(partition, lines, keys)


class EventRows:
    """Makes records of normalised events, the game's name as key; names are laid out once."""

    def __init__(self) -> None:
        self._names = Spans.of([])

    def __call__(self, partition: int, output: Output) -> Iterator[Rows]:
        """Yield the records of an output's events, and that nothing may be open behind them."""
        events = output.events
        if len(events):
            keys = self._keys(output)
            to = np.full(len(events), partition, np.int32)
            yield Rows(to, Spans(*as_records(events)), keys)
        if output.halt:
            halt = as_halt(output.position, output.until_us)
            yield Rows(np.full(1, partition, np.int32), Spans.of([halt]), Spans.of([None]))

    def _keys(self, output: Output) -> Spans:
        events = output.events
        if len(self._names) != len(output.games):
            self._names = Spans.of([name.encode() for name in output.games])
        names = self._names
        named = (events.present >> np.uint64(GAME_ID) & np.uint64(1)).astype(np.bool_)
        starts, ends = np.append(names.starts, -1), np.append(names.ends, -1)
        game = np.where(named, events.words[GAME_ID], len(names))
        return Spans(names.data, starts[game], ends[game])


def letter_rows(partition: int, output: Output, letters: Letters) -> Rows:
    """Return the dead letters of an output; key and number are the offset in the feed."""
    found = [letter for rejects in output.rejects for letter in letters.of(rejects)]
    return rows_of(
        partition,
        [msgspec.json.encode(letter) for letter in found],
        [b"%d" % letter.position for letter in found],
    )


def rows_of(partition: int, payloads: Sequence[bytes], keys: Sequence[bytes]) -> Rows:
    """Return rows that all go to one partition."""
    to = np.full(len(payloads), partition, np.int32)
    return Rows(to, Spans.of(list(payloads)), Spans.of(list(keys)))


def snapshot_rows(partition: int, position: int, content: bytes) -> Rows:
    """Return a snapshot in pieces; piece i has key i, so that compaction keeps the newest."""
    pieces = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
    payloads = [_CHUNK.pack(position, at, len(pieces)) + piece for at, piece in enumerate(pieces)]
    return rows_of(partition, payloads, [b"%d" % at for at in range(len(pieces))])


def snapshot_of(records: Iterable[bytes]) -> bytes | None:
    """Return the newest snapshot among a partition's committed records; None if there is none.

    Raises:
        StateError: Pieces of it are missing.
    """
    newest: dict[int, tuple[int, int, bytes]] = {}
    for record in records:
        position, at, count = _CHUNK.unpack_from(record)
        newest[at] = (position, count, record[_CHUNK.size :])
    if not newest:
        return None
    position, count, _ = newest[0]
    pieces = [newest.get(at, (-1, 0, b"")) for at in range(count)]
    if any(where != position for where, _, _ in pieces):
        raise StateError(
            f"the snapshot at offset {position} lacks pieces",
            hint="The topic of snapshots was cut; begin anew with another group.",
        )
    return b"".join(piece for _, _, piece in pieces)


SNAPSHOTS: Final[Mapping[str, str]] = {
    # Small segments, cleaned soon: the whole partition is read on assignment.
    "cleanup.policy": "compact",
    "segment.bytes": str(16 << 20),
    "segment.ms": "60000",
    "min.cleanable.dirty.ratio": "0.1",
}
"""Settings of a topic of snapshots."""


def topic_configs(topics: Topics, *, apart: bool = False) -> Mapping[str, Mapping[str, str]]:
    """Return the settings of the topics that are ours, by name.

    Args:
        topics: Their names.
        apart: Whether normalise and price are workers of their own.
    """
    kept = {"cleanup.policy": "delete"}
    made: dict[str, Mapping[str, str]] = {topics.odds: kept, topics.dead_letters: kept}
    if topics.shadow:
        made[topics.shadow] = kept
    if not apart:
        return {**made, topics.snapshots: SNAPSHOTS}
    states = (topics.of_normalise().snapshots, topics.of_price().snapshots)
    return {topics.normalised: kept, **made, **dict.fromkeys(states, SNAPSHOTS)}
