"""Sinks that keep files: a run that was cut anywhere leaves the bytes of one that was not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from oddspipe.core.adapters.appended import AppendedLines
from oddspipe.core.adapters.dead_letters import DeadLetters, letters
from oddspipe.core.adapters.odds_digest import OddsDigest
from oddspipe.core.adapters.odds_file import OddsFile
from oddspipe.core.adapters.partner_log import PartnerLog
from oddspipe.core.adapters.partner_messages import Origin
from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.rejects import Reason, Rejects
from oddspipe.core.errors import StateError, UsageError
from oddspipe.core.ports.output import Odds, Output, Rollups

ORIGIN = Origin("nfl", "stern", "1.2", "cafe", 15_000_000)
GAMES = ("BUF_KC", "DAL_NYG")
NONE = np.empty(0, np.int64)
CUTS = [[(0, 40)], [(0, 1), (1, 7), (7, 40)], [(0, 20), (10, 30), (5, 40)]]
"""How the same forty messages may be given: whole, in pieces, with pieces again."""


def odds(first: int, after: int) -> Odds:
    """Return messages `first` to `after` of two games, three rows each."""
    number = np.arange(first, after)
    boards = len(number)
    return Odds(
        game=number % 2,
        sequence=number // 2 + 1,
        number=number,
        cause_sequence=number * 3,
        cause_kind=np.ones(boards, np.int64),
        cause_number=number * 2,
        event_time=1_700_000_000_000_000 + number,
        as_of_us=1_700_000_000_000_100 + number,
        oldest_ingest_us=1_700_000_000_000_050 + number,
        reason=["play"] * boards,
        home_score=number % 50,
        away_score=number % 40,
        period=number % 4 + 1,
        board=np.repeat(np.arange(boards), 3),
        scope=["game"] * (3 * boards),
        market=["moneyline", "moneyline", "total"] * boards,
        side=["home", "away", "over"] * boards,
        status=["open", "open", "suspended"] * boards,
        line=np.tile([np.nan, np.nan, 45.5], boards),
        is_main=np.ones(3 * boards, np.bool_),
        p_fair=np.round(np.repeat(0.5 + number / 1000, 3), 6),
        p_push=np.zeros(3 * boards),
        p_booked=np.round(np.repeat(0.52 + number / 1000, 3), 6),
        decimal_milli=np.tile([1909, 2500, 0], boards),
        p_low=np.tile([0.4, 0.45, np.nan], boards),
        p_high=np.tile([0.55, 0.6, np.nan], boards),
    )


def output(first: int, after: int, rejects: tuple[Rejects, ...] = ()) -> Output:
    events = Batch(
        np.empty((15, 0), np.int64),
        np.empty(0, np.uint64),
        np.empty((2, 0), np.uint64),
        np.empty(0, np.uint8),
        NONE,
        np.empty(0, np.uint8),
        NONE,
        NONE,
        NONE,
    )
    none = np.empty(0)
    rollups = Rollups(NONE, NONE, NONE, NONE, none, none, none)
    return Output(events, rollups, odds(first, after), rejects, GAMES, {2: GAMES}, after, 0)


def turned_away(stage: str, positions: list[int], reason: Reason, detail: int = -1) -> Rejects:
    rows = len(positions)
    return Rejects(
        stage,
        np.full(rows, reason, np.uint8),
        np.full(rows, detail, np.int16),
        np.array(positions),
        np.array(positions) * 10,
        [b"\xff%d" % position for position in positions],
    )


@pytest.mark.proves("kill", "partners")
def test_a_torn_line_is_cut_off_when_the_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log"
    path.parent.mkdir()
    path.write_bytes(b"one\ntwo\nthr")
    log = AppendedLines(path)

    last = log.open()
    log.append(b"three\n")
    log.close()

    assert last == b"two"
    assert path.read_bytes() == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 200_000])
def test_the_last_line_is_found_whatever_its_length(tmp_path: Path, length: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"x" * length + b"\n" + b"y" * length)
    log = AppendedLines(path)

    assert log.open() == b"x" * length
    log.close()


def test_appending_to_a_closed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="is closed"):
        AppendedLines(tmp_path / "log").append(b"a\n")


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.proves("twice", "partners")
@pytest.mark.proves("order", "partners")
def test_a_partner_reads_each_message_once_in_order(
    tmp_path: Path, cuts: list[tuple[int, int]]
) -> None:
    partners = {"acme": ["american", "decimal"], "blue": ["fractional"]}
    for first, after in cuts:
        log = PartnerLog(tmp_path, origin=ORIGIN, partners=partners)
        log.open()
        log.write(output(first, after))
        log.close()
        with (tmp_path / "acme" / "nfl.odds.v1.ndjson").open("ab") as file:
            file.write(b'{"schema":"odds.v1","torn')
    PartnerLog(tmp_path, origin=ORIGIN, partners=partners).open()

    acme = (tmp_path / "acme" / "nfl.odds.v1.ndjson").read_text().splitlines()
    blue = (tmp_path / "blue" / "nfl.odds.v1.ndjson").read_text().splitlines()

    assert [json.loads(line)["number"] for line in acme] == list(range(40))
    assert [json.loads(line)["number"] for line in blue] == list(range(40))
    whole = json.loads(acme[3])
    assert whole["game"] == "DAL_NYG"
    assert (whole["seq"], whole["type"], whole["cause"]["seq"]) == (2, "odds_change", 9)
    assert whole["expires_at"] == "2023-11-14T22:13:35.000103Z"
    assert whole["markets"] == [
        {
            "scope": "game",
            "market": "moneyline",
            "line": None,
            "main": True,
            "status": "open",
            "sides": [
                {
                    "side": "home",
                    "fair": 0.503,
                    "push": 0.0,
                    "booked": 0.523,
                    "low": 0.4,
                    "high": 0.55,
                    "decimal": 1.909,
                    "american": -110,
                },
                {
                    "side": "away",
                    "fair": 0.503,
                    "push": 0.0,
                    "booked": 0.523,
                    "low": 0.45,
                    "high": 0.6,
                    "decimal": 2.5,
                    "american": 150,
                },
            ],
        },
        {
            "scope": "game",
            "market": "total",
            "line": 45.5,
            "main": True,
            "status": "suspended",
            "sides": [
                {
                    "side": "over",
                    "fair": 0.503,
                    "push": 0.0,
                    "booked": 0.523,
                    "low": None,
                    "high": None,
                    "decimal": None,
                    "american": None,
                }
            ],
        },
    ]
    assert json.loads(blue[0])["markets"][0]["sides"][0]["fractional"] == "10/11"


@pytest.mark.parametrize(
    ("status", "sequence", "kind"),
    [
        ("suspended", 2, "suspend"),
        ("settled", 2, "settlement"),
        ("cancelled", 2, "cancellation"),
        ("open", 1, "snapshot"),
        ("open", 2, "odds_change"),
    ],
)
def test_a_message_says_what_it_is(tmp_path: Path, status: str, sequence: int, kind: str) -> None:
    log = PartnerLog(tmp_path, origin=ORIGIN, partners={"acme": ["decimal"]})
    given = output(0, 1)
    board = replace(given.odds, status=[status] * 3, sequence=np.array([sequence]))

    log.open()
    log.write(replace(given, odds=board))
    log.close()

    line = (tmp_path / "acme" / "nfl.odds.v1.ndjson").read_bytes()
    assert json.loads(line)["type"] == kind


def test_an_unknown_price_format_of_a_partner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="partner 'acme'"):
        PartnerLog(tmp_path, origin=ORIGIN, partners={"acme": ["hongkong"]})


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.proves("same", "partners")
def test_the_odds_file_has_the_same_bytes_however_the_run_was_cut(
    tmp_path: Path, cuts: list[tuple[int, int]]
) -> None:
    once = OddsFile(tmp_path / "once.parquet", segments=tmp_path / "once")
    once.open()
    once.write(output(0, 40))
    once.close()

    for first, after in cuts:
        again = OddsFile(tmp_path / "again.parquet", segments=tmp_path / "again")
        again.open()
        again.write(output(first, after))
    again.close()

    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "once.parquet").read_bytes()
    rows = pl.read_parquet(tmp_path / "again.parquet")
    assert rows.columns[:12] == [
        *("game_id", "odds_sequence", "cause_sequence", "event_time", "market", "line", "side"),
        *("p_fair", "p_push", "p_booked", "decimal", "status"),
    ]
    assert len(rows) == 120
    assert rows["decimal"].head(3).to_list() == [1.909, 2.5, None]
    assert rows.select("p_low", "p_high").head(3).rows() == [(0.4, 0.55), (0.45, 0.6), (None, None)]


def test_many_small_segments_become_one_and_a_merge_cut_short_is_finished(tmp_path: Path) -> None:
    file = OddsFile(tmp_path / "odds.parquet", segments=tmp_path / "segments")
    file.open()
    for number in range(63):
        file.write(output(number, number + 1))
    left = {path: path.read_bytes() for path in (tmp_path / "segments").iterdir()}
    file.write(output(63, 65))
    merged = [path.name for path in (tmp_path / "segments").iterdir()]
    for path, content in left.items():
        path.write_bytes(content)

    resumed = OddsFile(tmp_path / "odds.parquet", segments=tmp_path / "segments")
    resumed.open()
    resumed.close()

    assert merged == [f"{0:020d}-{65:020d}.arrow"]
    assert [path.name for path in (tmp_path / "segments").iterdir()] == merged
    assert len(pl.read_parquet(tmp_path / "odds.parquet")) == 195


def test_a_lost_segment_is_noticed(tmp_path: Path) -> None:
    file = OddsFile(tmp_path / "odds.parquet", segments=tmp_path / "segments")
    file.open()
    file.write(output(0, 2))
    file.write(output(2, 4))
    min((tmp_path / "segments").iterdir()).unlink()

    with pytest.raises(StateError, match="odds 0 to 1 are missing"):
        OddsFile(tmp_path / "odds.parquet", segments=tmp_path / "segments").open()


@pytest.mark.parametrize("cut", [1, 13, 39])
def test_the_odds_digest_does_not_know_how_odds_were_batched(cut: int) -> None:
    whole, parts = OddsDigest(), OddsDigest()
    whole.update(odds(0, 40), GAMES)

    parts.update(odds(0, cut), GAMES)
    resumed = OddsDigest()
    resumed.restore(parts.snapshot())
    resumed.update(odds(cut, 40), GAMES)

    assert resumed.hexdigest() == whole.hexdigest()


@pytest.mark.parametrize(
    "name",
    [
        *("p_fair", "p_push", "p_booked", "p_low", "p_high", "line", "decimal_milli"),
        *("as_of_us", "home_score"),
    ],
)
def test_the_odds_digest_sees_a_change_of_one_number(name: str) -> None:
    changed = getattr(odds(0, 3), name).copy()
    # The last row has no interval: that it gets one is a change as well.
    changed[-1] = np.nan_to_num(changed[-1]) + 1
    one, other = OddsDigest(), OddsDigest()

    one.update(odds(0, 3), GAMES)
    other.update(replace(odds(0, 3), **{name: changed}), GAMES)

    assert one.hexdigest() != other.hexdigest()


def test_a_digest_state_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(StateError, match="31 bytes"):
        OddsDigest().restore(bytes(31))


@pytest.mark.proves("twice", "dead_letters")
def test_dead_letters_come_once_also_when_their_positions_do_not_rise(tmp_path: Path) -> None:
    path = tmp_path / "dead.ndjson"
    first = output(0, 0, (turned_away("order", [5, 9, 2], Reason.LATE),))
    again = output(0, 0, (turned_away("order", [9, 2, 3], Reason.LATE),))
    other = output(0, 0, (turned_away("normalise", [9], Reason.OUT_OF_RANGE, 1),))

    for given in (first, again, other):
        sink = DeadLetters(path, fields=["a", "b"], rules=["r"], plan="cafe")
        sink.open()
        sink.write(given)
        sink.close()
        with path.open("ab") as file:
            file.write(b'{"number":')

    found = [(letter.number, letter.stage, letter.position) for letter in letters(path)]
    assert found == [
        (0, "order", 5),
        (1, "order", 9),
        (2, "order", 2),
        (3, "order", 3),
        (4, "normalise", 9),
    ]


@pytest.mark.proves("bytes", "dead_letters")
def test_a_dead_letter_names_field_and_rule_and_duplicates_are_none(tmp_path: Path) -> None:
    path = tmp_path / "dead.ndjson"
    sink = DeadLetters(path, fields=["a", "b"], rules=["falls", "rises"], plan="cafe")

    sink.open()
    sink.write(
        output(
            0,
            0,
            (
                turned_away("normalise", [1], Reason.OUT_OF_RANGE, 1),
                turned_away("normalise", [2], Reason.RULE, 1),
                turned_away("order", [3], Reason.DUPLICATE),
            ),
        )
    )
    sink.close()

    field, rule = letters(path)
    assert (field.reason, field.field, field.rule, field.payload) == (
        "OUT_OF_RANGE",
        "b",
        "",
        "/zE=",
    )
    assert (rule.reason, rule.field, rule.rule, rule.ingest_us) == ("RULE", "", "rises", 20)


def test_a_file_that_holds_no_dead_letters_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "dead.ndjson").write_text("{}\n")

    with pytest.raises(StateError, match=r"dead\.ndjson:1"):
        list(letters(tmp_path / "dead.ndjson"))
