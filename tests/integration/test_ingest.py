"""A live feed through its raw topic on a real broker: killed, cut off, moved, verified."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from confluent_kafka import KafkaException
from tests.integration.committed import committed
from tests.replay_cases import ODDSPIPE, oddspipe
from websockets.sync.server import serve

from oddspipe.core.assemble import Input, source_of
from oddspipe.core.assemble_live import published_feed_of, push_server_of
from oddspipe.core.clock import SystemClock
from oddspipe.core.plan.load import plan_for
from oddspipe.core.services import kafka, process
from oddspipe.core.stages.raw import OURS

pytestmark = pytest.mark.integration
PLATFORM = """environments:
  dev:
    partitions: 3
    state: state
    kafka: {brokers: {env: ODDSPIPE_KAFKA}, replication: 1}
    redis: {url: 'redis://localhost:1/0'}
"""


class Sport:
    """A sport of its own with the feed of another, and the commands about it."""

    def __init__(self, folder, name, like, brokers, **environ):
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        (folder / "spec.yaml").write_text(f"extends: oddspipe.sports:{like}.yaml\nsport: {name}\n")
        (folder / "platform.yaml").write_text(PLATFORM)
        self.environ = {"ODDSPIPE_KAFKA": brokers, **environ}
        self.brokers = brokers

    @property
    def plan(self):
        return plan_for(
            self.folder / "spec.yaml", platform=self.folder / "platform.yaml", environment="dev",
            environ=self.environ,
        )  # fmt: skip

    def begun(self, stage, *words):
        with (self.folder / f"{stage}.log").open("a") as log:
            return subprocess.Popen(
                [ODDSPIPE, "run", "--spec", "spec.yaml", "--env", "dev", "--stage", stage, *words],
                cwd=self.folder, env={**os.environ, **self.environ},
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def done(self, *words, code=0):
        told = oddspipe(
            *words, "--spec", "spec.yaml", "--env", "dev",
            folder=self.folder, env={**os.environ, **self.environ},
        )  # fmt: skip
        assert told.returncode == code, f"{words}: {told.returncode}\n{told.stdout}\n{told.stderr}"
        assert "Traceback" not in told.stdout + told.stderr
        return told.stdout

    def priced(self):
        """Price all that the raw topic holds; return the report."""
        report = self.folder / "report.json"
        self.done("run", "--stage", "price", "--until", "idle", "--report", report)
        return json.loads(report.read_text())

    def verified(self):
        return json.loads(self.done("verify", "--format", "json"))

    def raw(self):
        """Return the provider's messages in each partition of the raw topic, in order."""
        records = committed(self.brokers, f"{self.name}.raw.v1", 3)
        return [
            [one.value() for one in part if not one.value().startswith(OURS)] for part in records
        ]


@contextmanager
def pushing(sport, *, duration=8, rate=600, stopped=None):
    """Be the provider of a WebSocket feed; yields its server, and what makes its messages."""
    plan = sport.plan
    server = push_server_of(plan, SystemClock())
    stopped = stopped or threading.Event()
    source = source_of(plan, Input(games=3, rate=rate, duration_s=duration), 1.0)
    server.start()
    maker = threading.Thread(target=server.make, args=(source, stopped.is_set))
    maker.start()
    try:
        yield server, maker
    finally:
        stopped.set()
        maker.join()
        server.stop()


def killed(sport, stages, lives):
    """Start processes and kill each in turn while the feed goes on."""
    for life_s in lives:
        running = [sport.begun(stage) for stage in stages]
        time.sleep(life_s)
        for one in running:
            one.send_signal(signal.SIGKILL)
            one.wait()


def compared(sent, raw):
    """Check that a raw topic holds what was sent: each once, each game in order in one place."""
    heartbeat = [one for one in sent if json.loads(one)["type"] == "heartbeat"]
    games = [one for one in sent if one not in set(heartbeat)]
    found = [[one for one in part if one not in set(heartbeat)] for part in raw]
    assert sorted(one for part in found for one in part) == sorted(games)
    where = {one: p for p, part in enumerate(found) for one in part}
    by_game = {}
    for one in games:
        by_game.setdefault(json.loads(one)["game"], []).append(one)
    for game, messages in by_game.items():
        (place,) = {where[one] for one in messages}
        mine = [one for one in found[place] if json.loads(one)["game"] == game]
        assert mine == messages
    for part in raw:
        assert [one for one in part if one in set(heartbeat)] == heartbeat


def websocket_sport(folder, name, brokers):
    url = f"ws://127.0.0.1:{process.free_port()}"
    return Sport(folder, name, "nba", brokers, NBA_FEED_URL=url)


@pytest.mark.proves("kill", "websocket", "kafka", "odds_topic")
@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("twice", "websocket")
@pytest.mark.proves("order", "websocket")
def test_an_ingest_and_workers_that_are_killed_leave_each_message_once(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "pushed", brokers)
    with pushing(sport, duration=12) as (server, maker):
        killed(sport, ("ingest", "price"), (5.0, 4.0))
        maker.join()
        sport.done("run", "--stage", "ingest", "--until", "idle")
        sent = list(server._messages)
    report = sport.priced()
    found = sport.verified()

    compared(sent, sport.raw())
    assert found["sound"], found
    assert found["behind"] == 0
    assert found["odds"]["checked"] > 10
    assert report["balanced"]
    assert report["rejects"] == {}


