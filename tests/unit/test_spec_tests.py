"""Tests inside a spec run through the real stages, and say what was not as expected."""

import pytest
from tests.spec_test_cases import ROOT, opened, results, spec_with

from oddspipe.core.cases.align import aligned
from oddspipe.core.cases.compare import as_yaml

START = """  - name: a touchdown
    given:
      - {kind: game_start, game_id: A, at: 0s}
      - {kind: play, game_id: A, at: 1s, period: 1, clock: 900000, home_score: 0, away_score: 0}
      - {kind: score, game_id: A, at: 2s, period: 1, clock: 840000, home_score: 7, away_score: 0}
    expect:
"""


@pytest.mark.parametrize("sport", ["nfl", "nba", "mlb"])
def test_every_test_of_a_shipped_sport_passes(sport: str) -> None:
    found = results(ROOT / "sports" / f"{sport}.yaml")

    assert found
    assert {one.name: one.differences for one in found if not one.passed} == {}


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        ("state: {A: {lead: 8}}", [("expected", "lead: 8"), ("got", "lead: 7")]),
        ("state: {A: {down: 1}}", [("expected", "down: 1"), ("got", "down: null")]),
        (
            "state: {A: {possession: home}}",
            [("expected", "possession: home"), ("got", "possession: none")],
        ),
        ("published: 5", [("expected", "published: 5"), ("got", "published: 2")]),
        ("duplicates: 1", [("expected", "duplicates: 1"), ("got", "duplicates: 0")]),
        ("held: 1", [("expected", "held: 1"), ("got", "held: 0")]),
        ("dropped: 1", [("expected", "dropped: 1"), ("got", "dropped: 0")]),
        (
            "reasons: [score, final]",
            [("+", "play"), (" ", "score"), ("-", "final")],
        ),
        ("suspended: {A: [total]}", [("expected", "[total]"), ("got", "[]")]),
        (
            "events: [{kind: game_start}, {kind: score, home_score: 6}]",
            [
                (" ", "{kind: game_start}"),
                ("-", "{kind: score, home_score: 6}"),
                ("+", "{kind: play, home_score: 0, sequence: 2}"),
                ("+", "{sequence: 3, kind: score}"),
            ],
        ),
        (
            "rejects: [{reason: RULE, sequence: 2}]",
            [("-", "{sequence: 2, reason: RULE}")],
        ),
        (
            "prices: [{market: moneyline, side: home, status: suspended}]",
            [("expected", "status: suspended"), ("got", "status: open")],
        ),
        (
            "prices: [{market: spread, side: home, line: -40.5, p_fair: 0.5}]",
            None,
        ),
    ],
)
def test_what_is_not_as_expected_is_shown_beside_what_came(tmp_path, expected, lines) -> None:
    (found,) = results(spec_with(tmp_path, f"{START}      {expected}\n"))

    (_, difference) = found.differences[0]
    if lines is None:
        assert difference.lines[0] == ("expected", "a price")
        assert difference.lines[1][1].startswith("lines -")
    else:
        assert list(difference.lines) == lines
        assert len(found.differences) == 1


def test_a_difference_has_the_line_of_its_expectation(tmp_path) -> None:
    path = spec_with(
        tmp_path, f"{START}      rejects: []\n      state:\n        A:\n          lead: 8\n"
    )

    (found,) = results(path)

    assert found.place == f"{path}:3"
    assert [place for place, _ in found.differences] == [f"{path}:12"]


