"""`oddspipe dlq`: look at what a run has turned away, and send it through the feed again."""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.cli.state import Form, RowForm, State, state_folder
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.adapters.dead_letters import DeadLetter
    from oddspipe.core.adapters.kafka.dead_letter_topic import Placed
    from oddspipe.core.plan.model import Plan

Sport = Annotated[
    str | None, typer.Option(help="The latest run of this sport; with --env, its topic.")
]
Env = Annotated[
    str | None,
    typer.Option(help="Read the topic of dead letters in this environment of platform.yaml."),
]
Spec = Annotated[Path | None, typer.Option(help="With --env: this spec in place of --sport.")]
Platform = Annotated[Path | None, typer.Option(help="With --env: another platform.yaml.")]
Where = Annotated[
    str | None, typer.Option(help="SQL condition, e.g. \"reason = 'LATE' AND position > 1000\".")
]
Since = Annotated[
    str | None, typer.Option(help="Ingested at this time or later, e.g. 2026-09-13T18:00 (UTC).")
]
ALIGNED = {"number": "r", "position": "r", "text": "w"}
SHOWN = ("number", "stage", "position", "reason", "field", "rule", "text")
PLACED = ("place", "stage", "position", "reason", "field", "rule", "text")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Look at what a run has turned away.")
    group.command(name="list")(listed)
    group.command(name="show")(show)
    group.command(name="replay")(replay)
    app.add_typer(group, name="dlq")


def listed(  # noqa: PLR0913 - one parameter an option
    *,
    where: Where = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    sport: Sport = None,
    env: Env = None,
    spec: Spec = None,
    platform: Platform = None,
    state: State = None,
    form: RowForm = Form.TEXT,
) -> None:
    """List dead letters, oldest first.

    Columns for --where: number, stage, position, ingest_us, code, reason, field, rule, text, plan,
    payload (base64); with --env also place (partition:offset) and partition. Exit codes: 0 listed;
    2 no such run or a wrong condition; 4 a damaged file, or the cluster does not answer.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.adapters.dead_letters import matching  # noqa: PLC0415 - `--help` needs none
    from oddspipe.core.adapters.places import DEAD_LETTERS_FILE  # noqa: PLC0415 - as above

    if env is not None:
        chosen = _chosen(_plan(sport, spec, platform, env), where, since)
        found, total = [row for _, row in chosen[:limit]], len(chosen)
    else:
        condition = _both(where, since)
        found, total = matching(state_folder(state, sport) / DEAD_LETTERS_FILE, condition, limit)
    if form is Form.JSON:
        for letter in found:
            typer.echo(json.dumps(letter))
        return
    if not total:
        console.note("no dead letters")
        return
    # Two columns that no letter fills would leave less room for what the others say.
    wanted = SHOWN if env is None else PLACED
    shown = [name for name in wanted if any(letter[name] != "" for letter in found)]
    titles = [(name, ALIGNED.get(name, "l")) for name in shown]
    console.show(console.table(titles, [[letter[name] for name in shown] for letter in found]))
    console.note(f"{len(found)} of {total} dead letters")


def show(  # noqa: PLR0913 - one parameter an option
    number: Annotated[
        str, typer.Argument(help="Number of the dead letter; with --env its place, e.g. 3:120.")
    ],
    *,
    sport: Sport = None,
    env: Env = None,
    spec: Spec = None,
    platform: Platform = None,
    state: State = None,
    form: RowForm = Form.TEXT,
) -> None:
    """Show one dead letter with its original bytes.

    Exit codes: 0 shown; 2 no such run or letter; 4 a damaged file, or the cluster does not answer.
    """
    import msgspec  # noqa: PLC0415 - `--help` needs none

    from oddspipe.core.adapters.dead_letters import letters  # noqa: PLC0415 - `--help` needs none
    from oddspipe.core.adapters.places import DEAD_LETTERS_FILE  # noqa: PLC0415 - as above

    if env is not None:
        placed = _topic_of(_plan(sport, spec, platform, env)).letters()
        letter = next((one.letter for one in placed if _place(one) == number), None)
        path = "the topic"
    else:
        path = str(state_folder(state, sport) / DEAD_LETTERS_FILE)
        kept = letters(state_folder(state, sport) / DEAD_LETTERS_FILE)
        letter = next((one for one in kept if str(one.number) == number), None)
    if letter is None:
        raise UsageError(f"{path}: there is no dead letter {number}", hint="oddspipe dlq list")
    if form is Form.JSON:
        typer.echo(msgspec.json.encode(letter))
        return
    _show(letter)


def replay(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Annotated[str | None, typer.Option(help="Name of a sport.")] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "dev",
    spec: Spec = None,
    platform: Platform = None,
    where: Where = None,
    since: Since = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")
    ] = False,
) -> None:
    """Send dead letters through the feed's topic again, as they came: key, bytes and headers.

    They pass every stage anew, late ones by the spec's rule for late events. A letter is sent again
    at most once, and one whose record has come back three times not at all. Mend the spec first, or
    they come back. Exit codes: 0 sent; 2 wrong usage; 4 the cluster does not answer.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble_kafka import ledger_of  # noqa: PLC0415 - an extra's

    plan = _plan(sport, spec, platform, env)
    chosen = [placed for placed, _ in _chosen(plan, where, since)][:limit]
    ledger = ledger_of(plan)
    done = _topic_of(plan).replay(chosen, ledger if ledger.file.exists() else None, dry_run=dry_run)
    words = {
        "would be sent" if dry_run else "sent": done.sent,
        "sent again before": done.before,
        "given up after three attempts": done.given_up,
        "without key and headers: the feed no longer keeps the record": done.gone,
    }
    told = [f"{count:,} {what}" for what, count in words.items() if count]
    console.show(", ".join(told) or "no dead letter is as asked for")


