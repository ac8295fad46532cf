"""A feed that changes in the middle: held, tried again, nothing lost, whatever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from tests.breaker_cases import WATCHED, changed_feed, letters_of, odds_of, straight
from tests.integration.kafka_worker import runner_of
from tests.integration.test_kafka_transactions import (
    PARTITIONS,
    ROOT,
    assert_as_wanted,
    ends,
    made_on,
    write,
)
from tests.integration.test_telemetry import asked, ended, samples, started, value
from tests.replay_cases import oddspipe
from tests.run_cases import FeedSource, run_once
from tests.waiting import until

from oddspipe.core.adapters.dead_letters import letters
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.client import KafkaLog
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.odds_digest import OddsDigest
from oddspipe.core.failpoints import VARIABLE
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.stages.breaker import BreakerState

pytestmark = pytest.mark.integration
FEED = changed_feed(8)
SIZES = [37, 60, 11]


def digest_of(outputs) -> str:
    found = OddsDigest()
    for one in outputs:
        found.update(one.odds, one.games)
    return found.hexdigest()


def found_in(folder: Path, runner) -> tuple[str, set[tuple[str, int, str]]]:
    told = letters(folder / "dead.ndjson")
    return runner.digest.hexdigest(), {(one.stage, one.position, one.code) for one in told}


def wanted_of(feed) -> tuple[str, set[tuple[str, int, int]]]:
    _, outputs = straight(feed)
    return digest_of(outputs), letters_of(outputs)


class Watched:
    """A run in a thread, and what it is given to stop it."""

    def __init__(self, folder: Path, pause_s: float) -> None:
        self.stop = StopSwitch()
        self.made: list[Any] = []
        plan = replace(WATCHED, breaker_pause_us=int(pause_s * 1e6))
        self._thread = threading.Thread(
            target=lambda: self.made.append(
                run_once(folder, FeedSource(FEED, SIZES), stop=self.stop, plan=plan)
            )
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.request("the test is over")
        self._thread.join(30)

    def join(self) -> Any:
        self._thread.join(30)
        return self.made[0]


@pytest.mark.proves("loss", "dead_letters")
def test_pauses_change_nothing_of_what_comes_out(tmp_path: Path) -> None:
    plan = replace(WATCHED, breaker_pause_us=20_000)
    runner = run_once(tmp_path, FeedSource(FEED, SIZES), plan=plan)

    assert runner.chain.breaker.opened == 1
    assert runner.progress.position == len(FEED)
    assert found_in(tmp_path, runner) == wanted_of(FEED)


@pytest.mark.proves("kill", "dead_letters")
def test_a_run_that_is_stopped_while_held_goes_on_where_it_stood(tmp_path: Path) -> None:
    with Watched(tmp_path, 3600) as held:
        assert until(lambda: (tmp_path / "dead.ndjson").exists() and len(_lines(tmp_path)) > 8)
    first = held.made[0]
    assert first.chain.breaker.state is BreakerState.OPEN
    assert first.progress.position < len(FEED)
    assert first.progress.committed == first.progress.position

    # Each start tries once, however long the pause.
    tries, runner = 0, first
    while runner.progress.position < len(FEED):
        before = len(_lines(tmp_path))
        with Watched(tmp_path, 3600) as again:
            assert until(
                lambda before=before, made=again.made: made or len(_lines(tmp_path)) > before
            )
        runner, tries = again.made[0], tries + 1

    assert tries > 5
    assert found_in(tmp_path, runner) == wanted_of(FEED)


def _lines(folder: Path) -> list[str]:
    return (folder / "dead.ndjson").read_text().splitlines()


def test_a_person_can_end_the_pauses(tmp_path: Path) -> None:
    with Watched(tmp_path, 3600) as held:
        assert until(lambda: (tmp_path / "dead.ndjson").exists() and len(_lines(tmp_path)) > 8)
        held.stop.release.turn()
        runner = held.join()

    assert found_in(tmp_path, runner) == wanted_of(FEED)


SPEC = "extends: oddspipe.sports:nfl.yaml\ndead_letters: {breaker: {max_rate: 10%, pause: PAUSE}}\n"


@pytest.mark.proves("told", "dead_letters")
def test_the_command_tells_that_it_holds_ends_in_order_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC.replace("PAUSE", "1h"))
    run, url = started(
        tmp_path, "--spec", "spec.yaml", "--source", "simulator", "--rate", 1000, "--duration", 9,
        "--faults", "corrupt=20%", "--sinks", "dead_letters,partners", "--state", "state",
    )  # fmt: skip
    try:
        assert until(lambda: asked(f"{url}/ready")[0] == 503 and "takes nothing" in _ready(url))
        told = json.loads(_ready(url))
        found = samples(asked(f"{url}/metrics")[1])
        health = asked(f"{url}/health")[0]
    finally:
        out = ended(run)
    # A person may change the pause in the middle: it decides no price.
    (tmp_path / "spec.yaml").write_text(SPEC.replace("PAUSE", "10ms"))
    words = ["--spec", "spec.yaml", "--state", "state", "--resume", "--report", "report.json"]
    done = oddspipe("run", *words, folder=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())

    assert told["state"] == "held"
    assert "messages became dead letters, more than 10%; takes nothing for" in told["reasons"][0]
    assert value(found, "oddspipe_breaker_open_partitions") == 1
    assert value(found, "oddspipe_anomalies_total", code="error_rate") == 1
    assert health == 200
    assert "--resume" in out
    assert done.returncode == 0, done.stderr
    assert report["balanced"]
    assert report["stages"][0]["in"] >= 9000
    assert report["anomalies"]["error_rate"] >= 1


def _ready(url: str) -> str:
    return asked(f"{url}/ready")[1]


# Over Kafka.


def feeds() -> list[list[tuple[bytes, int]]]:
    made = [changed_feed(8 + p, slice(120, 170)) for p in range(PARTITIONS)]
    return [[(one, at // 1000) for one, at in part] for part in made]


@pytest.fixture(scope="module")
def wanted() -> list[tuple[list[bytes], set[tuple[str, int, int]]]]:
    made = []
    for part in feeds():
        chain, outputs = straight([(one, at * 1000) for one, at in part])
        assert chain.breaker.opened
        made.append((odds_of(outputs), letters_of(outputs)))
    return made


@pytest.fixture
def sport(brokers: str) -> Topics:
    return made_on(brokers)


def watched(pause_s: float):
    return replace(WATCHED, breaker_pause_us=int(pause_s * 1e6))


@pytest.mark.proves("loss", "kafka", "dead_letters")
@pytest.mark.proves("twice", "kafka", "odds_topic")
@pytest.mark.proves("order", "kafka", "odds_topic")
def test_partitions_are_held_and_tried_again_over_kafka(
    brokers: str, sport: Topics, wanted: Any
) -> None:
    write(brokers, sport, feeds(), 0)
    log = KafkaLog(Worker(Cluster(brokers), sport.odds, 0), sport)
    runner = runner_of(log, sport, watched(0.3))

    runner.run(StopSwitch(), idle_us=1_000_000)

    assert runner.events == sum(map(len, feeds()))
    assert runner.restarts == 0
    assert_as_wanted(brokers, sport, wanted)


@pytest.mark.proves("told", "kafka", "dead_letters")
@pytest.mark.proves("bounded", "dead_letters")
def test_while_held_nothing_is_taken_and_it_is_told(
    brokers: str, sport: Topics, wanted: Any
) -> None:
    write(brokers, sport, feeds(), 0)
    log = KafkaLog(Worker(Cluster(brokers), sport.odds, 0), sport)
    runner, stop = runner_of(log, sport, watched(3600)), StopSwitch()
    running = threading.Thread(target=runner.run, args=(stop,))
    running.start()
    try:
        assert until(lambda: len(runner.suspended()) == PARTITIONS)
        assert until(lambda: all(one.held for one in runner.owned.values()))
        told, events = runner.suspended(), runner.events
        assert until(lambda: all(one.committed == one.position for one in runner.owned.values()))
        assert "messages became dead letters, more than 30%" in told[0]
        assert "takes nothing for" in told[0]
        assert runner.events == events < sum(map(len, feeds()))
        stop.release.turn()
        assert until(lambda: runner.events == sum(map(len, feeds())))
    finally:
        stop.request("the test is over")
        running.join(30)
    assert_as_wanted(brokers, sport, wanted)


@pytest.mark.proves("kill", "kafka", "dead_letters")
@pytest.mark.proves("loss", "kafka")
@pytest.mark.proves("twice", "kafka")
def test_a_worker_that_is_killed_while_held_loses_and_doubles_nothing(
    brokers: str, sport: Topics, wanted: Any, tmp_path: Path
) -> None:
    write(brokers, sport, feeds(), 0)

    def worked(pause_s: float, point: str = "") -> subprocess.Popen[bytes]:
        name = sport.odds.partition(".")[0]
        words = ["-m", "tests.integration.kafka_worker", brokers, name, name, "0", "1"]
        with (tmp_path / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words, str(pause_s)],
                cwd=ROOT, env={**os.environ, VARIABLE: point}, stdout=log, stderr=log,
            )  # fmt: skip

    for count in (1, 2, 1):  # before and after what was made has been committed
        assert worked(0.2, f"kafka.held={count}").wait(60) == -signal.SIGKILL
    held = worked(3600)
    try:
        before = ends(brokers, sport.snapshots)
        assert until(lambda: ends(brokers, sport.snapshots) > before or held.poll() is not None)
        held.kill()
        held.wait()
        last = worked(0.1)
        assert last.wait(90) == 0, (tmp_path / "worker.log").read_text()
    finally:
        held.kill()
    assert_as_wanted(brokers, sport, wanted)
