"""A lane: one sink in a thread of its own, behind a bounded queue."""

import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.clock import Clock
from oddspipe.core.errors import OddspipeError, RetryableError, RunError
from oddspipe.core.failpoints import passed
from oddspipe.core.ports.output import Output
from oddspipe.core.ports.sink import Sink
from oddspipe.core.runtime.meter import Histogram

LANE_PARCELS = 64
LANE_BYTES = 96 << 20
"""What may wait for a sink before the stages wait too: about 0.4 s of events at 1 M/s."""
REFRESH_S = 0.5
"""Half of the one second that a sink is promised between refreshes."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """One output on its way to a sink.

    Attributes:
        output: What is to be written.
        arrived_ns: For each board of `output.odds`, the monotonic time at which the oldest event
            folded into it arrived.
        size: Bytes that waiting for the sink keeps alive.
    """

    output: Output
    arrived_ns: NDArray[np.int64]
    size: int


@runtime_checkable
class Bulk(Protocol):
    """A sink that writes several outputs at once faster than one by one."""

    def write_many(self, outputs: Sequence[Output]) -> None:
        """Write all, in order, and return when they are durable."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A sink that has nothing to do with many outputs."""

    def wants(self, output: Output) -> bool:
        """Say whether this output has anything to write."""
        ...


class Lane:
    """Hand outputs to one sink in order; hold while it fails and may recover."""

    def __init__(self, sink: Sink, *, clock: Clock, gather_s: float = 0.0) -> None:
        """Take an opened sink; `start` begins to write.

        Args:
            sink: Where the lane leads.
            clock: What latency and pauses go by.
            gather_s: Time between two writes of a sink that keeps history, where one big write
                costs far less than ten small ones; 0 for one that serves odds.
        """
        self.gather_s = gather_s
        self.sink = sink
        self.latency = Histogram()
        self.written = 0
        self.odds_written = 0
        self.first_odds_ns = 0
        self.retries = 0
        self.trouble = ""
        self.error: OddspipeError | None = None
        self.cause: BaseException | None = None
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Parcel] = deque()
        self._bytes = 0
        self._acknowledged = 0
        self._given_ns = 0
        self._finishing = False
        self._abandoned = False
        # Spreads retries of several lanes; seeded by name, so that a test sees the same pauses.
        self._jitter = random.Random(sink.name)  # noqa: S311 - nothing here is a secret
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)

    def start(self, position: int) -> None:
        """Begin at an input position up to which everything is durable already."""
        self._acknowledged = position
        self._thread.start()

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until there is room, or the time is over, or the lane failed."""
        with self._changed:
            return self._changed.wait_for(
                lambda: (
                    self.error is not None
                    or (len(self._waiting) < LANE_PARCELS and self._bytes < LANE_BYTES)
                ),
                timeout_s,
            )

    def put(self, parcel: Parcel) -> None:
        """Queue a parcel; the caller has seen that there is room.

        What the sink has nothing to do with is acknowledged at once where nothing waits before it;
        but every half second it is given one all the same, as a sign of life.
        """
        with self._changed:
            if self._may_skip(parcel):
                self._acknowledged = parcel.output.position
                return
            self._waiting.append(parcel)
            self._bytes += parcel.size
            self._changed.notify_all()

    @property
    def acknowledged(self) -> int:
        """Input position before which everything is durable in this sink."""
        return self._acknowledged

    @property
    def waiting(self) -> int:
        """Outputs that wait for the sink."""
        return len(self._waiting)

    def finish(self) -> None:
        """Let the thread end when everything queued is written."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; say whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Give up what is queued and any retry; the state folder knows what is missing."""
        with self._changed:
            self._abandoned = True
            self._finishing = True
            self._changed.notify_all()

    def _may_skip(self, parcel: Parcel) -> bool:
        if self._waiting or not isinstance(self.sink, Choosy) or self.sink.wants(parcel.output):
            return False
        return self._clock.monotonic_ns() - self._given_ns < REFRESH_S * 1e9

    def _run(self) -> None:
        try:
            while (parcels := self._take()) is not None:
                if parcels:
                    self._write(parcels)
                self._refresh()
        except OddspipeError as error:
            self._fail(error, error)
        except OSError as error:
            self._fail(_of_system(self.sink.name, error), error)
        except BaseException as error:  # noqa: BLE001 - told to the user by the main thread
            told = RunError(
                f"sink '{self.sink.name}' broke: {type(error).__name__}: {error}",
                hint="this is a bug in the sink; nothing is lost: run again with --resume",
            )
            self._fail(told, error)

    def _take(self) -> list[Parcel] | None:
        """Return all that waits, [] when it is time to refresh, None at the end."""
        with self._changed:
            if not self._waiting and not self._finishing:
                self._changed.wait(REFRESH_S)
            if self.gather_s and self._waiting:
                self._gather()
            if self._abandoned or (self._finishing and not self._waiting):
                return None
            if isinstance(self.sink, Bulk):
                return list(self._waiting)
            return [self._waiting[0]] if self._waiting else []

    def _gather(self) -> None:
        """Wait until the time of the next write, or until half of the room is taken."""
        left_s = self.gather_s - (self._clock.monotonic_ns() - self._given_ns) / 1e9
        if left_s > 0:
            self._changed.wait_for(
                lambda: (
                    self._finishing
                    or len(self._waiting) >= LANE_PARCELS // 2
                    or self._bytes >= LANE_BYTES // 2
                ),
                left_s,
            )

    def _write(self, parcels: list[Parcel]) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                passed("lane.writing")
                self._send(parcels)
                passed("lane.written")
            except RetryableError as error:
                self.retries += 1
                self.trouble = error.message
                with self._changed:
                    if self._abandoned:
                        return
                    self._changed.wait_for(
                        lambda: self._abandoned, pause * self._jitter.uniform(0.5, 1.5)
                    )
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                break
        self.trouble = ""
        self._acknowledge(parcels)

    def _send(self, parcels: list[Parcel]) -> None:
        if isinstance(self.sink, Bulk):
            self.sink.write_many([parcel.output for parcel in parcels])
        else:
            self.sink.write(parcels[0].output)

    def _acknowledge(self, parcels: list[Parcel]) -> None:
        now = self._given_ns = self._clock.monotonic_ns()
        for parcel in parcels:
            self.latency.add(now - parcel.arrived_ns)
            self.odds_written += len(parcel.output.odds)
        if self.odds_written and not self.first_odds_ns:
            self.first_odds_ns = now
        with self._changed:
            for parcel in parcels:
                self._waiting.popleft()
                self._bytes -= parcel.size
            self._acknowledged = parcels[-1].output.position
            self.written += len(parcels)
            self._changed.notify_all()
        passed("lane.acknowledged")

    def _refresh(self) -> None:
        try:
            self.sink.refresh()
        except RetryableError as error:
            self.retries += 1
            self.trouble = error.message

    def _fail(self, told: OddspipeError, cause: BaseException) -> None:
        with self._changed:
            self.error, self.cause = told, cause
            self.trouble = told.message
            self._changed.notify_all()


def _of_system(name: str, error: OSError) -> RunError:
    """Say what the operating system refused to a sink, and what to do."""
    where = f" ({error.filename})" if error.filename else ""
    return RunError(
        f"sink '{name}' cannot write{where}: {error.strerror or error}",
        hint="make room or correct the permission, then run again with --resume; nothing is lost",
    )
