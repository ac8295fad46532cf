"""All stages in one process: source thread, stages in the calling thread, a lane for each sink."""

import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.clock import Clock
from oddspipe.core.errors import OddspipeError, RunError
from oddspipe.core.failpoints import passed
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.books import Digest, assert_balanced
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.feed import Feed, Step
from oddspipe.core.runtime.hold import Hold, Release
from oddspipe.core.runtime.lane import Lane, Parcel
from oddspipe.core.runtime.meter import Arrivals, Histogram
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.recover import Keeper, Snapshot
from oddspipe.core.runtime.watch import Watch
from oddspipe.core.stages.accuracy import Accuracy
from oddspipe.core.stages.breaker import BreakerState, ErrorRate
from oddspipe.core.stages.protocol import Account, Frozen
from oddspipe.core.stages.shadow import Shadow

WAIT_S = 0.02
"""How long the stages wait for input before they look after lanes and C again."""
DRAIN_S = 10.0
SWITCH_S = 0.001
"""How soon a thread gives way to another; the default of 5 ms adds up over source, stages, lane."""
DIGEST_BLOB = "odds_digest"
_COUNTS = struct.Struct("<QQQ")


class Chain(Protocol):
    """The stages of one partition, from payloads to an output; its state is theirs."""

    breaker: ErrorRate

    def step(self, payloads: Payloads) -> Output:
        """Put payloads through every stage, up to where the breaker opens or closes."""
        ...

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Return the books of the stages, in order."""
        ...

    @property
    def accuracy(self) -> Accuracy:
        """Return how good the published chances of finished games were."""
        ...

    @property
    def shadow(self) -> Shadow | None:
        """Return the model that is compared with the published one, if there is one."""
        ...

    def steps(self, payloads: Payloads) -> Iterator[Output]:
        """Put all of the payloads through every stage, however often the breaker opens."""
        ...

    def live_states(self) -> Mapping[str, NDArray[np.float64]]:
        """Return the state of the games under way by column, a row a game."""
        ...

    def snapshot(self) -> dict[str, Frozen]:
        """Return the state of every stage, by its name."""
        ...

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up states that `snapshot` gave."""
        ...


