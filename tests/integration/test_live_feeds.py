"""NBA over a WebSocket and MLB from Pub/Sub, through the real command: kills, breaks, bad input."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.plan_cases import ROOT
from tests.waiting import until
from websockets.sync.client import connect
from websockets.sync.server import serve

from oddspipe.core.adapters.live.spool import Spool
from oddspipe.core.assemble import Input, source_of
from oddspipe.core.assemble_live import published_feed_of, push_server_of
from oddspipe.core.clock import SystemClock
from oddspipe.core.plan.load import plan_for

pytestmark = pytest.mark.integration

ODDSPIPE = Path(sys.executable).with_name("oddspipe")
GIVEN = Input(games=3, rate=600, duration_s=8)


class Feed:
    """A provider in this process, so that the test knows every message that it sent."""

    def __init__(self, sport, environ):
        self.environ = environ
        self.plan = plan_for(ROOT / "sports" / f"{sport}.yaml", environment="dev", environ=environ)
        self._stopped = threading.Event()

    def make(self, server, speed=1.0):
        source = source_of(self.plan, GIVEN, speed)
        self.thread = threading.Thread(target=server.make, args=(source, self._stopped.is_set))
        self.thread.start()

    def end(self):
        self._stopped.set()
        self.thread.join()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def pushing(port, *, speed=1.0):
    feed = Feed("nba", {"NBA_FEED_URL": f"ws://127.0.0.1:{port}"})
    server = push_server_of(feed.plan, SystemClock())
    server.start()
    feed.make(server, speed)
    try:
        yield feed, server
    finally:
        feed.end()
        server.stop()


@contextmanager
def publishing():
    feed = Feed("mlb", {})
    server = published_feed_of(feed.plan, SystemClock(), "127.0.0.1:0")
    server.start()
    feed.environ = {"PUBSUB_EMULATOR_HOST": server.service.address}
    feed.make(server)
    try:
        yield feed, server
    finally:
        feed.end()
        server.stop()


def command(sport, *words):
    return [ODDSPIPE, "run", "--sport", sport, "--env", "dev", "--sinks", "dead_letters",
            "--no-live", *map(str, words)]  # fmt: skip


def started(folder, sport, environ, *words):
    return subprocess.Popen(
        command(sport, *words), cwd=folder, env={**os.environ, **environ},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(folder, sport, environ, *words):
    done = subprocess.run(
        command(sport, "--until", "idle", "--report", "r.json", *words),
        cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=90,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads((folder / "r.json").read_text())


def killed_twice(folder, sport, environ):
    """Let the run be killed twice while the feed goes on."""
    for _ in range(2):
        run = started(folder, sport, environ)
        spool = folder / ".oddspipe" / sport / "dev-live" / "spool"
        size = sum(file.stat().st_size for file in spool.glob("*.spool")) if spool.exists() else 0
        until = time.monotonic() + 30
        while time.monotonic() < until:
            time.sleep(0.05)
            now = sum(file.stat().st_size for file in spool.glob("*.spool"))
            if now > size + 40_000:
                break
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stderr.close()


def spooled(folder, sport):
    """Return the provider's messages in the spool, and how many ticks stand between them."""
    spool = Spool(folder / ".oddspipe" / sport / "dev-live" / "spool", 1 << 30)
    found, ticks, at = [], 0, 0
    while (block := spool.read(at, 0.0)) is not None:
        pairs = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
        if block.own:
            ticks += len(block.starts)
        else:
            found += [block.data[start:end].tobytes() for start, end in pairs]
        at += len(block.starts)
    spool.close()
    return found, ticks


def stage(report, name):
    return next(one for one in report["stages"] if one["stage"] == name)


@pytest.mark.proves("kill", "websocket")
@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("order", "websocket")
@pytest.mark.proves("books", "websocket")
def test_a_websocket_feed_loses_nothing_however_often_the_run_is_killed(tmp_path):
    with pushing(free_port()) as (feed, server):
        killed_twice(tmp_path, "nba", feed.environ)
        report = finished(tmp_path, "nba", feed.environ)
        feed.thread.join()
        sent = list(server._messages)

    found, ticks = spooled(tmp_path, "nba")
    assert found == sent
    # Ticks that were spooled as the run was told to stop are for the next one to read.
    assert len(sent) <= stage(report, "normalise")["in"] <= len(sent) + ticks
    assert report["balanced"]
    assert report["rejects"] == {}
    assert stage(report, "order")["duplicates"] == 0
    assert report["odds_published"] > 0


@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("twice", "websocket")
def test_a_broken_connection_is_made_again_from_the_cursor(tmp_path):
    port = free_port()
    with pushing(port) as (feed, server):
        run = started(tmp_path, "nba", feed.environ)
        spool = tmp_path / ".oddspipe/nba/dev-live/spool"

        def holds(message):
            return message in b"".join(file.read_bytes() for file in spool.glob("*.spool"))

        assert until(lambda: server._messages and holds(server._messages[0]))
        server.stop()
        time.sleep(0.5)
        server.start()
        feed.thread.join()
        sent = list(server._messages)
        assert until(lambda: holds(sent[-1]))
        run.send_signal(signal.SIGTERM)
        _, told = run.communicate(timeout=30)

    assert run.returncode == 0, told
    assert "the connection broke" in told
    assert "received again" in told
    assert spooled(tmp_path, "nba")[0] == sent


