"""Fused over a log: a chain a partition, all in one process, written in transactions.

The outputs of every partition, its snapshot and the position of its input are committed together,
about every 100 ms. State that ran ahead of a transaction which failed, or of which nobody knows, is
thrown away: the partition is taken up anew from its newest snapshot, silently up to what was
committed. It is the same scheme as that of a start, a rebalance and a crash. While the brokers are
away it tries again until they are there, and takes part in the group meanwhile.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import Clock
from oddspipe.core.errors import RetryableError, RunError, StateError, UnreachableError
from oddspipe.core.failpoints import passed
from oddspipe.core.ports.log import Log
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.books import assert_balanced
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.fused import Chain
from oddspipe.core.runtime.hold import Hold, Release
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.recover import Snapshot
from oddspipe.core.stages.breaker import BreakerState
from oddspipe.ext.records import PARTITION_EOF, Group, Pulled, Rows

PULL_ROWS = 16_384
WAIT_MS = 20
COMMIT_US = 100_000
FAILURES = 5
"""Tries that may fail one after another, with brokers that answer, before the run gives up."""
FIRST_PAUSE_NS = 200_000_000
LONGEST_PAUSE_NS = 5_000_000_000

Written = Callable[[int, Output], Iterable[tuple[str, Rows]]]
"""What is written of one partition's output: topics and rows."""


@dataclass(slots=True)
class Owned:
    """One partition that this worker has.

    Attributes:
        position: Next input position.
        silent_until: Below it the input is read again without writing.
        committed: Position of the last commit.
        snapshot_ns: When the next snapshot is due.
        hold: Says how long nothing is taken after too many dead letters.
        at_end: Whether its end was reached, and nothing has come since.
        held: Whether nothing is taken now.
    """

    chain: Chain
    position: int
    silent_until: int
    committed: int
    snapshot_ns: int
    pulse: Pulse
    hold: Hold
    at_end: bool = False
    held: bool = False


