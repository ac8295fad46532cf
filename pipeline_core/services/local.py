"""The services that can be started here, by name, and where their records lie."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from oddspipe.core.errors import UsageError
from oddspipe.core.services import clickhouse, kafka, postgres, process, redis

FOLDER = Path(".oddspipe/services")
ENDPOINTS = "endpoints.env"
"""File of `NAME=address` lines: what `oddspipe run --env dev` finds the services by."""

STARTS: Mapping[str, Callable[[Path], process.Running]] = MappingProxyType(
    {
        "kafka": kafka.start,
        "redis": redis.start,
        "postgres": postgres.start,
        "clickhouse": clickhouse.start,
    }
)
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "kafka": "ODDSPIPE_KAFKA",
        "redis": "ODDSPIPE_REDIS",
        "postgres": "ODDSPIPE_POSTGRES",
        "clickhouse": "ODDSPIPE_CLICKHOUSE",
    }
)


def up(names: tuple[str, ...], folder: Path = FOLDER) -> list[tuple[process.Running, bool]]:
    """Start services; one that runs already is left alone.

    Returns:
        Each with whether it was started just now.

    Raises:
        UsageError: A name is unknown, or a program is missing.
        RunError: One does not start.
    """
    done = []
    for name in known(names):
        running = process.read(folder / name)
        fresh = running is None or not running.alive
        if running is None or fresh:
            running = STARTS[name](folder / name)
        done.append((running, fresh))
        _write_endpoints(folder)
    return done


def down(names: tuple[str, ...], folder: Path = FOLDER) -> list[str]:
    """Stop services, the last started first; return the names of those that ran."""
    stopped = [name for name in reversed(known(names)) if process.stop(folder / name)]
    if folder.is_dir():
        _write_endpoints(folder)
    return stopped


def status(folder: Path = FOLDER) -> list[process.Running]:
    """Return every service that was started here and not stopped, alive or not."""
    found = (process.read(folder / name) for name in STARTS)
    return [one for one in found if one is not None]


def endpoints(folder: Path = FOLDER) -> dict[str, str]:
    """Return where the services that run here listen, by environment variable."""
    return {VARIABLES[one.name]: one.endpoint for one in status(folder) if one.alive}


def known(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return these names, or all when there are none.

    Raises:
        UsageError: There is no such service.
    """
    for name in names:
        if name not in STARTS:
            raise UsageError(
                f"there is no service {name!r}", hint=f"There are {', '.join(STARTS)}."
            )
    return names or tuple(STARTS)


def _write_endpoints(folder: Path) -> None:
    lines = [f"{name}={address}\n" for name, address in endpoints(folder).items()]
    new = folder / f"{ENDPOINTS}.new"
    new.write_text("".join(lines))
    new.replace(folder / ENDPOINTS)