def test_a_run_until_idle_waits_for_a_provider_that_is_not_there_yet(tmp_path):
    port = free_port()
    run = started(tmp_path, "nba", {"NBA_FEED_URL": f"ws://127.0.0.1:{port}"}, "--until", "idle")
    time.sleep(6)
    assert run.poll() is None
    with pushing(port, speed=None) as (feed, server):
        feed.thread.join()
        _, told = run.communicate(timeout=60)
        sent = list(server._messages)

    assert run.returncode == 0, told
    assert "refused" in told
    assert spooled(tmp_path, "nba")[0] == sent


@pytest.mark.proves("kill", "pubsub")
@pytest.mark.proves("loss", "pubsub")
@pytest.mark.proves("twice", "pubsub")
@pytest.mark.proves("books", "pubsub")
def test_a_pubsub_feed_loses_nothing_and_what_comes_again_counts_once(tmp_path):
    with publishing() as (feed, server):
        killed_twice(tmp_path, "mlb", feed.environ)
        report = finished(tmp_path, "mlb", feed.environ)
        feed.thread.join()
        sent = server.sent
        assert server.service.waiting() == 0

    found, ticks = spooled(tmp_path, "mlb")
    assert len(set(found)) == sent
    assert len(found) <= stage(report, "normalise")["in"] <= len(found) + ticks
    assert stage(report, "order")["duplicates"] == len(found) - sent
    assert report["balanced"]
    assert report["rejects"] == {}


@pytest.mark.proves("bytes", "websocket")
def test_what_is_no_message_becomes_a_dead_letter(tmp_path):
    port = free_port()

    def push(connection):
        connection.recv()
        for message in ("{", b"\xff\xfe", '{"type": "nonsense", "cursor": 7}', "[]"):
            connection.send(message)
        connection.send(b'{"type": "\xff"}', text=True)  # a text frame that is no UTF-8
        connection.send("null")
        connection.recv(timeout=20)

    with serve(push, "127.0.0.1", port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        report = finished(tmp_path, "nba", {"NBA_FEED_URL": f"ws://127.0.0.1:{port}"})

    assert report["rejects"] == {"MAPPING": 6}
    assert report["balanced"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "no WebSocket address"),
        ("ws://127.0.0.1:{port}/refused", "the provider refuses: HTTP 403"),
    ],
)
@pytest.mark.proves("told", "websocket")
def test_an_address_that_is_wrong_for_good_ends_the_run(tmp_path, url, said):
    def refuse(connection, request):
        return connection.respond(403, "no") if request.path == "/refused" else None

    with serve(lambda _c: None, "127.0.0.1", 0, process_request=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = url.format(port=server.socket.getsockname()[1])
        done = subprocess.run(
            command("nba"), cwd=tmp_path, env={**os.environ, "NBA_FEED_URL": url},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode == 4
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_provider_that_refuses_after_it_let_us_in_is_tried_again(tmp_path):
    asked = []

    def refuse(connection, request):
        asked.append(request.path)
        return connection.respond(403, "not now") if len(asked) == 2 else None

    def push(connection):
        connection.recv()
        if len(asked) > 2:
            connection.recv(timeout=20)

    port = free_port()
    with serve(push, "127.0.0.1", port, process_request=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finished(tmp_path, "nba", {"NBA_FEED_URL": f"ws://127.0.0.1:{port}"})

    assert len(asked) > 2


@pytest.mark.proves("told", "pubsub")
def test_a_subscription_that_is_not_there_ends_the_run(tmp_path):
    with publishing() as (feed, _):
        done = subprocess.run(
            command("mlb"), cwd=tmp_path, capture_output=True, text=True, timeout=40, check=False,
            env={**os.environ, **feed.environ, "MLB_FEED_SUBSCRIPTION": "not-there"},
        )  # fmt: skip

    assert done.returncode == 4
    assert "there is no subscription" in done.stderr
    assert "Check feed.project, feed.subscription" in done.stderr


def test_the_served_feeds_say_where_they_are_and_end_in_order(tmp_path):
    port = free_port()
    served = subprocess.Popen(
        [ODDSPIPE, "feed", "serve", "--sport", "nba", "--duration", "2", "--max-speed"],
        cwd=tmp_path, env={**os.environ, "NBA_FEED_URL": f"ws://127.0.0.1:{port}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = served.stderr.readline()
    assert f"ws://127.0.0.1:{port}" in line
    with connect(f"ws://127.0.0.1:{port}") as provider:
        provider.send(json.dumps({"action": "subscribe", "league": "nba", "cursor": 0}))
        first, second = (json.loads(provider.recv(10))["cursor"] for _ in range(2))
        assert second == first + 1
    served.send_signal(signal.SIGTERM)
    out, _ = served.communicate(timeout=20)
    assert served.returncode == 0
    assert "made" in out


def test_an_address_of_somebody_else_is_not_served(tmp_path):
    done = subprocess.run(
        [ODDSPIPE, "feed", "serve", "--sport", "nba", "--duration", "1"],
        cwd=tmp_path, env={**os.environ, "NBA_FEED_URL": "wss://feed.example.com/nba"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "no ws:// address of this machine" in done.stderr
