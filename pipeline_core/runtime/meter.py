"""Counters, latency and memory: one update a step, never one an event."""

import os
import resource
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BUCKETS_AN_OCTAVE = 16
OCTAVES = 44
"""1 ns up to 2**44 ns, which is close to five hours."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Histogram:
    """Durations in buckets that grow by 2 ** (1/16): a percentile is right within 4.5 %."""

    def __init__(self) -> None:
        """Begin empty."""
        self.counts = np.zeros(BUCKETS_AN_OCTAVE * OCTAVES + 1, np.int64)
        self.max_ns = 0

    def add(self, durations_ns: NDArray[np.int64]) -> None:
        """Count durations, in nanoseconds; negative ones count as 0."""
        if len(durations_ns) == 0:
            return
        clipped = np.maximum(durations_ns, 1)
        at = np.ceil(np.log2(clipped) * BUCKETS_AN_OCTAVE).astype(np.int64)
        np.add.at(self.counts, np.minimum(at, len(self.counts) - 1), 1)
        self.max_ns = max(self.max_ns, int(clipped.max()))

    def percentile_ms(self, percent: float) -> float:
        """Return the upper edge of the bucket below which `percent` of the durations lie, in ms.

        >>> h = Histogram()
        >>> h.add(np.array([1_000_000] * 99 + [80_000_000]))
        >>> round(h.percentile_ms(50), 1), round(h.percentile_ms(100), 1)
        (1.0, 80.0)
        """
        total = int(self.counts.sum())
        if total == 0:
            return 0.0
        wanted = max(1, int(np.ceil(total * percent / 100)))
        at = int(np.searchsorted(np.cumsum(self.counts), wanted))
        return float(min(2.0 ** (at / BUCKETS_AN_OCTAVE), self.max_ns) / 1e6)

    def as_report(self) -> dict[str, float]:
        """Return the `latency_ms` entry of a report."""
        return {
            "p50": round(self.percentile_ms(50), 3),
            "p99": round(self.percentile_ms(99), 3),
            "max": round(self.max_ns / 1e6, 3),
        }


class Arrivals:
    """When recorded times arrived here, so that latency means the same at any speed of replay."""

    def __init__(self, keep: int = 4096) -> None:
        """Remember the last `keep` batches."""
        self._times: deque[int] = deque(maxlen=keep)
        self._arrived: deque[int] = deque(maxlen=keep)

    def note(self, newest_ingest_us: int, arrived_ns: int) -> None:
        """Remember that recorded time up to `newest_ingest_us` had arrived at `arrived_ns`."""
        if self._times and newest_ingest_us <= self._times[-1]:
            return
        self._times.append(newest_ingest_us)
        self._arrived.append(arrived_ns)

    def of(self, ingest_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the monotonic time at which each recorded time arrived, in nanoseconds."""
        if len(ingest_us) == 0 or not self._times:
            return np.empty(0, np.int64)
        at = np.searchsorted(np.fromiter(self._times, np.int64), ingest_us)
        arrived = np.fromiter(self._arrived, np.int64)
        return np.asarray(arrived[np.minimum(at, len(arrived) - 1)], np.int64)


class Rate:
    """Events a second over the last few seconds."""

    def __init__(self, window_s: float = 3.0) -> None:
        """Average over `window_s`."""
        self._window_ns = int(window_s * 1e9)
        self._samples: deque[tuple[int, int]] = deque()

    def update(self, now_ns: int, total: int) -> float:
        """Take a running total and return its rate."""
        self._samples.append((now_ns, total))
        while len(self._samples) > 2 and now_ns - self._samples[0][0] > self._window_ns:
            self._samples.popleft()
        then_ns, then = self._samples[0]
        return (total - then) / (now_ns - then_ns) * 1e9 if now_ns > then_ns else 0.0


def peak_rss_mb() -> float:
    """Return the largest resident set of this process so far, in MB.

    `ru_maxrss` counts what the process was before it became this program: the memory of who
    started it. It stands in only where the system does not say more.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def rss_mb() -> float:
    """Return the resident set of this process now, in MB; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * PAGE_BYTES / 1e6