def test_each_entry_says_what_became_of_it(tmp_path) -> None:
    tests = """  - name: a gap, a copy, a bad score and bytes
    given:
      - {kind: game_start, game_id: A, at: 0s}
      - {kind: play, game_id: A, at: 1s, sequence: 3, period: 1, home_score: 0, away_score: 0}
      - {kind: play, game_id: A, at: 1s, sequence: 2, period: 1, home_score: 0, away_score: 0}
      - {kind: play, game_id: A, at: 1s, sequence: 2, period: 1, home_score: 0, away_score: 0}
      - {kind: score, game_id: A, sequence: 5, home_score: 7, away_score: 0}
      - advance: 3s
      - {kind: play, game_id: A, sequence: 4, period: 1, home_score: 0, away_score: 0}
      - {kind: play, game_id: A, home_score: 3, away_score: 0}
      - {hex: "0a"}
      - {kind: play, game_id: A, sequence: 7, home_score: 151}
    expect: {duplicates: 1, held: 0}
"""
    (found,) = results(spec_with(tmp_path, tests))

    assert found.passed
    assert [(one.told, one.became.partition(", odds")[0]) for one in found.came] == [
        ("A 1 game_start", "taken"),
        ("A 3 play", "held"),
        ("A 2 play", "taken, A 3 taken"),
        ("A 2 play", "duplicate"),
        ("A 5 score", "held"),
        ("time passes", "A 5 taken after a gap"),
        ("A 4 play", "amended late"),
        ("A 6 play", "rejected TEMPORAL_RULE score_never_falls"),
        ("1 bytes", "rejected TRUNCATED"),
        ("A 7 play", "rejected OUT_OF_RANGE home_score"),
    ]


def test_without_a_sign_of_life_markets_are_suspended_and_come_back(tmp_path) -> None:
    tests = """  - name: stale
    given:
      - {kind: game_start, game_id: A}
      - {kind: play, game_id: A, at: 1s, period: 1, clock: 900000, home_score: 0, away_score: 0}
      - advance: 20s
      - {kind: play, game_id: A, period: 1, clock: 880000, home_score: 0, away_score: 0}
      - advance: 16s
    expect:
      reasons: [play, stale_input, recovered, stale_input]
      suspended: {A: [total, spread, moneyline]}
"""
    (found,) = results(spec_with(tmp_path, tests))

    assert found.differences == []
    assert found.came[2].became == "odds A 2 (stale_input) at 16s"


def test_a_test_that_expects_nothing_is_a_fault(tmp_path) -> None:
    tests = opened(spec_with(tmp_path, START.replace("expect:\n", "expect: {state: {A: {}}}\n")))

    assert [(one.code, one.mark.line) for one in tests.faults] == [("test.nothing", 8)]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("{kind: play, game_id: A, home_score: seven}", "type.number"),
        ("{kind: play, game_id: A, home_score: 1.5}", "type.whole"),
        ("{kind: play, game_id: A, player_id: 7}", "type.text"),
        ("{kind: play, game_id: A, possession: hme}", "sql.unknown-value"),
        ("{kind: play, game_id: A, ingest_time: 7}", "test.time"),
        ("{kind: play}", "test.game"),
        ("{record: {type: play}}", "test.record"),
        ("{hex: 0g}", "value.name"),
        ("{advance: 5}", "value.unit"),
        ("{advance: 5s, at: 3s}", "key.unknown"),
    ],
)
def test_an_entry_that_cannot_be_sent_is_a_fault_with_its_place(tmp_path, entry, code) -> None:
    tests = START.replace("    expect:\n", f"      - {entry}\n    expect: {{published: 3}}\n")

    found = opened(spec_with(tmp_path, tests)).faults

    assert [(one.code, one.mark.line) for one in found] == [(code, 8)]


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ("state: {B: {lead: 7}}", "test.game"),
        ("state: {A: {lad: 7}}", "test.state"),
        ("state: {A: {lead: home}}", "type.number"),
        ("state: {A: {possession: hme}}", "sql.unknown-value"),
        ("rejects: [{reason: LATER}]", "test.reason"),
        ("rejects: [{reason: RULE, rule: none}]", "test.rule"),
        ("rejects: [{reason: OUT_OF_RANGE, field: score}]", "field.unknown"),
        ("rejects: [{reason: RULE, game_id: B}]", "test.game"),
        ("reasons: [goal]", "test.reason"),
        ("suspended: {A: [team_total]}", "test.market"),
        ("suspended: {B: [total]}", "test.game"),
        ("events: [{kind: goal}]", "sql.unknown-value"),
        ("events: [{score: 7}]", "field.unknown"),
        ("prices: [{market: team_total_home, side: over}]", "test.market"),
    ],
)
def test_an_expectation_in_unknown_words_is_a_fault_there(tmp_path, expected, code) -> None:
    found = opened(spec_with(tmp_path, f"{START}      {expected}\n")).faults

    assert [(one.code, one.mark.line) for one in found] == [(code, 9)]


