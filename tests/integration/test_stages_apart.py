"""Normalise and price as workers of their own: killed anywhere, and what reaches ClickHouse."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from tests.run_cases import PLAN, noisy_feed

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import GAME_ID, KIND
from oddspipe.core.batch.normalised import as_records, standings
from oddspipe.core.names import Kind
from oddspipe.core.runtime.chain import NormaliseChain

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
client_of = pytest.importorskip("clickhouse_connect", reason="it is in 'embedded'").get_client
pytest.importorskip("chdb", reason="ClickHouse's engine is in the extra 'embedded'")
from tests.integration.committed import committed  # noqa: E402 - after the skips
from tests.integration.test_clickhouse_history import PARTITIONS, PLACES, run, wrote  # noqa: E402
from tests.integration.test_run_over_kafka import PLATFORM, Sport  # noqa: E402
from tests.integration.test_up import one_of, up  # noqa: E402

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
APART = PLATFORM.replace("    state: state\n", "    state: state\n    stages: apart\n") + (
    "    clickhouse: {url: {env: ODDSPIPE_CLICKHOUSE}, database: odds}\n"
)


def apart(folder, name, brokers, url):
    """Return a sport whose stages are apart."""
    sport = Sport(folder, name, brokers, ODDSPIPE_CLICKHOUSE=url)
    (folder / "platform.yaml").write_text(APART)
    return sport


def asked(url, query):
    return client_of(dsn=url, database="odds").query(query).result_rows


@pytest.mark.proves("kill", "normalise", "normalised_topic", "clickhouse")
@pytest.mark.proves("loss", "normalise", "normalised_topic", "clickhouse")
@pytest.mark.proves("twice", "normalised_topic", "clickhouse")
@pytest.mark.proves("order", "normalised_topic")
@pytest.mark.proves("books", "normalise")
def test_each_stage_is_killed_and_nothing_is_lost_twice_or_out_of_order(tmp_path, brokers, server):
    sport = apart(tmp_path, "apart", brokers, server)
    feed = sport.begun(
        *("feed", "serve", "--rate", "4000", "--duration", "10", "--seed", "5"),
        *("--faults", "duplicates=1%,swaps=1%,gaps=0.1%,late=0.1%,corrupt=0.1%"),
    )
    running = up(sport, "--workers", "2", "--until", "idle")
    time.sleep(5)
    for stage in ("normalise", "price", "publish", "normalise"):
        os.kill(one_of(running.pid, stage), signal.SIGKILL)
        time.sleep(1)
    assert feed.wait(60) == 0
    out, told = running.communicate(timeout=180)

    assert running.returncode == 0, told
    assert "all stages have ended" in out
    found = sport.verified()
    assert found["sound"], found
    assert found["behind"] == 0
    assert found["normalised"]["checked"] > 30_000
    assert found["odds"]["checked"] > 20
    assert found["dead_letters"]["checked"] > 20
    planted = sport.verified("--self-test")
    assert [planted["odds"][name] for name in ("lost", "twice", "out_of_order")] == [1, 1, 1]
    in_topic = sum(map(len, committed(brokers, "apart.normalised.v1", PARTITIONS)))
    kept = asked(server, "SELECT count(), uniqExact(game_id, sequence, revision) FROM apart_events")
    counted = asked(server, "SELECT sum(count) FROM apart_tracking_by_second")
    prices = asked(
        server,
        "SELECT count(), uniqExact(game_id, odds_sequence, scope, market, ifNull(line, -1), side), "
        "uniqExact(game_id, odds_sequence) FROM apart_odds_history",
    )
    assert kept[0][0] == kept[0][1] > 500
    timers = found["normalised"]["checked"] - kept[0][0] - counted[0][0]
    assert in_topic == found["normalised"]["checked"]
    assert 0 <= timers < 500, "all events but timers are in one of the tables"
    assert prices[0][0] == prices[0][1]
    assert prices[0][2] == found["odds"]["checked"]


def events():
    """Return records of the normalised topic, and an output that holds the same."""
    feed = noisy_feed(1, games=4, events=900)
    given = Payloads.of([one for one, _ in feed], ingest_us=np.array([at for _, at in feed]))
    output = NormaliseChain(PLAN).step(given)
    data, starts, ends = as_records(output.events)
    lines = [data[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    return lines, output


def stored(url, topic):
    """Return the numbers of the events that are stored, and tracking by game and second."""
    name = topic.replace("-", "_")
    numbers = asked(url, f"SELECT number FROM {name}_events ORDER BY number")
    seconds = asked(
        url,
        "SELECT game_id, toUnixTimestamp(second) AS at, sum(count), sum(total), min(low) "
        f"FROM {name}_tracking_by_second GROUP BY game_id, at ORDER BY game_id, at",
    )
    return [number for (number,) in numbers], seconds


def wanted(output):
    """Return the same of an output, by plain loops."""
    batch, seconds, numbers = output.events, {}, []
    kinds = batch.words[KIND].tolist()
    for row, kind in enumerate(kinds):
        if kind == Kind.TRACKING:
            game = output.games[batch.words[GAME_ID, row]]
            key = (game, int(standing(output).ingest_us[row]) // 1_000_000)
            seconds[key] = seconds.get(key, 0) + 1
        elif kind not in {Kind.TICK, Kind.HEARTBEAT}:
            numbers.append(int(batch.numbers[row]))
    return sorted(numbers), [(*key, count, 0.0, None) for key, count in sorted(seconds.items())]


def standing(output):
    data, starts, ends = as_records(output.events)
    return standings(Payloads(data, starts, ends, starts, starts))


@pytest.mark.proves("kill", "clickhouse")
@pytest.mark.proves("twice", "clickhouse")
def test_a_writer_of_events_that_is_killed_anywhere_leaves_each_once(brokers, new_topic, server):
    topic, (lines, output) = new_topic(PARTITIONS), events()
    share = len(lines) // (len(PLACES) + 1) + 1
    parts = [lines[at : at + share] for at in range(0, len(lines), share)]
    for place, part in zip(PLACES, parts, strict=False):
        wrote(brokers, topic, part)
        assert run(brokers, topic, server, "events", point=f"{place}=1").wait(90) == -signal.SIGKILL
    wrote(brokers, topic, parts[-1])

    # Another slot: what the first has begun is finished by who gets its partitions.
    assert run(brokers, topic, server, "events", slot=1).wait(90) == 0

    assert stored(server, topic) == wanted(output)


@pytest.mark.proves("told", "normalise")
def test_another_division_of_the_work_is_refused(tmp_path, brokers, server):
    sport = apart(tmp_path, "divided", brokers, server)
    assert "`stages: apart`: one process does not do all" in sport.refused("run")

    sport.done("feed", "serve", "--rate", "2000", "--duration", "2", "--max-speed")
    sport.done("run", "--stage", "normalise", "--until", "idle", "--report", "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["stage"] == "normalise"
    assert report["balanced"]
    assert 3_000 < report["events_normalised"] <= report["events_in"]
    behind = sport.verified(code=4)
    assert behind["sound"]
    assert behind["behind"] == behind["normalised"]["checked"] > 3_000

    (tmp_path / "platform.yaml").write_text(APART.replace("stages: apart", "stages: together"))
    assert "has run with `stages: apart`" in sport.refused("run")
    assert "`stages: together`: what prices normalises too" in sport.refused(
        "run", "--stage", "normalise"
    )
