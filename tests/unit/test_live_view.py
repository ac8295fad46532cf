"""The live view: what it shows of a run, in windows of every size."""

import io

import pytest
from rich.console import Console
from tests.run_cases import FeedSource, noisy_feed, run_once

from oddspipe.cli import console
from oddspipe.cli.live import LiveView, Title
from oddspipe.core.clock import ManualClock

FEED = noisy_feed(3, games=4, events=60)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    return run_once(tmp_path_factory.mktemp("run"), FeedSource(FEED, [40]))


def lines_of(runner, width: int, height: int, total: int | None = None) -> list[str]:
    """Return what a window of this size shows."""
    clock = ManualClock(us=runner.progress.started_ns // 1000 + 10_000_000)
    title = Title("nfl", "replay", "9ccf6aaa" * 8, lambda: total, None)
    view = LiveView(runner, title, clock=clock, plain=True)
    drawn = Console(width=width, height=height, file=io.StringIO(), record=True)
    drawn.print(view.picture(width, height))
    return drawn.export_text().splitlines()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 140, 200])
@pytest.mark.parametrize("height", [4, 8, 10, 15, 24, 30, 40])
def test_the_picture_fits_the_window(runner, width: int, height: int) -> None:
    shown = lines_of(runner, width, height, total=2 * len(FEED))

    assert len(shown) <= height
    assert max(len(line.rstrip()) for line in shown) <= width


def test_80_by_24_shows_games_stages_and_health(runner) -> None:
    shown = lines_of(runner, 80, 24)
    text = "\n".join(shown)

    for game in ("G0", "G1", "G2", "G3"):
        assert f"\n{game} " in text
    for word in ("score", "clock", "spread", "total", "home wins", "in/s", "duplicates", "balance"):
        assert word in text
    for word in ("pace", "latency", "odds", "lag", "rejects", "sinks"):
        assert f"\n {word} " in text
    assert "TRUNCATED" in text
    assert text.count("✓") == 3 + 2


def test_a_narrow_window_goes_without_lines(runner) -> None:
    shown = lines_of(runner, 44, 24)
    titles = next(line for line in shown if line.startswith("game"))

    assert titles.split() == ["game", "score", "clock", "home", "away", "home", "wins"]


def test_a_low_window_keeps_games_and_says_how_many_are_hidden(runner) -> None:
    shown = lines_of(runner, 80, 8)

    assert sum(line.startswith("G") for line in shown) >= 3
    assert not any(line.startswith("stage") for line in shown)


def test_a_tiny_window_gets_one_line(runner) -> None:
    (line,) = lines_of(runner, 30, 3)

    assert line.strip().startswith("nfl")


def test_progress_says_how_long_it_still_takes(runner) -> None:
    position = runner.progress.position

    assert "50%, 10 s left · 10 s so far" in lines_of(runner, 80, 24, total=2 * position)[1]
    assert lines_of(runner, 80, 24)[1].strip() == "10 s"


def test_a_stage_that_stays_unbalanced_is_red_and_one_mid_step_is_not(runner) -> None:
    title = Title("nfl", "replay", "9ccf6aaa" * 8, lambda: None, None)
    view = LiveView(runner, title, clock=ManualClock(), plain=True)
    account = runner.chain.accounts[0]
    account.taken += 5
    try:
        first, second = view._balance(account), view._balance(account)
    finally:
        account.taken -= 5

    assert str(first) == "✓"
    assert (str(second), second.style) == ("+5", "bold red")


def test_a_picture_of_a_window_is_an_svg() -> None:
    drawn = console.svg(console.Text("NFL 24-17"), (40, 3), "oddspipe run")

    assert drawn.startswith("<svg")
    assert "24-17" in drawn
