"""Killed at every named place: what is left is what a run without a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.integration.test_ingest import Sport, compared, pushing, websocket_sport
from tests.integration.test_kill_and_resume import recorded
from tests.plan_cases import ROOT
from tests.replay_cases import ODDSPIPE, oddspipe

from oddspipe.core.failpoints import POINTS, VARIABLE
from oddspipe.core.services import process, redis

pytestmark = pytest.mark.integration
assert recorded  # a fixture

HELD = {"fused.held", "kafka.held"}  # test_breaker: they need a feed that changes
FUSED = sorted(one for one in POINTS - HELD if one.startswith(("fused.", "state.", "lane.")))
RECEIVED = sorted(one for one in POINTS if one.startswith(("spool.", "ingest.")))
PRICED = sorted(one for one in POINTS - HELD if one.startswith("kafka."))
# Nothing new comes meanwhile: what is noted is not published again.
CORRECT = {"correct.committing", "correct.committed"}  # test_corrections
ROUNDS = sorted(one for one in POINTS if one.startswith("round."))  # test_clickhouse_history
PUBLISHED = ["publish.writing", "publish.written", "publish.noted"]


def test_every_place_belongs_to_a_test_here():
    assert {*FUSED, *RECEIVED, *PRICED, *PUBLISHED, *ROUNDS, *HELD, *CORRECT} == POINTS
    assert len(POINTS) >= 20


# In one process.


def worked(recorded, folder, mode, point=""):
    """Run the worker to its end or its death; return its exit code."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.failpoint_worker", recorded, folder, mode],
        cwd=ROOT, env={**os.environ, VARIABLE: point}, timeout=100, check=False,
        capture_output=True,
    ).returncode  # fmt: skip


def left(folder):
    """Return what a run has left: its odds, its partners' logs, its dead letters, its books."""
    report = json.loads((folder / "report.json").read_text())
    state = folder / "state"
    letters = [json.loads(x) for x in (state / "dead_letters.ndjson").read_text().splitlines()]
    return {
        "odds": report["odds_sha256"],
        "stages": report["stages"],
        "partners": {
            path.name: path.read_bytes() for path in sorted((state / "partners").rglob("*.ndjson"))
        },
        "letters": sorted((x["stage"], x["position"], x["reason"], x["payload"]) for x in letters),
    }


@pytest.fixture(scope="module")
def whole(recorded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert worked(recorded, folder, "anew") == 0
    return left(folder)


@pytest.mark.parametrize("point", FUSED)
@pytest.mark.proves("kill", "recorded", "normalise", "order", "price", "partners", "dead_letters")
@pytest.mark.proves("loss", "partners", "dead_letters")
@pytest.mark.proves("twice", "partners", "dead_letters")
def test_a_run_in_one_process_goes_on_from_every_place(whole, recorded, tmp_path, point):
    count = 3 if point.startswith("lane.") or point in {"fused.stepped", "fused.handed_out"} else 1
    assert worked(recorded, tmp_path, "anew", f"{point}={count}") == -signal.SIGKILL
    # And once more at the same place of the run that goes on.
    again = worked(recorded, tmp_path, "resume", point)
    assert again in {-signal.SIGKILL, 0}
    if again:
        assert worked(recorded, tmp_path, "resume") == 0
    assert left(tmp_path) == whole


# Over Kafka.


def killed_at(sport, stage, point, count=2):
    """Run a stage until it dies at a place."""
    with (sport.folder / f"{stage}.log").open("a") as log:
        one = subprocess.Popen(
            [ODDSPIPE, "run", "--spec", "spec.yaml", "--env", "dev", "--stage", stage],
            cwd=sport.folder, env={**os.environ, **sport.environ, VARIABLE: f"{point}={count}"},
            stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
    try:
        assert one.wait(40) == -signal.SIGKILL, point
    finally:
        one.kill()
        one.wait()


@pytest.mark.proves("kill", "websocket")
@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("twice", "websocket")
def test_an_ingest_goes_on_from_every_place(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "placed", brokers)
    spec = tmp_path / "spec.yaml"
    spec.write_text(spec.read_text() + "feed: {spill: 1MiB}\n")
    with pushing(sport, duration=60, rate=800) as (server, _):
        for point in RECEIVED:
            killed_at(sport, "ingest", point, 1 if point == "spool.segment" else 2)
        time.sleep(1)
    # The provider has gone; a served feed of its own port goes on with all that it has kept.
    server.start()
    try:
        sport.done("run", "--stage", "ingest", "--until", "idle")
    finally:
        server.stop()
    compared(list(server._messages), sport.raw())


def _priced_sport(folder, brokers, port):
    """Return a sport with a Kafka feed and a cache of its own."""
    sport = Sport(folder, "priced", "nfl", brokers)
    (folder / "spec.yaml").write_text(
        "extends: oddspipe.sports:nfl.yaml\nsport: priced\nfeed: {topic: priced.feed}\n"
        "recovery: {snapshot_every: 300ms}\n"
    )
    text = (folder / "platform.yaml").read_text()
    (folder / "platform.yaml").write_text(text.replace("localhost:1/0", f"localhost:{port}/0"))
    return sport


@pytest.mark.proves("kill", "kafka", "odds_topic", "dead_letters", "redis")
@pytest.mark.proves("loss", "kafka", "odds_topic", "redis")
@pytest.mark.proves("twice", "kafka", "odds_topic")
def test_workers_and_publishers_go_on_from_every_place(tmp_path, brokers):
    port = process.free_port()
    sport = _priced_sport(tmp_path, brokers, port)
    feed = subprocess.Popen(
        [ODDSPIPE, "feed", "serve", "--spec", "spec.yaml", "--env", "dev", "--rate", "2000",
         "--duration", "90", "--faults", "duplicates=1%,swaps=1%,corrupt=0.1%"],
        cwd=tmp_path, env={**os.environ, **sport.environ},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    redis.start(tmp_path / "redis", port=port)
    try:
        time.sleep(3)
        for point in PRICED:
            killed_at(sport, "price", point, 1 if point == "kafka.taken_up" else 2)
        for point in PUBLISHED:
            killed_at(sport, "publish", point, 1)
        feed.send_signal(signal.SIGTERM)
        assert feed.wait(30) == 0
        report = sport.priced()
        sport.done("run", "--stage", "publish", "--until", "idle")
        found = sport.verified()
        client = pytest.importorskip("redis", reason="redis is in 'embedded'").Redis(port=port)
        keys = list(client.scan_iter(match="odds-memory:*"))
        sequences = sorted(int(client.hget(key, "sequence")) for key in keys)
        client.close()
    finally:
        feed.kill()
        feed.wait()
        process.stop(tmp_path / "redis")
    assert report["balanced"]
    assert found["sound"], found
    assert found["behind"] == 0
    assert found["odds"]["checked"] == sum(sequences)
    assert found["dead_letters"]["checked"] > 10


def test_a_place_that_is_not_there_is_refused(tmp_path):
    told = oddspipe("run", "--sport", "nfl", "--duration", "1", folder=tmp_path,
                    env={**os.environ, VARIABLE: "nowhere=1"})  # fmt: skip
    assert told.returncode == 2
    assert "is no place" in told.stderr
