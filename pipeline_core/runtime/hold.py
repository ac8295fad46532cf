"""How long a run takes nothing after the breaker of a partition opened; only the clock knows.

A run that begins with an open breaker tries at once: to start it anew is one way to go on.
"""

from collections.abc import Callable

from oddspipe.core.clock import Clock
from oddspipe.core.stages.breaker import BreakerState, ErrorRate


def advice(process: int) -> str:
    """Return what a person can do.

    >>> advice(17)
    'see `oddspipe dlq list`, mend feed or spec, start anew; without pauses: kill -USR1 17'
    """
    first = "see `oddspipe dlq list`, mend feed or spec, start anew"
    return f"{first}; without pauses: kill -USR1 {process}"


class Release:
    """Turned by a person: no pauses, for every breaker that is open now, until it closes.

    Attributes:
        count: How often it was turned.
        on_turn: Called at every turn.
    """

    def __init__(self) -> None:
        """Begin unturned."""
        self.count = 0
        self.on_turn: Callable[[], None] = lambda: None

    def turn(self) -> None:
        """Let go of every partition that is held."""
        self.count += 1
        self.on_turn()


class Hold:
    """Whether one partition is to be left alone for a while.

    Args:
        pause_us: How long.
        clock: What it goes by.
        release: Ends it early.
    """

    def __init__(self, pause_us: int, clock: Clock, release: Release) -> None:
        """Begin without a pause."""
        self._pause_ns = pause_us * 1000
        self._clock = clock
        self._release = release
        self._due_ns = 0
        self._since = release.count
        self._free = False

    def begin(self) -> None:
        """Begin a pause, unless somebody wants none before the breaker closes."""
        if not self._free:
            self._due_ns = self._clock.monotonic_ns() + self._pause_ns
            self._since = self._release.count

    def waits(self, breaker: ErrorRate) -> bool:
        """Say whether nothing may be taken now."""
        if breaker.closed:
            self._free = False
        if breaker.state is not BreakerState.OPEN:
            return False
        if self._release.count != self._since:
            self._since, self._free, self._due_ns = self._release.count, True, 0
        return self._clock.monotonic_ns() < self._due_ns

    def told(self, breaker: ErrorRate) -> str:
        """Return why markets are suspended and how long still; empty when the breaker is closed."""
        if breaker.closed:
            return ""
        return words_of(breaker) + self._next(breaker)

    def _next(self, breaker: ErrorRate) -> str:
        if breaker.state is not BreakerState.OPEN:
            return "; tries the next messages"
        left = max(self._due_ns - self._clock.monotonic_ns(), 0) / 1e9
        return f"; takes nothing for {left:.0f} s, then tries {breaker.plan.probe}"


def words_of(breaker: ErrorRate) -> str:
    """Return how much was turned away, and how much may be.

    >>> from oddspipe.core.parts import Breaker
    >>> breaker = ErrorRate(Breaker())
    >>> breaker.said = (60, 200)
    >>> words_of(breaker)
    '60 of 200 messages became dead letters, more than 25%'
    """
    bad, seen = breaker.said
    most = f"{breaker.plan.max_rate:.0%}"
    return f"{bad:,} of {seen:,} messages became dead letters, more than {most}"
