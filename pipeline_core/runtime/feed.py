"""Read the source ahead of the stages, in a thread of its own."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.ports.source import Source

STEP_ROWS = 32_768
"""Largest step: at 1 M payloads/s one of this size takes about 32 ms, so none waits long."""
AHEAD_STEPS = 16
AHEAD_BYTES = 16 << 20
"""What is read ahead; more would only add to the latency of a run at full speed."""
POLL_US = 50_000


@dataclass(frozen=True, slots=True)
class Step:
    """Payloads for one step of the stages.

    Attributes:
        payloads: At most `step_rows` of them.
        whole: Whether it ends where a poll ended, so that its token fits its last position.
        arrivals: Newest recorded time and monotonic arrival of each poll in it.
    """

    payloads: Payloads
    whole: bool
    arrivals: tuple[tuple[int, int], ...] = ()


def joined(steps: Sequence[Step]) -> Step:
    """Return steps that follow each other as one, with one buffer."""
    if len(steps) == 1:
        return steps[0]
    payloads = Payloads.joined([step.payloads for step in steps])
    return Step(payloads, steps[-1].whole, tuple(a for step in steps for a in step.arrivals))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a run ends before its input does; None is no bound.

    Attributes:
        limit: Payloads to take in all, counted by position.
        until_us: Recorded time; the first payload after it ends the run.
    """

    limit: int | None = None
    until_us: int | None = None

    def cut(self, payloads: Payloads) -> tuple[Payloads, bool]:
        """Return the payloads within the bounds, and whether a bound was reached."""
        stop = len(payloads)
        if self.limit is not None:
            stop = min(stop, int(np.searchsorted(payloads.positions, self.limit)))
        if self.until_us is not None:
            later = payloads.ingest_us > self.until_us
            if later.any():
                stop = min(stop, int(later.argmax()))
        if stop < len(payloads):
            return payloads.part(0, stop), True
        reached = self.limit is not None and int(payloads.positions[-1]) + 1 >= self.limit
        return payloads, reached


class Feed:
    """A bounded queue of steps, filled by a thread that polls the source."""

    def __init__(
        self,
        source: Source,
        *,
        bounds: Bounds | None = None,
        step_rows: int = STEP_ROWS,
        clock: Clock | None = None,
    ) -> None:
        """Take the source; nothing is read before `start`."""
        self._clock = clock or SystemClock()
        self.source = source
        self._bounds = bounds or Bounds()
        self._step_rows = step_rows
        self._changed = threading.Condition()
        self._steps: deque[Step] = deque()
        self._bytes = 0
        self._stopping = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="source", daemon=True)

    def start(self, position: int, token: bytes) -> None:
        """Open the source at a position and begin to read ahead."""
        self.source.open(position, token)
        self._thread.start()

    def next(self, timeout_s: float) -> Step | None:
        """Return the next step, or None when nothing came in time or all has been taken.

        Small polls that wait become one step: a step costs the same few milliseconds whether it
        carries one thousand payloads or ten thousand.

        Raises:
            Exception: What the source raised, once everything read before it has been taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: bool(self._steps) or self._ended, timeout_s)
            if self._steps:
                steps = self._take()
            elif self._error is not None:
                raise self._error
            else:
                return None
        return joined(steps)

    @property
    def over(self) -> bool:
        """Whether nothing is left to take and nothing more will come."""
        with self._changed:
            return self._ended and not self._steps and self._error is None

    @property
    def waiting(self) -> int:
        """Payloads that were read and not yet taken."""
        with self._changed:
            return sum(len(step.payloads) for step in self._steps)

    def stop(self) -> None:
        """Read no more; what was read can still be taken."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop, wait for the thread and close the source."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self.source.close()

    def _take(self) -> list[Step]:
        """Take what waits, up to the rows of a step."""
        steps: list[Step] = []
        rows = 0
        while self._steps and (not steps or rows + len(self._steps[0].payloads) <= self._step_rows):
            step = self._steps.popleft()
            rows += len(step.payloads)
            self._bytes -= _size(step.payloads)
            steps.append(step)
        self._changed.notify_all()
        return steps

    def _read(self) -> None:
        try:
            self._poll()
        except BaseException as error:  # noqa: BLE001 - raised again by `next` in the main thread
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _poll(self) -> None:
        while not self._stopping:
            payloads = self.source.poll(POLL_US)
            if payloads is None:
                return
            if len(payloads) == 0:
                continue
            payloads, bounded = self._bounds.cut(payloads)
            if not payloads.arrived_ns:
                payloads = replace(payloads, arrived_ns=self._clock.monotonic_ns())
            rows = len(payloads)
            for start in range(0, rows, self._step_rows):
                stop = min(start + self._step_rows, rows)
                # A cut poll is not whole: its token lies behind the bound.
                whole = stop == rows and not bounded
                part = payloads.part(start, stop)
                arrivals = ((int(part.ingest_us.max()), part.arrived_ns),)
                if not self._put(Step(part, whole, arrivals)):
                    return
            if bounded:
                return

    def _put(self, step: Step) -> bool:
        """Wait for room; say whether the step was queued."""
        with self._changed:
            while not self._stopping and (
                len(self._steps) >= AHEAD_STEPS or self._bytes >= AHEAD_BYTES
            ):
                self._changed.wait()
            if self._stopping:
                return False
            self._steps.append(step)
            self._bytes += _size(step.payloads)
            self._changed.notify_all()
            return True


def _size(payloads: Payloads) -> int:
    """Return the bytes of these payloads and of their spans."""
    return int((payloads.ends - payloads.starts).sum()) + 32 * len(payloads)
