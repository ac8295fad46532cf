"""`oddspipe validate`: everything that is wrong with a spec, each with its place."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oddspipe.core.spec.document import Diagnostic


class Format(StrEnum):
    """How faults are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(name="validate")(validate)


def validate(
    files: Annotated[list[Path], typer.Argument(help="Sport files, e.g. sports/nfl.yaml.")],
    *,
    form: Annotated[Format, typer.Option("--format", help="How faults are printed.")] = Format.TEXT,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
) -> None:
    """Check sport files and say everything that is wrong with them.

    Exit codes: 0 clean; 1 faults, each with file:line:column; 2 wrong usage.
    """
    from oddspipe.core.plan.load import read_platform, read_spec  # noqa: PLC0415 - Polars is slow

    place = read_platform(platform)
    found = [one for file in files for one in read_spec(file, place).diagnostics()]
    faults = sum(one.severity == "error" for one in found)
    if form is Format.JSON:
        typer.echo(json.dumps([_fields(one) for one in found], indent=2))
    else:
        for one in found:
            typer.echo(_github(one) if form is Format.GITHUB else _text(one))
    if form is Format.TEXT:
        skipped = sum(one.severity == "skipped" for one in found)
        tail = f", {skipped} checks skipped" if skipped else ""
        typer.echo(f"{len(files)} files: {faults} faults{tail}" if found else f"{len(files)} clean")
    raise typer.Exit(1 if faults else 0)


def _path(one: "Diagnostic") -> str:
    return ".".join(str(step) for step in one.path)


def _fields(one: "Diagnostic") -> dict[str, str | int]:
    return {
        "file": one.mark.file,
        "line": one.mark.line,
        "column": one.mark.column,
        "severity": one.severity,
        "code": one.code,
        "path": _path(one),
        "message": one.message,
        "hint": one.hint,
    }


def _text(one: "Diagnostic") -> str:
    """Return the fault as a place, an excerpt with a caret, and the likely fix."""
    gutter = " " * len(str(one.mark.line))
    lines = [
        f"{one.place}: {one.severity}[{one.code}]: {one.message}",
        f"{one.mark.line} | {one.source}",
        f"{gutter} | {' ' * (one.mark.column - 1)}^",
        f"{gutter} = at {_path(one) or 'the top'}",
    ]
    if one.hint:
        lines.append(f"{gutter} = {one.hint}")
    return "\n".join(lines) + "\n"


def _github(one: "Diagnostic") -> str:
    level = "error" if one.severity == "error" else "warning"
    place = f"file={one.mark.file},line={one.mark.line},col={one.mark.column}"
    return f"::{level} {place},title={one.code}::{one.message} {one.hint}".rstrip()
