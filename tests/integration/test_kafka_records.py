"""Records between a real broker and columns, by both twins: nothing lost, twice or out of order."""

import gc
import json
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.integration.committed import committed

from oddspipe.ext import _kafka, _kafka_py, kafka
from oddspipe.ext.records import PARTITION_EOF, Pulled, PushError, Rows, Spans, UnverifiedError

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
pytestmark = pytest.mark.integration
NewTopic = Callable[..., str]
Row = tuple[int, int, bytes]


@pytest.fixture(params=[_kafka, _kafka_py], ids=["compiled", "python"])
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


@pytest.fixture
def fill(brokers: str) -> Iterator[Callable[..., None]]:
    """Return a function that writes payloads to a partition and waits until they are there."""
    # Idempotent: else a retry, as when a topic was just made, may swap its batches.
    producer = ck.Producer(
        {
            "bootstrap.servers": brokers,
            "linger.ms": 5,
            "batch.size": 100_000,
            "enable.idempotence": True,
        }
    )

    def write(topic: str, partition: int, payloads: list[bytes | None], **more: Any) -> None:
        for payload in payloads:
            producer.produce(topic, payload, partition=partition, **more)
        assert producer.flush(20) == 0

    yield write
    producer.flush(5)


def reader(brokers: str, **settings: Any) -> Any:
    return ck.Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "readers",
            "client.id": "reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 5,
            **settings,
        }
    )


def given(consumer: Any, puller: Any, topic: str, partitions: int) -> None:
    """Assign all partitions of a topic, from their beginning."""
    for partition in range(partitions):
        puller.claim(topic, partition)
    consumer.assign([ck.TopicPartition(topic, p, 0) for p in range(partitions)])


def rows_of(pulled: Pulled) -> Iterator[Row]:
    for group in pulled.groups:
        for row in range(group.start, group.stop):
            payload = pulled.data[pulled.starts[row] : pulled.ends[row]].tobytes()
            yield group.partition, int(pulled.offsets[row]), payload


def pull_until(puller: Any, done: Callable[[list[Row]], bool], limit: int = 500) -> list[Row]:
    """Pull until what came is enough; fail after 30 seconds."""
    rows: list[Row] = []
    deadline = time.monotonic() + 30
    while not done(rows):
        assert time.monotonic() < deadline, f"only {len(rows)} rows came"
        rows += rows_of(puller.pull(limit, 100))
    return rows


def of_partition(rows: list[Row], partition: int) -> list[int]:
    return [offset for where, offset, _ in rows if where == partition]


def numbered(count: int) -> list[bytes]:
    return [b"%d-" % at + b"x" * (at % 90) for at in range(count)]


def test_every_record_arrives_once_in_order_with_its_bytes(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(3)
    for partition in range(3):
        fill(topic, partition, numbered(1000 + partition), timestamp=1_725_000_000_123)
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 3)

    first = puller.pull(100, 10_000)
    rows = [*rows_of(first), *pull_until(puller, lambda rows: len(rows) >= 3003 - len(first))]
    at = consumer.position([ck.TopicPartition(topic, p) for p in range(3)])
    puller.close()
    consumer.close()

    assert first.timestamp_us.tolist() == [1_725_000_000_123_000] * len(first)
    for partition in range(3):
        assert of_partition(rows, partition) == list(range(1000 + partition))
        got = [payload for where, _, payload in rows if where == partition]
        assert got == numbered(1000 + partition)
    assert [one.offset for one in at] == [1000, 1001, 1002]


