"""What `oddspipe test` prints is reviewed as text, in `spec_tests/`."""

import json
import re
import xml.dom.minidom
from pathlib import Path

import pytest
from tests.spec_test_cases import ROOT, spec_with
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.errors import UsageError

HERE = Path(__file__).parent / "spec_tests"
SECONDS = re.compile(r'(seconds": |time=")\d+\.\d+(e-\d+)?')
NOT_THERE = "        - {game_id: A, market: total, side: over, line: 99.5, decimal: 1.9}\n"
TESTS = """  - name: a touchdown moves the price
    given:
      - {kind: game_start, game_id: A}
      - {kind: score, game_id: A, at: 1s, period: 1, clock: 840000, home_score: 7, away_score: 0}
    expect: {state: {A: {lead: 7}}}
  - name: everything is otherwise
    given:
      - {kind: game_start, game_id: A}
      - {kind: score, game_id: A, at: 1s, sequence: 3, period: 1, home_score: 7, away_score: 0}
      - {advance: 3s}
      - {kind: play, game_id: A, sequence: 2, period: 1, clock: 840000, down: 1}
      - {kind: play, game_id: A, period: 1, clock: 830000, home_score: 0, away_score: 0}
      - {kind: game_start, game_id: B, at: 30s}
      - {hex: "0a 7f"}
    expect:
      events:
        - {kind: game_start}
        - {kind: play, down: 1}
        - {kind: score, home_score: 6}
      rejects:
        - {sequence: 4, reason: RULE, rule: clock_within_quarter}
      state:
        A: {lead: 6, possession: home}
        B: {lead: null}
      prices:
        - {game_id: A, market: moneyline, side: home, p_fair: 0.25, status: open}
        - {game_id: A, market: total, side: over, line: 99.5, decimal: 1.9}
      published: 2
      reasons: [play, score, final]
      suspended: {A: []}
      held: 1
"""


def _elements(text: str, name: str) -> list[xml.dom.minidom.Element]:
    made = xml.dom.minidom.parseString(text)  # noqa: S318 - the command's own output
    return list(made.getElementsByTagName(name))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in the folder of a made-up sport, and return exit code and output."""
    monkeypatch.chdir(tmp_path)

    def with_words(*words: str, tests: str = TESTS):
        spec_with(tmp_path, tests)
        done = CliRunner().invoke(build(), ["test", "sport.yaml", *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, re.sub(
            r'(seconds": |time=")\d+\.\d+(e-\d+)?', r"\g<1>0.0", done.output
        )

    return with_words


def test_failures_show_what_was_expected_beside_what_came(run) -> None:
    assert run() == (1, (HERE / "failing.txt").read_text())


def test_faults_are_shown_as_validate_shows_them_and_nothing_is_run(run) -> None:
    tests = TESTS.replace("lead: 7", "led: 7").replace("reasons: [play", "reasons: [ply")

    assert run(tests=tests) == (1, (HERE / "faults.txt").read_text())


def test_json_says_all_that_text_says(run) -> None:
    code, output = run("--format", "json")

    assert (code, output) == (1, (HERE / "failing.json").read_text())
    assert [one["passed"] for one in json.loads(output)[0]["tests"]] == [True, False]


def test_junit_has_a_case_for_each_test(run) -> None:
    code, output = run("--format", "junit")

    assert (code, output) == (1, (HERE / "failing.xml").read_text())
    cases = _elements(output, "testcase")
    assert [one.getAttribute("name") for one in cases] == [
        "a touchdown moves the price",
        "everything is otherwise",
    ]


def test_junit_tells_faults_as_an_error(run) -> None:
    code, output = run("--format", "junit", tests=TESTS.replace("lead: 7", "led: 7"))

    assert code == 1
    (error,) = _elements(output, "error")
    assert "31m" not in output, "colours have no place in a file"
    assert error.getAttribute("message") == "The state has no column 'led'"


def test_a_pattern_picks_tests_by_name(run) -> None:
    assert run("--case", "*touchdown*") == (
        0,
        "sport.yaml\n  pass  a touchdown moves the price\n1 passed\n",
    )


def test_a_pattern_that_no_test_fits_is_refused(run) -> None:
    with pytest.raises(UsageError, match=r"no test fits '\*goal\*'"):
        run("--case", "*goal*")


def test_a_file_without_tests_is_refused(run) -> None:
    with pytest.raises(UsageError, match="these files have no tests"):
        run(tests="  []\n")


def test_x_stops_at_the_first_failure(run) -> None:
    tests = TESTS.replace("lead: 7", "lead: 8")

    code, output = run("-x", tests=tests)

    assert code == 1
    assert output.endswith("\n0 passed, 1 failed\n")


def test_update_makes_a_failing_test_pass_and_keeps_the_rest(run, tmp_path) -> None:
    tests = TESTS.replace(NOT_THERE, "")

    code, output = run("--update", tests=tests)

    assert (code, output.splitlines()[-1]) == (0, "2 passed, 10 expectations updated")
    assert (tmp_path / "sport.yaml").read_text() == (HERE / "updated.yaml").read_text()


def test_update_says_what_it_cannot_mend(run) -> None:
    code, output = run("--update")

    assert code == 1
    assert "price of A total over 99.5" in output
    assert output.endswith("1 passed, 1 failed, 10 expectations updated\n")


def test_every_shipped_sport_passes_by_name(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)

    done = CliRunner().invoke(build(), ["test", "nfl", "nba", "mlb"])

    assert done.exit_code == 0
    assert re.fullmatch(r"\d\d passed", done.output.splitlines()[-1])
