"""Order: drop duplicates, put each game in sequence, hold what is ahead of a gap."""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import GAME_ID, INGEST_TIME, KIND, SEQUENCE, Layout
from oddspipe.core.batch.rejects import Reason, Rejects
from oddspipe.core.errors import StateError
from oddspipe.core.names import FieldType, Kind, LatePolicy
from oddspipe.core.parts import Duplicates, KindPlan, Order
from oddspipe.core.stages.normalise import timers_of
from oddspipe.core.stages.protocol import Account, Frozen, behind
from oddspipe.ext.sequence import GIVEN_UP, Sequencer, gather, move_spans

VERSION = b"order-stage-1\n"
PLACE = np.uint64(1 << GAME_ID | 1 << SEQUENCE)
"""Present bits of what says where an event stands."""
LATE_POLICY = {LatePolicy.AMEND: 0, LatePolicy.DLQ: 1, LatePolicy.DROP: 2}


@dataclass(slots=True)
class Held:
    """Events that wait, in columns by slot; spans of bytes columns count from their payload."""

    words: NDArray[np.int64]
    present: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    positions: NDArray[np.int64]
    payloads: list[bytes] = field(default_factory=list)

    @staticmethod
    def empty(columns: int, slots: int = 0) -> "Held":
        """Return room for `slots` events."""
        return Held(
            np.zeros((columns, slots), np.int64),
            np.zeros(slots, np.uint64),
            np.zeros((2, slots), np.uint64),
            np.zeros(slots, np.int64),
            [b""] * slots,
        )

    def make_room(self, slots: int) -> None:
        """Make room for slots below `slots`, doubling."""
        have = len(self.present)
        if slots <= have:
            return
        more = max(slots, 2 * have) - have
        self.words = np.pad(self.words, ((0, 0), (0, more)))
        self.present = np.pad(self.present, (0, more))
        self.keys = np.pad(self.keys, ((0, 0), (0, more)))
        self.positions = np.pad(self.positions, (0, more))
        self.payloads += [b""] * more


