"""Recovery: snapshots of the fold, and the position up to which every sink is done.

One scheme for every mode. A snapshot is a position S of the input and all state that follows from
the input before S. C is the position up to which every sink has acknowledged. After a crash the
newest snapshot is loaded, the input is read again from S, and up to C nothing is handed out. A
snapshot becomes valid only once C has reached its S: else outputs between C and S would be lost.
"""

import json
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from oddspipe.core.clock import Clock
from oddspipe.core.errors import StateError
from oddspipe.core.stages.protocol import Frozen

FORMAT = 2
COMMIT_NS = 50_000_000
"""C is saved at most this often; half of the 100 ms that a reader of C may count on."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a run has to know to go on from one position.

    Attributes:
        position: S, the position of the next payload to read.
        token: The source's own resume token at S.
        logic: Logic digest of the plan; state of another plan is of no use.
        blobs: State by name, in parts: one entry a stage, and `odds_digest`.
    """

    position: int
    token: bytes
    logic: str
    blobs: dict[str, Frozen] = field(default_factory=dict)

    def encode(self) -> Frozen:
        """Return the parts of its file; none is copied."""
        head = {
            "format": FORMAT,
            "position": self.position,
            "token": self.token.hex(),
            "logic": self.logic,
            "blobs": [[name, sum(map(len, parts))] for name, parts in self.blobs.items()],
        }
        text = json.dumps(head).encode()
        return [_LENGTH.pack(len(text)), text, *chain.from_iterable(self.blobs.values())]

    @staticmethod
    def decode(content: bytes) -> "Snapshot":
        """Return the snapshot that `encode` laid out.

        Raises:
            StateError: Another version wrote it.
        """
        (length,) = _LENGTH.unpack_from(content)
        head = json.loads(content[_LENGTH.size : _LENGTH.size + length])
        if head["format"] != FORMAT:
            raise StateError(f"a snapshot has format {head['format']}, this version {FORMAT}")
        at = _LENGTH.size + length
        blobs: dict[str, Frozen] = {}
        for name, size in head["blobs"]:
            blobs[name] = (content[at : at + size],)
            at += size
        return Snapshot(head["position"], bytes.fromhex(head["token"]), head["logic"], blobs)


class StateStore(Protocol):
    """Where snapshots and C are kept: a folder here, a compacted topic with Kafka."""

    def snapshots(self) -> Iterator[bytes]:
        """Yield the contents of valid snapshots, newest first; say which are damaged."""
        ...

    def prepare(self, position: int, parts: Frozen) -> None:
        """Write a snapshot durably, without making it valid."""
        ...

    def publish(self, position: int) -> None:
        """Make the prepared snapshot of this position the newest valid one."""
        ...

    def committed(self) -> int:
        """Return C; 0 when nothing was committed yet."""
        ...

    def commit(self, position: int) -> None:
        """Save C."""
        ...


def newest(store: StateStore, logic: str) -> Snapshot | None:
    """Return the newest snapshot that can be used, None to begin at position 0.

    Raises:
        StateError: It is of another plan.
    """
    for content in store.snapshots():
        snapshot = Snapshot.decode(content)
        if snapshot.logic != logic:
            raise StateError(
                f"the saved state is of another plan ({snapshot.logic[:12]}, now {logic[:12]})",
                hint="undo the change of the spec to go on with it, or begin anew with --fresh",
            )
        return snapshot
    return None


class Keeper:
    """Save C at short intervals and snapshots at longer ones, in a thread of its own."""

    def __init__(self, store: StateStore, *, interval_us: int, clock: Clock) -> None:
        """Begin with the C that the store holds."""
        self.store = store
        self.position = store.committed()
        self.saved = 0
        self.trouble = ""
        self._clock = clock
        self._interval_ns = interval_us * 1000
        self._next_snapshot = clock.monotonic_ns() + self._interval_ns
        self._next_commit = 0
        self._changed = threading.Condition()
        self._job: Snapshot | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def due(self) -> bool:
        """Say whether it is time for a snapshot and the one before is done."""
        return self._job is None and self._clock.monotonic_ns() >= self._next_snapshot

    def offer(self, snapshot: Snapshot) -> None:
        """Have a snapshot written; it becomes valid when C has reached it."""
        self._next_snapshot = self._clock.monotonic_ns() + self._interval_ns
        with self._changed:
            self._job = snapshot
            self._changed.notify_all()

    def reached(self, position: int, *, at_once: bool = False) -> None:
        """Take note that every sink has everything before `position`."""
        now = self._clock.monotonic_ns()
        if position <= self.position or (now < self._next_commit and not at_once):
            return
        self._next_commit = now + COMMIT_NS
        self.store.commit(position)
        with self._changed:
            self.position = position
            self._changed.notify_all()

    def close(self, last: Snapshot | None = None) -> None:
        """End the thread; write `last` if C has reached it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if last is not None and last.position <= self.position:
            self._write(last)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._job is not None or self._closing)
                job = self._job
            if job is None:
                return
            self._write(job)
            with self._changed:
                self._job = None

    def _write(self, snapshot: Snapshot) -> None:
        """Write a snapshot, wait for C, make it valid; a full disk is told and tried again."""
        try:
            self.store.prepare(snapshot.position, snapshot.encode())
            with self._changed:
                self._changed.wait_for(lambda: self.position >= snapshot.position or self._closing)
                if self.position < snapshot.position:
                    return
            self.store.publish(snapshot.position)
        except OSError as error:
            self.trouble = f"no snapshot could be written: {error.strerror or error}"
        else:
            self.saved += 1
            self.trouble = ""
