"""The dead letters of a sport on Kafka: read them, and send what they hold through the feed again.

A letter names its origin: partition and offset of the feed's record. What is sent again is that
very record, key, bytes and headers, to the same partition; the mark that it was lies in a topic of
its own and is written in the same transaction, so that no letter is sent twice.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from oddspipe.core.adapters.dead_letters import DeadLetter
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.ledger import Ledger, digest_of
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.errors import RunError
from oddspipe.ext.records import Spans

ANSWER_S: Final = 20.0
AT_ONCE: Final = 500
"""Letters sent again in one transaction."""
MOST_ATTEMPTS: Final = 3
ATTEMPTS: Final = "oddspipe-attempts"
"""Header of a record that was sent again: how often."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A dead letter and where it lies.

    Attributes:
        partition, offset: Its place in the topic of dead letters.
        letter: The letter; its `position` is the offset of the feed's record.
    """

    partition: int
    offset: int
    letter: DeadLetter

    @property
    def origin(self) -> str:
        """Return the place of the feed's record, which tells letters apart."""
        return f"{self.partition}:{self.letter.position}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of letters that were to be sent again.

    Attributes:
        sent: Sent again.
        before: Had been sent again before.
        given_up: Had come back `MOST_ATTEMPTS` times already.
        gone: The feed's record is no longer kept; sent without its key and headers.
    """

    sent: int = 0
    before: int = 0
    given_up: int = 0
    gone: int = 0


class DeadLetterTopic:
    """The topic of dead letters of a sport.

    Args:
        cluster: Where it lies.
        topics: Names of the sport's topics.
        partitions: How many each has.
    """

    def __init__(self, cluster: Cluster, topics: Topics, partitions: int) -> None:
        """Take the names; connect nowhere yet."""
        self._cluster, self._topics, self._partitions = cluster, topics, partitions
        self.marks = marks_topic(topics)

    def letters(self) -> Iterator[Placed]:
        """Yield all committed letters, partition by partition, in order.

        Raises:
            RunError: The cluster does not answer, or a record is no dead letter.
        """
        decoder = msgspec.json.Decoder(DeadLetter)
        for partition in range(self._partitions):
            for message in self._read(self._topics.dead_letters, partition):
                try:
                    letter = decoder.decode(message.value())
                except msgspec.DecodeError as error:
                    raise RunError(
                        f"{self._topics.dead_letters} [{partition}] {message.offset()}: {error}"
                    ) from error
                yield Placed(partition, message.offset(), letter)

    def replay(
        self, chosen: Sequence[Placed], ledger: Ledger | None, *, dry_run: bool = False
    ) -> Replayed:
        """Send letters through the feed again, each at most once.

        Args:
            chosen: Which.
            ledger: Takes down what is sent, where a feed is served from here.
            dry_run: Send nothing; say what would be.

        Raises:
            RunError: The cluster does not answer; what was committed is not sent again.
        """
        done = self._marked()
        fresh = list({one.origin: one for one in chosen if one.origin not in done}.values())
        result = Replayed(before=len(chosen) - len(fresh))
        producer = None if dry_run else self._producer()
        try:
            for start in range(0, len(fresh), AT_ONCE):
                result = self._send(producer, fresh[start : start + AT_ONCE], ledger, result)
        except KafkaException as error:
            raise RunError(f"kafka: {error.args[0].str()}") from error
        return result

    def _send(
        self,
        producer: Producer | None,
        part: Sequence[Placed],
        ledger: Ledger | None,
        result: Replayed,
    ) -> Replayed:
        """Send some letters in one transaction; return the counts with theirs."""
        records = self._origins(part)
        sent: dict[int, list[bytes]] = {}
        given_up = gone = 0
        if producer is not None:
            producer.begin_transaction()
        for one in part:
            record = records.get(one.origin)
            attempts = _attempts(record) + 1
            if attempts > MOST_ATTEMPTS:
                given_up += 1
                continue
            gone += record is None
            value = base64.b64decode(one.letter.payload) if record is None else record.value()
            sent.setdefault(one.partition, []).append(value)
            if producer is None:
                continue
            key, headers = _beside(record)
            producer.produce(
                self._topics.feed, value, key, one.partition,
                headers=[*headers, (ATTEMPTS, str(attempts).encode())],
            )  # fmt: skip
            producer.produce(self.marks, str(attempts).encode(), one.origin.encode())
        if producer is not None:
            producer.commit_transaction(ANSWER_S)
            if ledger is not None and sent:
                ledger.add(self._topics.feed, {at: _sum(values) for at, values in sent.items()})
        return replace(
            result,
            sent=result.sent + sum(map(len, sent.values())),
            given_up=result.given_up + given_up,
            gone=result.gone + gone,
        )

    def _origins(self, part: Sequence[Placed]) -> dict[str, Any]:
        """Return the feed's records that letters name, as far as they are kept."""
        reader = Consumer(self._reading())
        found: dict[str, Any] = {}
        try:
            for one in sorted(part, key=lambda each: (each.partition, each.letter.position)):
                place = TopicPartition(self._topics.feed, one.partition, one.letter.position)
                first, end = reader.get_watermark_offsets(place, ANSWER_S)
                if not first <= one.letter.position < end:
                    continue
                reader.assign([place])
                message = reader.poll(ANSWER_S)
                if message is None:
                    raise RunError(f"kafka: {self._topics.feed} gives no answer")
                if message.error() is None and message.offset() == one.letter.position:
                    found[one.origin] = message
        finally:
            reader.close()
        return found

    def _marked(self) -> set[str]:
        """Return the origins of letters that were sent again before."""
        return {message.key().decode() for message in self._read(self.marks, 0) if message.key()}

    def _read(self, topic: str, partition: int) -> Iterator[Any]:
        """Yield the committed records of a partition, up to its present end."""
        reader = Consumer(self._reading())
        try:
            place = TopicPartition(topic, partition)
            first, end = reader.get_watermark_offsets(place, ANSWER_S)
            place.offset = first
            reader.assign([place])
            while first < end:
                message = reader.poll(ANSWER_S)
                if message is None:
                    raise RunError(f"kafka: {topic} gives no answer")
                if _ended(message):
                    return
                first = (message.offset() or 0) + 1
                yield message
        except KafkaException as error:
            raise RunError(f"kafka: {topic}: {error.args[0].str()}") from error
        finally:
            reader.close()

    def _reading(self) -> dict[str, Any]:
        return {
            **self._cluster.settings(),
            "group.id": "oddspipe.dlq",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
        }

    def _producer(self) -> Producer:
        name = f"oddspipe.dlq.{self._topics.feed}"
        producer = Producer(
            {**self._cluster.settings(), "client.id": name, "transactional.id": name}
        )
        producer.init_transactions(ANSWER_S)
        return producer


