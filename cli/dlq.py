"""`oddspipe dlq`: look at what a run has turned away."""

import base64
import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from oddspipe.cli.state import Form, RowForm, State, state_folder
from oddspipe.core.errors import UsageError

Sport = Annotated[str | None, typer.Option(help="The latest run of this sport.")]
ALIGNED = {"number": "r", "position": "r", "text": "w"}
SHOWN = ("number", "stage", "position", "reason", "field", "rule", "text")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Look at what a run has turned away.")
    group.command(name="list")(listed)
    group.command(name="show")(show)
    app.add_typer(group, name="dlq")


def listed(
    *,
    where: Annotated[
        str | None,
        typer.Option(help="SQL condition, e.g. \"reason = 'LATE' AND position > 1000\"."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    sport: Sport = None,
    state: State = None,
    form: RowForm = Form.TEXT,
) -> None:
    """List dead letters, oldest first.

    Columns for --where: number, stage, position, ingest_us, code, reason, field, rule, text, plan,
    payload (base64). Exit codes: 0 listed; 2 no such run or a wrong condition; 4 a damaged file.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.adapters.dead_letters import matching  # noqa: PLC0415 - `--help` needs none
    from oddspipe.core.adapters.places import DEAD_LETTERS_FILE  # noqa: PLC0415 - as above

    found, total = matching(state_folder(state, sport) / DEAD_LETTERS_FILE, where, limit)
    if form is Form.JSON:
        for letter in found:
            typer.echo(json.dumps(letter))
        return
    if not total:
        console.note("no dead letters")
        return
    # Two columns that no letter fills would leave less room for what the others say.
    shown = [name for name in SHOWN if any(letter[name] != "" for letter in found)]
    titles = [(name, ALIGNED.get(name, "l")) for name in shown]
    console.show(console.table(titles, [[letter[name] for name in shown] for letter in found]))
    console.note(f"{len(found)} of {total} dead letters")


def show(
    number: Annotated[int, typer.Argument(min=0, help="Number of the dead letter, from the list.")],
    *,
    sport: Sport = None,
    state: State = None,
    form: RowForm = Form.TEXT,
) -> None:
    """Show one dead letter with its original bytes.

    Exit codes: 0 shown; 2 no such run or letter; 4 a damaged file.
    """
    import msgspec  # noqa: PLC0415 - `--help` needs none

    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.adapters.dead_letters import letters  # noqa: PLC0415 - `--help` needs none
    from oddspipe.core.adapters.places import DEAD_LETTERS_FILE  # noqa: PLC0415 - as above

    path = state_folder(state, sport) / DEAD_LETTERS_FILE
    letter = next((one for one in letters(path) if one.number == number), None)
    if letter is None:
        raise UsageError(f"{path}: there is no dead letter {number}", hint="oddspipe dlq list")
    if form is Form.JSON:
        typer.echo(msgspec.json.encode(letter))
        return
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
    for at in range(0, len(payload), 16):
        row = payload[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        typer.echo(f"{at:08x}  {row.hex(' '):<47}  {text}")
