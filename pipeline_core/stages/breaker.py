"""When so many messages become dead letters that the feed itself must have changed.

A pure function of the input, row by row, however that was cut into batches: it opens at a row and
closes at a row, so a run that is taken up again, a check and a replay find the same places. How
long a run then waits is its own affair (`runtime.hold`) and changes nothing of what comes out.
"""

from enum import StrEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.parts import Breaker

SLOTS: Final = 10
"""Parts of the window: what is older leaves it by tenths."""
ERROR_RATE: Final = "error_rate"
"""Reason of the boards that suspend markets, and code of the anomaly."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Everything goes on."""
    OPEN = "open"
    """Nothing more is to be taken before a pause; what is taken next is a probe."""
    PROBING = "probing"
    """What is taken decides whether it closes or opens again."""


class _Saved(msgspec.Struct, array_like=True):
    state: str
    opened: int
    said: tuple[int, int]
    probed: tuple[int, int]
    last_us: int
    slots: list[int]
    totals: list[int]
    bads: list[int]


class ErrorRate:
    """The share of a partition's messages that normalise turns away.

    Attributes:
        state: Where it stands.
        opened: How often it opened from closed.
        said: Dead letters and messages in the window, or in the probe, when it last opened.
    """

    def __init__(self, plan: Breaker) -> None:
        """Begin closed."""
        self.plan = plan
        self.state = BreakerState.CLOSED
        self.opened = 0
        self.said = (0, 0)
        self._slot_us = max(plan.window_us // SLOTS, 1)
        self._probed = (0, 0)
        self._last_us = 0
        self._slots, self._totals, self._bads = (np.zeros(0, np.int64) for _ in range(3))

    @property
    def closed(self) -> bool:
        """Whether markets may be open."""
        return self.state is BreakerState.CLOSED

    def take(
        self, times_us: NDArray[np.int64], counts: NDArray[np.bool_], bad: NDArray[np.bool_]
    ) -> int:
        """Return how many of these rows are taken: all, or up to the one that opens or closes it.

        Args:
            times_us: Recorded time of each row.
            counts: Rows that are messages, not timers.
            bad: Rows that were turned away.
        """
        if self.state is BreakerState.OPEN:
            self.state, self._probed = BreakerState.PROBING, (0, 0)
        rows = np.flatnonzero(counts)
        if self.state is BreakerState.PROBING:
            return self._probe(rows, bad, len(counts))
        return self._watch(times_us, rows, bad)

    def _probe(self, rows: NDArray[np.int64], bad: NDArray[np.bool_], count: int) -> int:
        seen, failed = self._probed
        rows = rows[: self.plan.probe - seen]
        sums = failed + np.cumsum(bad[rows])
        # As soon as the probe cannot end well any more: what is left of it is not written off.
        over = np.flatnonzero(sums > self.plan.max_rate * self.plan.probe)
        if len(over):
            at = int(over[0])
            self.state, self.said = BreakerState.OPEN, (int(sums[at]), seen + at + 1)
            return int(rows[at]) + 1
        seen += len(rows)
        self._probed = (seen, int(sums[-1]) if len(sums) else failed)
        if seen < self.plan.probe:
            return count
        self.state = BreakerState.CLOSED
        self._empty()
        return int(rows[-1]) + 1

    def _watch(
        self, times_us: NDArray[np.int64], rows: NDArray[np.int64], bad: NDArray[np.bool_]
    ) -> int:
        if not len(rows):
            return len(times_us)
        # Recorded time does not run back: a record that was received late is of now.
        times = np.maximum.accumulate(np.maximum(times_us[rows], self._last_us))
        failed = bad[rows]
        slots = np.concatenate((self._slots, times // self._slot_us))
        totals = np.concatenate((self._totals, np.ones(len(rows), np.int64)))
        bads = np.concatenate((self._bads, failed.astype(np.int64)))
        at = self._opens(slots, totals, bads, len(self._slots) + np.flatnonzero(failed))
        if at >= 0:
            row = at - len(self._slots)
            self.state, self.opened = BreakerState.OPEN, self.opened + 1
            self._last_us = int(times[row])
            self._empty()
            return int(rows[row]) + 1
        self._last_us = int(times[-1])
        first = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
        recent = slots[first] > slots[-1] - SLOTS
        self._slots = slots[first][recent]
        self._totals = np.add.reduceat(totals, first)[recent]
        self._bads = np.add.reduceat(bads, first)[recent]
        return len(times_us)

    def _opens(
        self,
        slots: NDArray[np.int64],
        totals: NDArray[np.int64],
        bads: NDArray[np.int64],
        at: NDArray[np.int64],
    ) -> int:
        """Return the first of the turned away rows `at` with too many others before it, or -1."""
        if not len(at):
            return -1
        begin = np.searchsorted(slots, slots[at] - SLOTS, side="right")
        sums, failures = (np.concatenate(([0], np.cumsum(x))) for x in (totals, bads))
        seen, failed = sums[at + 1] - sums[begin], failures[at + 1] - failures[begin]
        over = np.flatnonzero(
            (seen >= self.plan.min_messages) & (failed > self.plan.max_rate * seen)
        )
        if not len(over):
            return -1
        self.said = (int(failed[over[0]]), int(seen[over[0]]))
        return int(at[over[0]])

    def _empty(self) -> None:
        self._slots, self._totals, self._bads = (np.zeros(0, np.int64) for _ in range(3))

    def snapshot(self) -> bytes:
        """Return the whole state."""
        return msgspec.json.encode(
            _Saved(
                self.state, self.opened, self.said, self._probed, self._last_us,
                self._slots.tolist(), self._totals.tolist(), self._bads.tolist(),
            )
        )  # fmt: skip

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave.

        Raises:
            ValueError: The bytes are no such state.
        """
        saved = msgspec.json.decode(state, type=_Saved)
        self.state, self.opened = BreakerState(saved.state), saved.opened
        self.said, self._probed, self._last_us = saved.said, saved.probed, saved.last_us
        self._slots, self._totals, self._bads = (
            np.array(one, np.int64) for one in (saved.slots, saved.totals, saved.bads)
        )