def once_brought(sport, within_s=60.0):
    """Wait until the ingest has brought something: how long it starts is the machine's matter."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        # The topics are made by the ingest itself.
        with suppress(KafkaException):
            if any(map(len, sport.raw())):
                return
        time.sleep(0.2)
    raise AssertionError((sport.folder / "ingest.log").read_text())


@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("twice", "websocket")
def test_an_ingest_without_its_spool_goes_on_where_the_raw_topic_ends(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "moved", brokers)
    with pushing(sport, duration=8) as (server, maker):
        first = sport.begun("ingest")
        once_brought(sport)
        time.sleep(1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        maker.join()
        # Another machine: what the first had in its spool and not brought is asked for again.
        sport.done("run", "--stage", "ingest", "--until", "idle", "--state", "elsewhere")
        sent = list(server._messages)

    assert committed(brokers, "moved.ingest")[0]
    compared(sent, sport.raw())


def test_a_second_ingest_ends_the_first(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "twice", brokers)
    with pushing(sport, duration=6) as (server, maker):
        first = sport.begun("ingest")
        once_brought(sport)
        sport.done("run", "--stage", "ingest", "--until", "idle", "--state", "elsewhere")
        maker.join()
        sport.done("run", "--stage", "ingest", "--until", "idle", "--state", "elsewhere")
        assert first.wait(20) == 4
        sent = list(server._messages)

    assert "taken over by another ingest" in (tmp_path / "ingest.log").read_text()
    compared(sent, sport.raw())


@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("order", "websocket")
def test_the_spool_takes_what_comes_while_the_brokers_are_away(tmp_path):
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("a Kafka broker needs Java 17 and Maven")
    home = tmp_path / "kafka"
    port = process.free_port()
    running = kafka.start(home, port=port)
    sport = websocket_sport(tmp_path / "sport", "away", running.endpoint)
    try:
        with pushing(sport, duration=22) as (server, maker):
            ingest = sport.begun("ingest", "--until", "idle")
            once_brought(sport)
            time.sleep(1)
            process.stop(home)
            # Longer than a transaction may last: the brokers give it up when they come back.
            time.sleep(12)
            kafka.start(home, port=port)
            maker.join()
            assert ingest.wait(90) == 0
            sent = list(server._messages)
        compared(sent, sport.raw())
        assert sport.priced()["balanced"]
        assert sport.verified()["sound"]
    finally:
        process.stop(home)


@pytest.mark.proves("loss", "pubsub")
@pytest.mark.proves("kill", "pubsub")
def test_a_pubsub_feed_goes_through_its_raw_topic(tmp_path, brokers):
    sport = Sport(tmp_path, "pulled", "mlb", brokers)
    server = published_feed_of(sport.plan, SystemClock(), "127.0.0.1:0")
    server.start()
    sport.environ["PUBSUB_EMULATOR_HOST"] = server.service.address
    source = source_of(sport.plan, Input(games=3, rate=400, duration_s=8), 1.0)
    maker = threading.Thread(target=server.make, args=(source, lambda: False))
    maker.start()
    try:
        killed(sport, ("ingest",), (4.0,))
        maker.join()
        sport.done("run", "--stage", "ingest", "--until", "idle")
        assert server.service.waiting() == 0
    finally:
        server.stop()
    report = sport.priced()
    found = sport.verified()

    distinct = {one for part in sport.raw() for one in part}
    assert len(distinct) == server.sent
    assert report["balanced"]
    assert report["rejects"] == {}
    assert found["sound"], found


@pytest.mark.proves("bytes", "websocket", "kafka")
def test_what_is_no_message_becomes_a_dead_letter_with_its_bytes(tmp_path, brokers):

    sport = websocket_sport(tmp_path, "garbage", brokers)
    port = int(sport.environ["NBA_FEED_URL"].rpartition(":")[2])
    bad = [b"{", b"\xff\xfe", b'{"type": "nonsense", "cursor": 7}', b"[]"]

    def push(connection):
        connection.recv()
        for one in bad:
            connection.send(one, text=False)
        connection.recv(timeout=20)

    with serve(push, "127.0.0.1", port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sport.done("run", "--stage", "ingest", "--until", "idle")
    report = sport.priced()

    assert report["rejects"] == {"MAPPING": 4}
    listed = sport.done("dlq", "list", "--format", "json")
    assert len(listed.splitlines()) == 4
    assert sport.verified()["sound"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--stage", "ingest", "--rate", "5"), "--stage ingest does not take --rate"),
        (("--stage", "ingest", "--until", "2024-09-08T18:00"), "ends with --until idle only"),
        (("--stage", "price", "--rate", "5"), "a run over Kafka does not take --rate"),
    ],
)
def test_options_that_do_not_fit_a_stage_are_refused(tmp_path, words, said):
    sport = websocket_sport(tmp_path, "refused", "localhost:1")
    told = oddspipe("run", *words, "--spec", "spec.yaml", "--env", "dev",
                    folder=tmp_path, env={**os.environ, **sport.environ})  # fmt: skip
    assert told.returncode == 2
    assert said in told.stderr


def test_a_kafka_feed_has_no_ingest(tmp_path):
    sport = Sport(tmp_path, "direct", "nfl", "localhost:1")
    told = oddspipe("run", "--stage", "ingest", "--spec", "spec.yaml", "--env", "dev",
                    folder=tmp_path, env={**os.environ, **sport.environ})  # fmt: skip
    assert told.returncode == 2
    assert "a feed by kafka is not received" in told.stderr