def test_a_tombstone_is_told_from_an_empty_payload_and_keys_and_headers_can_be_read(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic()
    fill(topic, 0, [b"a", None], key=b"k\0", headers=[("h", b"1"), ("h", None), ("g", b"")])
    fill(topic, 0, [b""])
    consumer = reader(brokers, **{"fetch.min.bytes": 1})
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 1)

    time.sleep(1)  # so that one pull has all three
    pulled = puller.pull(10, 10_000)

    assert [payload for _, _, payload in rows_of(pulled)] == [b"a", b"", b""]
    assert pulled.nulls == (1,)
    assert [puller.key(row) for row in range(3)] == [b"k\0", b"k\0", None]
    assert puller.headers(1) == [("h", b"1"), ("h", None), ("g", b"")]
    assert puller.headers(2) == []
    with pytest.raises(IndexError):
        puller.key(3)
    puller.close()
    consumer.close()


def test_the_end_of_a_partition_is_a_notice_not_a_record(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(2)
    fill(topic, 0, numbered(5))
    consumer = reader(brokers, **{"enable.partition.eof": True})
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 2)

    ends, rows = {}, []
    while len(ends) < 2:
        pulled = puller.pull(100, 10_000)
        rows += rows_of(pulled)
        ends |= {(n.partition, n.offset): n.code for n in pulled.notices}
    puller.close()
    consumer.close()

    assert ends == {(0, 5): PARTITION_EOF, (1, 0): PARTITION_EOF}
    assert of_partition(rows, 0) == [0, 1, 2, 3, 4]


def test_an_offset_that_is_gone_is_a_notice_and_other_partitions_go_on(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(2)
    fill(topic, 0, numbered(5))
    fill(topic, 1, numbered(5))
    consumer = reader(brokers, **{"auto.offset.reset": "error"})
    puller = twin.Puller(consumer, "reader")
    puller.claim(topic, 0)
    puller.claim(topic, 1)
    consumer.assign([ck.TopicPartition(topic, 0, 9_000), ck.TopicPartition(topic, 1, 0)])

    notices, rows = [], []
    while not notices or len(rows) < 5:
        pulled = puller.pull(100, 10_000)
        rows += rows_of(pulled)
        notices += pulled.notices
    puller.close()
    consumer.close()

    assert [(n.name, n.topic, n.partition) for n in notices] == [("_AUTO_OFFSET_RESET", topic, 0)]
    assert of_partition(rows, 1) == [0, 1, 2, 3, 4]


def test_an_error_that_is_of_no_partition_is_a_notice(twin: ModuleType, brokers: str) -> None:
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    consumer.subscribe(["no-such-topic"])

    notices: list[Any] = []
    deadline = time.monotonic() + 20
    while not notices and time.monotonic() < deadline:
        notices += puller.pull(10, 100).notices
    puller.close()
    consumer.close()

    assert [(one.name, one.topic) for one in notices] == [
        ("UNKNOWN_TOPIC_OR_PART", "no-such-topic")
    ]


def test_a_paused_partition_gives_nothing_and_goes_on_where_it_stood(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(2)
    fill(topic, 0, numbered(3000))
    fill(topic, 1, numbered(3000))
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 2)
    before = pull_until(puller, lambda rows: len(of_partition(rows, 0)) > 0, limit=7)

    consumer.pause([ck.TopicPartition(topic, 0)])
    paused = pull_until(puller, lambda rows: len(rows) + len(of_partition(before, 1)) >= 3000)
    paused += rows_of(puller.pull(500, 300))
    consumer.resume([ck.TopicPartition(topic, 0)])
    after = pull_until(puller, lambda rows: len(rows) + len(of_partition(before, 0)) >= 3000)
    puller.close()
    consumer.close()

    assert of_partition(paused, 0) == []
    assert of_partition(before, 1) + of_partition(paused, 1) == list(range(3000))
    assert of_partition(before, 0) + of_partition(after, 0) == list(range(3000))


@pytest.mark.parametrize("to", [0, 3, 2500])
def test_a_seek_drops_what_was_fetched_before_it(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any, to: int
) -> None:
    topic = new_topic()
    fill(topic, 0, numbered(3000))
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 1)
    pull_until(puller, lambda rows: len(rows) > 0, limit=7)
    time.sleep(0.5)  # more is fetched, and lies in the queue

    consumer.seek(ck.TopicPartition(topic, 0, to))
    rows = pull_until(puller, lambda rows: len(rows) >= 3000 - to)
    puller.close()
    consumer.close()

    assert of_partition(rows, 0) == list(range(to, 3000))