def test_time_does_not_go_back(tmp_path) -> None:
    entries = "      - advance: 5s\n      - {kind: tick, at: 6s}\n    expect: {published: 3}\n"

    found = opened(spec_with(tmp_path, START.replace("    expect:\n", entries))).faults

    assert [(one.code, one.mark.line) for one in found] == [("test.time", 9)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.0, "7"),
        (0.25, "0.25"),
        (True, "true"),
        (None, "null"),
        ("home", "home"),
        ("guard:total", '"guard:total"'),
        ("no", "no"),
        ("true", '"true"'),
        ("2023_01", '"2023_01"'),
        ('a "b"', '"a \\"b\\""'),
        ([1, "x"], "[1, x]"),
    ],
)
def test_values_are_shown_as_yaml(value, text) -> None:
    assert as_yaml(value) == text


def test_lists_are_laid_side_by_side_with_as_much_in_common_as_there_is() -> None:
    pairs = aligned("abcd", "xbdy", str.__eq__)

    assert pairs == [(0, 0, False), (1, 1, True), (2, None, False), (3, 2, True), (None, 3, False)]


def test_a_providers_record_is_mapped_and_one_that_does_not_map_says_why(tmp_path) -> None:
    tests = """  - name: records
    given:
      - {record: {type: start, id: e1, game: A, seq: 1, ts_us: 1767225600000000}}
      - {record: {type: nonsense, id: e2}}
      - {record: {type: event, id: e3, game: A, seq: two}}
      - {record: {type: clock, id: e4, game: A, seq: 2, period: 1, clock_ms: 720001}}
      - {kind: play, game_id: A}
    expect:
      events: [{kind: game_start, event_id: e1, schema_version: 1}, {kind: play, sequence: 3}]
      rejects:
        - {reason: MAPPING}
        - {reason: MAPPING}
        - {sequence: 2, reason: OUT_OF_RANGE, field: clock}
"""
    (found,) = results(spec_with(tmp_path, tests, sport="nba"))

    assert found.differences == []
    assert [(one.told, one.became) for one in found.came] == [
        ("record: A 1 game_start", "taken, odds A 1 (play)"),
        ("a record", "rejected MAPPING: no entry of feed.mapping takes it"),
        (
            "a record",
            "rejected MAPPING: no such JSON message: Expected `int | null`, got `str` - at `$.seq`",
        ),
        ("record: A 2 clock", "rejected OUT_OF_RANGE clock"),
        ("A 3 play", "taken after a gap"),
    ]


def test_a_quarter_line_that_is_half_met_gives_half_of_the_stake_back(tmp_path) -> None:
    changes = """odds:
  markets:
    total: {step: 0.25, line: 44.25, alternates: 1}
    spread: {step: 0.25, line: 2.75, alternates: 0}
"""
    tests = """  - name: half met
    given:
      - {kind: game_start, game_id: A}
      - {kind: play, game_id: A, period: 4, clock: 1000, home_score: 24, away_score: 20}
      - {kind: game_end, game_id: A, home_score: 24, away_score: 20}
    expect:
      prices:
        - {market: total, side: over, line: 44.25, p_fair: 0, p_push: 0.5, status: settled}
        - {market: total, side: under, line: 44.25, p_fair: 1, p_push: 0.5, status: settled}
        - {market: total, side: over, line: 44, p_push: 1, status: settled}
        - {market: total, side: over, line: 44.5, p_fair: 0, p_push: 0, status: settled}
        - {market: spread, side: home, line: -2.75, p_fair: 1, p_push: 0, status: settled}
"""
    (found,) = results(spec_with(tmp_path, tests, changes=changes))

    assert found.differences == []
