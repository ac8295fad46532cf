"""A PostgreSQL server from the programs that are installed; never as root, which it refuses."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.services import process

PORT = 5432
NAME = "oddspipe"
_USERS = ("postgres", "nobody")


def start(folder: Path, *, port: int = PORT) -> process.Running:
    """Start a server; any other port is taken where this one is in use.

    Raises:
        UsageError: PostgreSQL is not installed, or root's folder is closed to others.
        RunError: It does not start.
    """
    folder = folder.absolute()
    store = folder / "data"
    store.mkdir(parents=True, exist_ok=True)
    user = _user(store)
    if not (store / "PG_VERSION").exists():
        _made(store, user)
    chosen = process.free_port(port)
    words = ["-D", str(store), "-p", str(chosen), "-k", str(store), "-h", "127.0.0.1"]
    server = process.Server(
        "postgres",
        [_program("postgres"), *words],
        endpoint=f"postgresql://{NAME}@localhost:{chosen}/postgres",
        port=chosen,
        environ={},
        user=user,
    )
    return server.start(folder)


def _made(store: Path, user: str | None) -> None:
    # The store is this machine's and listens on the loopback only: no password.
    words = ["-D", str(store), "-U", NAME, "-A", "trust", "-E", "UTF8", "--no-sync"]
    done = subprocess.run(  # noqa: S603 - words of ours
        [_program("initdb"), *words],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        cwd=store,
    )
    if done.returncode:
        raise RunError(f"the PostgreSQL store cannot be made: {done.stderr.strip()}")


def _user(store: Path) -> str | None:
    """Return who the server runs as: us, or where we are root the first of a few others."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        shutil.chown(store, found.pw_uid, found.pw_gid)
        closed = [str(one) for one in store.parents if not one.stat().st_mode & 0o001]
        if closed:
            raise UsageError(
                f"postgres cannot run as root, and {name} may not enter {closed[-1]}",
                hint="Name a folder that others may enter with --folder.",
            )
        return name
    raise UsageError("postgres cannot run as root, and there is no other user for it")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    # Debian keeps them out of the PATH, by version.
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not kept:
        raise UsageError(
            f"postgres: there is no {name}", hint="On Debian: apt-get install postgresql"
        )
    return str(kept[-1])
