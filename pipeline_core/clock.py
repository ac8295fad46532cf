"""Clocks: the only module that reads the time."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
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


def process_started_ns() -> int:
    """Return the monotonic time at which this process began; now, where the system hides it."""
    now = time.monotonic_ns()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began = int(fields[19]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        return now - (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - began)
    except (OSError, IndexError, ValueError, AttributeError):
        return now
