"""The state of a run in a folder: a lock, what the run is, C, and snapshots.

lock                  held while a run is on; process id and start for people
run.json              the plan's digest and the settings that decide the input
committed             C, in two slots written in turn
snapshot-<S>.bin      magic, length, SHA-256, content; the newest two are kept
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import StateError
from oddspipe.core.failpoints import passed
from oddspipe.core.stages.protocol import Frozen

MAGIC = b"ODDSNAP1"
KEPT = 2
_SLOT = struct.Struct("<QQI4x")
"""Count of commits, C, CRC-32 of both; 24 bytes, so a slot never crosses a disk sector."""
_HEAD = struct.Struct("<8sQ32s")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a state folder belongs to.

    Attributes:
        logic: Logic digest of the plan.
        settings: Values that decide the input (source, seed, rate …); a resume takes them over.
        finished: Whether the input came to its end and every sink had it all.
    """

    logic: str
    settings: Mapping[str, Any]
    finished: bool = False


class StateFolder:
    """Keep a run's snapshots and C in a folder, which one process at a time may use."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Name the folder; nothing is touched before `acquire`."""
        self.path = path
        self._clock = clock or SystemClock()
        self._warn = warn
        self._lock: int | None = None
        self._committed: int | None = None
        self._commits = 0

    def acquire(self) -> None:
        """Make the folder if need be and lock it.

        Raises:
            StateError: Another run has it, or it cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StateError(
                f"the state folder {self.path} cannot be used: {error.strerror}",
                hint="name another one with --state DIR",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 200).decode(errors="replace").strip() or "another process"
            os.close(lock)
            raise StateError(
                f"the state folder {self.path} is in use by {holder}",
                hint="wait for that run or stop it, or name another folder with --state DIR",
            ) from None
        started = datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC)
        os.ftruncate(lock, 0)
        os.pwrite(
            lock, f"process {os.getpid()}, started {started:%Y-%m-%d %H:%M:%S} UTC\n".encode(), 0
        )
        self._lock = lock

    def release(self) -> None:
        """Let others use the folder; may be called twice."""
        for descriptor in (self._committed, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._committed = self._lock = None

    def facts(self) -> RunFacts | None:
        """Return what the folder belongs to; None when no run has used it.

        Raises:
            StateError: Its `run.json` cannot be read.
        """
        try:
            facts = json.loads((self.path / "run.json").read_text())
            return RunFacts(facts["logic"], facts["settings"], facts["finished"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            raise StateError(
                f"{self.path}/run.json cannot be read: {error}",
                hint="begin anew with --fresh",
            ) from error

    def describe(self, facts: RunFacts) -> None:
        """Write what the folder belongs to."""
        text = json.dumps(
            {"logic": facts.logic, "settings": dict(facts.settings), "finished": facts.finished},
            indent=2,
            sort_keys=True,
        )
        _replace(self.path / "run.json", [text.encode() + b"\n"])

    def clear(self) -> None:
        """Remove everything but the lock: the folder is as if never used."""
        for entry in self.path.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def committed(self) -> int:
        """Return C: the newest slot whose check sum is right; 0 when there is none."""
        try:
            content = (self.path / "committed").read_bytes()
        except FileNotFoundError:
            return 0
        best = (0, 0)
        for at in range(0, len(content) - _SLOT.size + 1, _SLOT.size):
            count, position, check = _SLOT.unpack_from(content, at)
            if zlib.crc32(content[at : at + 16]) == check:
                best = max(best, (count, position))
        self._commits = best[0]
        return best[1]

    def commit(self, position: int) -> None:
        """Save C; not flushed to the disk: a C that is too old only repeats harmless writes."""
        if self._committed is None:
            self._committed = os.open(
                self.path / "committed", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644
            )
        self._commits += 1
        slot = struct.pack("<QQ", self._commits, position)
        record = _SLOT.pack(self._commits, position, zlib.crc32(slot))
        os.pwrite(self._committed, record, self._commits % 2 * _SLOT.size)
        passed("state.committed")

    def snapshots(self) -> Iterator[bytes]:
        """Yield the contents of sound snapshots, newest first; warn of damaged ones."""
        for path in self._files():
            content = _sound(path)
            if content is None:
                self._warn(f"{path} is damaged and passed over; an older state is used")
                continue
            yield content

    def prepare(self, position: int, parts: Frozen) -> None:
        """Write a snapshot and flush it to the disk, under a name that is not yet valid."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        head = _HEAD.pack(MAGIC, sum(map(len, parts)), digest.digest())
        _write(self._name(position).with_suffix(".new"), [head, *parts])
        passed("state.prepared")

    def publish(self, position: int) -> None:
        """Make the prepared snapshot valid and remove all but the newest two."""
        name = self._name(position)
        name.with_suffix(".new").rename(name)
        passed("state.renamed")
        _flush_folder(self.path)
        for old in self._files()[KEPT:]:
            old.unlink()
        for stray in self.path.glob("snapshot-*.new"):
            stray.unlink()
        passed("state.published")

    def kept(self) -> int:
        """Return the oldest position that a restart may read from; 0 while it is the beginning."""
        files = self._files()
        return int(files[-1].stem.partition("-")[2]) if len(files) == KEPT else 0

    def _name(self, position: int) -> Path:
        return self.path / f"snapshot-{position:020d}.bin"

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("snapshot-*.bin"), reverse=True)


def _sound(path: Path) -> bytes | None:
    """Return a snapshot's content, None when it is torn or changed."""
    raw = path.read_bytes()
    if len(raw) < _HEAD.size:
        return None
    magic, length, digest = _HEAD.unpack_from(raw)
    content = raw[_HEAD.size :]
    whole = magic == MAGIC and len(content) == length
    return content if whole and hashlib.sha256(content).digest() == digest else None


def _write(path: Path, parts: Frozen) -> None:
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, parts: Frozen) -> None:
    fresh = path.with_name(path.name + ".new")
    _write(fresh, parts)
    fresh.rename(path)
    _flush_folder(path.parent)


def _flush_folder(path: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems refuse to flush a folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
