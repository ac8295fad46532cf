"""`oddspipe run`: from a sport to published odds, with a view of it and a report."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli import run_correct, run_ingest, run_kafka, run_live, telemetry
from oddspipe.cli.sports import plan_of
from oddspipe.core.errors import UsageError
from oddspipe.core.names import Stage

if TYPE_CHECKING:
    from oddspipe.core.assemble import Input, Settings

RUN_PANEL, INPUT_PANEL, STATE_PANEL = "Pace and bounds", "Input", "State and output"
KAFKA_PANEL = "Over Kafka"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(name="run")(run)


def run(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    *,
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Annotated[
        Path | None,
        typer.Option(help="Run this spec in place of --sport.", rich_help_panel=INPUT_PANEL),
    ] = None,
    platform: Annotated[
        Path | None, typer.Option(help="Another platform.yaml.", rich_help_panel=INPUT_PANEL)
    ] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "local",
    source: Annotated[
        str | None,
        typer.Option(
            help="replay or simulator; with --data replay is the default, else what the "
            "environment says.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of recorded games: replayed, or what the simulator makes its feed around.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    games: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many games; of recorded ones the first.", rich_help_panel=INPUT_PANEL
        ),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            help="Recorded games of one day, e.g. 2022-11-13.", rich_help_panel=INPUT_PANEL
        ),
    ] = None,
    season: Annotated[
        int | None,
        typer.Option(
            help="Recorded games of the season that began in this year.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the simulator.", rich_help_panel=INPUT_PANEL)
    ] = 1,
    rate: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Simulated events a second at the busiest moment.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(min=0.001, help="Simulated seconds.", rich_help_panel=INPUT_PANEL),
    ] = None,
    faults: Annotated[
        str,
        typer.Option(
            help="What the simulator does wrong: shares of duplicates, swaps, gaps, late, corrupt, "
            "out_of_range, corrections, and silence, e.g. duplicates=1%,late=0.1%,silence=20s/5m.",
            rich_help_panel=INPUT_PANEL,
        ),
    ] = "",
    max_speed: Annotated[
        bool, typer.Option("--max-speed", help="As fast as it goes.", rich_help_panel=RUN_PANEL)
    ] = False,
    speed: Annotated[
        float, typer.Option(min=0.001, help="Recorded seconds a second.", rich_help_panel=RUN_PANEL)
    ] = 1.0,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="End after so many payloads.", rich_help_panel=RUN_PANEL),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="End at a recorded time, e.g. 2024-09-08T18:00; over Kafka `idle`: when nothing "
            "came for 3 seconds and all is drained.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Consumer group; the spec's, else oddspipe.<sport>.", rich_help_panel=KAFKA_PANEL
        ),
    ] = None,
    stage: Annotated[
        Stage,
        typer.Option(
            help="What this process does: ingest (a live feed to its raw topic), normalise (that "
            "to events, with `stages: apart`), price (to odds), publish (to sinks), or all of "
            "price and publish.",
            rich_help_panel=KAFKA_PANEL,
        ),
    ] = Stage.ALL,
    slot: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of this worker in its group, the same after a restart.",
            rich_help_panel=KAFKA_PANEL,
        ),
    ] = 0,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="With --correct: a time (UTC), an offset of the feed in every partition, or "
            "PARTITION:OFFSET.",
            rich_help_panel=KAFKA_PANEL,
        ),
    ] = None,
    correct: Annotated[
        bool,
        typer.Option(
            "--correct",
            help="Read the feed again and publish a correction wherever a price differs.",
            rich_help_panel=KAFKA_PANEL,
        ),
    ] = False,
    backup: Annotated[
        str | None,
        typer.Option(
            help="With --correct: read what `oddspipe feed save` kept here, not the topic.",
            rich_help_panel=KAFKA_PANEL,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="With --correct: publish nothing, say what would be.",
            rich_help_panel=KAFKA_PANEL,
        ),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="State folder; a new one when left out.", rich_help_panel=STATE_PANEL),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with an interrupted run.", rich_help_panel=STATE_PANEL
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Throw away what the state folder holds.", rich_help_panel=STATE_PANEL
        ),
    ] = False,
    sinks: Annotated[
        str | None,
        typer.Option(
            help="Only these sinks, with commas; none for none.", rich_help_panel=STATE_PANEL
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write the report here, as JSON.", rich_help_panel=STATE_PANEL),
    ] = None,
    odds_out: Annotated[
        Path | None,
        typer.Option(
            help="Write every published price here, as Parquet.", rich_help_panel=STATE_PANEL
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help="Serve /metrics, /health and /ready here, as HOST:PORT; port 0 takes a free one."
        ),
    ] = None,
    no_live: Annotated[
        bool, typer.Option("--no-live", help="Lines in place of the live view.")
    ] = False,
) -> None:
    """Run a sport: read its feed, price its games, publish the odds.

    Stop it with Ctrl-C: it finishes what it has read and can go on with --resume. Where the
    environment reads the feed from Kafka, odds, dead letters, state and position are committed
    together, and every start goes on where the group stood. What comes over a WebSocket or from
    Pub/Sub lies in a spool on the disk before it is read; every start goes on where the last one
    stood. With --stage several processes share the work over Kafka; `oddspipe up` starts them.
    Exit codes: 0 done or stopped in order; 1 the spec has faults; 2 wrong usage; 3 a plug-in is at
    fault; 4 the run could not go on; 130 interrupted twice.
    """
    # Frames of a step have a few dozen rows: handing them to a pool costs a fifth of the step.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    _need_folders(report, odds_out)
    plan = plan_of(sport, spec, platform, env)
    serves = telemetry.Listen(listen, spec or sport or "")
    wanted = None if sinks is None else tuple(s for s in sinks.split(",") if s and s != "none")
    asked = run_correct.Asked(begin, group, backup, dry_run)
    if run_correct.is_meant(context, asked, correct=correct):
        _save(run_correct.run(plan, asked), report)
        return
    source = source or ("replay" if data is not None else plan.deployment.source)
    if source == "kafka" or stage is not Stage.ALL:
        if stage is Stage.INGEST:
            result = run_ingest.run(
                plan, context, state=state, fresh=fresh, until=until, listen=serves
            )
        else:
            run_kafka.refuse_options(context)
            result = run_kafka.run(
                plan, stage=stage, group=group, slot=slot, until=until, sinks=wanted, listen=serves
            )
        _save(result, report)
        return
    live_feed = source in run_live.PROTOCOLS
    if live_feed:
        run_live.refuse_options(context, until)
        state = run_live.state_of(plan, state)
        resume = resume or (not fresh and run_live.holds_state(state))
    from oddspipe.core.assemble import Input, Settings  # noqa: PLC0415 - `--help` needs no NumPy

    if data is None and not resume:
        _need_data(source, chosen=(day, season) != (None, None))
    settings = Settings(
        Input(
            source=source,
            folder=str(data.resolve()) if data else "",
            games=games,
            seed=seed,
            rate=rate,
            duration_s=duration,
            faults=faults,
            limit=limit,
            until_us=None if live_feed else _micros(until),
            day=_day(day) if day else None,
            season=season,
        ),
        speed=None if max_speed else speed,
        state=state,
        resume=resume,
        fresh=fresh,
        odds_out=odds_out,
        sinks=wanted,
    )
    result = _run(
        plan, settings, live=not no_live, until_idle=live_feed and until is not None, listen=serves
    )
    _save(result, report)
    _end(result, odds_out)


def _need_folders(*files: Path | None) -> None:
    """Refuse files that could not be written at the end of the run."""
    for path in files:
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"the folder of {path} does not exist")


def _need_data(source: str, *, chosen: bool) -> None:
    """Refuse what needs recorded games and has none."""
    if source == "replay":
        raise UsageError("--source replay needs --data DIR, the folder of recorded games")
    if chosen:
        raise UsageError("--day and --season choose recorded games", hint="Add --data DIR.")


def _save(result: dict[str, Any], report: Path | None) -> None:
    if report is not None:
        report.write_text(json.dumps(result, indent=2) + "\n")


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise UsageError(f"--day {text!r} is not a day", hint="Write it as 2022-11-13.") from error


def _micros(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--until {text!r} is not a time", hint="Write it as 2024-09-08T18:00 (UTC)."
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def _run(
    plan: Any,  # noqa: ANN401 - a plan
    settings: "Settings",
    *,
    live: bool,
    until_idle: bool,
    listen: telemetry.Listen,
) -> dict[str, Any]:
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.cli import live as view  # noqa: PLC0415
    from oddspipe.core.adapters.live.source import LiveSource  # noqa: PLC0415 - as above
    from oddspipe.core.assemble import assemble  # noqa: PLC0415
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415
    from oddspipe.core.runtime.drain import StopSwitch  # noqa: PLC0415
    from oddspipe.core.telemetry import readings  # noqa: PLC0415

    stop = StopSwitch()
    stop.install()
    made = assemble(plan, settings, tell=console.note)
    for warning in made.warnings:
        console.note(f"warning: {warning}")
    title = view.Title(
        plan.sport,
        made.settings.input.source,
        plan.logic_digest,
        lambda: _total(made.source.total(), made.settings.input),
        made.settings.input.duration_s if made.settings.speed == 1.0 else None,
    )
    plain = not live or not console.is_terminal()
    shown = view.LiveView(made.runner, title, clock=SystemClock(), plain=plain)
    stop.on_second = shown.stop
    if isinstance(made.source, LiveSource):
        run_live.look_after(made.source, stop, until_idle=until_idle, tell=plain)
    with telemetry.served(plan, listen, lambda clock: readings.of_fused(made, clock)):
        shown.start()
        try:
            return made.go(stop)
        finally:
            shown.stop()


def _total(payloads: int | None, given: "Input") -> int | None:
    """Return how many payloads a run will read, where that is known."""
    if given.until_us is not None:
        return None
    return min((n for n in (payloads, given.limit) if n is not None), default=None)


def _injected(faults: dict[str, int]) -> dict[str, str]:
    """Return the line about what the simulator did wrong, where it did."""
    told = ", ".join(f"{name} {count:,}" for name, count in faults.items() if count)
    return {"injected": told} if told else {}


def _failures(count: int) -> dict[str, str]:
    """Return the line about games that the model failed on, where there were any."""
    told = f"failed on games, which were suspended: {count:,} dead letters PLUGIN"
    return {"model": told} if count else {}


def _shadow(told: dict[str, Any] | None) -> dict[str, str]:
    """Return the line about the model that was compared with the published one, if there was."""
    if told is None:
        return {}
    failed = f"{told['failures']:,} prices failed"
    off = f"; off: {told['off']}" if told["off"] else ""
    return {"shadow": f"{told['model']}, recorded, not published; {failed}{off}"}


def _end(result: dict[str, Any], odds_out: Path | None) -> None:
    """Print what happened, where the odds lie and what to try next."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    stages = [
        [
            stage["stage"],
            *(f"{stage[key]:,}" for key in ("in", "held_before", "out")),
            f"{sum(stage['rejected'].values()):,}",
            f"{stage['duplicates']:,}",
            f"{sum(stage['dropped'].values()):,}",
            f"{stage['held_after']:,}",
        ]
        for stage in result["stages"]
    ]
    titles = ("in", "before", "out", "rejected", "doubled", "dropped", "held")
    latency = result["latency_ms"]
    console.show(
        console.table([("stage", "l"), *((title, "r") for title in titles)], stages),
        console.facts(
            {
                "events": f"{result['events_in']:,} in {result['seconds']:.1f} s, "
                f"{result['events_per_second']:,.0f} a second; the books balance",
                "odds": f"{result['odds_published']:,} boards, {result['prices_published']:,} "
                f"prices of {result['games']} games",
                "latency": f"p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms, "
                f"max {latency['max']:.1f} ms, until sinks that serve odds have it",
                "memory": f"{result['peak_rss_mb']:.0f} MB at most",
                "rejects": ", ".join(f"{n} {c:,}" for n, c in result["rejects"].items()) or "none",
                **_failures(result["model_failures"]),
                **_shadow(result["shadow"]),
                **_injected(result["injected"]),
                "odds digest": result["odds_sha256"],
                "plan": result["plan"],
                "state": result["state"],
                **({"prices": str(odds_out)} if odds_out else {}),
            }
        ),
    )
    state = result["state"]
    next_steps = [f"oddspipe odds show --state {state}"]
    if result["model_failures"] or sum(result["rejects"].values()):
        next_steps.append(f"oddspipe dlq list --state {state}")
    if result["stopped_by"]:
        next_steps.append(f"oddspipe run --sport {result['sport']} --state {state} --resume")
    console.show("", "try next", *(f"  {step}" for step in next_steps))
