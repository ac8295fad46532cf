"""The contract of a source, check by check; see `Source`."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.conform.model import Result
from oddspipe.core.errors import OddspipeError, RunError
from oddspipe.core.ports.source import Source
from oddspipe.core.testing.finding import Check, FaultError, results_of

AFTER_END: Final = 3
"""Polls after the end."""
THREAD_S: Final = 2.0
"""So long may a thread take to end after `close`."""

Row = tuple[int, int, bytes, str]
"""Position, ingest time, bytes, and why it does not map to an event."""


@dataclass(frozen=True, slots=True)
class SourceCase:
    """A source to check, and how.

    Attributes:
        make: Makes the source anew, over the same input; opens nothing.
        broken: Makes one that cannot read its input; None leaves that check out.
        most: Payloads to read at most.
        gaps: Whether positions may have gaps.
        poll_us: What a poll may wait.
        grace_us: What a poll may take beyond that: to read a file, to map rows.
        quiet_us: Silence after which a source without an end counts as read.
    """

    make: Callable[[], Source]
    broken: Callable[[], Source] | None = None
    most: int = 2000
    gaps: bool = False
    poll_us: int = 20_000
    grace_us: int = 2_000_000
    quiet_us: int = 300_000


def check_source(case: SourceCase) -> list[Result]:
    """Hold a source against its contract.

    >>> from oddspipe.core.adapters.memory import MemorySource
    >>> from oddspipe.core.testing.finding import faults
    >>> given = Payloads.of([b"one", b"two"], ingest_us=np.array([1, 2]))
    >>> faults(check_source(SourceCase(lambda: MemorySource([given]))))
    []
    """
    return results_of(
        SourceChecks(case).checks(), advice="A source raises RunError, and only where it must."
    )


@dataclass(slots=True)
class _Reading:
    """What was read of a source.

    Attributes:
        rows: One a payload.
        marks: After each batch: rows before it and in it, and its token.
        ended: Whether None came.
        slowest_us: The longest poll.
    """

    rows: list[Row]
    marks: list[tuple[int, bytes]]
    ended: bool = False
    slowest_us: float = 0.0


class SourceChecks:
    """Asks a source and holds its answers against the contract.

    Args:
        case: The source.
    """

    def __init__(self, case: SourceCase) -> None:
        """Take the case; ask nothing yet."""
        self._case = case
        self._known: _Reading | None = None

    def checks(self) -> tuple[Check, ...]:
        """Return every check."""
        return (
            ("gives payloads whose parts fit together", self._sound),
            ("numbers them by rising positions", self._positions),
            ("gives the same payloads for the same position again", self._again),
            ("goes on from any position", self._tail),
            ("answers a poll in time", self._in_time),
            ("ends once and for all, or not at all", self._ends),
            ("says truly how many there are", self._total),
            ("takes an acknowledgement twice", self._acknowledges),
            ("gives nothing after it was closed, and is closed twice", self._closes),
            ("says that it cannot be opened", self._tells),
        )

    @property
    def _whole(self) -> _Reading:
        """What the source gives from its start; read once."""
        if self._known is None:
            self._known = self._from(0, b"", self._case.most)
        if not self._known.rows:
            raise FaultError(
                "no payload came", "Give the check an input with some: more is better."
            )
        return self._known

    @contextmanager
    def _open(self, position: int, token: bytes = b"") -> Iterator[Source]:
        source = self._case.make()
        try:
            source.open(position, token)
            yield source
        finally:
            source.close()

    def _from(self, position: int, token: bytes, most: int) -> _Reading:
        with self._open(position, token) as source:
            return self._read(source, most)

    def _read(self, source: Source, most: int) -> _Reading:
        """Read until so many rows have come, the input ends or is quiet."""
        read, came = _Reading([], []), time.perf_counter()
        while len(read.rows) < most:
            began = time.perf_counter()
            found = source.poll(self._case.poll_us)
            now = time.perf_counter()
            read.slowest_us = max(read.slowest_us, (now - began) * 1e6)
            if found is None:
                read.ended = True
                break
            if len(found):
                came = now
                read.rows += _rows(found)
                read.marks.append((len(read.rows), found.token))
            elif (now - came) * 1e6 > self._case.quiet_us:
                break
        return read

    def _sound(self) -> str:
        return f"{len(self._whole.rows):,} payloads in {len(self._whole.marks)} batches"

    def _positions(self) -> str:
        found = np.array([position for position, *_ in self._whole.rows], np.int64)
        if (np.diff(found) <= 0).any() or (len(found) and found[0] < 0):
            row = int((np.diff(found) <= 0).argmax())
            raise FaultError(
                f"position {found[row + 1] if len(found) > 1 else found[0]} comes after "
                f"{found[row]}",
                "Number payloads in the order in which they are given, from 0.",
            )
        if not self._case.gaps and (off := found != np.arange(len(found))).any():
            row = int(off.argmax())
            raise FaultError(
                f"payload {row} has position {found[row]}",
                "Count from 0, without gaps; a log with gaps says gaps=True to this check.",
            )
        return ""

    def _again(self) -> str:
        whole = self._whole
        self._same(self._from(0, b"", len(whole.rows)), 0, "another source over the same input")
        return ""

    def _tail(self) -> str:
        whole = self._whole
        places = {(rows, token) for rows, token in whole.marks[:2] + whole.marks[-2:]}
        if not any(token for _, token in whole.marks):
            count = len(whole.rows)
            places |= {(at, b"") for at in (1, count // 3, count // 2, count - 1) if at > 0}
        for at, token in sorted(places):
            position = whole.rows[at][0] if at < len(whole.rows) else whole.rows[-1][0] + 1
            more = len(whole.rows) - at + whole.ended  # one more would be one too many
            read = self._from(position, token, more)
            self._same(read, at, f"opened at position {position}")
        return f"{len(places)} positions"

    def _same(self, read: _Reading, at: int, where: str) -> None:
        """Hold what was read against what came first, from row `at` on."""
        wanted = self._whole.rows[at:]
        if len(read.rows) < len(wanted) or (self._whole.ended and len(read.rows) > len(wanted)):
            raise FaultError(
                f"{where}, it gave {len(read.rows)} payloads and not {len(wanted)}",
                "Keep no place but the one that `open` is told; recovery reads the input again.",
            )
        for got, want in zip(read.rows, wanted, strict=False):
            if got != want:
                what = next(
                    name for name, one, other in zip(_PARTS, got, want, strict=True) if one != other
                )
                raise FaultError(
                    f"{where}, the payload at position {want[0]} has another {what}",
                    "Make positions, times and bytes of the input alone: no clock, no chance.",
                )

    def _in_time(self) -> str:
        allowed = self._case.poll_us + self._case.grace_us
        if self._whole.slowest_us > allowed:
            raise FaultError(
                f"a poll of {self._case.poll_us:,} µs took {self._whole.slowest_us:,.0f} µs",
                "Return an empty batch when the time is over; a run ticks and stops in between.",
            )
        return f"at most {self._whole.slowest_us / 1000:,.1f} ms"

    def _ends(self) -> str:
        with self._open(0) as source:
            read = self._read(source, self._case.most)
            if not source.finite:
                if read.ended:
                    raise FaultError("it ended, but says that it does not", "Set finite = True.")
                return "has no end"
            if not read.ended:
                if len(read.rows) >= self._case.most and not self._at_end(source):
                    return f"not read to its end: {self._case.most:,} payloads are enough"
                if len(read.rows) < self._case.most:
                    raise FaultError(
                        f"it is silent after {len(read.rows)} payloads and does not end",
                        "Return None when the input is over, or set finite = False.",
                    )
            for _ in range(AFTER_END):
                if source.poll(self._case.poll_us) is not None:
                    raise FaultError("it gave something after its end", "Return None from then on.")
        return ""

    def _at_end(self, source: Source) -> bool:
        """Return whether the very next poll says that the input is over."""
        return source.poll(self._case.poll_us) is None

    def _total(self) -> str:
        with self._open(0) as source:
            read = self._read(source, self._case.most)
            total = source.total()
        if total is None:
            return "does not say"
        if read.ended and total != len(read.rows):
            raise FaultError(
                f"it says {total} and gave {len(read.rows)}",
                "Return None from total() where the number is not known.",
            )
        return f"{total:,}"

    def _acknowledges(self) -> str:
        whole = self._whole
        with self._open(0) as source:
            read = self._read(source, max(1, whole.marks[0][0]))
            position, at = read.rows[-1][0] + 1, len(read.rows)
            for _ in range(2):
                source.acknowledge(position)
            self._same(self._read(source, len(whole.rows) - at), at, "after an acknowledgement")
        token = read.marks[-1][1]
        later = self._from(position, token, len(whole.rows) - at)
        self._same(later, at, f"opened at the acknowledged position {position}")
        return ""

    def _closes(self) -> str:
        before = set(threading.enumerate())
        self._case.make().close()
        source = self._case.make()
        source.open(0)
        source.close()
        source.close()
        try:
            found = source.poll(self._case.poll_us)
        except OddspipeError:
            found = None
        if found is not None and len(found):
            raise FaultError(
                f"{len(found)} payloads came after close()",
                "Let close() stop it: what comes later is lost to the run that closed it.",
            )
        for thread in set(threading.enumerate()) - before:
            thread.join(THREAD_S)
            if thread.is_alive():
                raise FaultError(
                    f"thread {thread.name!r} goes on", "Stop threads in close() and join them."
                )
        return ""

    def _tells(self) -> str:
        if self._case.broken is None:
            return "not asked: no broken input was given"
        try:
            source = self._case.broken()
            try:
                source.open(0)
                source.poll(self._case.poll_us)
            finally:
                source.close()
        except RunError as told:
            return told.message
        raise FaultError(
            "an input that cannot be read was not told", "Raise RunError from open() or poll()."
        )


_PARTS: Final = ("position", "ingest time", "content", "reason why it does not map")


def _rows(found: Payloads) -> Iterator[Row]:
    """Yield the payloads of a batch.

    Raises:
        FaultError: Its parts do not fit together.
    """
    count = len(found.starts)
    parts = (found.ends, found.ingest_us, found.positions)
    if any(part.shape != (count,) for part in parts):
        raise FaultError(
            f"starts, ends, ingest_us and positions have {count} and "
            f"{', '.join(str(len(part)) for part in parts)} rows",
            "Give every payload a place, a time and a position.",
        )
    bounds = (found.starts < 0) | (found.starts > found.ends) | (found.ends > len(found.data))
    if bounds.any():
        raise FaultError(
            f"payload {int(bounds.argmax())} of a batch lies outside of its bytes",
            "Payloads.of() lays payloads out.",
        )
    for row, (position, time_us) in enumerate(
        zip(found.positions.tolist(), found.ingest_us.tolist(), strict=True)
    ):
        yield position, time_us, found.bytes_at(row), found.unmapped.get(position, "")