def test_what_is_left_of_a_released_partition_is_dropped_and_read_again_when_it_comes_back(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(2)
    fill(topic, 0, numbered(2000))
    fill(topic, 1, numbered(2000))
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 2)
    before = pull_until(puller, lambda rows: len(of_partition(rows, 0)) >= 5, limit=5)
    time.sleep(0.5)  # more is fetched, and lies in the queue

    puller.release(topic, 0)
    consumer.incremental_unassign([ck.TopicPartition(topic, 0)])
    alone = pull_until(puller, lambda rows: len(rows) + len(of_partition(before, 1)) >= 2000)
    puller.claim(topic, 0)
    consumer.incremental_assign([ck.TopicPartition(topic, 0, 3)])
    again = pull_until(puller, lambda rows: len(rows) >= 1997)
    puller.close()
    consumer.close()

    assert of_partition(alone, 0) == []
    assert of_partition(before, 1) + of_partition(alone, 1) == list(range(2000))
    assert of_partition(again, 0) == list(range(3, 2000))
    assert of_partition(again, 1) == []


def test_a_record_of_a_partition_that_nobody_claimed_is_counted_as_dropped(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic()
    fill(topic, 0, numbered(3))
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    consumer.assign([ck.TopicPartition(topic, 0, 0)])

    dropped = 0
    while dropped < 3:
        pulled = puller.pull(10, 100)
        assert len(pulled) == 0
        dropped += pulled.dropped
    puller.close()
    consumer.close()

    assert dropped == 3


class Member:
    """One member of a group, as a runner would drive it: commits what it took, in the revoke."""

    def __init__(self, twin: ModuleType, brokers: str, topic: str, **settings: Any) -> None:
        self.rows: list[Row] = []
        self.claimed: set[int] = set()
        self.log: list[tuple[str, list[int]]] = []
        self._next: dict[int, int] = {}
        self._topic = topic
        self.consumer = reader(
            brokers,
            **{
                "group.id": f"group-{topic}",
                "partition.assignment.strategy": "cooperative-sticky",
                **settings,
            },
        )
        self.puller = twin.Puller(self.consumer, "reader")
        self.consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def step(self, limit: int = 50, timeout_ms: int = 20) -> None:
        found = list(rows_of(self.puller.pull(limit, timeout_ms)))
        for partition, offset, _ in found:
            assert partition in self.claimed
            self._next[partition] = offset + 1
        self.rows += found

    def close(self) -> None:
        self.puller.close()
        self.consumer.close()

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        for one in partitions:
            self.puller.claim(one.topic, one.partition)
            self.claimed.add(one.partition)
        self.log.append(("assigned", sorted(one.partition for one in partitions)))
        consumer.incremental_assign(partitions)

    def _revoked(self, consumer: Any, partitions: list[Any]) -> None:
        done = [
            ck.TopicPartition(self._topic, one.partition, self._next.pop(one.partition))
            for one in partitions
            if one.partition in self._next
        ]
        if done:
            consumer.commit(offsets=done, asynchronous=False)
        self._give_up("revoked", consumer, partitions)

    def _lost(self, consumer: Any, partitions: list[Any]) -> None:
        for one in partitions:
            self._next.pop(one.partition, None)
        self._give_up("lost", consumer, partitions)

    def _give_up(self, word: str, consumer: Any, partitions: list[Any]) -> None:
        for one in partitions:
            self.puller.release(one.topic, one.partition)
            self.claimed.discard(one.partition)
        self.log.append((word, sorted(one.partition for one in partitions)))
        consumer.incremental_unassign(partitions)


def test_a_cooperative_rebalance_moves_partitions_without_loss_or_doubles(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(4)
    for partition in range(4):
        fill(topic, partition, numbered(4000))
    first = Member(twin, brokers, topic)
    while len(first.rows) < 1000:
        first.step()
    second = Member(twin, brokers, topic)
    deadline = time.monotonic() + 60
    while len(first.rows) + len(second.rows) < 16_000 and time.monotonic() < deadline:
        # One in seven: the first member must not be done before the second has joined.
        first.step(limit=50 if second.claimed else 7)
        second.step()
    claims = set(first.claimed), set(second.claimed)
    first.close()
    second.close()

    assert [len(claim) for claim in claims] == [2, 2]
    assert ("revoked", sorted(claims[1])) in first.log
    for partition in range(4):
        offsets = of_partition(first.rows, partition) + of_partition(second.rows, partition)
        assert offsets == list(range(4000))


def test_a_lost_assignment_is_given_up_without_commit_and_read_again(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic()
    fill(topic, 0, numbered(500))
    member = Member(
        twin,
        brokers,
        topic,
        **{"session.timeout.ms": 1500, "max.poll.interval.ms": 1500, "heartbeat.interval.ms": 300},
    )
    while len(member.rows) < 100:
        member.step(limit=10)
    before = list(member.rows)

    time.sleep(3)  # longer than max.poll.interval.ms: the group goes on without us
    deadline = time.monotonic() + 30
    while len(member.rows) < len(before) + 500 and time.monotonic() < deadline:
        member.step()
    again = member.rows[len(before) :]
    member.close()

    assert ("lost", [0]) in member.log
    assert of_partition(again, 0)[-500:] == list(range(500))


def test_what_waits_in_the_queue_is_bounded_by_the_setting(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic(2)
    for partition in range(2):
        fill(topic, partition, [b"x" * 10_000] * 2000)
    waiting: list[int] = []

    def seen(text: str) -> None:
        partitions = json.loads(text)["topics"].get(topic, {"partitions": {}})["partitions"]
        waiting.extend(int(one["fetchq_size"]) for one in partitions.values())

    consumer = reader(
        brokers,
        **{
            "queued.max.messages.kbytes": 1024,
            "fetch.message.max.bytes": 200_000,
            "statistics.interval.ms": 50,
            "stats_cb": seen,
        },
    )
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 2)
    deadline = time.monotonic() + 30
    while (len(waiting) < 40 or max(waiting) < 500_000) and time.monotonic() < deadline:
        puller.pull(1, 20)
        time.sleep(0.02)
    puller.close()
    consumer.close()

    # 40 MB lie there; a fetch that is under way when the bound is reached still comes in.
    assert 500_000 < max(waiting) < 1024 * 1024 + 3 * 200_000


def test_a_closed_puller_refuses_and_its_consumer_closes_after_it(
    twin: ModuleType, brokers: str, new_topic: NewTopic, fill: Any
) -> None:
    topic = new_topic()
    fill(topic, 0, numbered(100))
    consumer = reader(brokers)
    puller = twin.Puller(consumer, "reader")
    given(consumer, puller, topic, 1)
    puller.pull(10, 10_000)
    puller.close()
    puller.close()

    with pytest.raises(RuntimeError):
        puller.pull(1, 0)
    puller.release(topic, 0)
    consumer.close()
    del puller, consumer
    gc.collect()


def test_a_client_that_is_not_the_one_it_is_said_to_be_is_refused(brokers: str) -> None:
    consumer = reader(brokers)
    producer = ck.Producer({"bootstrap.servers": brokers})

    with pytest.raises(UnverifiedError, match="not called somebody"):
        _kafka.Puller(consumer, "somebody")
    with pytest.raises(UnverifiedError, match="is not a Consumer"):
        _kafka.Puller(producer, "rdkafka")
    with pytest.raises(UnverifiedError, match="object is not a Producer"):
        _kafka.Pusher(object(), "rdkafka")
    consumer.close()


def writer(brokers: str, name: str, **settings: Any) -> Any:
    producer = ck.Producer(
        {
            "bootstrap.servers": brokers,
            "client.id": "writer",
            "transactional.id": name,
            "linger.ms": 5,
            **settings,
        }
    )
    producer.init_transactions(30)
    return producer


def everything(brokers: str, topic: str, partitions: int = 1) -> list[Any]:
    """Return all committed records of a topic, partition by partition."""
    return [message for part in committed(brokers, topic, partitions) for message in part]


def push(pusher: Any, topic: str, rows: list[tuple[int, bytes | None, bytes | None]]) -> None:
    to = np.array([partition for partition, _, _ in rows], np.int32)
    keys = Spans.of([key for _, key, _ in rows])
    pusher.push(topic, Rows(to, Spans.of([payload for _, _, payload in rows]), keys), 2.0)


def test_pushed_records_arrive_as_they_were_once_their_transaction_is_committed(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic(2)
    producer = writer(brokers, topic)
    pusher = twin.Pusher(producer, "writer")
    rows = [(at % 2, b"k%d" % at if at % 3 else None, b"v" * at) for at in range(1000)]

    producer.begin_transaction()
    push(pusher, topic, [*rows, (0, b"gone", None), (0, b"", b"")])
    producer.commit_transaction(30)
    producer.begin_transaction()
    push(pusher, topic, [(0, b"never", b"seen")] * 10)
    # The broker refuses to abort a transaction of which it has not heard yet.
    producer.flush(30)
    producer.abort_transaction(30)
    pusher.close()
    got = everything(brokers, topic, 2)

    wanted = [row for row in rows if row[0] == 0] + [(0, b"gone", None), (0, b"", b"")]
    wanted += [row for row in rows if row[0] == 1]
    assert [(one.partition(), one.key(), one.value()) for one in got] == wanted


def test_a_full_queue_is_waited_for_and_order_is_kept(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    producer = writer(brokers, topic, **{"queue.buffering.max.messages": 100})
    pusher = twin.Pusher(producer, "writer")

    producer.begin_transaction()
    push(pusher, topic, [(0, None, b"%d" % at) for at in range(3000)])
    producer.commit_transaction(30)
    pusher.close()

    assert [int(one.value()) for one in everything(brokers, topic)] == list(range(3000))


def test_a_queue_that_stays_full_is_told_with_the_row(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    # Nothing leaves before the end of the test, as records are gathered for so long.
    settings = {"queue.buffering.max.messages": 10, "linger.ms": 20_000}
    producer = writer(brokers, topic, **settings)
    pusher = twin.Pusher(producer, "writer")

    producer.begin_transaction()
    with pytest.raises(PushError) as caught:
        push(pusher, topic, [(0, None, b"x")] * 15)
    producer.abort_transaction(30)
    pusher.close()

    assert (caught.value.row, caught.value.name) == (10, "_QUEUE_FULL")


def test_a_record_that_is_too_large_is_told_with_its_row(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    producer = writer(brokers, topic, **{"message.max.bytes": 2000})
    pusher = twin.Pusher(producer, "writer")

    producer.begin_transaction()
    with pytest.raises(PushError) as caught:
        push(pusher, topic, [(0, None, b"x"), (0, None, b"x" * 3000), (0, None, b"x")])
    producer.abort_transaction(30)
    pusher.close()

    assert (caught.value.row, caught.value.name) == (1, "MSG_SIZE_TOO_LARGE")
    assert everything(brokers, topic) == []


def test_a_push_outside_of_a_transaction_is_refused(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    producer = writer(brokers, topic)
    pusher = twin.Pusher(producer, "writer")

    with pytest.raises(PushError) as caught:
        push(pusher, topic, [(0, None, b"x")])
    pusher.close()

    assert (caught.value.row, caught.value.name) == (0, "_STATE")


def test_a_record_that_the_broker_refuses_fails_the_commit(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic(**{"max.message.bytes": "1000"})
    producer = writer(brokers, topic)
    pusher = twin.Pusher(producer, "writer")

    producer.begin_transaction()
    push(pusher, topic, [(0, None, b"x" * 5000)])
    with pytest.raises(ck.KafkaException) as caught:
        producer.commit_transaction(30)
    producer.abort_transaction(30)
    pusher.close()

    assert caught.value.args[0].txn_requires_abort()
    assert everything(brokers, topic) == []


def test_a_topic_that_is_not_there_and_a_partition_that_it_lacks_are_refused(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    producer = writer(brokers, topic)
    pusher = twin.Pusher(producer, "writer")

    producer.begin_transaction()
    with pytest.raises(PushError) as missing:
        push(pusher, "no-such-topic", [(0, None, b"x")])
    with pytest.raises(PushError) as beyond:
        push(pusher, topic, [(0, None, b"x"), (7, None, b"x")])
    producer.abort_transaction(30)
    pusher.close()

    assert missing.value.name == "UNKNOWN_TOPIC_OR_PART"
    assert (beyond.value.row, beyond.value.name) == (1, "_UNKNOWN_PARTITION")


def test_delivery_reports_go_only_to_those_who_asked_for_them(
    twin: ModuleType, brokers: str, new_topic: NewTopic
) -> None:
    topic = new_topic()
    heard: list[bytes] = []
    producer = writer(brokers, topic)
    pusher = twin.Pusher(producer, "writer")

    producer.begin_transaction()
    push(pusher, topic, [(0, None, b"pushed")] * 500)
    producer.produce(topic, b"produced", on_delivery=lambda _, one: heard.append(one.value()))
    push(pusher, topic, [(0, None, b"pushed")] * 500)
    producer.commit_transaction(30)
    producer.flush(10)
    left = len(producer)
    pusher.close()

    assert heard == [b"produced"]
    assert left == 0
    assert len(everything(brokers, topic)) == 1001


def test_spans_that_reach_past_their_buffer_are_refused() -> None:
    good = Spans.of([b"abc"])
    past = Spans(good.data, good.starts, good.ends + 1)
    back = Spans(good.data, good.starts + 2, good.ends - 2)

    for bad in (past, back):
        with pytest.raises(ValueError, match="past its buffer"):
            Rows(np.zeros(1, np.int32), bad, good).check(1)
        with pytest.raises(ValueError, match="past its buffer"):
            Rows(np.zeros(1, np.int32), good, bad).check(1)
    with pytest.raises(ValueError, match="starts"):
        Rows(np.zeros(2, np.int32), good, good).check(1)
    with pytest.raises(ValueError, match="int32"):
        Rows(np.zeros(1, np.int64), good, good).check(1)


def test_a_closed_pusher_refuses(twin: ModuleType) -> None:
    producer = ck.Producer({"client.id": "writer"})
    pusher = twin.Pusher(producer, "writer")
    pusher.close()
    pusher.close()

    with pytest.raises(RuntimeError):
        pusher.push("games", Rows(np.zeros(1, np.int32), Spans.of([b""]), Spans.of([b""])), 1.0)


def test_the_compiled_path_is_taken_where_the_handle_is_known_and_the_plain_one_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    consumer = ck.Consumer({"group.id": "g", "client.id": "reader"})
    producer = ck.Producer({"client.id": "writer"})

    assert isinstance(kafka.puller_of(consumer, "reader"), _kafka.Puller)
    assert isinstance(kafka.pusher_of(producer, "writer"), _kafka.Pusher)
    assert capsys.readouterr().out == ""
    assert isinstance(kafka.puller_of(consumer, "somebody"), _kafka_py.Puller)
    assert isinstance(kafka.puller_of(consumer, "somebody"), _kafka_py.Puller)
    assert isinstance(kafka.pusher_of(producer, "somebody"), _kafka_py.Pusher)
    said = capsys.readouterr().out
    assert said.count("kafka.plain_path") == 2
    assert "the handle of the Consumer is not called somebody" in said
    gc.collect()
    consumer.close()
