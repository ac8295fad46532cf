"""Receive: normalised events back to columns, each once and in its place."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import HALT, HALTED, Batch, Payloads
from oddspipe.core.batch.layout import Layout
from oddspipe.core.batch.normalised import TAIL, Standings, standings
from oddspipe.core.batch.rejects import Rejects
from oddspipe.core.parts import KindPlan
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.protocol import Account, behind

STAGE = "receive"
VERSION = b"receive-1\n"
GAP = "normalised_gap"
"""Code of the anomaly: events that the normalise stage has numbered never came."""
STRANGER = "no normalised event: something else writes to this topic"
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Received:
    """What came of some records.

    Attributes:
        events: In their order.
        strange: What is none of ours.
        position: Place behind the last record that was taken.
        halted: Whether no market may be open, whatever the events say.
        halts: Whether none may be open from here on.
    """

    events: Batch
    strange: Rejects
    position: int
    halted: bool
    halts: bool


class Receive:
    """Decode what normalise wrote, drop what came twice, note what did not come.

    Fields and rules were checked by normalise and are not checked again. An event whose number
    came already is dropped: transactions keep such out, and this does where they do not.

    Args:
        layout: Columns of the plan.
        kinds: Kinds of the plan.
        max_payload_bytes: Longest event.
    """

    def __init__(
        self, layout: Layout, kinds: Sequence[KindPlan], *, max_payload_bytes: int = 65536
    ) -> None:
        self._decoder = Normalise(layout, kinds, max_payload_bytes=max_payload_bytes, stage=STAGE)
        self._next = UNKNOWN

    @property
    def account(self) -> Account:
        """Return the books."""
        return self._decoder.account

    @property
    def strings(self) -> dict[int, list[str]]:
        """Return the names of every string column by column; the lists only ever grow."""
        return self._decoder.strings

    def step(self, records: Payloads) -> Received:
        """Return the events that have not come before, in their order, and what is none.

        What lies behind a place where it is told that no market may be open any more, or that
        they may again, is not taken.
        """
        stand = standings(records)
        marks = np.where(stand.whole, stand.flags & (HALT | HALTED), 0)
        halted, taken = bool(marks[0] & HALTED), len(records)
        if marks.any():
            other = np.flatnonzero((marks & HALTED > 0) != halted)
            ends = np.flatnonzero(marks & HALT)
            taken = min([taken, *other[:1].tolist(), *(ends[:1] + 1).tolist()])
            records, stand = records.part(0, taken), standings(records.part(0, taken))
        halts = bool(marks[taken - 1] & HALT)
        told = _is_halt(stand)
        fresh = self._fresh(stand.number, stand.whole & ~told)
        events, strange = self._read(records, stand, fresh & ~told)
        position = int(records.positions[-1]) + 1
        return Received(events, strange, position, halted=halted, halts=halts)

    def read(self, records: Payloads) -> tuple[Batch, Rejects]:
        """Return all events as they come, of whatever partition, and what is none."""
        stand = standings(records)
        return self._read(records, stand, ~_is_halt(stand))

    def _read(
        self, records: Payloads, stand: Standings, wanted: NDArray[np.bool_]
    ) -> tuple[Batch, Rejects]:
        lengths = np.where(stand.whole, TAIL.itemsize, 0)
        given = replace(
            records,
            starts=records.starts[wanted],
            ends=(records.ends - lengths)[wanted],
            ingest_us=np.where(stand.whole, stand.ingest_us, records.ingest_us)[wanted],
            positions=records.positions[wanted],
            unmapped=dict.fromkeys(records.positions[~stand.whole].tolist(), STRANGER),
        )
        decoded, status, rejects = self._decoder.step(given)
        rows = np.flatnonzero(status == 0)
        at = np.flatnonzero(wanted)[rows]
        batch = decoded if len(rows) == len(decoded) else decoded.take(rows)
        batch.numbers = stand.number[at]
        batch.flags = stand.flags[at]
        # Dead letters name the place in the feed, as those of the stages before do.
        batch.positions = stand.position[at]
        return batch, rejects

    def _fresh(self, numbers: NDArray[np.int64], whole: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which rows have not come before; count the doubles and what is missing."""
        fresh = np.ones(len(numbers), np.bool_)
        own = numbers[whole]
        if not len(own):
            return fresh
        first = int(own[0]) if self._next == UNKNOWN else self._next
        # The highest number before each row; a row that is not above it came already.
        before = np.maximum.accumulate(np.concatenate([[first - 1], own]))[:-1]
        new = own > before
        fresh[whole] = new
        doubles = int(len(own) - np.count_nonzero(new))
        self.account.taken += doubles
        self.account.duplicates += doubles
        if missing := int((own[new] - before[new] - 1).sum()):
            self.account.flag(GAP, missing)
        self._next = int(max(first - 1, own.max())) + 1
        return fresh

    def snapshot(self) -> bytes:
        """Return the next number, names and books."""
        return VERSION + struct.pack("<q", self._next) + self._decoder.snapshot()

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave, of the same plan.

        Raises:
            StateError: The bytes are no such state.
        """
        at = behind(VERSION, state, "receive")
        (self._next,) = struct.unpack_from("<q", state, at)
        self._decoder.restore(state[at + 8 :])


def _is_halt(stand: Standings) -> NDArray[np.bool_]:
    """Return which records are no events, but say that no market may be open."""
    return stand.whole & (stand.flags & HALT > 0)