def _plan(sport: str | None, spec: Path | None, platform: Path | None, env: str) -> "Plan":
    plan = plan_of(sport, spec, platform, env)
    if not plan.deployment.values.get("kafka"):
        raise UsageError(
            f"environment {env!r} has no Kafka, so that dead letters lie with the run",
            hint="Leave --env out, or name the state folder with --state.",
        )
    return plan


def _topic_of(plan: "Plan") -> Any:  # noqa: ANN401 - an extra's class
    from oddspipe.core.assemble_kafka import dead_letters_of  # noqa: PLC0415 - an extra's

    return dead_letters_of(plan)


def _chosen(
    plan: "Plan", where: str | None, since: str | None
) -> list[tuple["Placed", dict[str, Any]]]:
    """Return the letters of a topic that are as asked for, each with its columns."""
    import msgspec  # noqa: PLC0415 - `--help` needs none
    import polars as pl  # noqa: PLC0415 - as above

    from oddspipe.core.adapters.dead_letters import holding  # noqa: PLC0415 - as above

    placed: list[Placed] = list(_topic_of(plan).letters())
    if not placed:
        return []
    rows = pl.DataFrame(
        [
            {"place": _place(one), "partition": one.partition} | msgspec.structs.asdict(one.letter)
            for one in placed
        ],
        infer_schema_length=1,
    ).with_row_index("row")
    kept = holding(rows, _both(where, since)).sort("ingest_us", "row")
    return [
        (placed[number], row)
        for number, row in zip(kept["row"].to_list(), kept.drop("row").to_dicts(), strict=True)
    ]


def _both(where: str | None, since: str | None) -> str | None:
    """Return one condition of two."""
    parts = [f"({where})"] if where else []
    if since:
        try:
            moment = datetime.fromisoformat(since)
        except ValueError as error:
            raise UsageError(
                f"--since {since!r} is not a time", hint="Write it as 2026-09-13T18:00 (UTC)."
            ) from error
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        parts.append(f"ingest_us >= {int(zoned.timestamp() * 1_000_000)}")
    return " AND ".join(parts) or None


def _place(one: "Placed") -> str:
    return f"{one.partition}:{one.offset}"


def _show(letter: "DeadLetter") -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    moment = datetime.fromtimestamp(letter.ingest_us / 1e6, UTC)
    facts = {
        "number": letter.number,
        "stage": letter.stage,
        "position": letter.position,
        "ingested": moment.isoformat(timespec="microseconds"),
        "reason": f"{letter.reason} ({letter.code})",
        "field": letter.field,
        "rule": letter.rule,
        "text": letter.text,
        "plan": letter.plan,
    }
    console.show(console.facts({name: value for name, value in facts.items() if value != ""}))
    payload = base64.b64decode(letter.payload)
    typer.echo(f"\n{len(payload)} bytes:")
    for line in _dump(payload):
        typer.echo(line)


def _dump(payload: Sequence[int]) -> Iterator[str]:
    """Yield lines of sixteen bytes, in figures and in letters."""
    for at in range(0, len(payload), 16):
        row = bytes(payload[at : at + 16])
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):<47}  {text}"
