"""How long things take and how much comes: latency budget, recovery, load."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oddspipe.core.assemble import GATHER_S
from oddspipe.core.explain.facts import Fact
from oddspipe.core.explain.over_kafka import is_over_kafka, recovery_over_kafka
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.graph import counted
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.feed import STEP_ROWS
from oddspipe.core.runtime.fused import DRAIN_S, WAIT_S
from oddspipe.core.runtime.recover import COMMIT_NS

MEASURED_RATE: Final = 1_000_000
"""Events a second through all stages on two cores; `make bench` measures it."""
_GATHERED: Final = {"clickhouse": "ClickHouse", "dead_letters": "DeadLetters"}


@dataclass(frozen=True, slots=True)
class Delay:
    """One thing that an event may wait for.

    Attributes:
        at_most_us: The longest wait, in microseconds.
        on_path: Whether every price pays it on its way to who reads the current odds.
    """

    name: str
    at_most_us: int
    why: str
    on_path: bool = False


def latency_of(plan: Plan) -> list[Delay]:
    """Return what an event waits for from its ingest to the acknowledgement of a sink."""
    step_us = _whole_ms(STEP_ROWS * 1_000_000 // MEASURED_RATE)
    delays = [
        Delay(
            "step",
            2 * step_us,
            f"the step at work and its own: {STEP_ROWS:,} events at most, {duration_text(step_us)} "
            f"each at {MEASURED_RATE:,}/s",
            on_path=True,
        ),
        Delay(
            "conflation",
            plan.odds.conflate_us,
            "tracking, clock and market events; plays, scores and corrections wait 0",
            on_path=True,
        ),
        Delay(
            "wake-up",
            round(WAIT_S * 1e6),
            "only where the feed pauses: how often the stages look after their sinks",
        ),
        Delay(
            "gap",
            plan.order.window_us,
            "only behind a missing sequence: how long it is waited for",
        ),
    ]
    for sink in plan.sinks:
        gather_s = GATHER_S.get(_GATHERED.get(sink.kind, ""), 0.0)
        why = (
            "gathers: one big write costs less than ten small ones; serves history, not odds"
            if gather_s
            else "writes what waits, at once"
        )
        delays.append(Delay(f"sink {sink.name}", round(gather_s * 1e6), why))
    return delays


def _whole_ms(us: int) -> int:
    return -(-us // 1000) * 1000


def recovery_of(plan: Plan) -> list[Fact]:
    """Return what is kept to go on from, and what a crash costs."""
    interval, retention = plan.snapshot_interval_us, plan.feed.retention_us
    again = plan.load.peak_rate * interval // 1_000_000
    if is_over_kafka(plan):
        return list(recovery_over_kafka(plan, _again(interval, again)))
    return list(_recovery(plan, interval, retention, again))


def _again(interval: int, again: int) -> str:
    return (
        f"what came since the snapshot, in silence: {again:,} events at the peak for "
        f"{duration_text(interval)}, about {max(1, again * 1000 // MEASURED_RATE):,}ms at "
        f"{MEASURED_RATE:,}/s"
    )


def _recovery(plan: Plan, interval: int, retention: int, again: int) -> Iterator[Fact]:
    yield Fact(
        "snapshot",
        f"every {duration_text(interval)}, valid once every sink has what came before; the commit "
        f"position every {COMMIT_NS // 1_000_000}ms",
    )
    yield Fact(
        "read again",
        f"{_again(interval, again)}; more if a sink was behind",
    )
    yield Fact(
        "retention",
        f"the feed can be read again for {duration_text(retention)}, "
        f"{retention // interval:,} times the interval",
    )
    yield Fact("lost", "nothing that the feed can send again; nothing twice: rows carry numbers")
    yield Fact("stop", f"SIGTERM finishes what was read, within {DRAIN_S:g} s")
    if plan.deployment.source in {"simulator", "replay"}:
        yield Fact(
            "here", f"the {plan.deployment.source} gives the same input again, from any place"
        )


def load_of(plan: Plan) -> list[Fact]:
    """Return how much comes at the peak, and from where."""
    load, schedule = plan.load, plan.schedule
    a_game = load.peak_rate / load.games_at_once
    average = load.updates_per_game * 1_000_000 / schedule.game_length_us
    plays = 1 - load.tracking_share - load.market_share
    lasts = duration_text(schedule.game_length_us)
    games = counted(load.games_at_once, "game")
    facts = [
        Fact("peak", f"{load.peak_rate:,}/s, {games} at once: {a_game:,.0f}/s each"),
        Fact(
            "mix",
            f"tracking {load.tracking_share:.0%}, market {load.market_share:.0%}, "
            f"other {plays:.0%}",
        ),
        Fact(
            "a game",
            f"{load.updates_per_game:,} events in {lasts}: {average:,.0f}/s on average",
        ),
    ]
    facts += [
        Fact("phase", f"{one.name} × {one.multiplier:g} when {one.when}") for one in load.phases
    ]
    facts.append(Fact("season", f"{schedule.season_from} to {schedule.season_to}, {schedule.zone}"))
    facts += [Fact("window", _window(window)) for window in schedule.windows]
    if average > a_game:
        facts.append(
            Fact(
                "doubtful",
                f"a game's average ({average:,.0f}/s) is above its peak ({a_game:,.0f}/s): one of "
                "load.updates_per_game, load.peak_rate, schedule.game_length is wrong",
            )
        )
    return facts


def _window(window: dict[str, object]) -> str:
    weeks = f", in {window['weeks']} weeks" if window.get("weeks") else ""
    games = counted(int(str(window["games"])), "game")
    return f"{window['day']} {window['kickoff']}: {games}{weeks}"


def ownership_of(plan: Plan) -> list[Fact]:
    """Return who is asked, who is woken, and when."""
    owner, alerts = plan.owner, plan.alerts
    lag, silence = (duration_text(alerts[name]) for name in ("lag", "silent_game"))
    rejects = f"{alerts['reject_share']:.2%}"
    return [
        Fact("team", owner.team),
        Fact("contact", owner.contact),
        Fact("pager", owner.pager),
        Fact("lag", f"rings when input waits longer than {lag}"),
        Fact("rejects", f"rings when more than {rejects} of the events are turned away"),
        Fact("silence", f"rings when a game in play is silent for {silence}"),
    ]
