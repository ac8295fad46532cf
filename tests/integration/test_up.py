"""`oddspipe up`: every stage in its own process, kept running, ended in order."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.integration.test_ingest import Sport, compared, pushing, websocket_sport
from tests.replay_cases import ODDSPIPE, oddspipe

from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RunError
from oddspipe.core.services.supervise import Child, Supervisor

pytestmark = pytest.mark.integration


def up(sport, *words):
    return subprocess.Popen(
        [ODDSPIPE, "up", "--spec", "spec.yaml", "--env", "dev", *words],
        cwd=sport.folder, env={**os.environ, **sport.environ},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def processes_of(pid):
    """Return pid and words of the processes that one has started."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = (path.parent / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if parent == pid:
            found[int(path.parent.name)] = words
    return found


def one_of(pid, stage):
    """Wait for a process of a stage; return its pid."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for child, words in processes_of(pid).items():
            if stage in words:
                return child
        time.sleep(0.05)
    raise AssertionError(f"no {stage}")


@pytest.mark.proves("kill", "up")
@pytest.mark.proves("loss", "up")
@pytest.mark.proves("twice", "up")
@pytest.mark.proves("order", "up")
def test_stages_that_are_killed_come_back_and_nothing_is_lost(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "kept", brokers)
    with pushing(sport, duration=12) as (server, maker):
        running = up(sport, "--workers", "2", "--until", "idle")
        time.sleep(5)
        for stage in ("price", "ingest"):
            os.kill(one_of(running.pid, stage), signal.SIGKILL)
            time.sleep(1.5)
        maker.join()
        out, told = running.communicate(timeout=120)
        sent = list(server._messages)

    assert running.returncode == 0, told
    assert re.search(r"ingest +│ was killed \(SIGKILL\); started again in 0\.5 s", told)
    assert re.search(r"price-[01] +│ was killed \(SIGKILL\); started again in 0\.5 s", told)
    assert "all stages have ended" in out
    compared(sent, sport.raw())
    found = sport.verified()
    assert found["sound"], found
    assert found["behind"] == 0


def test_it_ends_in_order_on_a_signal_and_takes_all_processes_with_it(tmp_path, brokers):
    sport = Sport(tmp_path, "stopped", "nfl", brokers)
    (tmp_path / "spec.yaml").write_text(
        "extends: oddspipe.sports:nfl.yaml\nsport: stopped\nfeed: {topic: stopped.feed}\n"
    )
    running = up(sport)
    started = [one_of(running.pid, stage) for stage in ("price", "publish")]
    time.sleep(3)
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]

    running = up(sport)
    started = [one_of(running.pid, stage) for stage in ("price", "publish")]
    time.sleep(3)
    running.kill()
    running.communicate()
    until = time.monotonic() + 30
    while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in started):
        time.sleep(0.1)
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def test_without_kafka_there_is_nothing_to_supervise(tmp_path):
    told = oddspipe("up", "--sport", "nfl", "--env", "local", folder=tmp_path)
    assert told.returncode == 2
    assert "has no Kafka" in told.stderr


def kept(script, **words):
    """Supervise one process for a moment; return it and what was told."""
    told = []
    child = Child("one", [sys.executable, "-c", script])
    supervisor = Supervisor(
        [[child]], os.environ, lambda name, line: told.append(f"{name}: {line}"), SystemClock()
    )
    ended = threading.Event()
    timer = threading.Timer(2.5, ended.set)
    timer.start()
    try:
        supervisor.run(ended.is_set, until_idle=False, **words)
    finally:
        timer.cancel()
        timer.join()
    return child, told


def test_a_process_that_keeps_ending_is_started_ever_more_slowly():
    child, told = kept("import sys; print('hello'); sys.exit(4)")
    assert 2 <= child.starts <= 4
    assert told[:2] == ["one: hello", "one: ended (4); started again in 0.5 s"]
    assert "one: ended (4); started again in 1 s" in told


@pytest.mark.proves("loss", "up")
def test_a_stage_that_breaks_while_it_drains_is_not_taken_for_drained(tmp_path):
    script = (
        "import pathlib, sys; done = pathlib.Path(sys.argv[1]); "
        "tries = int(done.read_text()) if done.exists() else 0; done.write_text(str(tries + 1)); "
        "sys.exit(0 if tries == 2 else 4)"
    )
    child = Child("one", [sys.executable, "-c", script, str(tmp_path / "tries")])
    told = []
    supervisor = Supervisor(
        [[child]], os.environ, lambda name, line: told.append(f"{name}: {line}"), SystemClock()
    )

    supervisor.run(lambda: False, until_idle=True)

    assert child.starts == 3
    assert (tmp_path / "tries").read_text() == "3"
    assert told == [
        "one: ended (4); started again in 0.5 s", "one: ended (4); started again in 1 s",
    ]  # fmt: skip


@pytest.mark.proves("told", "up")
def test_a_fault_that_another_start_would_not_mend_ends_all():
    with pytest.raises(RunError, match="one ended with exit code 1"):
        kept("import sys; sys.exit(1)")


def test_the_report_of_each_stage_is_its_own(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "own", brokers)
    with pushing(sport, duration=3) as (_, maker):
        maker.join()
        sport.done("run", "--stage", "ingest", "--until", "idle", "--report", "ingest.json")
    report = json.loads((tmp_path / "ingest.json").read_text())
    assert report["stage"] == "ingest"
    assert report["records"] >= 1_000
    assert report["restarts"] == 0
