"""Recorded payloads at the speed that was asked for."""

from dataclasses import replace
from typing import Final

import numpy as np

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import Clock

_SECOND_US: Final = 1_000_000


class Pace:
    """Says what of recorded payloads is due; it never changes their recorded times.

    Args:
        speed: Times real time; None is as fast as it goes.
        clock: What it goes by.
    """

    def __init__(self, speed: float | None, clock: Clock) -> None:
        self._speed = speed
        self._clock = clock
        self._began: tuple[int, int] | None = None

    def restart(self) -> None:
        """Begin anew with the next payload."""
        self._began = None

    def due(self, pending: Payloads, timeout_us: int) -> tuple[Payloads, Payloads | None]:
        """Return what is due, at the latest after the timeout, and the rest."""
        if self._speed is None:
            return pending, None
        first = int(pending.ingest_us[0])
        now = self._clock.monotonic_ns() // 1000
        if self._began is None:
            self._began = (now, first)
        recorded = self._recorded(now)
        if recorded < first:
            wait_us = min(timeout_us, max(round((first - recorded) / self._speed), 1))
            self._clock.sleep(wait_us / _SECOND_US)
            recorded = self._recorded(self._clock.monotonic_ns() // 1000)
        count = int(np.searchsorted(pending.ingest_us, recorded, side="right"))
        due = replace(pending.part(0, count), arrived_ns=self._clock.monotonic_ns())
        return due, pending.part(count, len(pending)) if count < len(pending) else None

    def _recorded(self, now_us: int) -> int:
        began_us, first = self._began or (now_us, 0)
        return first + round((now_us - began_us) * (self._speed or 1.0))
