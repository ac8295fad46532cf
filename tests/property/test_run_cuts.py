"""The same input gives the same odds and dead letters, however a run is cut or killed."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.run_cases import FeedSource, KilledError, noisy_feed, run_once

from oddspipe.core.adapters.dead_letters import letters

FEED = noisy_feed(8)


def outcome(folder: Path, runner) -> tuple:
    found = sorted(
        (le.stage, le.position, le.reason, le.payload) for le in letters(folder / "dead.ndjson")
    )
    return (
        runner.digest.hexdigest(),
        runner.boards,
        (folder / "odds.parquet").read_bytes(),
        found,
        [account.as_report() for account in runner.chain.accounts],
    )


def reference() -> tuple:
    with tempfile.TemporaryDirectory() as name:
        runner = run_once(Path(name), FeedSource(FEED, [len(FEED)]), interval_us=10**12)
        return outcome(Path(name), runner)


WANTED = reference()


def test_the_feed_exercises_every_way_out() -> None:
    _, boards, _, found, accounts = WANTED

    assert boards > 30
    assert {stage for stage, *_ in found} == {"normalise", "order", "price"}
    assert accounts[1]["duplicates"] > 0


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 80))
@pytest.mark.proves("same", "recorded", "normalise")
def test_batches_and_snapshots_leave_no_trace(sizes: list[int], step_rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        runner = run_once(Path(name), FeedSource(FEED, sizes), step_rows=step_rows)

        assert outcome(Path(name), runner) == WANTED


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(3, 40), min_size=1, max_size=4),
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 12), st.booleans()), min_size=1, max_size=3
    ),
)
@pytest.mark.proves("kill", "recorded", "normalise", "partners", "dead_letters")
@pytest.mark.proves("loss", "recorded", "normalise", "order", "partners")
@pytest.mark.proves("twice", "recorded", "partners")
def test_killed_runs_that_resume_leave_no_trace(
    sizes: list[int], kills: list[tuple[int, int, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, runner = Path(name), None
        for kill in kills:
            try:
                runner = run_once(folder, FeedSource(FEED, sizes), kill=kill)
            except KilledError:
                continue
        runner = run_once(folder, FeedSource(FEED, sizes[::-1]))

        assert outcome(folder, runner) == WANTED
