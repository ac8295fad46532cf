"""The simulator as a source: any sport, from its load profile; made-up or recorded games; seeded.

What comes at any time follows from the seed alone and can be counted without making what comes
before it, so that any position can be gone to and the pace of a run decides no byte.
"""

from math import ceil
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.adapters.simulator.faults import OUT_OF_RANGE, parse_faults
from oddspipe.core.adapters.simulator.rounds import Rounds
from oddspipe.core.adapters.simulator.script import recorded
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import UsageError
from oddspipe.core.names import Kind
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.source import Source
from oddspipe.ext.simulate import write

START_US: Final = 1_725_814_800_000_000
"""Recorded start of made-up games: 2024-09-08 17:00 UTC."""
CHUNK_US: Final = 10_000
"""Pace goes by chunks of this length; a poll returns all that are due."""
ROWS: Final = 16_384
"""A poll returns about as many at most: what fits one step of the stages."""
TAIL_US: Final = 1_000_000
NOTHING: Final = np.empty(0, np.int64)


class Given(Protocol):
    """What of a run's input the simulator reads."""

    @property
    def games(self) -> int | None:
        """Return how many games; None for the load profile's."""
        ...

    @property
    def seed(self) -> int:
        """Return the seed."""
        ...

    @property
    def rate(self) -> int | None:
        """Return events a second at the busiest moment; None for the load profile's peak."""
        ...

    @property
    def duration_s(self) -> float | None:
        """Return recorded seconds; None for one set of games."""
        ...

    @property
    def faults(self) -> str:
        """Return what it shall do wrong."""
        ...


def simulator_of(
    plan: Plan, given: Given, speed: float | None, games: Source | None = None
) -> "SimulatorSource":
    """Make the simulator of a run.

    Args:
        plan: The plan.
        given: What to make.
        speed: Recorded seconds a second; None for as fast as it goes.
        games: Recorded games to make it around; None makes games up.

    Raises:
        UsageError: The faults are not known or not possible.
        RunError: Recorded games cannot be read or do not fit the spec.
    """
    faults = parse_faults(given.faults)
    script, start_us = (None, START_US) if games is None else recorded(plan, games)
    lasts = None if given.duration_s is None else max(1, int(given.duration_s * 1e6))
    rounds = Rounds(
        plan,
        script,
        games=given.games or plan.load.games_at_once,
        rate=given.rate or plan.load.peak_rate,
        seed=given.seed,
        faults=faults,
        lasts_us=lasts,
    )
    if faults.shares[OUT_OF_RANGE] and len(rounds.lineup(0).tables.bad[1]) < 2:
        raise UsageError(f"--faults: no field of {plan.sport} has a range to be out of")
    return SimulatorSource(plan, rounds, start_us=start_us, speed=speed)


class SimulatorSource:
    """Events of games: plays and scores among tracking, market and clock events."""

    name = "simulator"
    finite = True

    def __init__(
        self,
        plan: Plan,
        rounds: Rounds,
        *,
        start_us: int,
        speed: float | None,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is made before `poll`."""
        self._rounds, self._start_us, self._speed = rounds, start_us, speed
        self._clock = clock or SystemClock()
        self._tail_us = rounds.end_us + plan.order.window_us + TAIL_US
        self._at_us = 0
        self._position = 0
        self._skip_to = 0
        self._begun_ns = 0
        self._stretch_us = CHUNK_US
        self._total: int | None = None
        self._closed = False

    def open(self, position: int, token: bytes = b"") -> None:  # noqa: ARG002 - needs none
        """Go to a position."""
        self._closed = False
        low, high = 0, -(-self._rounds.end_us // CHUNK_US)
        while low < high:
            middle = (low + high + 1) // 2
            if self._rounds.count(min(middle * CHUNK_US, self._rounds.end_us)) <= position:
                low = middle
            else:
                high = middle - 1
        self._at_us = min(low * CHUNK_US, self._rounds.end_us)
        self._position, self._skip_to = self._rounds.count(self._at_us), position
        self._begun_ns = self._clock.monotonic_ns() - round(self._at_us * 1000 / (self._speed or 1))

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what is due; None after the last tick."""
        end = self._rounds.end_us
        if self._closed or self._at_us > end:
            return None
        if self._at_us == end:
            return self._last()
        wanted = self._at_us + self._stretch_us
        if self._speed is not None:
            wanted = min(wanted, self._due(timeout_us))
            if wanted <= self._at_us:
                return self._payloads(_NO_BYTES, NOTHING)
        return self._made(self._rounds.stretch_end(self._at_us, wanted))

    def acknowledge(self, position: int) -> None:
        """Nothing waits for it: what is made up can be made again."""

    def total(self) -> int | None:
        """Return how many payloads there will be in all."""
        if self._total is None:
            self._total = self._rounds.count(self._rounds.end_us) + 1
        return self._total

    def injected(self) -> dict[str, int]:
        """Return how many faults of each name what was made so far has; see `Rounds.injected`."""
        return self._rounds.injected(min(self._at_us, self._rounds.end_us))

    def close(self) -> None:
        """Make nothing more."""
        self._closed = True

    def _due(self, timeout_us: int) -> int:
        """Wait until a chunk is due, or not longer than this; return until when all is due."""
        due = self._passed_us() // CHUNK_US * CHUNK_US
        if due <= self._at_us:
            speed = self._speed or 1.0
            wait_us = ceil((self._at_us + CHUNK_US - self._passed_us()) / speed)
            # The chunk may have come due since the line above.
            self._clock.sleep(max(0, min(wait_us, timeout_us)) / 1e6)
            due = self._passed_us() // CHUNK_US * CHUNK_US
        return due

    def _passed_us(self) -> int:
        """Return the recorded time that has gone by since the start of the feed."""
        return round((self._clock.monotonic_ns() - self._begun_ns) / 1000 * (self._speed or 1.0))

    def _made(self, stop_us: int) -> Payloads:
        lineup, rows, times = self._rounds.rows(self._at_us, stop_us)
        rows[2] += self._start_us
        encoded = write(lineup.tables, rows)
        made = self._payloads(encoded, times + self._start_us)
        # The next stretch has about as many rows as a step takes; the pace changes slowly.
        share = ROWS / max(1, len(made))
        chunks = max(1, int(min(4.0, share) * (stop_us - self._at_us) / CHUNK_US))
        self._stretch_us = chunks * CHUNK_US
        self._at_us = stop_us
        first = min(max(0, self._skip_to - self._position), len(made))
        self._position += len(made)
        return made.part(first, len(made)) if first else made

    def _last(self) -> Payloads:
        """Return the tick after everything, which lets every window run out."""
        self._at_us += 1
        time = np.array([self._tail_us + self._start_us])
        rows = np.array([[-1], [Kind.TICK], time, [0]], np.int64)
        made = self._payloads(write(self._rounds.lineup(0).tables, rows), time)
        self._position += 1
        return made if self._skip_to < self._position else made.part(1, 1)

    def _payloads(
        self,
        encoded: tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]],
        times: NDArray[np.int64],
    ) -> Payloads:
        positions = np.arange(self._position, self._position + len(times), dtype=np.int64)
        return Payloads(*encoded, times, positions, self._clock.monotonic_ns())


_NO_BYTES: Final = (np.empty(0, np.uint8), NOTHING, NOTHING)
