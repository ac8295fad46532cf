"""A sport file with other tests in it, written where a test wants it."""

from pathlib import Path

from oddspipe.core.cases.run import SpecTests, Tested
from oddspipe.core.clock import ManualClock
from oddspipe.core.plan.load import read_platform
from oddspipe.core.plan.sports import find_spec

ROOT = Path(__file__).parents[1]
OURS = "name: nfl\n  parameters: {home_edge: 2.0, total_mean: 45.0}"
BASELINE = "name: nfl_stern\n  parameters: {home_edge: 2.0, total_mean: 45.0}"


TEAM_TOTALS = """\
    home_total: {market: team_total_home}
    away_total: {market: team_total_away}
"""


def spec_with(folder: Path, tests: str, *, sport: str = "nfl", changes: str = "") -> Path:
    """Write a file that takes over a shipped sport, with `tests` in the place of its own."""
    text = find_spec(ROOT / "sports" / f"{sport}.yaml").read_text()
    before, _, _ = text.partition("\ntests:")
    # The numbers that these tests expect are of the baseline, which does not get better.
    before = before.replace(OURS, BASELINE).replace(TEAM_TOTALS, "")
    (folder / "base.yaml").write_text(
        before.replace("extends: shared/", f"extends: {ROOT}/sports/shared/")
    )
    path = folder / "sport.yaml"
    path.write_text(f"extends: base.yaml\n{changes}tests:\n{tests}")
    return path


def opened(path: Path) -> SpecTests:
    return SpecTests.of(path, read_platform(ROOT / "platform.yaml"))


def results(path: Path, pattern: str = "*") -> list[Tested]:
    tests = opened(path)
    assert tests.faults == []
    return [tests.run(index, ManualClock()) for index in tests.matching(pattern)]
