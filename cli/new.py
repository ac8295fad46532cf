"""`oddspipe new`: a small package of one's own that runs at once."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from oddspipe.core.render.new import Made

Folder = Annotated[
    Path | None, typer.Option("--dir", help="Folder to make; ./oddspipe-NAME when left out.")
]


class Scoring(StrEnum):
    """How points come."""

    LOW = "low"
    HIGH = "high"


class Kind(StrEnum):
    """What a plug-in is."""

    MODEL = "model"
    SOURCE = "source"
    SINK = "sink"


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(no_args_is_help=True, help="Make a sport or a plug-in of your own.")
    group.command()(sport)
    group.command()(plugin)
    app.add_typer(group, name="new")


def sport(  # noqa: PLR0913 - one parameter an option
    name: Annotated[str, typer.Argument(help="Name of the sport, e.g. handball.")],
    *,
    folder: Folder = None,
    scoring: Annotated[
        Scoring,
        typer.Option(help="low: goals, one by one. high: points that add up by the dozen."),
    ] = Scoring.LOW,
    periods: Annotated[int, typer.Option(min=1, max=20, help="Periods of a game.")] = 2,
    minutes: Annotated[int, typer.Option(min=1, max=240, help="Minutes of one period.")] = 45,
    total: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1000,
            help="Points of both sides in an average game; 2.7 or 160 if left out.",
        ),
    ] = None,
    ties: Annotated[
        bool | None,
        typer.Option("--ties/--no-ties", help="Whether a level game stands; low: yes, high: no."),
    ] = None,
) -> None:
    """Make a package that brings a sport: spec, odds model, tests, README.

    It validates, passes its tests and runs on made-up games as soon as it is installed. Exit
    codes: 0 made; 2 the name or the folder is taken; 4 the folder cannot be written.
    """
    from oddspipe.core.render.new import (  # noqa: PLC0415 - `--help` needs none of it
        Shape,
        distribution,
        sport_package,
    )

    low = scoring is Scoring.LOW
    shape = Shape(
        scoring.value,
        periods,
        minutes,
        (2.7 if low else 160.0) if total is None else total,
        low if ties is None else ties,
    )
    files = sport_package(name, shape)
    spec = next(one.path for one in files if one.path.endswith(".yaml"))
    steps = [
        "pip install -e '.[test]'",
        f"oddspipe validate {spec}",
        f"oddspipe test {spec}",
        "python -m pytest",
        f"oddspipe run --sport {name} --duration 10 --max-speed",
    ]
    _write(folder or Path(distribution(name)), files, steps)


def plugin(
    name: Annotated[str, typer.Argument(help="Name of the plug-in, as a spec will say it.")],
    *,
    kind: Annotated[Kind, typer.Option(help="What it is.")],
    folder: Folder = None,
) -> None:
    """Make a package that brings a model, a source or a sink, with a test that passes.

    Exit codes: 0 made; 2 the name or the folder is taken; 4 the folder cannot be written.
    """
    from oddspipe.core.render.new import distribution, plugin_package  # noqa: PLC0415 - as above

    files = plugin_package(name, kind.value)
    steps = ["pip install -e '.[test]'", "python -m pytest", f"oddspipe list {kind.value}s"]
    _write(folder or Path(distribution(name)), files, steps)


def _write(folder: Path, files: "list[Made]", steps: list[str]) -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.render.new import write  # noqa: PLC0415 - as above

    write(folder, files)
    rows = [(one.path, one.holds) for one in files if one.holds]
    console.page(
        console.Text.assemble("made ", (str(folder), "bold")),
        console.grid(rows, indent=2, styles=("", "dim")),
        "",
        "try next",
    )
    # Commands to copy: never wrapped.
    for step in ([] if folder == Path() else [f"cd {folder}"]) + steps:
        typer.echo(f"  {step}")
