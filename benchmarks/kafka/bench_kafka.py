"""Over a real broker on the same cores: what a worker takes, against a hand-written Python loop.

    python benchmarks/kafka/bench_kafka.py [--events 4000000] [--loop-events 1000000] [--rounds 2]

Jobs, all from one topic of 8 partitions with the simulated NFL feed, lz4:

* consume: librdkafka's batches into columns, nothing else: the ceiling.
* odds: consume → normalise → order → price → odds, dead letters and offsets in transactions.
* rewrite: consume → normalise → order → every event again and offsets in transactions.
* the same two without transactions: what was made is delivered, then offsets are committed, as
  often; a kill between the two makes all of it again, so it is at least once.
* loop: the rewrite job as one writes it by hand: confluent-kafka, tuned client settings, protobuf's
  own compiled decoder, field checks, a set for duplicates, transactions about every 100 ms.

Rates count from the first record taken to the last; the median of the rounds is printed. What
transactions cost is also told in processor time of this process, which other work on the machine
does not change.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import confluent_kafka as ck
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from oddspipe.core.adapters.kafka.access import Cluster, make_topics
from oddspipe.core.adapters.kafka.client import KafkaLog
from oddspipe.core.adapters.kafka.records import (
    Worker,
    consumer_settings,
    producer_settings,
    topic_configs,
)
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.kafka.written import EventRecords, SportRecords
from oddspipe.core.assemble import Input, origin_of, source_of
from oddspipe.core.assemble_kafka import feed_server_of
from oddspipe.core.assemble_models import model_of
from oddspipe.core.assemble_stages import letters_of
from oddspipe.core.clock import SystemClock
from oddspipe.core.names import FieldType
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.chain import NormaliseChain, PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.transactional import TransactionalRunner
from oddspipe.core.services import kafka, process
from oddspipe.ext.kafka import puller_of, pusher_of
from oddspipe.ext.records import PARTITION_EOF

PARTITIONS = 8
FEED = "bench.feed"
PROTO = {
    FieldType.BYTES: 12, FieldType.UINT32: 13, FieldType.STRING: 9, FieldType.UINT64: 4,
    FieldType.INT32: 17, FieldType.INT64: 3, FieldType.ENUM: 5, FieldType.DOUBLE: 1,
    FieldType.BOOL: 8,
}  # fmt: skip


def planned(brokers: str) -> Plan:
    folder = Path(tempfile.mkdtemp())
    (folder / "platform.yaml").write_text(
        "environments:\n  dev:\n"
        f"    partitions: {PARTITIONS}\n    state: {folder}\n"
        f"    kafka: {{brokers: '{brokers}', replication: 1}}\n"
    )
    (folder / "spec.yaml").write_text(
        f"extends: oddspipe.sports:nfl.yaml\nsport: bench\nfeed: {{topic: {FEED}}}\n"
    )
    return plan_for(folder / "spec.yaml", platform=folder / "platform.yaml", environment="dev")


class Plain(KafkaLog):
    """The same log without transactions: delivered first, then the offsets; at least once."""

    def _restart(self, _timeout_s: float) -> None:
        self._drop_producer()
        settings = producer_settings(self._worker)
        for name in ("transactional.id", "transaction.timeout.ms"):
            del settings[name]
        self._producer = ck.Producer({**settings, "enable.idempotence": True})
        self._pusher = pusher_of(self._producer, self._worker.name)

    def begin(self) -> None:
        """Nothing is begun."""

    def commit(self, positions) -> None:
        assert self._producer.flush(10) == 0
        offsets = [ck.TopicPartition(self.topics.feed, p, at) for p, at in positions.items()]
        self._consumer.commit(offsets=offsets, asynchronous=False)


class Pace:
    """Events a second from the first to the last, seen every 10 ms."""

    def __init__(self, count) -> None:
        self._count, self._ended = count, threading.Event()
        self._seen: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        last = -1
        while not self._ended.wait(0.01):
            if (now := self._count()) != last:
                self._seen.append((time.monotonic(), now))
                last = now

    def rate(self) -> float:
        self._ended.set()
        self._thread.join()
        (begun, before), (ended, after) = self._seen[1], self._seen[-1]
        return (after - before) / (ended - begun)


def worker(  # noqa: PLR0913, PLR0917 - what is measured
    plan: Plan, brokers: str, number: str, job: str, want: int, log=KafkaLog
) -> float:
    topics = Topics(
        FEED, f"{number}.odds", f"{number}.dlq", f"{number}.snapshots", f"{number}.events"
    )
    cluster = Cluster(brokers)
    make_topics(cluster, {**topic_configs(topics), topics.normalised: {}}, PARTITIONS)
    model = model_of(plan)
    written = SportRecords(topics, origin_of(plan), ("decimal",), letters_of(plan))
    runner = TransactionalRunner(
        log(Worker(cluster, number, 0), topics),
        (lambda: PartitionChain(plan, model)) if job == "odds" else (lambda: NormaliseChain(plan)),
        lambda: Pulse(plan.kinds, plan.odds.at_once),
        written if job == "odds" else EventRecords(topics, letters_of(plan)),
        logic="bench", clock=SystemClock(), snapshot_us=10_000_000,
    )  # fmt: skip
    pace = Pace(lambda: runner.events)
    runner.run(StopSwitch(), idle_us=500_000)
    assert runner.events == want, (runner.events, want)
    return pace.rate()


def ceiling(brokers: str, want: int) -> float:
    settings = consumer_settings(Worker(Cluster(brokers), "ceiling", 0))
    consumer = ck.Consumer(settings)
    puller = puller_of(consumer, settings["client.id"])
    for partition in range(PARTITIONS):
        puller.claim(FEED, partition)
    consumer.assign([ck.TopicPartition(FEED, p, 0) for p in range(PARTITIONS)])
    taken, ends, begun = 0, set(), 0.0
    while len(ends) < PARTITIONS:
        pulled = puller.pull(16_384, 20)
        begun = begun or (time.monotonic() if len(pulled) else 0.0)
        taken += len(pulled)
        ends |= {one.partition for one in pulled.notices if one.code == PARTITION_EOF}
    spent = time.monotonic() - begun
    puller.close()
    consumer.close()
    assert taken == want
    return taken / spent


def event_class(plan: Plan):
    file = descriptor_pb2.FileDescriptorProto(name="loop.proto", package="loop", syntax="proto2")
    message = file.message_type.add(name="Event")
    for column in plan.layout.columns:
        message.field.add(name=column.name, number=column.number, label=1, type=PROTO[column.type])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("loop.Event"))


class HandWritten:
    """The rewrite job as a careful person writes it, without an order window or a state to keep."""

    def __init__(self, plan: Plan, brokers: str, number: str) -> None:
        make_topics(Cluster(brokers), {f"{number}.events": {}, f"{number}.dlq": {}}, PARTITIONS)
        me = Worker(Cluster(brokers), number, 0)
        self._to, self._dead = f"{number}.events", f"{number}.dlq"
        self._consumer = ck.Consumer(consumer_settings(me))
        self._producer = ck.Producer(producer_settings(me))
        self._producer.init_transactions(30)
        self._consumer.assign([ck.TopicPartition(FEED, p, 0) for p in range(PARTITIONS)])
        self._parse = event_class(plan).FromString
        self._checked = [
            (c.name, c.low, c.high)
            for c in plan.layout.columns
            if c.type == FieldType.UINT32 and c.low is not None
        ]
        self._seen: set[tuple] = set()
        self._recent: deque[tuple] = deque()
        self._positions: dict[int, int] = {}

    def rate(self, limit: int) -> float:
        taken, begun, opened = 0, 0.0, 0.0
        while taken < limit:
            records = self._consumer.consume(10_000, 0.02)
            if records and not opened:
                self._producer.begin_transaction()
                opened = time.monotonic()
                begun = begun or opened
            taken += self._take(records)
            self._producer.poll(0)
            if opened and time.monotonic() - opened > 0.1:
                self._commit()
                opened = 0.0
        spent = time.monotonic() - begun
        if opened:
            self._commit()
        self._consumer.close()
        return taken / spent

    def _take(self, records) -> int:
        parse, seen, recent, produce = self._parse, self._seen, self._recent, self._producer.produce
        taken = 0
        for record in records:
            if record.error() is not None:
                continue
            payload, partition = record.value(), record.partition()
            taken += 1
            self._positions[partition] = record.offset() + 1
            try:
                event = parse(payload)
            except Exception:  # noqa: BLE001 - a dead letter
                event = None
            if event is None or not self._is_sound(event):
                produce(self._dead, payload, partition=partition)
                continue
            key = (event.game_id, event.event_id, event.revision)
            if event.game_id and key in seen:
                continue
            seen.add(key)
            recent.append(key)
            if len(recent) > 1_250_000:
                seen.discard(recent.popleft())
            produce(self._to, payload, record.key(), partition)
        return taken

    def _is_sound(self, event) -> bool:
        return all(least <= getattr(event, name) <= most for name, least, most in self._checked)

    def _commit(self) -> None:
        self._producer.send_offsets_to_transaction(
            [ck.TopicPartition(FEED, p, at) for p, at in self._positions.items()],
            self._consumer.consumer_group_metadata(), 10,
        )  # fmt: skip
        self._producer.commit_transaction(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--loop-events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        brokers = kafka.start(home, port=process.free_port()).endpoint
        try:
            measure(brokers, given)
        finally:
            process.stop(home)


def measure(brokers: str, given: argparse.Namespace) -> None:
    plan = planned(brokers)
    server = feed_server_of(plan)
    seconds = given.events / plan.load.peak_rate
    source = source_of(plan, Input(duration_s=seconds, games=PARTITIONS), None)
    begun = time.monotonic()
    server.serve(source, lambda: False)
    want = server.sent
    print(f"{want:,} records sent in {time.monotonic() - begun:.1f} s")
    jobs = {
        "consume into columns": lambda _: ceiling(brokers, want),
        "odds in transactions": lambda n: worker(plan, brokers, f"odds{n}", "odds", want),
        "odds without transactions": lambda n: worker(
            plan, brokers, f"podds{n}", "odds", want, Plain
        ),
        "every event again in transactions": lambda n: worker(
            plan, brokers, f"again{n}", "again", want
        ),
        "every event again without": lambda n: worker(
            plan, brokers, f"pagain{n}", "again", want, Plain
        ),
        "the same in a hand-written loop": lambda n: HandWritten(plan, brokers, f"loop{n}").rate(
            min(given.loop_events, want)
        ),
    }
    rates = {name: [] for name in jobs}
    spent = {name: [] for name in jobs}
    for number in range(given.rounds):
        for name, job in jobs.items():
            before = time.process_time()
            rates[name].append(job(number))
            spent[name].append(time.process_time() - before)
            print(f"  {name}: {rates[name][-1] / 1e6:.3f} M/s", file=sys.stderr)
    base = statistics.median(rates["the same in a hand-written loop"])
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:36} {rate / 1e6:7.3f} M msg/s {rate / base:6.1f} x the loop")
    for word, with_, without in (
        ("odds", "odds in transactions", "odds without transactions"),
        ("every event", "every event again in transactions", "every event again without"),
    ):
        # Round by round, so that what slows the machine for a while slows both.
        costs = [1 - a / b for a, b in zip(rates[with_], rates[without], strict=True)]
        more = [a / b - 1 for a, b in zip(spent[with_], spent[without], strict=True)]
        print(
            f"transactions cost {word}: {statistics.median(costs):.1%} of the rate without, "
            f"{statistics.median(more):.1%} more processor time; per million events "
            f"{statistics.median(spent[with_]) / want * 1e6:.2f} s against "
            f"{statistics.median(spent[without]) / want * 1e6:.2f} s"
        )


if __name__ == "__main__":
    main()
