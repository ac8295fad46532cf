"""Real services: started, found again, stopped; what they held is still there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oddspipe.core.errors import RunError, StateError, UsageError
from oddspipe.core.services import kafka, local, process, redis

pytestmark = pytest.mark.integration
CALL = "from oddspipe.cli.app import main; main()"
needs_java = pytest.mark.skipif(
    shutil.which("java") is None or shutil.which("mvn") is None,
    reason="a Kafka broker needs Java 17 and Maven",
)


def sleeper(port: int) -> process.Server:
    """Return a small server that listens on a port."""
    code = f"import socket,time; s=socket.create_server(('127.0.0.1',{port})); time.sleep(60)"
    return process.Server("sleeper", [sys.executable, "-c", code], "here", port, {})


def test_a_started_process_is_found_again_and_stopped(tmp_path: Path) -> None:
    running = sleeper(process.free_port()).start(tmp_path)

    assert process.read(tmp_path) == running
    assert running.alive
    assert process.stop(tmp_path)
    assert not running.alive
    assert process.read(tmp_path) is None
    assert not process.stop(tmp_path)


def test_a_later_process_with_the_same_id_is_not_taken_for_the_service(tmp_path: Path) -> None:
    running = sleeper(process.free_port()).start(tmp_path)
    try:
        other = process.Running("sleeper", running.pid, running.started + 1, "here", "log")

        assert not other.alive
    finally:
        process.stop(tmp_path)


def test_a_server_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    port = process.free_port()
    server = process.Server(
        "broken", [sys.executable, "-c", "raise SystemExit('no room')"], "", port, {}
    )

    with pytest.raises(RunError, match=r"broken ended at once.*no room"):
        server.start(tmp_path)


def test_a_program_that_is_missing_is_told_by_name(tmp_path: Path) -> None:
    server = process.Server("ghost", ["/no/such/program"], "", process.free_port(), {})

    with pytest.raises(UsageError, match="cannot start /no/such/program"):
        server.start(tmp_path)


def test_a_damaged_record_is_told(tmp_path: Path) -> None:
    (tmp_path / process.RECORD).write_text("{")

    with pytest.raises(StateError, match="damaged"):
        process.read(tmp_path)


def test_a_port_in_use_gives_another_one(tmp_path: Path) -> None:
    port = process.free_port()
    sleeper(port).start(tmp_path)
    try:
        assert process.free_port(port) != port
    finally:
        process.stop(tmp_path)


def test_an_unknown_service_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        local.known(("kafak",))

    assert caught.value.hint == "There are kafka, redis, postgres, clickhouse."


def test_redis_keeps_what_it_was_given_over_a_kill(tmp_path: Path) -> None:
    client = pytest.importorskip("redis", reason="redis is in the extra 'embedded'")
    running = redis.start(tmp_path, port=process.free_port())
    first = client.Redis.from_url(running.endpoint)
    first.set("a", "1")
    time.sleep(1.1)  # appendfsync everysec
    os.kill(running.pid, signal.SIGKILL)
    process.stop(tmp_path)

    again = redis.start(tmp_path, port=process.free_port())
    try:
        assert client.Redis.from_url(again.endpoint).get("a") == b"1"
    finally:
        process.stop(tmp_path)


@needs_java
def test_kafka_takes_topics_and_keeps_them_over_a_restart(tmp_path: Path) -> None:
    admin = pytest.importorskip("confluent_kafka.admin", reason="confluent-kafka is in 'kafka'")
    running = kafka.start(tmp_path, port=process.free_port())
    try:
        client = admin.AdminClient({"bootstrap.servers": running.endpoint})
        client.create_topics([admin.NewTopic("games", 3, 1)])["games"].result(10)
        process.stop(tmp_path)
        running = kafka.start(tmp_path, port=process.free_port())

        seen = admin.AdminClient({"bootstrap.servers": running.endpoint}).list_topics(timeout=10)

        assert len(seen.topics["games"].partitions) == 3
    finally:
        process.stop(tmp_path)


@needs_java
def test_jars_that_differ_from_their_hashes_are_refused(tmp_path: Path) -> None:
    laid_down = kafka.jars()
    part = tmp_path / "jars"
    shutil.copytree(laid_down, part)
    jar = next(part.glob("kafka-clients-*.jar"))
    jar.write_bytes(jar.read_bytes() + b"x")

    with pytest.raises(RunError, match=f"1 of Kafka's jars .*{jar.name}"):
        kafka._verify(part)


def test_services_command_starts_shows_and_stops(tmp_path: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", CALL, "services", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    started = call("up", "redis")
    shown = call("status")
    again = call("up", "redis")
    stopped = call("down")
    nothing = call("status")

    assert started.returncode == 0, started.stderr
    assert "redis: runs at redis://localhost:" in started.stdout
    assert "runs" in shown.stdout
    assert "ran already" in again.stdout
    assert stopped.stdout == "stopped: redis\n"
    assert "no service was started here" in nothing.stdout
