"""`oddspipe validate` and `oddspipe spec`: what a file says, may say, and says wrong."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oddspipe.core.errors import UsageError

_WIDEST = 70


class Format(StrEnum):
    """How faults are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class Shown(StrEnum):
    """How a resolved spec is printed."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command(name="validate")(validate)
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
    group.command(name="schema")(schema)
    group.command(name="show")(show)
    app.add_typer(group, name="spec", help="What a sport file may say, and what it says.")


def validate(
    files: Annotated[list[Path], typer.Argument(help="Sport and platform files.")],
    *,
    form: Annotated[Format, typer.Option("--format", help="How faults are printed.")] = Format.TEXT,
    platform: Annotated[
        Path | None, typer.Option(help="Platform that sports are checked against.")
    ] = None,
) -> None:
    """Check sport and platform files and say everything that is wrong with them.

    Every fault is told in one pass: place, line of the file, likely fix, page of the reference.
    What other faults keep from being checked is told as skipped. Exit codes: 0 clean; 1 faults,
    each with file:line:column; 2 wrong usage, or a file that cannot be read.
    """
    from oddspipe.cli.faults import printed  # noqa: PLC0415 - `--help` has no faults
    from oddspipe.core.plan.validate import validated  # noqa: PLC0415 - pydantic is slow

    found = validated(files, platform)
    text = printed(found, form, len(files))
    if text:
        typer.echo(text)
    raise typer.Exit(1 if any(one.severity == "error" for one in found) else 0)


def schema(
    *,
    platform: Annotated[
        bool, typer.Option("--platform", help="The schema of platform.yaml in place of a sport's.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write it here, not to the screen.")] = None,
) -> None:
    """Print the JSON Schema of sport files, for editors: keys, types, descriptions, examples.

    Parameters of the installed plug-ins are in it. A file names its schema in its first line:
    `# yaml-language-server: $schema=sport.schema.json`. Exit codes: 0 printed; 2 wrong usage.
    """
    from oddspipe.core.plan.json_schema import (  # noqa: PLC0415 - pydantic is slow
        platform_schema,
        schema_text,
        sport_schema,
    )

    text = schema_text(platform_schema() if platform else sport_schema())
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}") from error


def show(
    *,
    sport: Annotated[str, typer.Option(help="Sport: nfl, nba, mlb, one of a package, or a file.")],
    form: Annotated[Shown, typer.Option("--format", help="How it is printed.")] = Shown.TEXT,
) -> None:
    """Print what a sport says with everything that it extends, each value with its file and line.

    Values that nobody wrote are said to be defaults; secrets stay references, logins are cut out
    of addresses. Exit codes: 0 printed; 1 the spec has faults; 2 wrong usage.
    """
    from oddspipe.core.plan.load import sound_spec  # noqa: PLC0415 - Polars is slow
    from oddspipe.core.plan.resolved import resolved  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import find_spec  # noqa: PLC0415 - as above

    found = list(resolved(*sound_spec(find_spec(sport))))
    if form is Shown.JSON:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2, ensure_ascii=False))
        return
    lines = [(f"{_dotted(one.path)}: {_flow(one.value)}", one.place) for one in found]
    wide = min(_WIDEST, max(len(line) for line, _ in lines))
    typer.echo("\n".join(f"{line:<{wide}}  # {place}" for line, place in lines))


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in path)


def _flow(value: object) -> str:
    """Return a value in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(one) for one in value)}]"
    if isinstance(value, str):
        return " ".join(value.split())
    return json.dumps(value)
