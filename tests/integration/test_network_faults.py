"""A network that cuts, swallows and crawls between the real commands and real servers."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from tests.integration.committed import committed
from tests.integration.tcp_proxy import (
    ADD_OFFSETS,
    END_TXN,
    PRODUCE,
    TXN_OFFSETS,
    KafkaProxy,
    TcpProxy,
)
from tests.integration.test_ingest import compared, pushing, websocket_sport
from tests.integration.test_run_over_kafka import Sport
from tests.replay_cases import ODDSPIPE
from tests.waiting import until

from oddspipe.core.services import process, redis

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
redis_client = pytest.importorskip("redis", reason="redis is in 'embedded'")

pytestmark = pytest.mark.integration
HOLE_S = 3.0
"""A black hole shorter than a session (6 s): the network heals before anybody is missed."""
LOST_S = 9.0
"""Longer than a call waits (8 s): whether the transaction was committed is unknown."""


@contextmanager
def running(sport, *words, **environ):
    """Run a command in the background; what it says is in a file, and it must not end by itself."""
    log = sport.folder / f"{words[0]}.log"
    with log.open("a") as told:
        one = subprocess.Popen(
            [ODDSPIPE, *words, "--spec", "spec.yaml", "--env", "dev"], cwd=sport.folder,
            env={**os.environ, **sport.environ, **environ}, stdout=told, stderr=told,
        )  # fmt: skip
    try:
        yield one
        assert one.poll() is None, log.read_text()
        one.send_signal(signal.SIGTERM)
        assert one.wait(60) == 0, log.read_text()
    finally:
        one.kill()
        one.wait()


def fed(sport, rate=1500):
    """Serve the feed beside the proxy until the block ends."""
    faults = "duplicates=1%,swaps=1%,gaps=0.1%,late=0.1%,corrupt=0.1%"
    return running(sport, "feed", "serve", "--rate", str(rate), "--faults", faults)


def taken(sport):
    """Say whether all of the feed is committed, but for the marker of its last transaction."""
    reader = ck.Consumer({"bootstrap.servers": sport.brokers, "group.id": f"oddspipe.{sport.name}"})
    places = [ck.TopicPartition(f"{sport.name}.feed", p) for p in range(3)]
    try:
        stood = {one.partition: max(one.offset, 0) for one in reader.committed(places, 10)}
        ends = {one.partition: reader.get_watermark_offsets(one, 10)[1] for one in places}
    finally:
        reader.close()
    return all(end - stood[partition] <= 1 for partition, end in ends.items())


def sound(sport, at_least):
    """Compare all that is committed with the feed, beside the proxy."""
    found = sport.verified()
    assert found["sound"], found
    assert found["behind"] == 0
    assert found["odds"]["checked"] > at_least
    return found


def goes_on(proxy, more=3):
    assert proxy.answers(END_TXN, more), "no transaction is committed any more"


def through_every_fault(proxy):
    """Do to a worker's connections what a network may; it commits between two faults."""
    goes_on(proxy)
    for api, place in (
        (PRODUCE, "inside"),
        (PRODUCE, "answer"),
        (ADD_OFFSETS, "answer"),
        (TXN_OFFSETS, "inside"),
        (TXN_OFFSETS, "answer"),
        (END_TXN, "inside"),
        (END_TXN, "answer"),
    ):
        assert proxy.strike(api, place).struck.wait(20), (api, place)
        goes_on(proxy)
    # An answer to a commit is lost, and nobody is reached for a while.
    assert proxy.strike(END_TXN, "answer", proxy.hole).struck.wait(20)
    time.sleep(HOLE_S)
    proxy.flow()
    goes_on(proxy)
    # Not for longer: a client that is refused waits ever longer before it tries again.
    proxy.refuse()
    proxy.cut()
    time.sleep(0.3)
    proxy.accept()
    goes_on(proxy)
    proxy.delay_s, proxy.bytes_per_s = 0.04, 400_000
    goes_on(proxy, 5)
    proxy.cut_after(10_000)
    assert until(lambda: proxy.cuts >= 10, 40.0)
    goes_on(proxy)
    proxy.delay_s, proxy.bytes_per_s = 0.0, None


@pytest.mark.proves("loss", "kafka", "odds_topic", "dead_letters")
@pytest.mark.proves("twice", "kafka", "odds_topic", "dead_letters")
@pytest.mark.proves("order", "kafka", "odds_topic")
def test_a_worker_behind_a_network_that_cuts_swallows_and_crawls(tmp_path, brokers):
    sport = Sport(tmp_path, "cut", brokers)
    with (
        KafkaProxy(brokers) as proxy,
        running(sport, "run", "--sinks", "none", ODDSPIPE_KAFKA=proxy.brokers),
    ):
        with fed(sport):
            through_every_fault(proxy)
        assert until(lambda: taken(sport), 40.0)
    sound(sport, 20)


def killed_before_its_commit(sport, proxy):
    """Kill an ingest when all of a transaction is with the broker but the end of it."""
    sport.environ["ODDSPIPE_KAFKA"] = proxy.brokers
    one = sport.begun("ingest")
    try:
        goes_on(proxy)
        assert proxy.strike(END_TXN, "inside", one.kill).struck.wait(20)
    finally:
        one.kill()
        one.wait()


