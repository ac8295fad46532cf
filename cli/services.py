"""`oddspipe services`: real servers on this machine, without containers."""

from pathlib import Path
from typing import Annotated

import typer

Names = Annotated[
    list[str] | None, typer.Argument(help="kafka, redis, postgres, clickhouse; all when left out.")
]
Folder = Annotated[Path, typer.Option(help="Where their data, logs and records lie.")]
DEFAULT = Path(".oddspipe/services")


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(
        no_args_is_help=True, help="Start and stop real local services without containers."
    )
    group.command()(up)
    group.command()(status)
    group.command()(down)
    app.add_typer(group, name="services")


def up(names: Names = None, *, folder: Folder = DEFAULT) -> None:
    """Start services and wait until they take connections; what runs already is left alone.

    Kafka needs Java 17 and, the first time, Maven: its jars are laid down once below the user's
    cache. Exit codes: 0 all run; 2 a program is missing; 4 one does not start.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` needs no Rich
    from oddspipe.core.services import local  # noqa: PLC0415 - as above

    for name in local.known(tuple(names or ())):
        console.note(f"{name}: starting …", style="dim")
        for running, fresh in local.up((name,), folder):
            word = "runs" if fresh else "ran already"
            console.show(f"{name}: {word} at {running.endpoint} (process {running.pid})")
    console.show(f"endpoints: {folder / local.ENDPOINTS}", "stop them: oddspipe services down")


def status(*, folder: Folder = DEFAULT) -> None:
    """Show what was started here. Exit codes: 0 all of it runs; 4 something has ended."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.services import local  # noqa: PLC0415 - as above

    found = local.status(folder)
    if not found:
        console.show("no service was started here; start them with: oddspipe services up")
        return
    rows = [[one.name, "runs" if one.alive else "ended", one.pid, one.endpoint] for one in found]
    titles = [("service", "l"), ("state", "l"), ("process", "r"), ("endpoint", "l")]
    console.show(console.table(titles, rows), f"logs: {folder}/*/service.log")
    if not all(one.alive for one in found):
        raise typer.Exit(4)


def down(names: Names = None, *, folder: Folder = DEFAULT) -> None:
    """Stop services; their data stays. Exit codes: 0 nothing of it runs any more."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.services import local  # noqa: PLC0415 - as above

    stopped = local.down(tuple(names or ()), folder)
    console.show(f"stopped: {', '.join(stopped)}" if stopped else "nothing ran")
