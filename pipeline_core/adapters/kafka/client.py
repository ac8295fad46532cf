"""Talk to Kafka: read the feed, write a transaction, find out where a partition stands."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from oddspipe.core.adapters.kafka.records import (
    CALL_S,
    Worker,
    consumer_settings,
    producer_settings,
    reader_settings,
    snapshot_of,
    snapshot_rows,
)
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import FencedError, RetryableError, RunError, UnreachableError
from oddspipe.core.failpoints import passed
from oddspipe.core.ports.log import Members, Place
from oddspipe.ext.kafka import Pusher, puller_of, pusher_of
from oddspipe.ext.records import PARTITION_EOF, Notice, Pulled, PushError, Rows

START_S = 30.0
"""Longest wait for the first answer: an open transaction of the worker before may have to end."""
ASK_AGAIN_S = 0.05
LOOKS = 2
TRY_S = 5.0
"""Longest wait for a new producer while brokers are away: others wait for this thread."""
FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - their names of their codes
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)
"""A newer producer has the name; or the broker ended a transaction that lasted too long."""
AWAY = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError._QUEUE_FULL,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
"""Nobody answers, or not for us yet."""
Given = TypeVar("Given")


class KafkaLog:
    """The feed and the topics of one sport, for one worker: one consumer, one producer, one thread.

    A producer whose call ended in an unknown outcome is never used again: `restart` makes another.
    """

    def __init__(self, worker: Worker, topics: Topics) -> None:
        """Take the names; nothing is connected before `open`."""
        self.topics = topics
        self._worker = worker
        self._consumer = Consumer(consumer_settings(worker))
        self._puller = puller_of(self._consumer, worker.name)
        self._reader = Consumer(reader_settings(worker))
        self._producer: Producer | None = None
        self._pusher: Pusher | None = None
        self._members: Members | None = None

    def open(self, members: Members) -> None:
        """Fence the worker that was here before, and join the group.

        Raises:
            RunError: The cluster does not answer.
        """
        self._members = members
        self._restart(START_S)
        self._consumer.subscribe(
            [self.topics.feed],
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )

    def pull(self, limit: int, timeout_ms: int) -> Pulled:
        """Return what has come; partitions come and go in here.

        Raises:
            FencedError: Another worker has this slot.
            RetryableError: A place that is there was refused: take the partitions up anew.
            RunError: The feed cannot be read.
        """
        pulled = self._puller.pull(limit, timeout_ms)
        for notice in pulled.notices:
            self._look_at(notice)
        return pulled

    def place(self, partition: int) -> Place:
        """Find out where a partition stands: its newest snapshot, and what is committed.

        Raises:
            UnreachableError: The cluster does not answer in time.
        """
        feed, ends = TopicPartition(self.topics.feed, partition), _ends()
        committed = _asked(lambda: self._consumer.committed([feed], CALL_S), ends)[0].offset
        low, _ = _asked(lambda: self._consumer.get_watermark_offsets(feed, CALL_S), ends)
        return Place(snapshot_of(self._snapshots(partition)), low, committed)

    def seek(self, partition: int, position: int) -> None:
        """Read a partition again from a position; what was fetched of it before is dropped."""
        at = TopicPartition(self.topics.feed, partition, position)
        _asked(lambda: self._consumer.seek(at))

    def hold(self, partition: int) -> None:
        """Fetch nothing of a partition; what was fetched may still come."""
        self._consumer.pause([TopicPartition(self.topics.feed, partition)])

    def let_go(self, partition: int) -> None:
        """Fetch a partition again."""
        self._consumer.resume([TopicPartition(self.topics.feed, partition)])

    def begin(self) -> None:
        """Begin a transaction."""
        self._told("begin", lambda producer: producer.begin_transaction())

    def push(self, topic: str, rows: Rows) -> None:
        """Write rows in the transaction.

        Raises:
            RetryableError: They are not in it.
        """
        if self._pusher is None:
            raise RetryableError("kafka: there is no producer")
        try:
            self._pusher.push(topic, rows, CALL_S)
        except PushError as error:
            raise _passing(error.code, f"{topic}: {error}") from error

    def save(self, partition: int, position: int, content: bytes) -> None:
        """Write a snapshot in the transaction.

        Raises:
            RetryableError: It is not in it.
        """
        self.push(self.topics.snapshots, snapshot_rows(partition, position, content))

    def commit(self, positions: Mapping[int, int]) -> None:
        """Commit the transaction with the positions reached, or not at all.

        Raises:
            FencedError: Another worker has this slot.
            RetryableError: It is not known whether it was committed, or it cannot be.
        """
        offsets = [TopicPartition(self.topics.feed, p, at) for p, at in positions.items()]
        # Asked for every time: a rebalance since then must end in a refusal.
        members = self._consumer.consumer_group_metadata()
        passed("kafka.offsets")
        self._told(
            "send offsets",
            lambda producer: producer.send_offsets_to_transaction(offsets, members, CALL_S),
        )
        passed("kafka.committing")
        self._told("commit", lambda producer: producer.commit_transaction(CALL_S))

    def restart(self) -> None:
        """Give the producer up and make another of the same name: what was open is aborted.

        Raises:
            UnreachableError: The cluster does not answer.
        """
        self._restart(TRY_S)

    def _restart(self, timeout_s: float) -> None:
        self._drop_producer()
        producer = Producer(producer_settings(self._worker))
        try:
            producer.init_transactions(timeout_s)
        except KafkaException as error:
            raise UnreachableError(
                f"kafka at {self._worker.cluster.brokers}: transactions cannot begin: "
                f"{said(error)}",
                hint="See that the brokers run: oddspipe services status.",
            ) from error
        self._producer = producer
        self._pusher = pusher_of(producer, self._worker.name)

    def close(self) -> None:
        """Leave the group and let go of everything; may be called twice."""
        self._members = None
        self._puller.close()
        self._consumer.close()
        self._reader.close()
        self._drop_producer()

    def _drop_producer(self) -> None:
        if self._pusher is not None:
            self._pusher.close()
        if self._producer is not None:
            self._producer.purge()
        self._pusher = self._producer = None

    def _told(self, what: str, call: Callable[[Producer], Any]) -> None:
        """Make a call of a transaction; sort what goes wrong by what is to be done."""
        if self._producer is None:
            raise RetryableError("kafka: there is no producer")
        try:
            call(self._producer)
        except KafkaException as error:
            code, told = error.args[0].code(), said(error)
            if code == KafkaError.FENCED_INSTANCE_ID or (code in FENCED and self._replaced()):
                raise self._taken_over(told) from error
            raise _passing(code, f"{what}: {told}") from error

    def _replaced(self) -> bool:
        """Say whether another process is in the group under our name.

        The broker answers the same to a worker that was replaced and to one whose transaction it
        ended because it lasted too long; only the group tells them apart.
        """
        client, group = AdminClient(self._worker.cluster.settings()), self._worker.group
        for look in range(LOOKS):
            # A member that has just joined may not yet have heard its new id: looked at twice.
            SystemClock().sleep(ASK_AGAIN_S if look else 0)
            try:
                found = client.describe_consumer_groups([group], request_timeout=TRY_S)
                described = found[group].result(TRY_S)
            except (KafkaException, TimeoutError):
                return False
            ours = self._consumer.memberid()
            here = [m for m in described.members if m.group_instance_id == self._worker.name]
            if described.state != ConsumerGroupState.STABLE or not here:
                return False
            if here[0].member_id == ours:
                return False
        return True

    def _taken_over(self, told: str) -> FencedError:
        return FencedError(
            f"kafka: {self._worker.name} was taken over by another worker: {told}",
            hint="Two workers have the same slot; end one of them.",
        )

    def _look_at(self, notice: Notice) -> None:
        if notice.code == PARTITION_EOF:
            return
        if notice.code in FENCED or notice.code == KafkaError.FENCED_INSTANCE_ID:
            raise self._taken_over(notice.text)
        where = f"{notice.topic} [{notice.partition}]" if notice.topic else "the feed"
        if notice.code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - as above
            at = TopicPartition(notice.topic, notice.partition)
            low, high = _asked(lambda: self._consumer.get_watermark_offsets(at, CALL_S))
            if notice.offset < 0 or low <= notice.offset <= high:
                # Refused while its leader changed; where we stand is there all the same.
                raise RetryableError(f"kafka: {where}: {notice.text}")
            raise RunError(
                f"kafka: {where} holds offsets {low} to {high}: {notice.text}",
                hint="The feed's retention is shorter than the stop of this worker was, or the "
                "topic was made anew.",
            )
        if notice.code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise RunError(f"kafka: there is no topic {notice.topic}", hint="Make it first.")

    def _snapshots(self, partition: int) -> Iterable[bytes]:
        """Yield all committed records of the partition of snapshots."""
        self._reader.assign([TopicPartition(self.topics.snapshots, partition, 0)])
        try:
            while True:
                message = self._reader.poll(START_S)
                if message is None:
                    raise UnreachableError(f"kafka: {self.topics.snapshots} gives no answer")
                error = message.error()
                value = message.value()
                if message.partition() != partition:
                    continue
                if error is None and value is not None:
                    yield value
                elif error is not None and is_end(error, self.topics.snapshots):
                    return
        finally:
            self._reader.unassign()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._members is None:
            return
        starts = self._members.joined([one.partition for one in partitions])
        places = []
        for one in partitions:
            self._puller.claim(self.topics.feed, one.partition)
            # What the group has given us cannot be given back from here. Where nobody said where to
            # begin, what comes is not taken; `seek` follows.
            at = starts.get(one.partition, OFFSET_END)
            places.append(TopicPartition(self.topics.feed, one.partition, at))
        consumer.incremental_assign(places)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._members is not None:
            self._members.leaving([one.partition for one in partitions])
        self._let_go(consumer, partitions)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._members is not None:
            self._members.lost([one.partition for one in partitions])
        self._let_go(consumer, partitions)

    def _let_go(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._puller.release(one.topic, one.partition)
        consumer.incremental_unassign(partitions)


def _ends() -> int:
    """Return until when a question is asked again; others wait for this thread."""
    return SystemClock().monotonic_ns() + int(START_S * 1e9)


def _asked(call: Callable[[], Given], deadline: int | None = None) -> Given:
    """Return the answer to a question; one that nobody answers is asked again for a while."""
    clock = SystemClock()
    deadline = deadline or _ends()
    while True:
        try:
            return call()
        except KafkaException as error:
            # A leader that moves, a topic just made, a coordinator that loads: it passes.
            if error.args[0].fatal() or clock.monotonic_ns() > deadline:
                raise UnreachableError(f"kafka does not answer: {said(error)}") from error
            clock.sleep(ASK_AGAIN_S)


def _passing(code: int, told: str) -> RetryableError:
    """Return the error for what may pass: by trying again, or when the brokers answer."""
    kind = UnreachableError if code in AWAY else RetryableError
    return kind(f"kafka: {told}")


def said(error: KafkaException) -> str:
    """Return what went wrong, with librdkafka's name of it."""
    return f"{error.args[0].name()}: {error.args[0].str()}"


def is_end(error: KafkaError, topic: str) -> bool:
    """Say whether an error is the end of a partition, not one that passes by itself.

    Raises:
        RunError: It is neither.
    """
    if error.code() == PARTITION_EOF:
        return True
    if error.retriable():
        return False
    raise RunError(f"kafka: {topic}: {error.str()}")
