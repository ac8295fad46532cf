"""Fused over a real broker: whatever is killed, the committed odds are those of a run without."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.integration.committed import committed
from tests.integration.kafka_worker import runner_of, topics_of
from tests.integration.tcp_proxy import KafkaProxy
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed
from tests.waiting import until

from oddspipe.core.adapters.dead_letters import DeadLetter
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.rejects import COUNTED_ONLY
from oddspipe.core.errors import FencedError, RetryableError, StateError
from oddspipe.core.ports.log import Place
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.services import kafka, process

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
import msgspec  # noqa: E402 - after the skip
from confluent_kafka import admin  # noqa: E402

from oddspipe.core.adapters.kafka import client  # noqa: E402
from oddspipe.core.adapters.kafka.access import Cluster  # noqa: E402
from oddspipe.core.adapters.kafka.client import KafkaLog  # noqa: E402
from oddspipe.core.adapters.kafka.records import (  # noqa: E402
    TRANSACTION_MS,
    Worker,
    producer_settings,
    topic_configs,
)
from oddspipe.core.adapters.kafka.topics import Topics  # noqa: E402

pytestmark = pytest.mark.integration
PARTITIONS = 2
ROOT = Path(__file__).parents[2]
_numbers = itertools.count()
Feed = list[list[tuple[bytes, int]]]


@pytest.fixture
def sport(brokers: str) -> Topics:
    """Return the topics of a sport that was made for this test."""
    return made_on(brokers)


def made_on(brokers: str) -> Topics:
    topics = topics_of(f"test{next(_numbers)}")
    asked = admin.AdminClient({"bootstrap.servers": brokers})
    # The broker deletes by the records' own times, and these are of 2023.
    ours = {**topic_configs(topics), topics.feed: {"retention.ms": "-1"}}
    made = asked.create_topics(
        [admin.NewTopic(name, PARTITIONS, 1, config=dict(ours[name])) for name in ours]
    )
    for one in made.values():
        one.result(20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # until each partition has a leader that says so
        try:
            for name in ours:
                ends(brokers, name)
        except ck.KafkaException:
            continue
        break
    return topics


def feed_of(seed: int) -> Feed:
    """Return what goes into each partition: payloads and times in whole milliseconds."""
    return [
        [(one, at // 1000) for one, at in noisy_feed(7 * seed + p, games=3, events=700)]
        for p in range(PARTITIONS)
    ]


@pytest.fixture(scope="module")
def feed() -> Feed:
    return feed_of(1)


@pytest.fixture(scope="module")
def wanted(feed: Feed) -> list[tuple[list[bytes], set[tuple[str, int, str]]]]:
    """Return the odds and dead letters of each partition, from a run without Kafka."""
    return [straight(part) for part in feed]


def straight(part: list[tuple[bytes, int]]) -> tuple[list[bytes], set[tuple[str, int, str]]]:
    times = np.array([at * 1000 for _, at in part], np.int64)
    output = PartitionChain(PLAN, NormalModel()).step(
        Payloads.of([payload for payload, _ in part], ingest_us=times)
    )
    origin = Origin("test", "test", "1", "plan", 5_000_000)
    letters = {
        (rejects.stage, int(position), reason)
        for rejects in output.rejects
        for position, reason in zip(rejects.position, rejects.reason.tolist(), strict=True)
        if reason not in {one.value for one in COUNTED_ONLY}
    }
    return messages(output, origin, ("decimal",)).splitlines(), letters


def write(brokers: str, topics: Topics, feed: Feed, pause_s: float) -> None:
    """Write a feed in small pieces, all partitions side by side."""
    # Idempotent: a retry must neither double nor swap what the ledger of this test says.
    producer = ck.Producer(
        {"bootstrap.servers": brokers, "linger.ms": 1, "enable.idempotence": True}
    )
    for at in range(0, max(map(len, feed)), 25):
        for partition, part in enumerate(feed):
            for payload, time_ms in part[at : at + 25]:
                producer.produce(topics.feed, payload, partition=partition, timestamp=time_ms)
        assert producer.flush(30) == 0
        time.sleep(pause_s)


def values(brokers: str, topic: str) -> list[list[bytes]]:
    """Return the values of the committed records of each partition, in order."""
    parts = committed(brokers, topic, PARTITIONS)
    return [[message.value() for message in part] for part in parts]


def faults(got: list[bytes], want: list[bytes]) -> dict[str, int]:
    """Return how many records are lost, twice, strange and out of order."""
    have, should = Counter(got), Counter(want)
    place = {record: at for at, record in enumerate(want)}
    firsts = [place[record] for record in dict.fromkeys(got) if record in place]
    return {
        "lost": sum((should - have).values()),
        "twice": sum(count - 1 for count in have.values()),
        "strange": sum(1 for record in have if record not in should),
        "disordered": sum(1 for a, b in itertools.pairwise(firsts) if b < a),
    }


CLEAN = {"lost": 0, "twice": 0, "strange": 0, "disordered": 0}


def test_the_checker_sees_a_loss_a_double_and_a_swap() -> None:
    want = [b"%d" % at for at in range(100)]
    swapped = [*want[:50], want[51], want[50], *want[52:]]

    assert faults(want, want) == CLEAN
    assert faults([*want[:9], *want[10:]], want) == CLEAN | {"lost": 1}
    assert faults([*want[:9], want[8], *want[9:]], want) == CLEAN | {"twice": 1}
    assert faults(swapped, want) == CLEAN | {"disordered": 1}
    assert faults([*want, b"new"], want) == CLEAN | {"strange": 1}


def assert_as_wanted(brokers: str, topics: Topics, wanted: list[Any]) -> None:
    odds = values(brokers, topics.odds)
    letters = values(brokers, topics.dead_letters)
    for partition, (lines, rejects) in enumerate(wanted):
        assert faults(odds[partition], lines) == CLEAN
        assert odds[partition] == lines
        told = [msgspec.json.decode(one, type=DeadLetter) for one in letters[partition]]
        assert len(told) == len({(one.stage, one.position) for one in told})
        assert {(one.stage, one.position, one.code) for one in told} == rejects


def worker(brokers: str, topics: Topics, folder: Path, *, idle_s: float) -> Any:
    name = topics.odds.partition(".")[0]
    words = ["-m", "tests.integration.kafka_worker", brokers, name, name, "0", str(idle_s)]
    log = (Path(folder) / "worker.log").open("ab")
    with log:
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=log, stderr=log)


@pytest.fixture
def started(brokers: str, sport: Topics, tmp_path: Path) -> Iterator[Callable[[float], Any]]:
    """Return a function that starts a worker; all are ended after the test."""
    running: list[Any] = []

    def start(idle_s: float) -> Any:
        running.append(worker(brokers, sport, tmp_path, idle_s=idle_s))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


@pytest.mark.proves("same", "kafka", "odds_topic")
def test_a_run_over_kafka_gives_what_a_run_in_memory_gives(
    brokers: str, sport: Topics, feed: Feed, wanted: Any
) -> None:
    write(brokers, sport, feed, 0)
    runner = runner_of(KafkaLog(Worker(Cluster(brokers), sport.odds, 0), sport), sport)

    runner.run(StopSwitch(), idle_us=1_000_000)

    assert runner.events == sum(map(len, feed))
    assert runner.restarts == 0
    assert_as_wanted(brokers, sport, wanted)


def ends(brokers: str, topic: str) -> int:
    """Return how many records a topic holds, whether committed or not."""
    consumer = ck.Consumer({"bootstrap.servers": brokers, "group.id": "looker"})
    places = [ck.TopicPartition(topic, p) for p in range(PARTITIONS)]
    try:
        return sum(consumer.get_watermark_offsets(one, 10)[1] for one in places)
    finally:
        consumer.close()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.proves("kill", "kafka", "odds_topic")
@pytest.mark.proves("loss", "kafka", "odds_topic")
@pytest.mark.proves("twice", "kafka", "odds_topic")
@pytest.mark.proves("order", "kafka", "odds_topic")
def test_a_worker_that_is_killed_again_and_again_leaves_what_a_run_without_a_kill_leaves(
    brokers: str, sport: Topics, started: Callable[[float], Any], tmp_path: Path, seed: int
) -> None:
    made, feed = random.Random(seed), feed_of(seed)
    feeder = threading.Thread(target=write, args=(brokers, sport, feed, 0.15))
    feeder.start()
    kills = 0
    while feeder.is_alive() and kills < 5:
        before = ends(brokers, sport.odds)
        running = started(600)
        while ends(brokers, sport.odds) == before and feeder.is_alive():
            assert running.poll() is None, (tmp_path / "worker.log").read_text()
        time.sleep(made.uniform(0, 0.4))
        running.send_signal(signal.SIGKILL)
        running.wait()
        kills += 1
    feeder.join()

    assert started(2).wait(120) == 0, (tmp_path / "worker.log").read_text()
    assert kills >= 2
    assert values(brokers, sport.feed) == [[payload for payload, _ in part] for part in feed]
    assert_as_wanted(brokers, sport, [straight(part) for part in feed])


class Holed(KafkaLog):
    """A log whose network swallows everything when it is first asked where a partition stands."""

    def __init__(self, worker: Worker, topics: Topics, proxy: KafkaProxy, at: int) -> None:
        super().__init__(worker, topics)
        self._proxy, self._left = proxy, at

    def place(self, partition: int) -> Place:
        self._left -= 1
        if self._left == 0:
            self._proxy.stall()
        return super().place(partition)


@pytest.mark.parametrize("at", [1, 2], ids=["first", "second"])
@pytest.mark.proves("told", "kafka")
@pytest.mark.proves("loss", "kafka")
@pytest.mark.proves("twice", "kafka")
def test_a_worker_that_is_given_partitions_and_gets_no_answer_waits(  # noqa: PLR0913, PLR0917 - fixtures
    brokers: str, sport: Topics, feed: Feed, wanted: Any, monkeypatch: Any, at: int
) -> None:
    monkeypatch.setattr(client, "START_S", 2.0)
    monkeypatch.setattr(client, "CALL_S", 1.0)
    write(brokers, sport, feed, 0)
    with KafkaProxy(brokers) as proxy:
        log = Holed(Worker(Cluster(proxy.brokers), sport.odds, 0), sport, proxy, at)
        runner, stop = runner_of(log, sport), StopSwitch()
        ended: list[BaseException | None] = []

        def run() -> None:
            try:
                runner.run(stop)
            except BaseException as error:  # noqa: BLE001 - told to the test
                ended.append(error)

        running = threading.Thread(target=run)
        running.start()
        try:
            assert until(lambda: runner.trouble or ended)
            assert not ended
            tries = runner.restarts
            assert until(lambda: runner.restarts > tries or ended)
            proxy.flow()
            assert until(lambda: runner.events == sum(map(len, feed)) or ended)
            assert runner.trouble == ""
        finally:
            proxy.flow()
            stop.request("the test is over")
            running.join(60)
    assert not ended, ended
    assert_as_wanted(brokers, sport, wanted)


@pytest.mark.proves("told", "kafka")
@pytest.mark.proves("loss", "kafka")
def test_a_feed_that_lost_what_the_state_was_made_of_is_refused(
    brokers: str, sport: Topics, feed: Feed
) -> None:
    class Cut(KafkaLog):
        def place(self, partition: int) -> Place:
            return Place(None, 100, 200 + partition)

    write(brokers, sport, [part[:50] for part in feed], 0)
    runner = runner_of(Cut(Worker(Cluster(brokers), sport.odds, 0), sport), sport)

    with pytest.raises(StateError, match="the feed begins at 100"):
        runner.run(StopSwitch(), idle_us=500_000)


@pytest.mark.proves("told", "kafka")
def test_a_snapshot_of_another_plan_is_refused(brokers: str, sport: Topics, feed: Feed) -> None:
    write(brokers, sport, [part[:50] for part in feed], 0)
    worker = Worker(Cluster(brokers), sport.odds, 0)
    runner_of(KafkaLog(worker, sport), sport).run(StopSwitch(), idle_us=500_000)
    changed = runner_of(KafkaLog(worker, sport), sport)
    changed._logic = "another"

    with pytest.raises(StateError, match="its snapshot is of another plan"):
        changed.run(StopSwitch(), idle_us=500_000)


class Failing:
    """A log around the real one whose commit fails now and then, before or after it was made."""

    def __init__(self, log: KafkaLog, every: int, *, after: bool) -> None:
        self._log, self._every, self._after = log, every, after
        self._count = 0
        self.failed = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._log, name)

    def commit(self, positions: Any) -> None:
        self._count += 1
        fails = self._count % self._every == 0
        if self._after or not fails:
            self._log.commit(positions)
        if fails:
            self.failed += 1
            raise RetryableError("the answer to a commit was lost")


@pytest.mark.parametrize("after", [False, True], ids=["not made", "made but not told"])
@pytest.mark.proves("twice", "odds_topic")
@pytest.mark.proves("loss", "odds_topic")
def test_a_commit_of_unknown_outcome_restores_the_state_and_repeats_nothing(
    brokers: str, sport: Topics, feed: Feed, wanted: Any, *, after: bool
) -> None:
    feeder = threading.Thread(target=write, args=(brokers, sport, feed, 0.1))
    feeder.start()
    log = Failing(KafkaLog(Worker(Cluster(brokers), sport.odds, 0), sport), 3, after=after)
    runner = runner_of(log, sport)

    runner.run(StopSwitch(), idle_us=2_000_000)
    feeder.join()

    assert log.failed >= 2
    assert runner.restarts == log.failed
    assert_as_wanted(brokers, sport, wanted)


@pytest.mark.proves("twice", "odds_topic")
@pytest.mark.proves("told", "kafka")
def test_a_worker_whose_slot_was_taken_over_stops_and_writes_nothing_more(
    brokers: str, sport: Topics, feed: Feed, wanted: Any
) -> None:
    write(brokers, sport, [part[:200] for part in feed], 0)
    zombie = KafkaLog(Worker(Cluster(brokers), sport.odds, 0), sport)
    old = runner_of(zombie, sport)
    zombie.open(old)
    deadline = time.monotonic() + 30
    while not old._open and time.monotonic() < deadline:
        old._take(zombie.pull(50, 100), time.monotonic_ns())
    assert old._open

    write(brokers, sport, [part[200:] for part in feed], 0)
    new = runner_of(KafkaLog(Worker(Cluster(brokers), sport.odds, 0), sport), sport)
    new.run(StopSwitch(), idle_us=1_000_000)
    with pytest.raises(FencedError, match="taken over"):
        old._commit(snapshots=True)
    zombie.close()

    assert_as_wanted(brokers, sport, wanted)


@pytest.mark.proves("loss", "kafka")
@pytest.mark.proves("twice", "kafka")
def test_a_worker_whose_transaction_the_broker_ended_goes_on(
    brokers: str, sport: Topics, feed: Feed, wanted: Any
) -> None:
    """A newer producer of the same name, without a member in the group: what a time-out leaves."""
    worker = Worker(Cluster(brokers), sport.odds, 0)
    runner = runner_of(KafkaLog(worker, sport), sport)
    stop = StopSwitch()
    work = threading.Thread(target=runner.run, args=(stop,), kwargs={"idle_us": 3_000_000})
    write(brokers, sport, [part[:300] for part in feed], 0)
    work.start()
    assert until(lambda: runner.commits > 0)
    other = ck.Producer({**producer_settings(worker), "transactional.id": worker.name})
    other.init_transactions(20)

    write(brokers, sport, [part[300:] for part in feed], 0.02)
    work.join(60)

    assert not work.is_alive()
    assert runner.restarts >= 1
    assert_as_wanted(brokers, sport, wanted)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.proves("loss", "kafka")
@pytest.mark.proves("twice", "kafka")
@pytest.mark.proves("told", "kafka")
def test_brokers_that_are_away_longer_than_a_transaction_lasts_are_waited_for(
    tmp_path: Path, feed: Feed, wanted: Any, how: str
) -> None:
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("a Kafka broker needs Java 17 and Maven")
    home = tmp_path / "kafka"
    running = kafka.start(home, port=process.free_port())
    try:
        sport = made_on(running.endpoint)
        log = Held(KafkaLog(Worker(Cluster(running.endpoint), sport.odds, 0), sport))
        runner = runner_of(log, sport)
        work = threading.Thread(
            target=runner.run, args=(StopSwitch(),), kwargs={"idle_us": 3_000_000}
        )
        write(running.endpoint, sport, feed, 0)
        work.start()
        assert log.reached.wait(60)  # a transaction is open when they go
        _go_away(running, home, how)
        log.gone.set()
        assert until(lambda: bool(runner.trouble) or not work.is_alive())
        time.sleep(TRANSACTION_MS / 1000)  # the broker's own time-out: nothing tells its end
        assert work.is_alive()
        _come_back(running, home, how)
        work.join(90)

        assert not work.is_alive()
        assert runner.trouble == ""
        assert runner.restarts >= 1
        assert_as_wanted(running.endpoint, sport, wanted)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGCONT)
        process.stop(home)


def _go_away(running: process.Running, home: Path, how: str) -> None:
    if how == "stopped":
        process.stop(home)
    else:
        os.kill(running.pid, signal.SIGSTOP)


def _come_back(running: process.Running, home: Path, how: str) -> None:
    if how == "stopped":
        kafka.start(home, port=int(running.endpoint.rpartition(":")[2]))
    else:
        os.kill(running.pid, signal.SIGCONT)


class Held:
    """A log around the real one whose first commit waits until the brokers are gone."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log
        self.reached, self.gone = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._log, name)

    def commit(self, positions: Any) -> None:
        self.reached.set()
        assert self.gone.wait(60)
        self._log.commit(positions)
