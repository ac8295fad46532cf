"""Clocks: the only module that reads the time."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from oddspipe.core.names import EpochMicros


class Clock(Protocol):
    """Where the time comes from; injected wherever it is needed."""

    def now_us(self) -> EpochMicros:
        """Return microseconds since the epoch, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go back; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> EpochMicros:
        """Return microseconds since the epoch, UTC."""
        return EpochMicros(time.time_ns() // 1000)

    def monotonic_ns(self) -> int:
        """Return the monotonic clock in nanoseconds."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Block the calling thread for `seconds`."""
        time.sleep(seconds)


@dataclass
class ManualClock:
    """A clock that moves only when told to: tests and simulation."""

    us: int = field(default=0)

    def now_us(self) -> EpochMicros:
        """Return the time it was set to."""
        return EpochMicros(self.us)

    def monotonic_ns(self) -> int:
        """Return the same time in nanoseconds."""
        return self.us * 1000

    def sleep(self, seconds: float) -> None:
        """Move the time on by `seconds` at once."""
        self.us += round(seconds * 1_000_000)
