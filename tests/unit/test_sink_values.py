"""The value halves of the Redis and ClickHouse sinks: what would be sent, without a server."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import redis

from oddspipe.core.adapters.clickhouse.ddl import statements
from oddspipe.core.adapters.clickhouse.rows import by_second, events, odds_history, stored_kinds
from oddspipe.core.adapters.redis.client import Lifetimes, RedisCurrent
from oddspipe.core.adapters.redis.commands import (
    Current,
    Freshness,
    calls,
    freshness_at,
    merge,
)
from oddspipe.core.batch.batch import LATE_AMENDED, Batch
from oddspipe.core.batch.layout import Column, Layout, envelope
from oddspipe.core.errors import RetryableError
from oddspipe.core.names import FieldType
from oddspipe.core.parts import KindPlan
from oddspipe.core.ports.output import Odds, Output, Rollups

GAMES = ("BUF_KC", "DAL_NYG")
KINDS = (KindPlan("play", 1, 1), KindPlan("tracking", 4, 4), KindPlan("tick", 15, 15))
LAYOUT = Layout(
    (
        *envelope((("play", 1), ("tracking", 4))),
        Column("down", 16, FieldType.UINT32),
        Column("speed", 17, FieldType.DOUBLE),
        Column("ball", 18, FieldType.ENUM, values=(("home", 1), ("away", 2))),
    )
)


def odds(boards: list[tuple[int, int, list[tuple[str, float, int]]]]) -> Odds:
    """Make messages of (game, sequence, rows of market, line, decimal_milli)."""
    n = len(boards)
    rows = [(at, *row) for at, (_, _, prices) in enumerate(boards) for row in prices]
    zeros = np.zeros(n, np.int64)
    return Odds(
        game=np.array([game for game, _, _ in boards], np.int64),
        sequence=np.array([sequence for _, sequence, _ in boards], np.int64),
        number=np.arange(n),
        cause_sequence=zeros + 7,
        cause_kind=zeros + 1,
        cause_number=zeros,
        event_time=zeros + 1_700_000_000_000_000,
        as_of_us=zeros + 1_700_000_000_000_001,
        oldest_ingest_us=zeros,
        reason=["play"] * n,
        home_score=zeros + 14,
        away_score=zeros,
        period=zeros + 2,
        board=np.array([row[0] for row in rows], np.int64),
        scope=["game"] * len(rows),
        market=[row[1] for row in rows],
        side=["home"] * len(rows),
        status=["open"] * len(rows),
        line=np.array([row[2] for row in rows]),
        is_main=np.ones(len(rows), np.bool_),
        p_fair=np.full(len(rows), 0.5),
        p_push=np.zeros(len(rows)),
        p_booked=np.full(len(rows), 0.52),
        decimal_milli=np.array([row[3] for row in rows], np.int64),
        p_low=np.full(len(rows), np.nan),
        p_high=np.full(len(rows), np.nan),
    )


def output(given: Odds, batch: Batch | None = None) -> Output:
    none = np.empty(0, np.int64)
    empty = Batch(
        np.empty((len(LAYOUT), 0), np.int64),
        np.empty(0, np.uint64),
        np.empty((2, 0), np.uint64),
        np.empty(0, np.uint8),
        none,
        np.empty(0, np.uint8),
        none,
        none,
        none,
    )
    rollups = Rollups(
        np.array([1]), np.array([1_700_000_000]), np.array([3]), np.array([9]),
        np.array([4.5]), np.array([0.5]), np.array([1.5]),
    )  # fmt: skip
    return Output(batch or empty, rollups, given, (), GAMES, {2: GAMES, 11: ("player",)}, 0, 0)


def three_events() -> Batch:
    """Return a play with all of its own fields, a late play without, and a tracking event."""
    words = np.zeros((len(LAYOUT), 3), np.int64)
    words[0] = [(0 << 24) | 2, (2 << 24) | 1, 0]
    words[2] = [0, 1, 0]
    words[3] = [1, 1, 2]
    words[4] = words[5] = 1_700_000_000_000_000
    words[6] = [1, 1, 4]
    words[15] = [3, 0, 0]
    words[16] = np.array([1.25, 0, 0]).view(np.int64)
    words[17] = [2, 0, 0]
    everything, envelope_only = (1 << 18) - 1, 0b1111111
    return Batch(
        words,
        np.array([everything, envelope_only, envelope_only], np.uint64),
        np.zeros((2, 3), np.uint64),
        np.array([0, LATE_AMENDED, 0], np.uint8),
        np.arange(3),
        np.frombuffer(b"ab\xff", np.uint8),
        np.zeros(3, np.int64),
        np.zeros(3, np.int64),
        np.arange(10, 13),
    )


def test_the_last_board_of_a_market_wins_and_other_markets_stay() -> None:
    games: dict[str, Current] = {}
    given = odds(
        [
            (0, 1, [("moneyline", np.nan, 1900), ("total", 45.5, 1910)]),
            (1, 1, [("moneyline", np.nan, 3000)]),
            (0, 2, [("moneyline", np.nan, 2000)]),
            (0, 3, [("moneyline", np.nan, 0)]),
        ]
    )

    changed = merge(games, [output(given)])

    fields = games["BUF_KC"].fields
    assert changed == {"BUF_KC", "DAL_NYG"}
    assert fields["sequence"] == "00000000000000000003"
    assert json.loads(fields["market:game:moneyline"])[0]["decimal"] is None
    assert json.loads(fields["market:game:total"])[0]["decimal"] == 1.91
    assert (fields["home_score"], fields["period"]) == ("14", "2")


@pytest.mark.proves("order", "redis")
@pytest.mark.proves("twice", "redis")
def test_boards_that_are_not_newer_change_nothing() -> None:
    games = {"BUF_KC": Current(5, {"sequence": "x"})}

    changed = merge(games, [output(odds([(0, 5, [("moneyline", np.nan, 1900)])]))])

    assert changed == set()
    assert games["BUF_KC"].fields == {"sequence": "x"}


@pytest.mark.proves("loss", "redis")
def test_odds_that_the_server_did_not_take_are_sent_by_the_next_try() -> None:
    sent: list[list[str]] = []

    class Server:
        def register_script(self, _text: str) -> Callable[..., None]:
            return self.script

        def script(self, *, keys: list[str], args: list[str]) -> None:
            sent.append(keys)
            assert "sequence" in args
            if len(sent) == 1:
                raise redis.ConnectionError("gone")

    sink = RedisCurrent("nfl", lifetimes=Lifetimes(10**6, 10**6, 10**6, 10**6))
    sink._client = Server()
    given = output(odds([(0, 1, [("moneyline", np.nan, 1900)])]))
    with pytest.raises(RetryableError, match="1 games not written"):
        sink.write(given)

    sink.write(given)

    assert sent == [["odds:{nfl}:BUF_KC", "odds-memory:{nfl}:BUF_KC"]] * 2


def test_many_games_are_written_in_calls_of_a_hundred() -> None:
    games = {f"g{at:03}": Current(1, {"sequence": "1"}) for at in range(101)}

    made = calls("nfl", games, sorted(games), Freshness.STALE, (10, 20))

    assert [len(keys) for keys, _ in made] == [200, 2]
    assert made[1] == (
        ["odds:{nfl}:g100", "odds-memory:{nfl}:g100"],
        ["10", "20", "1", "4", "sequence", "1", "freshness", "stale"],
    )


@pytest.mark.parametrize(
    ("age", "word"), [(0, "fresh"), (1, "fresh"), (2, "stale"), (3, "stale"), (4, "suspended")]
)
def test_odds_go_from_fresh_to_stale_to_suspended(age: int, word: str) -> None:
    assert freshness_at(age, stale_us=2, suspended_us=4) == word


@pytest.mark.parametrize(
    ("store", "kinds"),
    [
        ({}, [1]),
        ({"tracking": "raw"}, [1, 4]),
        ({"play": "none"}, []),
        ({"tracking": "none", "play": "raw"}, [1]),
    ],
)
def test_the_spec_says_which_events_are_stored_one_by_one(
    store: dict[str, str], kinds: list[int]
) -> None:
    assert stored_kinds(KINDS, store).tolist() == kinds


def test_an_event_becomes_a_row_and_absent_fields_are_null() -> None:
    given = output(odds([]), three_events())

    rows = events(given, LAYOUT, np.array([1]), from_number=10).to_dicts()

    assert [row["number"] for row in rows] == [10, 11]
    first, second = rows
    assert (first["event_id"], second["event_id"]) == (b"ab", b"\xff")
    assert (first["game_id"], second["game_id"]) == GAMES
    assert (first["kind"], first["down"], first["speed"], first["ball"]) == (
        "play",
        3,
        1.25,
        "away",
    )
    assert (first["player_id"], first["late"]) == ("player", False)
    assert (second["down"], second["speed"], second["ball"], second["late"]) == (
        None,
        None,
        None,
        True,
    )


def test_events_that_are_there_already_are_left_out() -> None:
    given = output(odds([]), three_events())

    assert events(given, LAYOUT, np.array([1, 4]), from_number=12)["number"].to_list() == [12]
    assert by_second(given, from_number=4).is_empty()
    assert by_second(given, from_number=3)["game_id"].to_list() == ["DAL_NYG"]


def test_history_has_the_cause_of_every_price_and_no_price_is_null() -> None:
    given = odds([(0, 1, [("moneyline", np.nan, 1900)]), (1, 1, [("total", 45.5, 0)])])
    given = replace(given, number=np.array([4, 5]))

    row = odds_history(output(given), "cafe", from_number=5).to_dicts()[0]

    assert (row["number"], row["game_id"], row["cause_sequence"]) == (5, "DAL_NYG", 7)
    assert (row["line"], row["decimal"], row["plan"]) == (45.5, None, "cafe")


def test_tables_keep_history_down_to_the_message() -> None:
    made = statements("nfl", LAYOUT, keep_days=90)

    assert [sql.split("(")[0].split()[5] for sql in made[:3]] == [
        "nfl_events",
        "nfl_tracking_by_second",
        "nfl_odds_history",
    ]
    assert "ORDER BY (game_id, scope, market, odds_sequence, side)" in made[2]
    assert "TTL toDateTime(event_time) + INTERVAL 90 DAY" in made[2]
    assert "`speed` Nullable(Float64)" in made[0]
    assert "PARTITION BY" not in "".join(made)