@pytest.mark.proves("loss", "websocket")
@pytest.mark.proves("twice", "websocket")
@pytest.mark.proves("order", "websocket")
def test_an_ingest_whose_commit_was_made_and_whose_answer_was_lost(tmp_path, brokers):
    sport = websocket_sport(tmp_path, "unheard", brokers)
    stopped = threading.Event()
    with (
        KafkaProxy(brokers) as proxy,
        pushing(sport, duration=600, stopped=stopped) as (server, maker),
    ):
        killed_before_its_commit(sport, proxy)
        words = ("run", "--stage", "ingest", "--report", "report.json")
        with running(sport, *words, ODDSPIPE_KAFKA=proxy.brokers):
            goes_on(proxy)
            # The client asks again by itself, on another connection.
            assert proxy.strike(END_TXN, "answer").struck.wait(20)
            goes_on(proxy)
            assert proxy.strike(END_TXN, "inside").struck.wait(20)
            goes_on(proxy)
            assert proxy.strike(PRODUCE, "inside").struck.wait(20)
            goes_on(proxy)
            # Nobody answers until the call is given up: it was committed, and no one knows.
            assert proxy.strike(END_TXN, "answer", proxy.hole).struck.wait(20)
            time.sleep(LOST_S)
            proxy.flow()
            goes_on(proxy, 5)
            stopped.set()
            maker.join()
            sent = list(server._messages)
            last = set(sent[-500:])
            assert until(lambda: last <= {one for part in sport.raw() for one in part}, 40.0)
    compared(sent, sport.raw())
    assert json.loads((tmp_path / "report.json").read_text())["restarts"] >= 1


def current(port, sport):
    """Return the sequence of each game that a Redis server remembers."""
    client = redis_client.Redis(port=port)
    try:
        keys = list(client.scan_iter(match=f"odds-memory:{{{sport.name}}}:*"))
        found = {key: client.hget(key, "sequence") for key in keys}
    finally:
        client.close()
    return {key.decode().rpartition(":")[2]: int(value) for key, value in found.items() if value}


def priced(sport):
    """Return the last committed sequence of each game in the odds topic."""
    parts = committed(sport.brokers, f"{sport.name}.odds.v1", 3)
    told = [json.loads(one.value()) for part in parts for one in part]
    newest = {}
    for one in told:
        assert one["seq"] == newest.get(one["game"], 0) + 1
        newest[one["game"]] = one["seq"]
    return newest


@pytest.mark.proves("loss", "redis")
@pytest.mark.proves("order", "redis")
def test_a_cache_behind_such_a_network_holds_nothing_up_and_catches_up_in_order(tmp_path, brokers):
    port = process.free_port()
    redis.start(tmp_path / "redis", port=port)
    seen, over = [{}], threading.Event()
    try:
        with TcpProxy(port) as proxy:
            sport = Sport(tmp_path, "crawling", brokers)
            sport.environ["ODDSPIPE_REDIS"] = f"redis://localhost:{proxy.port}/0"

            def watch():
                while not over.wait(0.02):
                    seen.append(current(port, sport))

            watching = threading.Thread(target=watch)
            watching.start()
            try:
                with running(sport, "run", "--report", "report.json"):
                    with fed(sport):
                        stalled_and_slow(sport, proxy, lambda: current(port, sport))
                    assert until(lambda: taken(sport), 40.0)
                    wanted = priced(sport)
                    assert until(lambda: current(port, sport) == wanted, 40.0)
            finally:
                over.set()
                watching.join()
    finally:
        process.stop(tmp_path / "redis")
    sinks = json.loads((tmp_path / "report.json").read_text())["sinks"]
    assert sinks["current"] == {"outputs": sum(wanted.values()), "behind": 0, "trouble": ""}
    assert len(seen) > 20
    for before, after in itertools.pairwise(seen):
        assert all(after.get(game, 0) >= number for game, number in before.items())


def stalled_and_slow(sport, proxy, remembered):
    """Put the sink through every fault; it takes something between two of them."""

    def goes_on_to_take():
        before = remembered()
        assert until(lambda: sum(remembered().values()) > sum(before.values()), 40.0), before

    goes_on_to_take()
    proxy.stall()
    before, held = sum(priced(sport).values()), remembered()
    # The sport is priced all the while; longer than the client waits for an answer (5 s).
    assert until(lambda: sum(priced(sport).values()) > before + 5, 40.0)
    time.sleep(5)
    assert remembered().keys() == held.keys()
    assert sum(priced(sport).values()) > sum(remembered().values()) + 5
    proxy.flow()
    goes_on_to_take()
    proxy.refuse()
    proxy.cut()
    time.sleep(0.5)
    proxy.accept()
    goes_on_to_take()
    for _ in range(3):
        cuts = proxy.cuts
        proxy.cut_after(700)
        assert until(lambda cuts=cuts: proxy.cuts > cuts, 40.0)
    goes_on_to_take()
    proxy.delay_s, proxy.bytes_per_s = 0.05, 50_000
    goes_on_to_take()