class TransactionalRunner:
    """Drive the chains of the partitions that this worker has.

    Args:
        log: Where records come from and go to.
        make_chain: Makes the stages of one partition, in their first state.
        make_pulse: Makes what watches over its games.
        written: What is written of an output.
        logic: Logic digest of the plan; state of another plan is refused.
        clock: What commits and snapshots go by.
        snapshot_us: Time between two snapshots of a partition.
        commit_us: Time from the first record of a transaction to its commit.
        pause_us: How long nothing is taken after too many dead letters.

    Attributes:
        events, commits, snapshots: Counted since the start.
        restarts: How often everything was taken up anew.
        trouble: Why nothing can be written at the moment; empty when all is well.
        beat_ns: Monotonic time at which it was last seen at work.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run
        self,
        log: Log,
        make_chain: Callable[[], Chain],
        make_pulse: Callable[[], Pulse],
        written: Written,
        *,
        logic: str,
        clock: Clock,
        snapshot_us: int,
        commit_us: int = COMMIT_US,
        pause_us: int = 0,
    ) -> None:
        self.owned: dict[int, Owned] = {}
        self._waiting: set[int] = set()
        self.events = 0
        self.commits = 0
        self.restarts = 0
        self.snapshots = 0
        self.beat_ns = 0
        self.trouble = ""
        self._log, self._make_chain, self._written = log, make_chain, written
        self._make_pulse = make_pulse
        self._logic, self._clock = logic, clock
        self._snapshot_ns, self._commit_ns = snapshot_us * 1000, commit_us * 1000
        self._pause_us, self._release = pause_us, Release()
        self._open = False
        self._begun_ns = 0
        self._failures = 0
        self._try_ns = 0
        self._pause_ns = FIRST_PAUSE_NS

    def run(self, stop: StopSwitch, *, idle_us: int | None = None) -> None:
        """Run until `stop` is turned, or until nothing came for `idle_us` and all is committed.

        Raises:
            FencedError: Another worker has this slot.
            RunError: The run could not go on; nothing that was committed is lost.
        """
        self._release = stop.release
        try:
            self._log.open(self)
            last_ns = self._clock.monotonic_ns()
            while not stop.requested:
                self._try_again()
                self._let_go()
                pulled = self._pull()
                self.beat_ns = now = self._clock.monotonic_ns()
                if len(pulled) or not self._drained():
                    last_ns = now
                elif idle_us is not None and now - last_ns > idle_us * 1000:
                    break
                self._take(pulled, now)
            self._end()
        finally:
            self._log.close()
        assert_balanced(a for one in self.owned.values() for a in one.chain.accounts)

    def suspended(self) -> dict[int, str]:
        """Return why all markets of a partition are suspended, by its number."""
        told = {p: one.hold.told(one.chain.breaker) for p, one in list(self.owned.items())}
        return {partition: why for partition, why in told.items() if why}

    def joined(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Take partitions up where their snapshots stand, or later when nobody answers now."""
        self._waiting |= set(partitions)
        starts: dict[int, int] = {}
        try:
            for partition in [] if self.trouble else partitions:
                starts[partition] = self._take_up(partition)
        except UnreachableError as error:
            self._wait(error)
        return starts

    def leaving(self, partitions: Sequence[int]) -> None:
        """Commit all that is open, then give these up; others must not miss what was not."""
        try:
            self._commit(snapshots=False)
        except RetryableError:
            self._start_anew(without=set(partitions))
        self.lost_state(partitions)

    def lost(self, partitions: Sequence[int]) -> None:
        """Give up these and the open transaction: it may hold what another makes again."""
        self.lost_state(partitions)
        if self._open:
            self._start_anew(without=set())

    def lost_state(self, partitions: Sequence[int]) -> None:
        """Forget the state of partitions."""
        for partition in partitions:
            self._waiting.discard(partition)
            owned = self.owned.pop(partition, None)
            if owned is not None and owned.held:
                self._log.let_go(partition)

    def _take_up(self, partition: int) -> int:
        """Load the newest snapshot of a partition; return where to read from."""
        place = self._log.place(partition)
        chain, position = self._make_chain(), place.first
        if place.snapshot is not None:
            snapshot = Snapshot.decode(place.snapshot)
            if snapshot.logic != self._logic:
                raise StateError(
                    f"partition {partition}: its snapshot is of another plan "
                    f"({snapshot.logic[:12]}, now {self._logic[:12]})",
                    hint="Undo the change of the spec, or begin anew with another group.",
                )
            blobs = {name: b"".join(parts) for name, parts in snapshot.blobs.items()}
            chain.restore(blobs)
            position = snapshot.position
        elif place.committed > place.first > 0:
            raise StateError(
                f"partition {partition}: the feed begins at {place.first}, what was committed up "
                f"to {place.committed} was made of more, and there is no snapshot",
                hint="Begin anew with another group; keep the feed longer.",
            )
        committed = max(place.committed, position)
        # The first commit has a snapshot, so that what the feed forgets later is never needed.
        wait_ns = self._snapshot_ns if place.snapshot is not None else 0
        due = self._clock.monotonic_ns() + wait_ns
        passed("kafka.taken_up")
        pulse = self._make_pulse()
        before = self.owned.get(partition)
        if before is not None and before.held:
            self._log.let_go(partition)
        hold = Hold(self._pause_us, self._clock, self._release)
        self._waiting.discard(partition)
        self.owned[partition] = Owned(chain, position, committed, committed, due, pulse, hold)
        return position

    def _pull(self) -> Pulled:
        """Return what has come; nothing of it when state was taken up anew while it came."""
        before = self.restarts
        try:
            pulled = self._log.pull(PULL_ROWS, WAIT_MS)
        except RetryableError as error:
            self._failed(error)
            return Pulled.none()
        if self.restarts == before and not self.trouble:
            return pulled
        if not self.trouble:
            try:
                self._seek({partition: owned.position for partition, owned in self.owned.items()})
            except UnreachableError as error:
                self._wait(error)
        return replace(pulled, groups=(), notices=())

    def _drained(self) -> bool:
        """Say whether there are partitions, and the end of each was reached."""
        here = bool(self.owned) and not self.trouble
        return here and all(owned.at_end and not owned.held for owned in self.owned.values())

    def _take(self, pulled: Pulled, now: int) -> None:
        """Put what came through the stages; commit when it is time."""
        try:
            for group in pulled.groups:
                self._step(pulled, group, now)
            for notice in pulled.notices:
                owned = self.owned.get(notice.partition)
                if notice.code == PARTITION_EOF and owned is not None and not owned.held:
                    owned.at_end = True
            if self._open and self._clock.monotonic_ns() - self._begun_ns >= self._commit_ns:
                self._commit(snapshots=True)
        except RetryableError as error:
            self._failed(error)

    def _failed(self, error: RetryableError) -> None:
        """Take everything up anew; give up when that helps nothing though the brokers answer."""
        self._failures += not isinstance(error, UnreachableError)
        if self._failures >= FAILURES:
            raise RunError(
                f"{FAILURES} tries failed one after another: {error.message}",
                hint="Nothing is lost: run again when the brokers are well.",
            ) from error
        self._start_anew(without=set())

    def _step(self, pulled: Pulled, group: Group, now: int) -> None:
        owned = self.owned.get(group.partition)
        if owned is None or owned.held:
            return
        owned.at_end = False
        payloads = _payloads(pulled, group, now)
        cut = int((payloads.positions < owned.silent_until).sum())
        again = payloads.part(0, cut)
        while len(again):
            output = owned.chain.step(again)
            owned.pulse.take(output)
            owned.position = output.position
            again = again.after(output.position)
        left = payloads.part(cut, len(payloads))
        while len(left) and not owned.held:
            self._write(group.partition, owned, left)
            left = left.after(owned.position)

    def _write(self, partition: int, owned: Owned, payloads: Payloads) -> None:
        if not self._open:
            self._log.begin()
            passed("kafka.begun")
            self._open, self._begun_ns = True, self._clock.monotonic_ns()
        output = owned.chain.step(payloads)
        owned.pulse.take(output)
        owned.position = output.position
        passed("kafka.stepped")
        self.events += int(np.searchsorted(payloads.positions, output.position))
        for topic, rows in self._written(partition, output):
            if len(rows):
                self._log.push(topic, rows)
                passed("kafka.pushed")
        if owned.chain.breaker.state is BreakerState.OPEN:
            owned.hold.begin()
            if owned.hold.waits(owned.chain.breaker):
                owned.held = True
                self._log.hold(partition)
                passed("kafka.held")

    def _let_go(self) -> None:
        """Try what comes next in partitions whose pause is over."""
        for partition, owned in self.owned.items():
            if owned.held and not self.trouble and not owned.hold.waits(owned.chain.breaker):
                owned.held = False
                self._log.let_go(partition)
                try:
                    self._seek({partition: owned.position})
                except UnreachableError as error:
                    self._wait(error)

    def _commit(self, *, snapshots: bool, at_once: bool = False) -> None:
        """Commit what is open; nothing is done when nothing is."""
        if not self._open:
            return
        now = self._clock.monotonic_ns()
        moved = {p: one for p, one in self.owned.items() if one.position > one.committed}
        for partition, owned in moved.items():
            if snapshots and (at_once or now >= owned.snapshot_ns):
                content = Snapshot(owned.position, b"", self._logic, owned.chain.snapshot())
                self._log.save(partition, owned.position, b"".join(content.encode()))
                passed("kafka.saved")
                owned.snapshot_ns = now + self._snapshot_ns
                self.snapshots += 1
        self._log.commit({partition: owned.position for partition, owned in moved.items()})
        passed("kafka.committed")
        self._open = False
        for owned in moved.values():
            owned.committed = owned.position
        self.commits += 1
        self._failures = 0

    def _start_anew(self, *, without: set[int]) -> None:
        """Make the writing side anew, and take every partition up again from what is committed."""
        self.restarts += 1
        self._open = False
        try:
            self._log.restart()
            mine = {*self.owned, *self._waiting} - without
            self._seek({p: self._take_up(p) for p in sorted(mine)})
        except UnreachableError as error:
            self._wait(error)
        else:
            self.trouble, self._pause_ns = "", FIRST_PAUSE_NS

    def _seek(self, positions: Mapping[int, int]) -> None:
        for partition, position in positions.items():
            self._log.seek(partition, position)

    def _wait(self, error: UnreachableError) -> None:
        """Write nothing until the brokers answer; what comes until then is read again later."""
        self.trouble = error.message
        self._try_ns = self._clock.monotonic_ns() + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, LONGEST_PAUSE_NS)

    def _try_again(self) -> None:
        if self.trouble and self._clock.monotonic_ns() >= self._try_ns:
            self._start_anew(without=set())

    def _end(self) -> None:
        """Commit what is open, with snapshots, so that the next start reads nothing again."""
        try:
            self._commit(snapshots=True, at_once=True)
        except RetryableError as error:
            raise RunError(
                f"the last transaction failed: {error.message}",
                hint="Nothing is lost: run again, and it goes on from what was committed.",
            ) from error


def _payloads(pulled: Pulled, group: Group, arrived_ns: int) -> Payloads:
    """Return the rows of one partition as the stages take them, sharing the buffer."""
    rows = slice(group.start, group.stop)
    return Payloads(
        pulled.data,
        pulled.starts[rows],
        pulled.ends[rows],
        pulled.timestamp_us[rows],
        pulled.offsets[rows],
        arrived_ns,
    )
