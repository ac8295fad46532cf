"""The command `oddspipe`: gathers the commands, and alone turns errors into exit codes."""

import importlib
import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from oddspipe import __version__
from oddspipe.core.errors import OddspipeError

COMMANDS = (
    "spec", "test", "plan", "schema", "run", "up", "backtest", "feed", "verify", "odds",
    "dlq", "list", "plugin", "model", "new", "services", "render_infra",
    "schedule", "remedy",
)  # fmt: skip
"""Modules of `oddspipe.cli`, in the order of the help; each has `register(app)`."""

EXIT_CODES = """Exit codes: 0 done; 1 a spec has faults; 2 wrong usage; 3 a plug-in is at fault;
4 the run could not go on; 130 interrupted twice."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    if wanted:
        typer.echo(f"oddspipe {__version__}")
        raise typer.Exit


def _root(
    _version: Annotated[  # noqa: FBT002 - Typer reads the default from the signature
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """One YAML file and one model plug-in per sport become a running odds pipeline."""


def build() -> typer.Typer:
    """Return the app with every command in it."""
    app = typer.Typer(
        name="oddspipe",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        rich_markup_mode="markdown",
        epilog=EXIT_CODES,
    )
    app.callback()(_root)
    for name in COMMANDS:
        importlib.import_module(f"oddspipe.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; an error is a message, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 shows ? for a bar
    try:
        build()()
    except OddspipeError as error:
        _tell(f"error: {error.message}", error.hint, code=error.code)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (`| head`) left: nothing more to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except MemoryError:
        _tell("error: the machine has no memory left", "Stop other programs or lower --rate.")
        sys.exit(4)
    except Exception as error:  # noqa: BLE001 - the last resort: a file for us, a line for the user
        where = _keep_traceback()
        _tell(
            f"error: {type(error).__name__}: {error}",
            f"This is a bug in oddspipe. What happened is in {where}; please report it.",
            code="bug",
        )
        sys.exit(4)


def _tell(message: str, hint: str = "", *, code: str = "") -> None:
    tail = f" [{code}]" if code else ""
    sys.stderr.write(f"{message}{tail}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")


def _keep_traceback() -> str:
    """Write the traceback to a file and return its name."""
    import traceback  # noqa: PLC0415 - hardly ever needed

    path = Path(f"oddspipe-crash-{os.getpid()}.txt")
    text = f"oddspipe {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n"
    try:
        path.write_text(text + traceback.format_exc())
    except OSError:
        sys.stderr.write(traceback.format_exc())
        return "the lines above"
    return str(path)
