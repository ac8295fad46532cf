"""`oddspipe run --stage ingest`: bring a live feed to the raw topic of its sport."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from oddspipe.cli import run_live, telemetry
from oddspipe.cli.run_kafka import LINE_S, given_beside
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.assemble_ingest import IngestRun
    from oddspipe.core.plan.model import Plan

INGEST_OPTIONS: Final = frozenset(
    {"sport", "spec", "platform", "env", "until", "state", "fresh", "report", "listen", "no_live",
     "stage"}
)  # fmt: skip


def run(  # noqa: PLR0913 - what the command was given
    plan: "Plan",
    context: typer.Context,
    *,
    state: Path | None,
    fresh: bool,
    until: str | None,
    listen: telemetry.Listen,
) -> dict[str, Any]:
    """Bring the feed until it is stopped, say how it goes, and return the report.

    Raises:
        OddspipeError: It could not go on.
    """
    if given := given_beside(context, INGEST_OPTIONS):
        raise UsageError(f"--stage ingest does not take {given}")
    if until not in {None, "idle"}:
        raise UsageError(f"--until {until!r}: an ingest ends with --until idle only")
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble_ingest import assemble_ingest  # noqa: PLC0415 - an extra's
    from oddspipe.core.runtime.drain import StopSwitch  # noqa: PLC0415 - as above
    from oddspipe.core.telemetry.readings import of_ingest  # noqa: PLC0415 - as above

    stop = StopSwitch()
    stop.install()
    made = assemble_ingest(plan, run_live.state_of(plan, state, "ingest"), fresh=fresh)
    if made.made:
        console.note(f"topics made: {', '.join(made.made)}")
    console.note(f"{plan.sport} ingest: {plan.feed.protocol} → {made.raw} at {made.brokers}")
    run_live.look_after(made.source, stop, until_idle=until is not None, tell=True)
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(made, ended), name="tell", daemon=True)
    teller.start()
    try:
        with telemetry.served(plan, listen, lambda clock: of_ingest(made, clock)):
            result = made.go(stop)
    finally:
        ended.set()
        teller.join()
    console.show(
        console.facts(
            {
                "records": f"{result['records']:,} to {made.raw} in {result['seconds']:.1f} s",
                "transactions": f"{result['commits']:,}",
                "memory": f"{result['peak_rss_mb']:.0f} MB at most",
                "plan": result["plan"],
            }
        )
    )
    return result


def _tell(made: "IngestRun", ended: threading.Event) -> None:
    """Print a line now and then, and at once when something is wrong."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    said, seconds, next_s = "", 0.0, LINE_S
    while not ended.wait(run_live.LOOK_S):
        seconds += run_live.LOOK_S
        trouble = made.ingest.trouble
        if trouble != said:
            console.note(trouble or "the brokers take the feed again")
            said = trouble
        if seconds >= next_s:
            next_s += LINE_S
            parts = [
                f"{seconds:6.1f} s",
                f"{made.ingest.sent:,} records",
                f"{made.source.spool_bytes / 1e6:.1f} MB in the spool",
                f"{made.ingest.commits:,} commits",
            ]
            console.note("  ".join(parts))
