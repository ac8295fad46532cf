"""Serve a made-up feed on a Kafka topic, as a provider would, and keep a ledger of what was sent.

It is written in transactions, so that the ledger holds what the topic holds: no record of one that
failed is ever read, and a record of one that was committed cannot be missing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from zlib import crc32

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from numpy.typing import NDArray

from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.ledger import Ledger, Sent, digest_of
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import GAME_ID, KIND
from oddspipe.core.errors import RunError
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.source import Source
from oddspipe.core.stages.normalise import Normalise, timers_of
from oddspipe.ext.kafka import pusher_of
from oddspipe.ext.records import PushError, Rows, Spans

POLL_US: Final = 20_000
CALL_S: Final = 20.0


class Placed:
    """Say to which partition each payload goes; timers go to all of them.

    Args:
        plan: The plan.
        partitions: How many there are.
        by_name: Place a game by the CRC-32 of its name, which stays over restarts; else the games
            in turn, which spreads them best.
    """

    def __init__(self, plan: Plan, partitions: int, *, by_name: bool = False) -> None:
        self._by_name = by_name
        self._places = np.empty(0, np.int64)
        self._normalise = Normalise(
            plan.layout, plan.kinds, max_payload_bytes=plan.max_payload_bytes
        )
        self._timers = np.array(timers_of(plan.kinds), np.int64)
        self.partitions = partitions

    def rows(self, payloads: Payloads) -> list[tuple[int, NDArray[np.int64], Spans]]:
        """Return the rows of each partition that has any, with the names of their games as keys.

        What cannot be read goes to partition 0, without a key.
        """
        batch, _, _ = self._normalise.step(payloads)
        named = (batch.present >> np.uint64(GAME_ID)).astype(np.int64) & 1 > 0
        timer = np.isin(batch.words[KIND], self._timers) & ~named
        game = np.where(named, batch.words[GAME_ID], -1)
        names = self._names(self._normalise.strings[GAME_ID])
        to = np.where(named, self._place(game), 0)
        found = []
        for partition in range(self.partitions):
            rows = np.flatnonzero((to == partition) | timer)
            if len(rows):
                found.append((partition, rows, _keys(names, game[rows])))
        return found

    def _place(self, game: NDArray[np.int64]) -> NDArray[np.int64]:
        if not self._by_name:
            return game % self.partitions
        names = self._normalise.strings[GAME_ID]
        if len(names) > len(self._places):
            fresh = [crc32(name.encode()) % self.partitions for name in names[len(self._places) :]]
            self._places = np.append(self._places, np.array(fresh, np.int64))
        return self._places[game] if len(self._places) else np.zeros_like(game)

    def _names(self, names: Sequence[str]) -> Spans:
        return Spans.of([name.encode() for name in names])


def _keys(names: Spans, game: NDArray[np.int64]) -> Spans:
    """Return the name of each game, none where it is negative."""
    if not len(names):
        none = np.full(len(game), -1, np.int64)
        return Spans(names.data, none, none)
    known = game >= 0
    at = np.where(known, game, 0)
    return Spans(
        names.data, np.where(known, names.starts[at], -1), np.where(known, names.ends[at], -1)
    )


class FeedServer:
    """Send what a source makes to a topic.

    Args:
        cluster: Where the topic lies; it is there already.
        topic: Name of the topic.
        placed: Says where each payload goes.
        ledger: Takes down what was sent.

    Attributes:
        sent: Records sent so far.
    """

    def __init__(self, cluster: Cluster, topic: str, placed: Placed, ledger: Ledger) -> None:
        self.sent = 0
        self.topic = topic
        self.ledger = ledger
        self._cluster, self._placed = cluster, placed

    def serve(self, source: Source, stopped: Callable[[], bool]) -> None:
        """Send until the source ends or somebody has `stopped` it.

        Raises:
            RunError: The cluster does not take it.
        """
        name = f"oddspipe.feed.{self.topic}"
        producer = Producer(self._settings(name))
        try:
            producer.init_transactions(CALL_S)
            pusher = pusher_of(producer, name)
            try:
                self.ledger.begin(self.topic, self._ends())
                source.open(0)
                while not stopped() and (payloads := source.poll(POLL_US)) is not None:
                    if len(payloads):
                        self._send(producer, pusher, payloads)
            finally:
                pusher.close()
        except KafkaException as error:
            raise RunError(f"kafka: {self.topic}: {error.args[0].str()}") from error
        except PushError as error:
            raise RunError(f"kafka: {self.topic}: {error}") from error
        finally:
            source.close()

    def _send(self, producer: Producer, pusher: Any, payloads: Payloads) -> None:  # noqa: ANN401 - of two twins
        whole = Spans(payloads.data, payloads.starts, payloads.ends)
        sent: dict[int, Sent] = {}
        producer.begin_transaction()
        for partition, rows, keys in self._placed.rows(payloads):
            part = Spans(whole.data, whole.starts[rows], whole.ends[rows])
            to = np.full(len(rows), partition, np.int32)
            pusher.push(self.topic, Rows(to, part, keys), CALL_S)
            sent[partition] = digest_of(whole, rows)
        producer.commit_transaction(CALL_S)
        self.ledger.add(self.topic, sent)
        self.sent += sum(one.count for one in sent.values())

    def _ends(self) -> dict[int, int]:
        reader = Consumer({**self._cluster.settings(), "group.id": "oddspipe.feed"})
        try:
            return {
                partition: reader.get_watermark_offsets(
                    TopicPartition(self.topic, partition), CALL_S
                )[1]
                for partition in range(self._placed.partitions)
            }
        finally:
            reader.close()

    def _settings(self, name: str) -> dict[str, Any]:
        return {
            **self._cluster.settings(),
            "client.id": name,
            "transactional.id": name,
            "linger.ms": 2,
            "batch.size": 1_000_000,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
        }