class GameOrder:
    """Drop duplicates and put each game in sequence, as `docs/architecture.md` says exactly.

    Rejects come in the order in which they were decided: that of a held event comes later than its
    place in the input.

    Args:
        layout: Columns of the plan.
        kinds: Kinds of the plan.
        order: First sequence, window and late policy.
        duplicates: Window in which a copy is known.
    """

    def __init__(
        self, layout: Layout, kinds: Sequence[KindPlan], order: Order, duplicates: Duplicates
    ) -> None:
        self.account = Account("order")
        self._sequencer = Sequencer(
            (order.first_sequence, order.window_us, LATE_POLICY[order.late], order.max_held,
             order.max_gap),
            duplicates_us=duplicates.window_us,
            timers=timers_of(kinds),
            ends=[kind.number for kind in kinds if kind.like == Kind.GAME_END],
        )  # fmt: skip
        self._bytes_columns = [
            at for at, column in enumerate(layout.columns) if column.type is FieldType.BYTES
        ]
        self._held = Held.empty(len(layout))
        self._next_number = 0

    def step(self, batch: Batch, status: NDArray[np.uint8]) -> tuple[Batch, Rejects]:
        """Return the events that go on, in order, and what is turned away.

        Args:
            batch: What `Normalise.step` gave, rows that it turned away included.
            status: One a row, 0 is good. Another one moves the time, and gives its sequence up
                where game and sequence are known.
        """
        words = batch.words
        status = self._places_given_up(batch, status)
        order, flags, rejected, reasons, held_rows, held_slots, duplicates, dropped = (
            self._sequencer.step(
                (
                    words[GAME_ID],
                    words[SEQUENCE],
                    words[KIND],
                    words[INGEST_TIME],
                    batch.keys,
                    status,
                )
            )
        )
        rejects = self._rejects(batch, rejected, reasons)
        out = self._emit(batch, order, flags)
        self._hold(batch, held_rows, held_slots)
        self._book(len(batch) - int(np.count_nonzero(status)), len(out), duplicates, dropped)
        return out, rejects

    @staticmethod
    def _places_given_up(batch: Batch, status: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Mark the rows that were turned away and are known to be of a place in a game."""
        if not status.any():
            return status
        known = (batch.present & PLACE) == PLACE
        return np.where((status != 0) & known, np.uint8(GIVEN_UP), status)

    def _book(self, taken: int, out: int, duplicates: int, dropped: int) -> None:
        account = self.account
        account.taken += taken
        account.out += out
        account.duplicates += duplicates
        if dropped:
            late = Reason.LATE.name
            account.dropped[late] = account.dropped.get(late, 0) + dropped
        account.held_after = self._sequencer.held

    def _emit(self, batch: Batch, order: NDArray[np.int64], flags: NDArray[np.uint8]) -> Batch:
        n = len(order)
        numbers = np.arange(self._next_number, self._next_number + n, dtype=np.int64)
        self._next_number += n
        until = max(self._sequencer.now, 0)
        if n == len(batch) and (order == np.arange(n)).all():
            # Nothing was held, doubled or turned away: the columns go on as they are.
            return Batch(
                batch.words, batch.present, batch.keys, flags, batch.positions, batch.data,
                batch.starts, batch.ends, numbers, until,
            )  # fmt: skip
        return self._gathered(batch, order, flags, numbers, until)

    def _gathered(
        self,
        batch: Batch,
        order: NDArray[np.int64],
        flags: NDArray[np.uint8],
        numbers: NDArray[np.int64],
        until: int,
    ) -> Batch:
        """Emit rows of this batch and held ones, with their payloads in one buffer."""
        pool = self._held
        # What a slot has no entry for is filled in below.
        places = np.stack([batch.positions, batch.starts, batch.ends])
        of_slots = np.stack([pool.positions] * 3)
        words, present, keys, places = gather(
            (
                (batch.words, pool.words),
                (batch.present.view(np.int64)[None], pool.present.view(np.int64)[None]),
                (batch.keys.view(np.int64), pool.keys.view(np.int64)),
                (places, of_slots),
            ),
            order,
        )
        positions, starts, ends = places
        data = batch.data
        waited = np.flatnonzero(order < 0)
        if len(waited):
            payloads = [pool.payloads[slot] for slot in (~order[waited]).tolist()]
            # Only what this batch spans of a shared buffer is copied.
            low, high = _spanned(batch)
            lengths = np.array([len(payload) for payload in payloads], np.int64)
            ends_of_waited = high - low + np.cumsum(lengths)
            data = np.concatenate([data[low:high], np.frombuffer(b"".join(payloads), np.uint8)])
            starts -= low
            ends -= low
            starts[waited], ends[waited] = ends_of_waited - lengths, ends_of_waited
            moved = np.full(len(order), -low, np.int64)
            moved[waited] = starts[waited]
            move_spans(words, present[0].view(np.uint64), self._bytes_columns, moved)
        return Batch(
            words, present[0].view(np.uint64), keys.view(np.uint64), flags, positions, data,
            starts, ends, numbers, until,
        )  # fmt: skip

    def _hold(self, batch: Batch, rows: NDArray[np.int64], slots: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        pool = self._held
        pool.make_room(int(slots.max()) + 1)
        words = np.ascontiguousarray(batch.words[:, rows])
        move_spans(words, batch.present[rows], self._bytes_columns, -batch.starts[rows])
        pool.words[:, slots] = words
        pool.present[slots] = batch.present[rows]
        pool.keys[:, slots] = batch.keys[:, rows]
        pool.positions[slots] = batch.positions[rows]
        for row, slot in zip(rows.tolist(), slots.tolist(), strict=True):
            pool.payloads[slot] = batch.payload(row)

    def _rejects(
        self, batch: Batch, rejected: NDArray[np.int64], reasons: NDArray[np.uint8]
    ) -> Rejects:
        n = len(rejected)
        if not n:
            return Rejects.none("order")
        for reason, count in zip(*np.unique(reasons, return_counts=True), strict=True):
            name = Reason(reason).name
            self.account.rejected[name] = self.account.rejected.get(name, 0) + int(count)
        positions, ingest, payloads = [], [], []
        for ref in rejected.tolist():
            if ref >= 0:
                positions.append(int(batch.positions[ref]))
                ingest.append(int(batch.words[INGEST_TIME, ref]))
                payloads.append(batch.payload(ref))
            else:
                positions.append(int(self._held.positions[~ref]))
                ingest.append(int(self._held.words[INGEST_TIME, ~ref]))
                payloads.append(self._held.payloads[~ref])
        return Rejects(
            "order",
            reasons,
            np.full(n, -1, np.int16),
            np.array(positions, np.int64),
            np.array(ingest, np.int64),
            payloads,
        )

    def snapshot(self) -> bytes:
        """Return games, remembered keys, held events with their payloads, and the books."""
        return b"".join(self.snapshot_parts())

    def snapshot_parts(self) -> Frozen:
        """Return the parts of a snapshot, end to end; the remembered keys are not copied."""
        pool, slots = self._held, self._sequencer.held_slots()
        payloads = [pool.payloads[slot] for slot in slots.tolist()]
        sequencer = self._sequencer.snapshot_parts()
        parts = [
            json.dumps(asdict(self.account), sort_keys=True).encode(),
            struct.pack("<q", self._next_number),
            np.ascontiguousarray(pool.words[:, slots]).tobytes(),
            pool.present[slots].tobytes(),
            np.ascontiguousarray(pool.keys[:, slots]).tobytes(),
            pool.positions[slots].tobytes(),
            np.array([len(payload) for payload in payloads], np.int64).tobytes(),
            b"".join(payloads),
        ]
        lengths = struct.pack("<9Q", *map(len, parts), sum(map(len, sequencer)))
        return (VERSION, lengths, *parts, *sequencer)

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave, of the same plan.

        Raises:
            StateError: The bytes are no such state.
        """
        at = behind(VERSION, state, "order")
        try:
            parts, start = [], at + 72
            for length in struct.unpack_from("<9Q", state, at):
                parts.append(state[start : start + length])
                start += length
            self._restore(parts)
        except (ValueError, struct.error) as wrong:
            raise StateError(f"the saved state of the order stage is damaged: {wrong}") from wrong

    def _restore(self, parts: list[bytes]) -> None:
        books, number, words, present, keys, positions, lengths, payloads, sequencer = parts
        self._sequencer.restore(sequencer)
        self.account = Account(**json.loads(books))
        (self._next_number,) = struct.unpack("<q", number)
        columns, held = len(self._held.words), self._sequencer.held
        pool = Held.empty(columns, held)
        pool.words[:] = np.frombuffer(words, np.int64).reshape(columns, held)
        pool.present[:] = np.frombuffer(present, np.uint64)
        pool.keys[:] = np.frombuffer(keys, np.uint64).reshape(2, held)
        pool.positions[:] = np.frombuffer(positions, np.int64)
        ends = np.cumsum(np.frombuffer(lengths, np.int64)).tolist()
        pool.payloads = (
            [payloads[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
            if ends
            else []
        )
        self._held = pool


def _spanned(batch: Batch) -> tuple[int, int]:
    """Return the part of the buffer that the payloads of a batch lie in."""
    inside = (batch.starts >= 0) & (batch.ends <= len(batch.data)) & (batch.starts <= batch.ends)
    if not inside.any():
        return 0, 0
    return int(batch.starts[inside].min()), int(batch.ends[inside].max())
