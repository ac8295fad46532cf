"""`oddspipe run --correct`: read a stretch of the feed again, publish what was priced wrongly."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from oddspipe.cli.run_kafka import given_beside
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.verify.correct import Begin

OPTIONS: Final = frozenset(
    {
        *("sport", "spec", "platform", "env", "group", "report"),
        *("begin", "correct", "dry_run", "backup"),
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; see the options."""

    begin: str | None
    group: str | None
    backup: str | None
    dry_run: bool


def is_meant(context: typer.Context, asked: Asked, *, correct: bool) -> bool:
    """Say whether the command shall correct.

    Raises:
        UsageError: Options do not go together.
    """
    if not correct:
        if asked.begin is not None or asked.backup is not None or asked.dry_run:
            raise UsageError("--from, --backup and --dry-run go with --correct")
        return False
    if given := given_beside(context, OPTIONS):
        raise UsageError(f"--correct does not take {given}")
    if asked.begin is None:
        raise UsageError("--correct needs --from", hint="Name a time, or an offset of the feed.")
    return True


def run(plan: "Plan", asked: Asked) -> dict[str, Any]:
    """Compare, publish, say what was done, and return it as the report.

    Raises:
        OddspipeError: It could not be done.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble_kafka import corrector_of  # noqa: PLC0415 - an extra's

    begin, dry_run = asked.begin or "0", asked.dry_run
    made = corrector_of(plan, asked.group, asked.backup)
    done = made.correct(_begin(begin), dry_run=dry_run)
    what = "would be published" if dry_run else "published"
    console.show(
        console.facts(
            {
                "compared": f"{done.moments:,} moments of games from {begin} on",
                "corrections": f"{done.corrections:,} {what}, of {len(done.games)} games",
                **({"skipped": _skipped(done.skipped)} if done.skipped else {}),
                "plan": plan.logic_digest,
            }
        ),
        *(("", *done.examples) if done.examples else ()),
    )
    return {
        "sport": plan.sport,
        "plan": plan.logic_digest,
        "dry_run": dry_run,
        "moments": done.moments,
        "corrections": done.corrections,
        "games": sorted(done.games),
        "skipped": sorted(done.skipped),
    }


def _skipped(games: set[str]) -> str:
    named = ", ".join(sorted(games)[:5])
    return f"{len(games)} games began before what can be read again: {named}"


def _begin(text: str) -> "Begin":
    """Return where a stretch begins.

    Raises:
        UsageError: It is no time and no offset.
    """
    from oddspipe.core.verify.correct import Begin  # noqa: PLC0415 - an extra's

    partition, _, offset = text.rpartition(":")
    if offset.isdecimal() and (not partition or partition.isdecimal()):
        return Begin(None, int(offset), int(partition) if partition else None)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--from {text!r} is no time and no offset",
            hint="Write 2026-09-13T18:00 (UTC), 1500 (in every partition) or 3:1500.",
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Begin(int(moment.timestamp() * 1_000_000))
