"""`oddspipe run` over Kafka: a worker, what it says meanwhile, and the end."""

import os
import threading
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final

import typer

from oddspipe.cli import telemetry
from oddspipe.core.errors import UsageError
from oddspipe.core.names import Stage

if TYPE_CHECKING:
    from oddspipe.core.assemble_kafka import KafkaRun
    from oddspipe.core.plan.model import Plan

IDLE_US: Final = 3_000_000
LINE_S: Final = 5.0
KAFKA_OPTIONS: Final = frozenset(
    {
        "sport",
        "spec",
        "platform",
        "env",
        "source",
        "until",
        "group",
        "slot",
        "stage",
        "sinks",
        "report",
        "listen",
        "no_live",
    }
)


def given_beside(context: typer.Context, taken: AbstractSet[str]) -> str:
    """Return the options on the command line that are not among those that are taken."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in context.params
        if name not in taken
        and (where := context.get_parameter_source(name)) is not None
        and where.name == "COMMANDLINE"
    ]
    return ", ".join(given)


def refuse_options(context: typer.Context) -> None:
    """Refuse options that a run over Kafka has no use for.

    Raises:
        UsageError: One of them was given.
    """
    if given := given_beside(context, KAFKA_OPTIONS):
        raise UsageError(
            f"a run over Kafka does not take {given}",
            hint="It reads what the feed's topic holds and goes on where its group stood; for "
            "games of your own name --source.",
        )


def run(  # noqa: PLR0913 - what the command was given
    plan: "Plan",
    *,
    stage: Stage,
    group: str | None,
    slot: int,
    until: str | None,
    sinks: tuple[str, ...] | None,
    listen: telemetry.Listen,
) -> dict[str, Any]:
    """Run one worker to the end, say how it goes, and return its report.

    Raises:
        OddspipeError: It could not go on.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble_kafka import assemble_kafka  # noqa: PLC0415 - an extra's
    from oddspipe.core.assemble_stages import Slot  # noqa: PLC0415 - as above
    from oddspipe.core.runtime.drain import StopSwitch  # noqa: PLC0415 - as above
    from oddspipe.core.telemetry.readings import of_kafka  # noqa: PLC0415 - as above

    if until not in {None, "idle"}:
        raise UsageError(f"--until {until!r}: a run over Kafka ends with --until idle only")
    stop = StopSwitch()
    stop.install()
    made = assemble_kafka(
        plan,
        Slot(group, slot, IDLE_US if until else None, stage),
        sinks,
        tell=console.note,
    )
    if made.made:
        console.note(f"topics made: {', '.join(made.made)}")
    if made.not_fed and stage is Stage.ALL:
        console.note(f"not written to over Kafka: {', '.join(made.not_fed)}")
    into = made.topics.normalised if made.stage is Stage.NORMALISE else made.topics.odds
    console.note(
        f"{plan.sport} worker {made.worker.name}: {made.topics.feed} at "
        f"{made.worker.cluster.brokers} → {into}, {made.topics.dead_letters}"
    )
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(made, ended), name="tell", daemon=True)
    teller.start()
    try:
        with telemetry.served(plan, listen, lambda clock: of_kafka(made, clock)):
            result = made.go(stop)
    finally:
        ended.set()
        teller.join()
    _end(result, made.stage)
    return result


def _tell(made: "KafkaRun", ended: threading.Event) -> None:
    """Print a line now and then."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.runtime.meter import rss_mb  # noqa: PLC0415 - as above

    before, seconds = 0, 0.0
    while not ended.wait(LINE_S):
        seconds += LINE_S
        events, runner = made.runner.events, made.runner
        normalises = made.stage is Stage.NORMALISE
        gone = f"{made.counted.events:,} on" if normalises else f"{made.counted.boards:,} boards"
        work = [
            f"{events:,} events",
            f"{(events - before) / LINE_S:,.0f}/s",
            gone,
            f"{len(runner.owned)} partitions",
            f"{runner.commits:,} commits",
        ]
        parts = [
            f"{seconds:6.1f} s",
            *(work if made.stage is not Stage.PUBLISH else ()),
            *(f"{one.sink.name}: {one.written:,} messages" for one in made.publishers),
            f"{rss_mb():.0f} MB",
            f"taken up anew {runner.restarts} times" if runner.restarts else "",
            f"waits for the brokers: {runner.trouble}" if runner.trouble else "",
            *(f"{one.sink.name}: {one.trouble}" for one in made.publishers if one.trouble),
            *_held(runner.suspended()),
        ]
        console.note("  ".join(part for part in parts if part))
        before = events


def _held(suspended: dict[int, str]) -> list[str]:
    """Return why markets are suspended, one partition for all, and what to do."""
    from oddspipe.core.runtime.hold import advice  # noqa: PLC0415 - `--help` needs no NumPy

    if not suspended:
        return []
    partition, why = min(suspended.items())
    more = f" and {len(suspended) - 1} more" if len(suspended) > 1 else ""
    return [f"suspended, partition {partition}{more}: {why}", advice(os.getpid())]


def _end(result: dict[str, Any], stage: Stage) -> None:
    """Print what happened, and what to try next."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    sinks = {
        name: f"{sink['outputs']:,} messages"
        + (f", {sink['behind']:,} behind: {sink['trouble']}" if sink["behind"] else "")
        for name, sink in result["sinks"].items()
    }
    done = f"{result['commits']:,} transactions"
    gone = {"odds": f"{result['odds_published']:,} boards, {done}"}
    if stage is Stage.NORMALISE:
        gone = {"normalised": f"{result['events_normalised']:,} events, {done}"}
    work = {
        "events": f"{result['events_in']:,} in {result['seconds']:.1f} s, "
        f"{result['events_per_second']:,.0f} a second; the books balance",
        **gone,
        "partitions": ", ".join(result["partitions"]) or "none",
        "rejects": ", ".join(f"{n} {c:,}" for n, c in result["rejects"].items()) or "none",
    }
    console.show(
        console.facts(
            {
                **(work if stage is not Stage.PUBLISH else {}),
                **sinks,
                "memory": f"{result['peak_rss_mb']:.0f} MB at most",
                "plan": result["plan"],
            }
        ),
        "",
        "try next",
        f"  oddspipe verify --sport {result['sport']} --env {result['environment']}",
    )
