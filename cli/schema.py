"""`oddspipe schema`: the event as protobuf, and whether a change breaks those who read it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli.plan import AsForm, Form, Platform
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.plan.proto.published import Compared

Sport = Annotated[str | None, typer.Option(help="One sport, or a file; all sports when left out.")]
Folder = Annotated[Path, typer.Option(help="Folder of generated files.")]
GENERATED = Path("generated")


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(
        no_args_is_help=True, help="Publish the event as protobuf, and keep its readers whole."
    )
    group.command()(check)
    group.command()(write)
    app.add_typer(group, name="schema")


def check(
    *,
    sport: Sport = None,
    against: Annotated[
        Path | None, typer.Option(help="Another .proto file to compare one sport with.")
    ] = None,
    folder: Folder = GENERATED,
    platform: Platform = None,
    form: AsForm = Form.TEXT,
) -> None:
    """Refuse a change of the event that breaks readers of the published schema.

    Compares each sport with generated/proto/oddspipe/SPORT/vN/event.proto: numbers, types, names,
    enum values, retired numbers. Units, narrower ranges and new required fields are warnings. After
    raising schema_version nothing is compared: readers of the old version keep its file. Exit
    codes: 0 no reader breaks; 1 one would, or nothing is published yet; 2 wrong usage.
    """
    from oddspipe.core.plan.proto.published import compared  # noqa: PLC0415 - Polars is slow

    if against is not None and sport is None:
        raise UsageError("--against compares one sport", hint="Name it: --sport nfl.")
    found = [compared(plan, folder, against) for plan in _plans(sport, platform)]
    if form is Form.JSON:
        typer.echo(json.dumps([_fields(one) for one in found], indent=2))
    else:
        for one in found:
            _tell(one)
    if any(one.breaks or not one.published for one in found):
        raise typer.Exit(1)


def write(*, sport: Sport = None, folder: Folder = GENERATED, platform: Platform = None) -> None:
    """Write the .proto file of each sport; a change that breaks readers is not written.

    Exit codes: 0 written, or as they should be; 1 a change would break readers; 2 wrong usage.
    """
    from oddspipe.core.plan.proto.published import compared, publish  # noqa: PLC0415 - as above

    found = [compared(plan, folder) for plan in _plans(sport, platform)]
    for one in found:
        if one.breaks:
            _tell(one)
            typer.echo(f"{one.sport}: not written")
        elif one.same:
            typer.echo(f"{one.sport}: {one.file} is as it should be")
        else:
            publish(one)
            typer.echo(f"{one.sport}: {one.file} written")
    if any(one.breaks for one in found):
        raise typer.Exit(1)


def _plans(sport: str | None, platform: Path | None) -> "list[Plan]":
    from oddspipe.core.plan.load import plan_for, read_platform  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import sports  # noqa: PLC0415 - as above

    # Any environment will do: none of them changes the event.
    environment = next(iter(read_platform(platform).environments))
    return [
        plan_for(name, platform=platform, environment=environment)
        for name in ([sport] if sport else sports())
    ]


def _state(one: "Compared") -> str:
    if not one.published:
        return "unpublished"
    if one.breaks:
        return "breaks readers"
    return "same" if one.same else "compatible"


def _fields(one: "Compared") -> dict[str, Any]:
    return {
        "sport": one.sport,
        "file": str(one.file),
        "state": _state(one),
        "changes": [asdict(change) for change in one.changes],
    }


def _tell(one: "Compared") -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    style = {"same": "green", "compatible": "green"}.get(_state(one), "red")
    words = {
        "same": "is what the spec says",
        "compatible": "no reader breaks; `oddspipe schema write` brings it up to date",
        "unpublished": "is not there yet: `oddspipe schema write` makes it; commit it",
        "breaks readers": "readers of it would break",
    }[_state(one)]
    console.page(console.Text.assemble((f"{one.sport}", f"bold {style}"), f"  {one.file}: {words}"))
    for change in one.changes:
        colour = "red" if change.severity == "error" else "yellow"
        console.page(
            console.Text.assemble(
                "  ", (change.severity, colour), f" {change.place} ", (f"[{change.code}]", "dim")
            ),
            console.facts({"": change.message, "fix": change.fix}, indent=4),
        )
    if one.breaks:
        console.page(
            "  If it must be: raise schema_version. The new version gets a file of its own, and "
            "readers of this one keep it."
        )