def marks_topic(topics: Topics) -> str:
    """Return the name of the topic that holds which letters were sent again; it has one partition.

    >>> marks_topic(Topics.of("nfl", "nfl.feed.v1"))
    'nfl.dlq.replayed'
    """
    return f"{topics.dead_letters}.replayed"


def _ended(message: Any) -> bool:  # noqa: ANN401 - a message
    """Say whether this is the end of the partition.

    Raises:
        KafkaException: It is an error.
    """
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
        return True
    raise KafkaException(error)


def _attempts(record: Any) -> int:  # noqa: ANN401 - a message or None
    """Return how often a record was sent again."""
    headers = dict(record.headers() or ()) if record is not None else {}
    told = headers.get(ATTEMPTS, b"0")
    return int(told) if told.isdigit() else 0


def _beside(record: Any) -> tuple[bytes | None, list[tuple[str, bytes]]]:  # noqa: ANN401 - as above
    """Return key and headers of a record, without ours."""
    if record is None:
        return None, []
    return record.key(), [pair for pair in record.headers() or () if pair[0] != ATTEMPTS]


def _sum(values: list[bytes]) -> Any:  # noqa: ANN401 - what a ledger holds
    import numpy as np  # noqa: PLC0415 - small

    return digest_of(Spans.of(list(values)), np.arange(len(values)))
