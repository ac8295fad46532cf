"""The state folder that a command is to read, and the options that such commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from oddspipe.core.errors import UsageError

ROOT = Path(".oddspipe")
LATEST = "latest"

State = Annotated[
    Path | None, typer.Option(help="State folder of the run; the latest when left out.")
]


class Form(StrEnum):
    """How rows are printed."""

    TEXT = "text"
    JSON = "json"


RowForm = Annotated[
    Form, typer.Option("--format", help="A table, or a JSON object a line with everything.")
]


def state_folder(named: Path | None, sport: str | None) -> Path:
    """Return the named folder, else the latest run's, of `sport` if that is given.

    Raises:
        UsageError: There is no such folder.
    """
    if named is not None:
        if not named.is_dir():
            raise UsageError(f"{named} is not a folder", hint="Name the --state of a run.")
        return named
    runs = [
        link.resolve()
        for link in ROOT.glob(f"{sport or '*'}/{LATEST}")
        if (link.resolve() / "run.json").exists()
    ]
    if not runs:
        of = f"of {sport} " if sport else ""
        raise UsageError(
            f"there is no run {of}below {ROOT}", hint="Name the folder of one with --state DIR."
        )
    return max(runs, key=lambda run: (run / "run.json").stat().st_mtime)
