"""`oddspipe run --listen`: what a run says of itself, read as Prometheus reads it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oddspipe.core.telemetry.catalogue import METRICS

pytestmark = pytest.mark.integration

ROWS = "oddspipe_stage_rows_total"
ODDSPIPE = Path(sys.executable).with_name("oddspipe")


def asked(url):
    """Return status and body, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def started(folder, *words, **environ):
    run = subprocess.Popen(
        [ODDSPIPE, "run", "--no-live", "--listen", "127.0.0.1:0", *map(str, words)],
        cwd=folder, env={**os.environ, **environ},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in run.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return run, found[0]
    raise AssertionError(run.communicate())


def ended(run):
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    return out


def samples(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    wanted = set(labels.items())
    (one,) = [v for (n, have), v in found.items() if n == name and wanted <= set(have)]
    return one


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    """Return what one run served once all of it was to be seen, and what it printed."""
    run, url = started(
        tmp_path_factory.mktemp("run"), "--sport", "nfl", "--source", "simulator", "--rate", 5000,
        "--duration", 60, "--faults", "corrupt=1%,duplicates=1%", "--sinks", "current,dead_letters",
    )  # fmt: skip
    until = time.monotonic() + 40
    text = ""
    while time.monotonic() < until:
        text = asked(f"{url}/metrics")[1]
        found = samples(text)
        written = value(found, "oddspipe_sink_outputs_total", sink="dead_letters")
        if written and value(found, ROWS, stage="order", entry="duplicates"):
            break
        time.sleep(0.2)
    answers = {path: asked(f"{url}/{path}") for path in ("ready", "health", "else")}
    return text, answers, ended(run)


def test_each_metric_is_declared_and_told_once(scraped):
    families = re.findall(r"^# TYPE (\S+)", scraped[0], re.MULTILINE)
    assert len(families) == len(set(families)) > 15
    declared = {metric.name.removesuffix("_total") for metric in METRICS}
    assert {family.removesuffix("_total") for family in families} <= declared


def test_a_run_shows_its_books_its_games_and_its_sinks(scraped):
    text, _, out = scraped
    found = samples(text)
    taken = value(found, ROWS, stage="normalise", entry="taken")
    bad = [v for (n, have), v in found.items()
           if n == "oddspipe_rejected_rows_total" and ("stage", "normalise") in have]  # fmt: skip
    assert 0.003 < sum(bad) / taken < 0.03
    assert value(found, "oddspipe_live_games") == 6
    assert value(found, "oddspipe_unpriced_games") == 0
    phased = {
        phase: value(found, "oddspipe_phase_games", phase=phase)
        for phase in ("red_zone", "fourth_quarter")
    }
    assert max(phased.values()) <= 6
    # 1 a game, times its factors; at most both hold for each game that is in either.
    most = 6 + phased["red_zone"] * 1.08 + phased["fourth_quarter"] * 1.08
    assert 6 <= value(found, "oddspipe_game_load") <= most + 0.01
    assert value(found, "oddspipe_sink_up", sink="current") == 1
    count = value(found, "oddspipe_sink_latency_seconds_count", sink="current")
    assert count == value(found, "oddspipe_sink_latency_seconds_bucket", sink="current", le="+Inf")
    assert value(found, "oddspipe_memory_bytes") > 5e7
    logic = re.search(r"plan\s+([0-9a-f]{64})", out)[1]
    assert value(found, "oddspipe_plan_info", logic=logic, environment="local") == 1


def test_a_run_that_works_is_ready_and_healthy(scraped):
    for path in ("ready", "health"):
        status, body = scraped[1][path]
        assert status == 200
        assert json.loads(body) == {
            "state": "running", "ready": True, "partitions": 1, "reasons": []
        }  # fmt: skip
    assert scraped[1]["else"][0] == 404


def test_a_live_feed_that_is_not_there_is_a_reason_and_no_reason_to_start_anew(tmp_path):
    run, where = started(
        tmp_path, "--sport", "nba", "--env", "dev", "--sinks", "none",
        NBA_FEED_URL="ws://127.0.0.1:9",
    )  # fmt: skip
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = samples(asked(f"{where}/metrics")[1])
        if value(found, "oddspipe_feed_connected", protocol="websocket") == 0:
            break
        time.sleep(0.2)
    status, body = asked(f"{where}/health")
    ended(run)

    assert status == 200
    assert json.loads(body)["reasons"][0].startswith("feed: ws://127.0.0.1:9")
    assert value(found, "oddspipe_spool_limit_bytes") > 0


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:99999", "127.0.0.1:"])
def test_what_is_no_address_is_wrong_usage(tmp_path, listen):
    done = subprocess.run(
        [ODDSPIPE, "run", "--sport", "nfl", "--duration", "1", "--listen", listen, "--no-live"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no address" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(tmp_path):
    first, url = started(tmp_path, "--sport", "nfl", "--source", "simulator", "--duration", 60,
                         "--rate", 100, "--sinks", "none")  # fmt: skip
    port = url.rpartition(":")[2]
    done = subprocess.run(
        [ODDSPIPE, "run", "--sport", "nfl", "--duration", "1", "--no-live", "--sinks", "none",
         "--listen", f"127.0.0.1:{port}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    ended(first)
    assert done.returncode == 4
    assert "cannot be listened on" in done.stderr
