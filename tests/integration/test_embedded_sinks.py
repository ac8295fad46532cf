"""Embedded Valkey and ClickHouse: what is there after kills, refusals and repeated outputs."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from oddspipe.core.adapters.clickhouse.client import ClickHouse, Stored, open_embedded
from oddspipe.core.adapters.clickhouse.ddl import statements
from oddspipe.core.adapters.clickhouse.reading import latest_odds, query, sports
from oddspipe.core.adapters.current import current_odds
from oddspipe.core.adapters.redis.client import Lifetimes, RedisCurrent, connect, read_current
from oddspipe.core.adapters.redis.embedded import EmbeddedRedis
from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Layout, envelope
from oddspipe.core.clock import ManualClock
from oddspipe.core.errors import RunError, StateError, UsageError
from oddspipe.core.parts import KindPlan
from oddspipe.core.ports.output import Odds, Output, Rollups

pytestmark = pytest.mark.integration

GAMES = ("BUF_KC", "DAL_NYG")
LAYOUT = Layout(envelope((("play", 1), ("tracking", 4))))
STORED = Stored("nfl", LAYOUT, (KindPlan("play", 1, 1), KindPlan("tracking", 4, 4)), {}, "cafe")
LIFETIMES = Lifetimes(600_000, 60_000_000, 2_000_000, 15_000_000)


def output(first: int, after: int) -> Output:
    """Return events, rollups and messages with the numbers `first` to `after`."""
    number = np.arange(first, after)
    n = len(number)
    words = np.zeros((len(LAYOUT), n), np.int64)
    words[0], words[2], words[3] = 1, number % 2, number
    words[4] = words[5] = 1_700_000_000_000_000 + number
    words[6] = 1
    batch = Batch(
        words,
        np.full(n, 0b1111111, np.uint64),
        np.zeros((2, n), np.uint64),
        np.zeros(n, np.uint8),
        number,
        np.frombuffer(b"e", np.uint8),
        number * 0,
        number * 0,
        number,
    )
    value = number * 1.0
    rollups = Rollups(number % 2, 1_700_000_000 + number, number, number, value, value, value)
    odds = Odds(
        game=number % 2,
        sequence=number // 2 + 1,
        number=number,
        cause_sequence=number,
        cause_kind=number * 0 + 1,
        cause_number=number,
        event_time=words[4],
        as_of_us=words[5],
        oldest_ingest_us=words[5],
        reason=["play"] * n,
        home_score=number,
        away_score=number * 0,
        period=number * 0 + 1,
        board=np.repeat(np.arange(n), 2),
        scope=["game"] * (2 * n),
        market=["moneyline"] * (2 * n),
        side=["home", "away"] * n,
        status=["open"] * (2 * n),
        line=np.full(2 * n, np.nan),
        is_main=np.ones(2 * n, np.bool_),
        p_fair=np.full(2 * n, 0.5),
        p_push=np.zeros(2 * n),
        p_booked=np.full(2 * n, 0.52),
        decimal_milli=np.repeat(1500 + number, 2),
        p_low=np.full(2 * n, 0.45),
        p_high=np.tile([0.55, np.nan], n),
    )
    return Output(batch, rollups, odds, (), GAMES, {2: GAMES}, after, 0)


def history(folder: Path) -> ClickHouse:
    return ClickHouse(lambda: open_embedded(folder), stored=STORED)


def redis_in(folder: Path, clock: ManualClock | None = None) -> RedisCurrent:
    return RedisCurrent("nfl", lifetimes=LIFETIMES, embedded=EmbeddedRedis(folder), clock=clock)


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("r")


@pytest.mark.proves("twice", "clickhouse")
@pytest.mark.proves("same", "clickhouse")
def test_outputs_given_again_and_cut_otherwise_are_stored_once(tmp_path: Path) -> None:
    for cuts in [[(0, 10), (10, 25)], [(5, 20), (20, 40)], [(0, 40)]]:
        sink = history(tmp_path)
        sink.open()
        sink.write_many([output(*cut) for cut in cuts])
        sink.close()

    for name, rows in (("events", 40), ("tracking_by_second", 40), ("odds_history", 80)):
        sql = f"SELECT count(), uniqExact(number), max(number) FROM nfl_{name}"
        assert query(tmp_path, sql)[1] == [(rows, 40, 39)]
    columns, latest = latest_odds(tmp_path, "nfl", "BUF_KC")
    shown = [columns.index(name) for name in ("game", "home", "side", "decimal", "low", "high")]
    assert [tuple(row[at] for at in shown) for row in latest] == [
        ("BUF_KC", 38, "away", 1.538, 0.45, None),
        ("BUF_KC", 38, "home", 1.538, 0.45, 0.55),
    ]
    assert sports(tmp_path) == ["nfl"]


def test_a_history_of_an_earlier_version_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    client = open_embedded(tmp_path)
    for statement in statements("nfl", LAYOUT):
        if not statement.startswith("ALTER"):
            client.command(re.sub(r",\n    `p_(low|high)` Nullable\(Float64\)", "", statement))
    client.close()

    sink = history(tmp_path)
    sink.open()
    sink.write(output(0, 3))
    sink.close()

    ends = "SELECT count(p_low), count(p_high) FROM nfl_"
    assert query(tmp_path, f"{ends}odds_history")[1] == [(6, 3)]
    columns, latest = latest_odds(tmp_path, "nfl", None)
    assert {row[columns.index("low")] for row in latest} == {0.45}


@pytest.mark.proves("kill", "clickhouse")
@pytest.mark.proves("loss", "clickhouse")
def test_a_killed_writer_leaves_whole_inserts_and_is_caught_up(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from test_embedded_sinks import history, output\n"
        "sink = history(Path(sys.argv[1])); sink.open()\n"
        "for at in range(0, 1000, 5):\n"
        "    sink.write(output(at, at + 5)); print(at, flush=True)\n"
    )
    here = str(Path(__file__).parent)
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), here], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(20)][-1]
    writer.kill()
    writer.wait()
    writer.stdout.close()

    sink = history(tmp_path)
    sink.open()
    sink.write(output(acknowledged + 5, 1000))
    sink.close()

    for name, each in (("events", 1), ("tracking_by_second", 1), ("odds_history", 2)):
        sql = f"SELECT count(), uniqExact(number), max(number) FROM nfl_{name}"
        assert query(tmp_path, sql)[1] == [(1000 * each, 1000, 999)]


@pytest.mark.proves("loss", "clickhouse")
def test_a_block_ends_where_a_message_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oddspipe.core.adapters.clickhouse.client.BLOCK_ROWS", 3)
    blocks: list[list[int]] = []
    sink = ClickHouse(lambda: open_embedded(Path("unused")), stored=STORED)
    sink._next = {"events": 10, "tracking_by_second": 10, "odds_history": 0}
    monkeypatch.setattr(sink, "_send", lambda _, rows: blocks.append(rows["number"].to_list()))

    sink.write(output(0, 4))

    assert blocks == [[0, 0], [1, 1], [2, 2], [3, 3]]


@pytest.mark.proves("told", "clickhouse")
def test_a_store_that_a_run_has_open_is_refused_to_others(tmp_path: Path) -> None:
    sink = history(tmp_path)
    sink.open()
    code = (
        "import sys; from pathlib import Path\n"
        "from oddspipe.core.adapters.clickhouse.client import open_embedded\n"
        "from oddspipe.core.errors import StateError\n"
        "try: open_embedded(Path(sys.argv[1]))\n"
        "except StateError as error: print(error.message)\n"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    sink.close()

    assert "cannot be opened" in asked.stdout


def test_a_query_can_change_nothing_and_faults_are_told(tmp_path: Path) -> None:
    sink = history(tmp_path)
    sink.open()
    sink.close()

    with pytest.raises(UsageError, match="nope"):
        query(tmp_path, "SELECT * FROM nope")
    with pytest.raises(UsageError, match=r"(?i)readonly"):
        query(tmp_path, "DROP TABLE nfl_events")
    with pytest.raises(StateError, match="no ClickHouse store"):
        query(tmp_path / "elsewhere", "SELECT 1")


@pytest.mark.proves("order", "redis")
@pytest.mark.proves("twice", "redis")
def test_older_odds_never_replace_newer_ones(short: Path) -> None:
    sink = redis_in(short)
    sink.open()
    sink.write_many([output(0, 20), output(20, 40)])
    other = redis_in(short)
    other._client = connect(socket=EmbeddedRedis(short).socket)

    other.write(output(0, 10))

    seen = read_current(other._client, "nfl")
    other._client.close()
    sink.close()
    assert {game: int(fields["sequence"]) for game, fields in seen.items()} == {
        "BUF_KC": 20,
        "DAL_NYG": 20,
    }


@pytest.mark.proves("order", "redis")
def test_redis_remembers_a_game_for_longer_than_its_odds(short: Path) -> None:
    sink = redis_in(short)
    sink.open()
    sink.write(output(0, 20))
    other = redis_in(short)
    other._client = connect(socket=EmbeddedRedis(short).socket)
    ends = time.monotonic() + 20
    while read_current(other._client, "nfl") and time.monotonic() < ends:
        time.sleep(0.02)

    # The odds have run out; older ones that come late must not take their place.
    other.write(output(0, 10))

    seen = read_current(other._client, "nfl")
    other._client.close()
    sink.close()
    assert seen == {}


@pytest.mark.proves("kill", "redis")
def test_odds_outlive_a_clean_stop_and_a_killed_run(short: Path) -> None:
    killed = redis_in(short)
    killed.open()
    killed.write(output(0, 20))

    resumed = redis_in(short)
    resumed.open()
    resumed.close()
    again = redis_in(short)
    again.open()
    client = connect(socket=EmbeddedRedis(short).socket)
    seen = read_current(client, "nfl")
    client.close()
    again.close()

    assert seen["BUF_KC"]["sequence"] == "00000000000000000010"
    assert not EmbeddedRedis(short).socket.exists()


def test_refresh_renews_and_says_how_fresh_the_odds_are(short: Path) -> None:
    clock = ManualClock()
    sink = redis_in(short, clock)
    sink.open()
    sink.write(output(0, 2))
    client = connect(socket=EmbeddedRedis(short).socket)
    words, lifetimes = [], []

    for seconds in (1, 1, 13):
        client.pexpire("odds:{nfl}:BUF_KC", 100)
        clock.sleep(seconds)
        sink.refresh()
        lifetimes.append(client.pttl("odds:{nfl}:BUF_KC"))
        words.append(read_current(client, "nfl")["BUF_KC"]["freshness"])
    sink.write(output(2, 3))
    back = {game: fields["freshness"] for game, fields in read_current(client, "nfl").items()}

    client.close()
    sink.close()
    assert words == ["fresh", "stale", "suspended"]
    assert min(lifetimes) > 100
    assert back == {"BUF_KC": "fresh", "DAL_NYG": "fresh"}


@pytest.mark.proves("told", "redis")
def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(RunError, match=r"localhost:1\b") as told:
        connect("redis://user:secret@localhost:1/0")

    assert "secret" not in told.value.message


def test_a_long_folder_name_still_gets_a_socket(short: Path) -> None:
    folder = short / ("x" * 60) / ("y" * 60)
    sink = redis_in(folder)

    sink.open()
    sink.close()

    assert len(os.fsencode(EmbeddedRedis(folder).socket)) <= 100


def test_current_odds_come_from_redis_while_a_run_is_on_and_from_history_after(
    short: Path,
) -> None:
    live, kept = redis_in(short / "redis"), history(short / "clickhouse")
    live.open()
    kept.open()
    live.write(output(0, 4))
    kept.write(output(0, 4))

    during = current_odds(short, None, "DAL_NYG")
    live.close()
    kept.close()
    after = current_odds(short, None, "DAL_NYG")

    assert during[0][-1] == "freshness"
    assert after[0][-1] == "as_of"
    assert sorted(row[:12] for row in during[1]) == sorted(tuple(row[:12]) for row in after[1])
