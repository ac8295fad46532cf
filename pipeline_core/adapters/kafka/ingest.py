"""Bring a live feed from its spool to the raw topic, each message once.

The records and the spool's position after them are committed in one transaction, so that whoever
comes next, on this machine or another, goes on right behind them. While the brokers are away the
spool takes what is received, up to its bound; then the provider waits.
"""

import random
import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.client import is_end, said
from oddspipe.core.adapters.kafka.feed_server import Placed
from oddspipe.core.adapters.kafka.records import SAME_BROKERS, TRANSACTION_MS
from oddspipe.core.adapters.live.source import LiveSource
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import Clock
from oddspipe.core.errors import FencedError, RetryableError
from oddspipe.core.failpoints import passed
from oddspipe.ext.kafka import Pusher, pusher_of
from oddspipe.ext.records import PushError, Rows, Spans

POLL_US: Final = 20_000
GATHER_NS: Final = 20_000_000
"""A transaction takes what comes within so long: more of them would cost more than they bring."""
MOST: Final = 20_000
CALL_S: Final = 8.0
START_S: Final = 30.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0


class Reached(msgspec.Struct, frozen=True):
    """How far a feed has been brought: the newest record of the topic of positions.

    Attributes:
        spool: Id of the spool that it was read from.
        position: Position in that spool after the last message that is in the raw topic.
        cursor: The provider's cursor there, in hexadecimal: where a new spool goes on.
        owner: Id of the ingest that has the feed.
    """

    spool: str
    position: int
    cursor: str = ""
    owner: str = ""


