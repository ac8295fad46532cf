"""`oddspipe test --update` writes the expectations that were not met, and not one byte else."""

from textwrap import indent

import pytest
from tests.spec_test_cases import opened, results, spec_with

from oddspipe.core.cases.update import update
from oddspipe.core.clock import ManualClock
from oddspipe.core.errors import UsageError

HEAD = """  # Kept.
  - name:   "a touchdown"   # kept too
    given:
      - {kind: game_start, game_id: A, at: 0s}
      - {kind: play, game_id: A, at: 1s, period: 1, clock: 900000, home_score: 0, away_score: 0}
      - {kind: score, game_id: A, at: 2s, period: 1, clock: 840000, home_score: 7, away_score: 0}
      - {kind: play, game_id: A, at: 3s, period: 1, clock: 840000, home_score: 0, away_score: 0}
    expect:
"""
DEEP = " " * 6
REJECTS = """rejects:
  # first
  - reason: TEMPORAL_RULE  # of time
    sequence: 3
  - {reason: LATE, sequence: 9}
held: 0"""
REJECTS_THEN = """rejects:
  # first
  - reason: TEMPORAL_RULE  # of time
    sequence: 4
held: 0"""
EVENTS = """events:
  - {kind: game_start}
  # the kick-off
  - {kind: play, home_score: 3}
  - {kind: score}
  - {kind: game_end}"""
EVENTS_THEN = """events:
  - {kind: game_start}
  # the kick-off
  - {kind: play, home_score: 0}
  - {kind: score}"""
TAIL = """
# The end.
"""


def after_update(tmp_path, expected: str, tail: str = TAIL) -> str:
    """Return what stands below `expect:` after an update; all before and after it is untouched."""
    path = spec_with(tmp_path, HEAD + expected + tail)
    before = path.read_bytes().decode()
    tests = opened(path)
    assert tests.faults == []
    (found,) = (tests.run(index, ManualClock()) for index in tests.matching("*"))
    update(tests.document, [difference for _, difference in found.differences])
    text = path.read_bytes().decode()
    start, end = before.index(expected), len(before) - before.index(expected) - len(expected)
    assert text[:start] == before[:start]
    assert text[len(text) - end :] == before[len(before) - end :]
    (again,) = results(path)
    assert again.differences == []
    return text[start : len(text) - end]


@pytest.mark.parametrize(
    ("expected", "then"),
    [
        ("state: {A: {lead:  8 , plays: 1}}  # why", "state: {A: {lead:  7 , plays: 1}}  # why"),
        ("state: {A: {possession: home}}", "state: {A: {possession: none}}"),
        ("state: {A: {down: 3}}", "state: {A: {down: null}}"),
        ("published: 20   # messages", "published: 2   # messages"),
        (
            "rejects: []",
            "rejects: [{sequence: 4, reason: TEMPORAL_RULE, rule: score_never_falls}]",
        ),
        (
            "rejects: [ {sequence: 3, reason: TEMPORAL_RULE} ]  # one",
            "rejects: [ {sequence: 4, reason: TEMPORAL_RULE} ]  # one",
        ),
        (REJECTS, REJECTS_THEN),
        ("reasons: [play, score, final]", "reasons: [play, score]"),
        ("reasons:\n  - score\n  # end", "reasons:\n  - play\n  - score\n  # end"),
        ("reasons:\n- play", "reasons:\n- play\n- score"),
        ("suspended: {A: [total]}", "suspended: {A: []}"),
        ("suspended:\n  A:\n  - total", "suspended:\n  A: []"),
        (
            "events: [{kind: game_start}, {kind: score, home_score: 6}]",
            "events: [{kind: game_start}, {kind: play, home_score: 0}, {sequence: 3, kind: score}]",
        ),
        (EVENTS, EVENTS_THEN),
        (
            "prices:\n  - {market: moneyline, side: home, p_fair: 0.1, status: suspended}  # hm",
            "prices:\n  - {market: moneyline, side: home, p_fair: 0.73, status: open}  # hm",
        ),
    ],
)
def test_only_what_was_not_as_expected_is_written_anew(tmp_path, expected, then) -> None:
    assert after_update(tmp_path, indent(expected, DEEP)) == indent(then, DEEP)


def test_lines_that_end_in_cr_lf_stay_so(tmp_path) -> None:
    path = spec_with(tmp_path, f"{HEAD}      reasons:\n      - play{TAIL}")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    tests = opened(path)

    update(tests.document, [one for _, one in tests.run(0, ManualClock()).differences])

    text = path.read_bytes()
    assert b"      - play\r\n      - score\r\n# The end.\r\n" in text
    assert text.count(b"\n") == text.count(b"\r\n")


def test_a_last_line_without_an_end_gets_one_before_the_next_entry(tmp_path) -> None:
    assert after_update(tmp_path, "      reasons:\n      - play", tail="") == (
        "      reasons:\n      - play\n      - score\n"
    )


def test_what_only_a_person_can_say_is_left(tmp_path) -> None:
    path = spec_with(
        tmp_path, f"{HEAD}      prices: [{{market: spread, side: home, line: -60.5}}]\n"
    )
    tests = opened(path)
    before = path.read_bytes()

    done = update(tests.document, [one for _, one in tests.run(0, ManualClock()).differences])

    assert (done.written, [one.what for one in done.left]) == (0, ["price of A spread home -60.5"])
    assert path.read_bytes() == before


def test_an_expectation_of_the_file_that_is_extended_is_written_there(tmp_path) -> None:
    base = spec_with(tmp_path, f"{HEAD}      published: 20\n")
    base.rename(tmp_path / "shared.yaml")
    path = tmp_path / "sport.yaml"
    path.write_text("extends: shared.yaml\n")
    tests = opened(path)

    update(tests.document, [one for _, one in tests.run(0, ManualClock()).differences])

    assert path.read_text() == "extends: shared.yaml\n"
    assert (tmp_path / "shared.yaml").read_text().endswith("    expect:\n      published: 2\n")


def test_a_file_that_changed_meanwhile_is_left(tmp_path) -> None:
    path = spec_with(tmp_path, f"{HEAD}      published: 20\n")
    tests = opened(path)
    found = [one for _, one in tests.run(0, ManualClock()).differences]
    path.write_text(path.read_text() + "# new\n")

    with pytest.raises(UsageError, match="has changed since its tests ran"):
        update(tests.document, found)
