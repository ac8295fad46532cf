"""The real commands on a real broker: served, killed again and again, run to the end, verified."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.replay_cases import ODDSPIPE, oddspipe

from oddspipe.core.services import process, redis

pytestmark = pytest.mark.integration
PLATFORM = """environments:
  dev:
    partitions: 3
    state: state
    kafka: {brokers: {env: ODDSPIPE_KAFKA}, replication: 1}
    redis: {url: {env: ODDSPIPE_REDIS, default: 'redis://localhost:1/0'}}
"""
SPEC = """extends: oddspipe.sports:nfl.yaml
sport: SPORT
feed: {topic: SPORT.feed}
recovery: {snapshot_every: 1s}
"""


class Sport:
    """A sport of its own on the broker of the session, and the commands about it."""

    def __init__(self, folder: Path, name: str, brokers: str, **environ: str) -> None:
        self.folder, self.name, self.brokers = folder, name, brokers
        (folder / "spec.yaml").write_text(SPEC.replace("SPORT", name))
        (folder / "platform.yaml").write_text(PLATFORM)
        self.environ = {**os.environ, "ODDSPIPE_KAFKA": brokers, **environ}
        self.words = ("--spec", "spec.yaml", "--env", "dev")

    def done(self, *words, code=0):
        """Run a command to its end."""
        told = oddspipe(*words, *self.words, folder=self.folder, env=self.environ)
        assert told.returncode == code, f"{words}: {told.returncode}\n{told.stdout}\n{told.stderr}"
        assert "Traceback" not in told.stdout + told.stderr
        return told.stdout

    def refused(self, *words):
        """Run a command that is wrong; return what it says."""
        told = oddspipe(*words, *self.words, folder=self.folder, env=self.environ)
        assert told.returncode == 2, f"{words}: {told.returncode}\n{told.stderr}"
        assert "Traceback" not in told.stderr
        return told.stderr

    def begun(self, *words):
        """Start a command."""
        return subprocess.Popen(
            [ODDSPIPE, *words, *self.words], cwd=self.folder, env=self.environ,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def verified(self, *words, code=0):
        return json.loads(self.done("verify", "--format", "json", *words, code=code))


@pytest.mark.proves("kill", "kafka", "odds_topic", "dead_letters")
@pytest.mark.proves("loss", "kafka", "odds_topic", "dead_letters")
@pytest.mark.proves("twice", "kafka", "odds_topic", "dead_letters")
@pytest.mark.proves("order", "kafka", "odds_topic")
@pytest.mark.proves("books", "kafka")
def test_workers_that_are_killed_leave_nothing_lost_twice_or_out_of_order(tmp_path, brokers):
    sport = Sport(tmp_path, "killed", brokers)
    feed = sport.begun(
        *("feed", "serve", "--rate", "6000", "--duration", "9", "--seed", "5"),
        *("--faults", "duplicates=1%,swaps=1%,gaps=0.1%,late=0.1%,corrupt=0.1%"),
    )
    time.sleep(1.5)
    for lives in (4.0, 3.5):
        worker = sport.begun("run", "--sinks", "none")
        time.sleep(lives)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert feed.wait(60) == 0

    report = tmp_path / "report.json"
    sport.done("run", "--sinks", "none", "--until", "idle", "--report", report)
    found = sport.verified()

    assert json.loads(report.read_text())["balanced"]
    assert found["sound"], found
    assert found["behind"] == 0
    assert found["feed"]["checked"] > 40_000
    assert found["odds"]["checked"] > 20
    assert found["dead_letters"]["checked"] > 20
    planted = sport.verified("--self-test")
    assert [planted["odds"][name] for name in ("lost", "twice", "out_of_order")] == [1, 1, 1]


def test_a_feed_that_is_not_all_taken_is_told(tmp_path, brokers):
    sport = Sport(tmp_path, "waiting", brokers)
    sport.done("feed", "serve", "--rate", "2000", "--duration", "2", "--max-speed")

    sport.done("run", "--sinks", "none", "--until", "idle")
    sport.done("feed", "serve", "--rate", "2000", "--duration", "2", "--max-speed", "--seed", "2")

    behind = sport.verified(code=4)
    assert behind["sound"]
    assert behind["behind"] > 3_000


@pytest.mark.proves("loss", "redis")
@pytest.mark.proves("order", "redis")
def test_redis_that_is_away_holds_nothing_up_and_gets_everything_later(tmp_path, brokers):
    port = process.free_port()
    sport = Sport(tmp_path, "away", brokers, ODDSPIPE_REDIS=f"redis://localhost:{port}/0")
    sport.done("feed", "serve", "--rate", "3000", "--duration", "3", "--max-speed")
    worker = sport.begun("run", "--until", "idle", "--report", "first.json")
    assert worker.wait(90) == 0
    first = json.loads((tmp_path / "first.json").read_text())

    redis.start(tmp_path / "redis", port=port)
    try:
        sport.done("run", "--until", "idle", "--report", "second.json")
        second = json.loads((tmp_path / "second.json").read_text())
        client = pytest.importorskip("redis", reason="redis is in 'embedded'").Redis(port=port)
        keys = list(client.scan_iter(match="odds-memory:*"))
        sequences = [int(client.hget(key, "sequence")) for key in keys]
        client.close()
    finally:
        process.stop(tmp_path / "redis")

    assert first["odds_published"] > 10
    assert first["sinks"]["current"]["behind"] > 0
    assert "nothing usable answers" in first["sinks"]["current"]["trouble"]
    assert second["events_in"] == 0
    assert second["sinks"]["current"] == {
        "outputs": first["odds_published"], "behind": 0, "trouble": "",
    }  # fmt: skip
    assert sum(sequences) == first["odds_published"]


def test_what_a_run_over_kafka_does_not_take_is_refused(tmp_path, brokers):
    sport = Sport(tmp_path, "refused", brokers)

    told = oddspipe("run", *sport.words, "--resume", folder=tmp_path, env=sport.environ)
    assert (told.returncode, "does not take --resume" in told.stderr) == (2, True)
    told = oddspipe("run", *sport.words, "--sinks", "history", folder=tmp_path, env=sport.environ)
    assert (told.returncode, "does not write to history" in told.stderr) == (2, True)


@pytest.mark.proves("told", "kafka", "odds_topic")
def test_brokers_that_are_not_there_are_told(tmp_path):
    sport = Sport(tmp_path, "nobody", f"localhost:{process.free_port()}")

    told = oddspipe("run", *sport.words, folder=tmp_path, env=sport.environ)

    assert told.returncode == 4, told.stderr
    assert "kafka: nothing answers at localhost" in told.stderr
    assert "hint: See that the brokers run" in told.stderr


@pytest.mark.parametrize("stage", ["normalise", "price"])
@pytest.mark.proves("told", "dead_letters")
def test_a_dead_letter_that_nothing_makes_is_told_whatever_stage_it_names(tmp_path, brokers, stage):
    sport = Sport(tmp_path, f"forged_{stage}", brokers)
    sport.done("feed", "serve", "--rate", "2000", "--duration", "2", "--max-speed")
    sport.done("run", "--sinks", "none", "--until", "idle")
    assert sport.verified()["sound"]

    letter = {
        "number": 0, "stage": stage, "position": 7, "ingest_us": 0, "code": 18, "reason": "LATE",
        "field": "", "rule": "", "text": "", "plan": "", "payload": "",
    }  # fmt: skip
    producer = pytest.importorskip("confluent_kafka", reason="it is in 'kafka'").Producer(
        {"bootstrap.servers": brokers}
    )
    producer.produce(f"{sport.name}.dlq", json.dumps(letter), partition=0)
    assert producer.flush(10) == 0

    assert sport.verified(code=1)["dead_letters"]["strange"] == 1