class Ingest:
    """The ingest of one sport; there is one at a time, a new one fences the one before.

    Args:
        source: Gives what was received, as it came.
        spool: Id of its spool.
        cluster: Where the topics lie.
        topics: The raw topic, and the one of positions.
        placed: Says to which partition a message goes.
        read: Makes events of messages, to see of which game they are.

    Attributes:
        sent: Records in the raw topic since the start.
        committed: Position in the spool before which everything is there.
        commits, restarts: Transactions, and how often the producer was made anew.
        trouble: What is wrong at the moment; empty when all is well.
        beat_ns: Monotonic time at which it was last seen at work.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it stands between
        self,
        source: LiveSource,
        spool: str,
        cluster: Cluster,
        topics: tuple[str, str],
        placed: Placed,
        read: Callable[[Payloads], Payloads],
        clock: Clock,
    ) -> None:
        self.sent = self.commits = self.restarts = self.committed = 0
        self.beat_ns = 0
        self.trouble = ""
        self._source, self._spool, self._cluster = source, spool, cluster
        self._raw, self._positions = topics
        self._placed, self._read, self._clock = placed, read, clock
        self._name = f"oddspipe.ingest.{self._raw}"
        self._owner = uuid.uuid4().hex
        self._claimed = False
        self._producer: Producer | None = None
        self._pusher: Pusher | None = None

    def run(
        self, stopped: Callable[[], bool], begin_after: Callable[[bytes], None], first: int
    ) -> None:
        """Bring messages until `stopped` says so.

        Args:
            stopped: Ends it, after what has been taken from the spool.
            begin_after: Tells a new spool where the provider's messages go on.
            first: Position of the spool's oldest message.

        Raises:
            FencedError: Another ingest of the sport has begun.
            RunError: The feed cannot be received any more.
        """
        try:
            reached = self._until_well(self._start, stopped)
            if stopped() and self._producer is None:
                return
            self.committed = self._from(reached, begin_after, first)
            self._source.open(self.committed)
            while not stopped():
                self.beat_ns = self._clock.monotonic_ns()
                if (taken := self._gather()) is not None:
                    self._until_well(lambda: self._send(taken), stopped)
        finally:
            self._source.close()
            self._drop()

    def _from(
        self, reached: Reached | None, begin_after: Callable[[bytes], None], first: int
    ) -> int:
        """Return the position of the spool at which to begin."""
        if reached is None:
            return first
        if reached.spool == self._spool:
            return reached.position
        begin_after(bytes.fromhex(reached.cursor))
        return first

    def _gather(self) -> Payloads | None:
        """Return what is received within a while, in order; None when nothing is."""
        taken: list[Payloads] = []
        begun = self._clock.monotonic_ns()
        count = 0
        while count < MOST:
            payloads = self._source.poll(POLL_US if not taken else 1000)
            if payloads is None or not len(payloads):
                break
            taken.append(payloads)
            count += len(payloads)
            if self._clock.monotonic_ns() - begun > GATHER_NS:
                break
        return Payloads.joined(taken) if taken else None

    def _send(self, taken: Payloads) -> None:
        """Put messages into the raw topic, with the position after them.

        Raises:
            RetryableError: They are not there, or nobody knows.
        """
        end = int(taken.positions[-1]) + 1
        if self._producer is None:
            reached = self._start()
            if reached is not None and reached.spool == self._spool and reached.position >= end:
                self._done(taken, end)  # it was committed; only the answer was lost
                return
        producer, pusher = self._producer, self._pusher
        if producer is None or pusher is None:
            raise RetryableError("kafka: there is no producer")
        try:
            producer.begin_transaction()
            self._push(pusher, taken)
            passed("ingest.pushed")
            self._note(pusher, Reached(self._spool, end, taken.token.hex(), self._owner))
            passed("ingest.committing")
            producer.commit_transaction(CALL_S)
            passed("ingest.committed")
        except (KafkaException, PushError) as error:
            self._drop()
            told = said(error) if isinstance(error, KafkaException) else error
            raise RetryableError(f"kafka: {told}") from error
        self._done(taken, end)

    def _push(self, pusher: Pusher, payloads: Payloads) -> None:
        for partition, rows, keys in self._placed.rows(self._read(payloads)):
            part = Spans(payloads.data, payloads.starts[rows], payloads.ends[rows])
            to = np.full(len(rows), partition, np.int32)
            pusher.push(self._raw, Rows(to, part, keys), CALL_S)

    def _done(self, taken: Payloads, end: int) -> None:
        self.commits += 1
        self.sent += len(taken)
        self.committed = end
        self._source.acknowledge(end)
        passed("ingest.acknowledged")

    def _start(self) -> Reached | None:
        """Make the producer, which fences the one before, and read how far that one came.

        That the feed is ours now stands in the topic of positions before anything is brought: a
        coordinator refuses a producer both when another has its name and when the brokers were
        away for longer than a transaction may last, and only this tells one from the other.

        Raises:
            FencedError: Another ingest has the feed.
            RetryableError: The cluster does not answer.
        """
        self._drop()
        try:
            if self._claimed:
                self._must_own(self._reached())
            producer = Producer(self._settings())
            producer.init_transactions(START_S)
            self._producer, self._pusher = producer, pusher_of(producer, self._name)
            reached = self._reached()
            producer.begin_transaction()
            before = reached or Reached("", 0)
            self._note(self._pusher, msgspec.structs.replace(before, owner=self._owner))
            producer.commit_transaction(CALL_S)
        except (KafkaException, PushError) as error:
            self._drop()
            told = said(error) if isinstance(error, KafkaException) else error
            raise RetryableError(f"kafka: {told}") from error
        self._claimed = True
        return reached

    def _note(self, pusher: Pusher, note: Reached) -> None:
        """Write how far the feed has been brought, in the transaction."""
        value, key = Spans.of([msgspec.json.encode(note)]), Spans.of([b"reached"])
        pusher.push(self._positions, Rows(np.zeros(1, np.int32), value, key), CALL_S)

    def _must_own(self, newest: Reached | None) -> None:
        """See that no other ingest has begun since.

        Raises:
            FencedError: One has.
        """
        if newest is not None and newest.owner != self._owner:
            raise FencedError(
                f"kafka: {self._raw} was taken over by another ingest",
                hint="A sport has one ingest at a time; end one of them.",
            )

    def _reached(self) -> Reached | None:
        """Return the newest position that is committed; None where nothing was brought yet."""
        reader = Consumer(
            {
                **self._cluster.settings(),
                "group.id": self._name,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        newest: bytes | None = None
        try:
            reader.assign([TopicPartition(self._positions, 0, 0)])
            while (record := reader.poll(CALL_S)) is not None:
                error = record.error()
                if error is None:
                    newest = record.value()
                elif is_end(error, self._positions):
                    return msgspec.json.decode(newest, type=Reached) if newest else None
        finally:
            reader.close()
        raise RetryableError(f"kafka: {self._positions} gives no answer")

    def _until_well(self, call: Callable[[], Any], stopped: Callable[[], bool]) -> Any:  # noqa: ANN401 - what the call gives
        """Make a call until no error comes that passes; None when the end came first."""
        pause = FIRST_PAUSE_S
        while True:
            self.beat_ns = self._clock.monotonic_ns()
            try:
                made = call()
            except RetryableError as error:
                self.trouble = error.message
                self.restarts += 1
            else:
                self.trouble = ""
                return made
            if stopped():
                return None
            self._clock.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads tries
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _drop(self) -> None:
        if self._pusher is not None:
            self._pusher.close()
        if self._producer is not None:
            self._producer.purge()
        self._pusher = self._producer = None

    def _settings(self) -> dict[str, Any]:
        return {
            **self._cluster.settings(),
            "client.id": self._name,
            "transactional.id": self._name,
            "transaction.timeout.ms": TRANSACTION_MS,
            "message.timeout.ms": TRANSACTION_MS,
            **SAME_BROKERS,
            "linger.ms": 2,
            "compression.type": "lz4",
            "delivery.report.only.error": True,
        }
