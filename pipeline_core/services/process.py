"""A server process that outlives the command that started it: its id, its log, its end."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import RunError, StateError, UsageError
from oddspipe.core.processes import ended

RECORD = "service.json"
LOG = "service.log"
PATIENCE_S = 60.0
"""A broker takes connections after 4 s on an idle machine; a busy one may take ten times that."""
STOP_S = 20.0
_LAST_LINES = 5
_OURS: "dict[int, subprocess.Popen[bytes]]" = {}
"""What this very process started: its exit code has to be fetched by us, nobody else can."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service that was started.

    Attributes:
        name: Name of the service, e.g. `kafka`.
        pid: Its process.
        started: When that process began, in clock ticks since boot: tells it from a later process
            with the same id.
        endpoint: Where it listens, as its clients write it.
        log: File of what it says.
    """

    name: str
    pid: int
    started: int
    endpoint: str
    log: str

    @property
    def alive(self) -> bool:
        """Say whether that very process still runs."""
        return _started(self.pid) == self.started


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if nothing listens there, else any free port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Say whether something takes connections on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read(folder: Path) -> Running | None:
    """Return what was started in a folder, whether or not it still runs.

    Raises:
        StateError: The record is damaged.
    """
    try:
        text = (folder / RECORD).read_text()
    except FileNotFoundError:
        return None
    try:
        return Running(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise StateError(
            f"{folder / RECORD} is damaged: {error}", hint="Stop the process and remove the file."
        ) from error


@dataclass(slots=True)
class Server:
    """How a service is started: its words, its surroundings, and what it is called."""

    name: str
    command: Sequence[str]
    endpoint: str
    port: int
    environ: Mapping[str, str]
    user: str | None = None

    def start(self, folder: Path, *, clock: Clock | None = None) -> Running:
        """Start it in `folder`, and return when its port takes connections.

        Raises:
            UsageError: The program is not installed.
            RunError: It ended at once, or does not listen after a minute.
        """
        clock = clock or SystemClock()
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / LOG
        process = self._spawn(folder, log)
        deadline = clock.monotonic_ns() + int(PATIENCE_S * 1e9)
        while not listens(self.port):
            if process.poll() is not None:
                raise RunError(
                    f"{self.name} ended at once (exit code {process.returncode}): {_tail(log)}",
                    hint=f"All that it said is in {log}.",
                )
            if clock.monotonic_ns() > deadline:
                process.kill()
                raise RunError(
                    f"{self.name} does not listen on port {self.port} after {PATIENCE_S:g} s: "
                    f"{_tail(log)}",
                    hint=f"All that it said is in {log}.",
                )
            clock.sleep(0.05)
        begun = _started(process.pid)
        if begun is None:
            raise RunError(f"{self.name} ended at once: {_tail(log)}")
        running = Running(self.name, process.pid, begun, self.endpoint, str(log))
        _keep(folder, running)
        return running

    def _spawn(self, folder: Path, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("ab") as out:
            try:
                # A session of its own: Ctrl-C in the terminal must not reach it.
                process = subprocess.Popen(  # noqa: S603 - words of ours
                    list(self.command),
                    cwd=folder,
                    env={**os.environ, **self.environ},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    user=self.user,
                )
            except OSError as error:
                raise UsageError(
                    f"{self.name}: cannot start {self.command[0]}: {error.strerror or error}",
                    hint="Install it, or leave this service out.",
                ) from error
        _OURS[process.pid] = process
        return process


def stop(folder: Path) -> bool:
    """Stop what runs in a folder, gently at first; say whether anything did.

    Raises:
        RunError: It does not end.
    """
    running = read(folder)
    if running is None:
        return False
    found = running.alive and end(running.pid)
    (folder / RECORD).unlink(missing_ok=True)
    return found


def end(pid: int, *, within_s: float = STOP_S) -> bool:
    """End a process: SIGTERM, and SIGKILL once `within_s` have passed; False if there is none.

    Raises:
        RunError: Not even SIGKILL ended it.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        for what, patience in ((signal.SIGTERM, within_s), (signal.SIGKILL, 5.0)):
            if ended(handle, what, patience):
                if pid in _OURS:
                    _OURS.pop(pid).wait()
                return True
    finally:
        os.close(handle)
    raise RunError(
        f"process {pid} does not end", hint="See what it waits for: it is in the kernel."
    )


def _keep(folder: Path, running: Running) -> None:
    new = folder / f"{RECORD}.new"
    new.write_text(json.dumps(asdict(running), indent=2) + "\n")
    new.replace(folder / RECORD)


def _started(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold anything; what follows it are fields 3 and on.
    parts = text.rpartition(")")[2].split()
    return None if parts[0] in "ZX" else int(parts[19])


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return " / ".join(line.strip() for line in lines[-_LAST_LINES:] if line.strip())
