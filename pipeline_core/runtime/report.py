"""The report of a run: the values that are printed, saved and checked."""

from typing import Any

from oddspipe.core.runtime.books import anomalies_by_code, rejects_by_reason
from oddspipe.core.runtime.fused import FusedRunner
from oddspipe.core.runtime.lane import Lane
from oddspipe.core.runtime.meter import peak_rss_mb, rss_mb


def report_of(runner: FusedRunner, *, process_started_ns: int) -> dict[str, Any]:
    """Return the report of a run that has ended, as JSON values.

    Args:
        runner: The run.
        process_started_ns: Monotonic time at which the process began; start-up counts.
    """
    progress = runner.progress
    accounts = runner.chain.accounts
    seconds = max(progress.ended_ns - progress.started_ns, 1) / 1e9
    taken = accounts[0].taken
    first_odds_ns = min((ns for lane in runner.lanes if (ns := lane.first_odds_ns)), default=None)
    return {
        "seconds": round(seconds, 3),
        "events_in": taken,
        "events_out": next((a.out for a in accounts if a.stage == "order"), accounts[-1].out),
        "events_per_second": round((taken - progress.events_before) / seconds, 1),
        "stages": [account.as_report() for account in accounts],
        "balanced": all(account.balance() == 0 for account in accounts),
        "rejects": rejects_by_reason(accounts),
        "anomalies": anomalies_by_code(accounts),
        "accuracy": runner.chain.accuracy.as_report(),
        "latency_ms": latency_of(runner.lanes),
        "odds_published": runner.boards,
        "prices_published": runner.prices,
        "model_failures": runner.failures,
        "odds_sha256": runner.digest.hexdigest(),
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "rss_mb": round(rss_mb(), 1),
        "games": len(runner.watch.games),
        "start_to_first_odds_ms": (
            round((first_odds_ns - process_started_ns) / 1e6, 1) if first_odds_ns else None
        ),
        "position": progress.committed,
        "snapshots": runner.keeper.saved,
        "snapshot_pause_ms": progress.pauses.as_report(),
        "sinks": {lane.sink.name: _sink(lane) for lane in runner.lanes},
    }


def latency_of(lanes: tuple[Lane, ...]) -> dict[str, float]:
    """Return arrival to acknowledgement of the slowest sink that serves odds.

    Sinks that keep history gather what they write; theirs are told apart, in `sinks`.
    """
    served = [lane for lane in lanes if lane.odds_written and not lane.gather_s]
    kept = [lane for lane in lanes if lane.odds_written]
    reports = [lane.latency.as_report() for lane in served or kept]
    empty = {"p50": 0.0, "p99": 0.0, "max": 0.0}
    return max(reports, key=lambda report: report["p99"], default=empty)


def _sink(lane: Lane) -> dict[str, Any]:
    return {
        "outputs": lane.written,
        "odds": lane.odds_written,
        "retries": lane.retries,
        "keeps": lane.sink.keeps.value,
        "latency_ms": lane.latency.as_report(),
    }