@dataclass(slots=True)
class Progress:
    """How far a run is; written by the runner, read by views in other threads.

    Attributes:
        position: Input position after the last step.
        committed: C: every sink has everything before it.
        silent_until: While `position` is below it, the input is read again without emitting.
        recorded_us: Recorded time reached.
        phase: starting, running, draining, saving, done or failed.
        beat_ns: Monotonic time at which the loop was last seen at work.
    """

    started_ns: int = 0
    ended_ns: int = 0
    first_position: int = 0
    position: int = 0
    committed: int = 0
    silent_until: int = 0
    recorded_us: int = 0
    events_before: int = 0
    phase: str = "starting"
    beat_ns: int = 0
    pauses: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of.

    Attributes:
        logic: Logic digest of the plan, kept in every snapshot.
        pause_us: How long nothing is taken after too many dead letters.
    """

    chain: Chain
    feed: Feed
    lanes: Sequence[Lane]
    keeper: Keeper
    digest: Digest
    logic: str
    clock: Clock
    pulse: Pulse
    pause_us: int = 0


class FusedRunner:
    """Drive the source, the chain and the sinks of one partition until the input ends."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts; nothing runs before `run`."""
        self.chain = parts.chain
        self.feed = parts.feed
        self.lanes = tuple(parts.lanes)
        self.digest = parts.digest
        self.watch = Watch()
        self.pulse = parts.pulse
        self.progress = Progress()
        self.boards = 0
        self.prices = 0
        self.failures = 0
        self.keeper = parts.keeper
        self._logic = parts.logic
        self._clock = parts.clock
        self._arrivals = Arrivals()
        self._token = b""
        self._whole = True
        self._deadline_ns: int | None = None
        self._pause_us = parts.pause_us
        self.hold = Hold(self._pause_us, self._clock, Release())
        self._rest: Step | None = None

    def run(self, snapshot: Snapshot | None, stop: StopSwitch) -> None:
        """Run from a snapshot, or from the beginning, until the input ends or `stop` is turned.

        Raises:
            OddspipeError: The run could not go on; what was acknowledged is saved.
        """
        sys.setswitchinterval(SWITCH_S)
        self.hold = Hold(self._pause_us, self._clock, stop.release)
        self._begin(snapshot)
        try:
            self._loop(stop)
            self._finish(stop)
        except BaseException:
            self._leave()
            raise
        self.progress.phase = "done"
        assert_balanced(self.chain.accounts)

    def _begin(self, snapshot: Snapshot | None) -> None:
        progress = self.progress
        progress.started_ns = self._clock.monotonic_ns()
        position = 0
        if snapshot is not None:
            blobs = {name: b"".join(parts) for name, parts in snapshot.blobs.items()}
            saved = blobs.pop(DIGEST_BLOB)
            self.boards, self.prices, self.failures = _COUNTS.unpack_from(saved)
            self.digest.restore(saved[_COUNTS.size :])
            self.chain.restore(blobs)
            position, self._token = snapshot.position, snapshot.token
        progress.first_position = progress.position = position
        progress.silent_until = progress.committed = self.keeper.position
        progress.events_before = self.chain.accounts[0].taken
        for lane in self.lanes:
            lane.start(progress.committed)
        self.feed.start(position, self._token)
        progress.phase = "running"

    def _loop(self, stop: StopSwitch) -> None:
        while self._rest is not None or not self.feed.over:
            self._heed(stop)
            if self.hold.waits(self.chain.breaker):
                if stop.requested:
                    # What was read and is not to be taken now is read again by the next run.
                    self._whole = False
                    return
                self._clock.sleep(WAIT_S)
            elif (step := self._rest or self.feed.next(WAIT_S)) is not None:
                self._advance(step, stop)
            self._settle()

    def _heed(self, stop: StopSwitch) -> None:
        """Begin to drain when that is asked for, wherever the run is waiting."""
        if stop.requested and self._deadline_ns is None:
            self._deadline_ns = self._clock.monotonic_ns() + int(DRAIN_S * 1e9)
            self.progress.phase = "draining"
            self.feed.stop()

    def _advance(self, step: Step, stop: StopSwitch) -> None:
        payloads = step.payloads
        output = self.chain.step(payloads)
        passed("fused.stepped")
        behind = payloads.after(output.position)
        whole = step.whole and not len(behind)
        self._rest = replace(step, payloads=behind, arrivals=()) if len(behind) else None
        self.digest.update(output.odds, output.games)
        for newest_us, arrived_ns in step.arrivals:
            self._arrivals.note(newest_us, arrived_ns)
        self.boards += len(output.odds)
        self.prices += len(output.odds.line)
        self.failures += sum(
            int(np.count_nonzero(rejects.reason == Reason.PLUGIN)) for rejects in output.rejects
        )
        self.watch.take(output)
        self.pulse.take(output)
        progress = self.progress
        progress.position = output.position
        progress.recorded_us = output.until_us
        self._whole = whole
        if whole:
            self._token = payloads.token
        if output.position > progress.silent_until:
            self._hand_out(output, stop)
        if whole and self.keeper.due():
            before = self._clock.monotonic_ns()
            self.keeper.offer(self._snapshot())
            passed("fused.snapshot")
            progress.pauses.add(np.array([self._clock.monotonic_ns() - before]))
        if (
            self.chain.breaker.state is BreakerState.OPEN
            and progress.position > progress.silent_until
        ):
            self.hold.begin()
            passed("fused.held")

    def _hand_out(self, output: Output, stop: StopSwitch) -> None:
        parcel = Parcel(output, self._arrivals.of(output.odds.oldest_ingest_us), _size(output))
        for lane in self.lanes:
            while not lane.wait_for_room(WAIT_S) or lane.error is not None:
                self._heed(stop)
                self._settle()
            lane.put(parcel)
        passed("fused.handed_out")

    def _settle(self) -> None:
        """Look after the lanes: errors, C, and the limit of a drain."""
        self.progress.beat_ns = self._clock.monotonic_ns()
        for lane in self.lanes:
            if lane.error is not None:
                raise lane.error from lane.cause
        self._take_note()
        if self._deadline_ns is not None and self._clock.monotonic_ns() > self._deadline_ns:
            behind = (
                ", ".join(lane.sink.name for lane in self.lanes if lane.waiting) or "the stages"
            )
            raise RunError(
                f"{behind} did not finish within {DRAIN_S:g} s of the request to stop",
                hint="Nothing is lost: --resume goes on from what is saved.",
            )

    def _take_note(self, *, at_once: bool = False) -> None:
        """Work out C, save it and tell the source."""
        progress = self.progress
        reached = min((lane.acknowledged for lane in self.lanes), default=progress.position)
        if reached > progress.committed:
            progress.committed = reached
            self.feed.source.acknowledge(reached)
        self.keeper.reached(progress.committed, at_once=at_once)

    def _finish(self, stop: StopSwitch) -> None:
        for lane in self.lanes:
            lane.finish()
        for lane in self.lanes:
            while not lane.join(WAIT_S):
                self._heed(stop)
                self._settle()
        self._settle()
        self._take_note(at_once=True)
        passed("fused.drained")
        self.progress.phase = "saving"
        self.keeper.close(self._snapshot() if self._whole else None)
        self.progress.ended_ns = self._clock.monotonic_ns()
        self._close()

    def _leave(self) -> None:
        """After an error: save what was acknowledged and let go of everything."""
        self.progress.phase = "failed"
        for lane in self.lanes:
            lane.abandon()
        for lane in self.lanes:
            lane.join(1.0)
        self._take_note(at_once=True)
        self.keeper.close()
        self.progress.ended_ns = self._clock.monotonic_ns()
        self._close()

    def _close(self) -> None:
        """Close the source and every sink; the first trouble is told, after all were closed."""
        trouble: OddspipeError | None = None
        self.feed.close()
        for lane in self.lanes:
            try:
                lane.sink.close()
            except OddspipeError as error:
                trouble = trouble or error
        if trouble is not None and self.progress.phase != "failed":
            raise trouble

    def _snapshot(self) -> Snapshot:
        blobs = self.chain.snapshot()
        counts = _COUNTS.pack(self.boards, self.prices, self.failures)
        blobs[DIGEST_BLOB] = (counts + self.digest.snapshot(),)
        return Snapshot(self.progress.position, self._token, self._logic, blobs)


def _size(output: Output) -> int:
    """Return about how many bytes an output that waits keeps alive."""
    events = output.events
    rejected = sum(len(payload) for rejects in output.rejects for payload in rejects.payloads)
    return events.words.nbytes + events.data.nbytes + 40 * len(events) + rejected
