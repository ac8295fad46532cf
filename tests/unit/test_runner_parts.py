"""Lanes, feed, meter and the stop switch, each alone."""

from pathlib import Path

import numpy as np
import pytest
from tests.plan_cases import plan
from tests.run_cases import FeedSource, KilledError, noisy_feed, run_once

from oddspipe.core.adapters.dead_letters import DeadLetters
from oddspipe.core.adapters.state_folder import StateFolder
from oddspipe.core.assemble import Input, Settings, assemble
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.errors import RetryableError, RunError
from oddspipe.core.runtime.books import assert_balanced
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.feed import Bounds, Feed
from oddspipe.core.runtime.lane import Lane
from oddspipe.core.runtime.meter import Arrivals, Histogram, Rate
from oddspipe.core.stages.protocol import Account


def payloads(times: list[int]) -> Payloads:
    return Payloads.of([b"x"] * len(times), ingest_us=np.array(times))


def test_percentiles_are_right_within_a_bucket() -> None:
    histogram = Histogram()
    histogram.add(np.arange(1, 1001) * 1_000_000)

    assert histogram.percentile_ms(50) == pytest.approx(500, rel=0.045)
    assert histogram.percentile_ms(99) == pytest.approx(990, rel=0.045)
    assert histogram.as_report()["max"] == 1000.0


def test_an_empty_histogram_reports_zeros() -> None:
    assert Histogram().as_report() == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_recorded_times_arrive_with_the_batch_that_carried_them() -> None:
    arrivals = Arrivals()
    arrivals.note(100, 5_000)
    arrivals.note(200, 6_000)

    assert arrivals.of(np.array([50, 100, 101, 200, 999])).tolist() == [
        5000,
        5000,
        6000,
        6000,
        6000,
    ]


def test_a_rate_looks_back_over_its_window() -> None:
    rate = Rate(window_s=2.0)

    assert rate.update(0, 0) == 0.0
    assert rate.update(1_000_000_000, 500) == 500.0
    assert rate.update(10_000_000_000, 9_500) == pytest.approx(1000.0)


def test_a_limit_counts_positions() -> None:
    cut, reached = Bounds(limit=2).cut(payloads([1, 2, 3]))

    assert (len(cut), reached) == (2, True)


def test_a_time_bound_ends_before_the_first_later_payload() -> None:
    cut, reached = Bounds(until_us=2).cut(payloads([1, 2, 3, 2]))

    assert (len(cut), reached) == (2, True)


def test_no_bound_cuts_nothing() -> None:
    cut, reached = Bounds().cut(payloads([1, 2]))

    assert (len(cut), reached) == (2, False)


def test_what_a_source_raises_comes_after_what_it_gave() -> None:
    class Breaking(FeedSource):
        def poll(self, timeout_us):
            if self.at:
                raise RunError("the file is corrupt after row 1")
            return super().poll(timeout_us)

    feed = Feed(Breaking(noisy_feed(1), [1]))
    feed.start(0, b"")

    assert len(feed.next(5.0).payloads) == 1
    with pytest.raises(RunError, match="corrupt after row 1"):
        feed.next(5.0)
    feed.close()


@pytest.mark.proves("books", "normalise")
def test_books_that_do_not_balance_are_told_by_stage() -> None:
    with pytest.raises(RunError, match=r"order by \+1"):
        assert_balanced([Account("normalise"), Account("order", taken=1)])


def test_a_stop_drains_what_was_read_and_saves_it(tmp_path: Path) -> None:
    feed, stop = noisy_feed(2), StopSwitch()

    class Endless(FeedSource):
        def acknowledge(self, position):
            super().acknowledge(position)
            if position == len(feed):
                stop.request("SIGTERM")

    stopped = run_once(tmp_path, Endless(feed, [20], ends=False), stop=stop)
    resumed = run_once(tmp_path, FeedSource(feed, [20]))

    assert stopped.progress.committed == len(feed)
    assert resumed.progress.first_position == len(feed)
    assert resumed.digest.hexdigest() == stopped.digest.hexdigest()


@pytest.mark.proves("loss", "recorded")
@pytest.mark.proves("twice", "recorded")
def test_a_run_that_goes_on_hands_out_what_comes_after_what_sinks_have(tmp_path, monkeypatch):
    feed, handed = noisy_feed(2), []
    put = Lane.put

    def noted(self, parcel):
        if self.sink.name == "dead_letters":
            handed.append(parcel.output.position)
        put(self, parcel)

    monkeypatch.setattr(Lane, "put", noted)
    one_by_one = {"step_rows": 1, "interval_us": 10**12}  # and no snapshot: all is read again
    with pytest.raises(KilledError):
        run_once(tmp_path, FeedSource(feed, [1]), kill=(0, 30, True), **one_by_one)
    committed = StateFolder(tmp_path / "state").committed()
    handed.clear()

    again = run_once(tmp_path, FeedSource(feed, [1]), **one_by_one)

    assert again.progress.first_position == 0
    assert 0 < committed < 40
    assert handed == list(range(committed + 1, len(feed) + 1))


def test_a_sink_that_may_recover_is_asked_again(tmp_path: Path, monkeypatch) -> None:
    write, failures = DeadLetters.write_many, iter([True, True])

    def failing(self, outputs):
        if next(failures, False):
            raise RetryableError("the disk is full")
        write(self, outputs)

    monkeypatch.setattr(DeadLetters, "write_many", failing)

    runner = run_once(tmp_path, FeedSource(noisy_feed(3), [50]))

    assert runner.lanes[1].retries == 2
    assert runner.progress.committed == len(noisy_feed(3))


def test_a_sink_that_breaks_stops_the_run_with_its_name(tmp_path: Path, monkeypatch) -> None:
    def broken(_self, _outputs):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(DeadLetters, "write_many", broken)

    with pytest.raises(RunError, match="sink 'dead_letters' broke: ZeroDivisionError: oh"):
        run_once(tmp_path, FeedSource(noisy_feed(3), [50]))


def test_a_run_keeps_to_its_folder_when_the_working_folder_changes(tmp_path, monkeypatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    given = Input(rate=2000, duration_s=0.5)
    settings = Settings(
        given, speed=None, state=Path("state"), sinks=("dead_letters",), odds_out=Path("o.parquet")
    )
    made = assemble(plan("nfl"), settings)

    monkeypatch.chdir(tmp_path / "elsewhere")
    made.go(StopSwitch())

    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "o.parquet", "state"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
