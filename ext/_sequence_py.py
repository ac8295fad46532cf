"""Put each game's events in sequence: the plain-Python twin, which is the meaning.

The numbered steps are those of `docs/architecture.md`, "Order, exactly".
"""

import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.uint64],
    NDArray[np.uint8],
]
Sequenced: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.int64],
    NDArray[np.uint8],
    NDArray[np.int64],
    NDArray[np.int64],
    int,
    int,
]

SEQUENCE_REUSED, SEQUENCE_JUMP, LATE, FINISHED_GAME = 14, 15, 16, 17
LATE_AMENDED, AFTER_GAP = 1, 2
AMEND, DLQ, DROP = 0, 1, 2
NEVER = 2**63 - 1
VERSION = b"order-1\n"
SPAN_LENGTH_BITS = 24
GIVEN_UP = 255
"""Status of a row that was turned away and whose game and sequence are known."""


@dataclass(slots=True)
class Game:
    """What is known of one game; `held` is sequence → (row or ~slot, arrival, ends the game)."""

    next: int
    started: bool = False
    finished: bool = False
    deadline: int = NEVER
    missing: list[tuple[int, int]] = field(default_factory=list)
    held: dict[int, tuple[int, int, bool]] = field(default_factory=dict)


class Sequencer:
    """Drop duplicates and put each game in sequence.

    Args:
        order: First sequence of a game, order window in µs, late policy (0 amend, 1 dead letter,
            2 drop), most held events of a game, farthest sequence ahead.
        duplicates_us: How long a key is remembered.
        timers: Kind numbers that belong to no game.
        ends: Kind numbers that end a game.
        max_missing: Most intervals of given-up sequences of a game. With one more, the lowest is
            forgotten; what still comes for it is then rejected as SEQUENCE_REUSED, not lost.
    """

    def __init__(
        self,
        order: tuple[int, int, int, int, int],
        *,
        duplicates_us: int,
        timers: Sequence[int] = (10, 15),
        ends: Sequence[int] = (7,),
        max_missing: int = 4096,
    ) -> None:
        self.first, self.window, self.late, self.max_held, self.max_gap = order
        self.duplicates_us = duplicates_us
        self.timers = frozenset(timers)
        self.ends = frozenset(ends)
        self.max_missing = max_missing
        self.now = -NEVER
        self._games: dict[int, Game] = {}
        self._seen: dict[tuple[int, int], int] = {}
        self._times: deque[tuple[int, tuple[int, int]]] = deque()
        self._free: list[int] = []
        self._n_slots = 0
        self._clear_output()

    @property
    def held(self) -> int:
        """Return how many events are held."""
        return sum(len(game.held) for game in self._games.values())

    def step(self, rows: Rows) -> Sequenced:
        """Order one batch.

        Args:
            rows: Game numbers, sequences, kinds, ingest times (`int64`), keys (2, n) and status:
                0 takes part, `GIVEN_UP` gives up the sequence that it stands under, rows with
                another one only move the time.

        Returns:
            order: What is emitted: a row of this batch, or `~slot` of a held one.
            flags: One an emitted row.
            rejected, reasons: Rows or `~slot` turned away, in the order in which it happened.
            held_rows, held_slots: Rows of this batch that are held beyond it, and where.
            duplicates, dropped: Counted only.
        """
        games, sequences, kinds, ingest, keys, status = (column.tolist() for column in rows)
        self._clear_output()
        for row, arrived in enumerate(ingest):
            self.now = max(self.now, arrived)
            self._pass_deadlines()
            if status[row]:
                if status[row] == GIVEN_UP:
                    self._pass_over(games[row], sequences[row])
                continue
            if kinds[row] in self.timers:
                self._out(row, 0)
                continue
            self._forget()
            key = (keys[0][row], keys[1][row])
            if key in self._seen:
                self._duplicates += 1
                continue
            if self.duplicates_us > 0:
                self._seen[key] = self.now
                self._times.append((self.now, key))
            self._place(games[row], sequences[row], row, kinds[row] in self.ends)
        held_rows, held_slots = self._assign_slots()
        return (
            np.array(self._order, np.int64),
            np.array(self._flags, np.uint8),
            np.array(self._rejected, np.int64),
            np.array(self._reasons, np.uint8),
            np.array(held_rows, np.int64),
            np.array(held_slots, np.int64),
            self._duplicates,
            self._dropped,
        )

    def _clear_output(self) -> None:
        self._order: list[int] = []
        self._flags: list[int] = []
        self._rejected: list[int] = []
        self._reasons: list[int] = []
        self._freed: list[int] = []
        self._duplicates = 0
        self._dropped = 0

    def _forget(self) -> None:
        """Forget keys that came `duplicates_us` or longer ago."""
        while self._times and self._times[0][0] <= self.now - self.duplicates_us:
            _, key = self._times.popleft()
            del self._seen[key]

    def _out(self, ref: int, flags: int) -> None:
        self._order.append(ref)
        self._flags.append(flags)
        if ref < 0:
            self._freed.append(~ref)

    def _reject(self, ref: int, reason: int) -> None:
        self._rejected.append(ref)
        self._reasons.append(reason)
        if ref < 0:
            self._freed.append(~ref)

    def _pass_deadlines(self) -> None:
        """Step 1."""
        while True:
            due = min(
                ((game.deadline, number) for number, game in self._games.items()),
                default=(NEVER, 0),
            )
            if due[0] > self.now or due[0] == NEVER:
                return
            self._give_up(self._games[due[1]])

    def _pass_over(self, number: int, sequence: int) -> None:
        """Step 2: nobody waits for an event that was turned away."""
        game = self._games.setdefault(number, Game(self.first))
        far = game.started and sequence - game.next > self.max_gap
        if game.finished or sequence < game.next or sequence in game.held or far:
            return
        self._miss(game, sequence, sequence)
        if sequence == game.next:
            self._release(game)

    def _miss(self, game: Game, low: int, high: int) -> None:
        """Put an interval among the missing ones, in one with those that it meets."""
        met = [one for one in game.missing if one[1] >= low - 1 and one[0] <= high + 1]
        whole = (min([low, *(a for a, _ in met)]), max([high, *(b for _, b in met)]))
        game.missing = sorted([one for one in game.missing if one not in met] + [whole])
        if len(game.missing) > self.max_missing:
            del game.missing[0]

    def _missing_at(self, game: Game, sequence: int) -> int:
        """Return the place of the missing interval that holds a sequence, or -1."""
        at = bisect_right(game.missing, (sequence, NEVER)) - 1
        return at if at >= 0 and sequence <= game.missing[at][1] else -1

    def _after_gap(self, game: Game) -> int:
        """Return the flag of the event that is next."""
        return AFTER_GAP if self._missing_at(game, game.next - 1) >= 0 else 0

    def _give_up(self, game: Game) -> None:
        lowest = min(game.held)
        self._miss(game, game.next, lowest - 1)
        game.next = lowest
        self._release(game)

    def _release(self, game: Game) -> None:
        """Emit held events that follow without a gap, then renew or clear the deadline."""
        while not game.finished:
            missing = self._missing_at(game, game.next)
            if missing >= 0:
                game.next = game.missing[missing][1] + 1
            elif game.next in game.held:
                ref, _, ends = game.held.pop(game.next)
                flags = self._after_gap(game)
                game.next += 1
                self._emit(game, ref, flags, ends=ends)
            else:
                break
        earliest = min((arrival for _, arrival, _ in game.held.values()), default=None)
        game.deadline = NEVER if earliest is None else earliest + self.window

    def _emit(self, game: Game, ref: int, flags: int, *, ends: bool) -> None:
        self._out(ref, flags)
        game.started = True
        if ends:
            game.finished = True
            for sequence in sorted(game.held):
                self._reject(game.held[sequence][0], FINISHED_GAME)
            game.held.clear()
            game.missing.clear()
            game.deadline = NEVER

    def _place(self, number: int, sequence: int, row: int, ends: bool) -> None:  # noqa: FBT001 - a column of the batch
        """Steps 4 to 8."""
        game = self._games.setdefault(number, Game(self.first))
        if game.finished:
            self._reject(row, FINISHED_GAME)
        elif sequence == game.next:
            flags = self._after_gap(game)
            game.next += 1
            self._emit(game, row, flags, ends=ends)
            self._release(game)
        elif sequence > game.next:
            self._hold(game, sequence, row, ends=ends)
        else:
            self._fill(game, sequence, row, ends=ends)

    def _hold(self, game: Game, sequence: int, row: int, *, ends: bool) -> None:
        """Step 6."""
        if game.started and sequence - game.next > self.max_gap:
            self._reject(row, SEQUENCE_JUMP)
        elif sequence in game.held:
            self._reject(row, SEQUENCE_REUSED)
        else:
            self._take_missing(game, sequence)
            game.held[sequence] = (row, self.now, ends)
            if game.deadline == NEVER:
                game.deadline = self.now + self.window
            if len(game.held) > self.max_held:
                self._give_up(game)

    def _take_missing(self, game: Game, sequence: int) -> bool:
        """Take a sequence out of the missing ones; False if it is not among them."""
        at = self._missing_at(game, sequence)
        if at < 0:
            return False
        low, high = game.missing[at]
        parts = [(low, sequence - 1), (sequence + 1, high)]
        game.missing[at : at + 1] = [part for part in parts if part[0] <= part[1]]
        if len(game.missing) > self.max_missing:
            del game.missing[0]
        return True

    def _fill(self, game: Game, sequence: int, row: int, *, ends: bool) -> None:
        """Steps 7 and 8."""
        if not self._take_missing(game, sequence):
            self._reject(row, SEQUENCE_REUSED)
            return
        if self.late == AMEND:
            self._emit(game, row, LATE_AMENDED, ends=ends)
        elif self.late == DLQ:
            self._reject(row, LATE)
        else:
            self._dropped += 1

    def _assign_slots(self) -> tuple[list[int], list[int]]:
        """Give every row that stays held a slot; slots freed in this batch are used first."""
        self._free.extend(self._freed)
        stay = [
            (ref, game, sequence)
            for game in self._games.values()
            for sequence, (ref, _, _) in game.held.items()
            if ref >= 0
        ]
        stay.sort(key=lambda held: held[0])
        slots = []
        for _, game, sequence in stay:
            if self._free:
                slot = self._free.pop()
            else:
                slot = self._n_slots
                self._n_slots += 1
            slots.append(slot)
            game.held[sequence] = (~slot, *game.held[sequence][1:])
        return [row for row, _, _ in stay], slots

    def held_slots(self) -> NDArray[np.int64]:
        """Return the slots of all held events by game, then sequence: the order of a snapshot."""
        slots = [
            ~self._games[number].held[sequence][0]
            for number in sorted(self._games)
            for sequence in sorted(self._games[number].held)
        ]
        return np.array(slots, np.int64)

    def snapshot(self) -> bytes:
        """Return the whole state.

        Held events stand by `held_slots`; where it is restored, their slots are 0, 1, 2 …
        """
        return b"".join(self.snapshot_parts())

    def snapshot_parts(self) -> list[bytes | memoryview]:
        """Return the parts that make a snapshot, end to end; none of them changes any more."""
        self._forget()
        count = max(self._games, default=-1) + 1
        parts: list[bytes | memoryview] = [
            VERSION,
            struct.pack("<qQQ", self.now, len(self._times), count),
        ]
        parts += [struct.pack("<qQQ", time, *key) for time, key in self._times]
        for number in range(count):
            game = self._games.get(number, Game(self.first))
            head = (game.next, game.started, game.finished, game.deadline)
            parts.append(struct.pack("<qqqqqq", *head, len(game.missing), len(game.held)))
            parts += [struct.pack("<qq", *interval) for interval in game.missing]
            for sequence in sorted(game.held):
                _, arrival, ends = game.held[sequence]
                parts.append(struct.pack("<qqq", sequence, arrival, ends))
        return parts

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` of either twin gave.

        Raises:
            ValueError: The bytes are no such snapshot.
        """
        now, window, games = read_state(state)
        self.now = now
        entries = struct.iter_unpack("<qQQ", window)
        self._times = deque((time, (low, high)) for time, low, high in entries)
        self._seen = {key: time for time, key in self._times}
        self._games = {}
        self._free, self._n_slots = [], 0
        for number, (head, missing, held) in enumerate(games):
            game = Game(head[0], bool(head[1]), bool(head[2]), head[3], missing)
            for sequence, arrival, ends in held:
                game.held[sequence] = (~self._n_slots, arrival, bool(ends))
                self._n_slots += 1
            self._games[number] = game


GameState: TypeAlias = tuple[
    tuple[int, int, int, int], list[tuple[int, int]], list[tuple[int, int, int]]
]


def read_state(state: bytes) -> tuple[int, bytes, list[GameState]]:
    """Return the time, the remembered keys (24 bytes each) and the games of a snapshot.

    Raises:
        ValueError: The bytes are no snapshot.
    """
    if state[: len(VERSION)] != VERSION:
        raise ValueError("not a snapshot of an order")
    try:
        (now, n_window, n_games), at = _read("<qQQ", state, len(VERSION))
        window_end = at + 24 * n_window
        window = state[at:window_end]
        if len(window) != 24 * n_window:
            raise ValueError("a damaged snapshot of an order")
        games, at = _read_games(state, window_end, n_games)
    except struct.error as wrong:
        raise ValueError("a damaged snapshot of an order") from wrong
    if at != len(state):
        raise ValueError("a damaged snapshot of an order")
    return now, window, games


def _read(layout: str, state: bytes, at: int) -> tuple[tuple[int, ...], int]:
    return struct.unpack_from(layout, state, at), at + struct.calcsize(layout)


def _read_games(state: bytes, at: int, count: int) -> tuple[list[GameState], int]:
    games: list[GameState] = []
    for _ in range(count):
        (following, started, finished, deadline, n_missing, n_held), at = _read("<6q", state, at)
        missing = list(_pairs(state[at : at + 16 * n_missing]))
        at += 16 * n_missing
        held = list(struct.iter_unpack("<qqq", state[at : at + 24 * n_held]))
        at += 24 * n_held
        games.append(((following, started, finished, deadline), missing, held))
    return games, at


def _pairs(part: bytes) -> Iterator[tuple[int, int]]:
    yield from struct.iter_unpack("<qq", part)


def gather(
    sources: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], order: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Return the columns of the rows in `order`, of every source; `~slot` takes them from its pool.

    Args:
        sources: Of each its columns (columns, rows) and its pool (columns, slots).
        order: Row or `~slot` of each row that is wanted.

    Raises:
        ValueError: A source and its pool differ in columns.
        IndexError: There is no such row or slot.
    """
    held = order < 0
    gathered = []
    for words, pool in sources:
        if words.shape[0] != pool.shape[0]:
            raise ValueError("rows and pool differ in columns")
        out = np.empty((words.shape[0], len(order)), np.int64)
        out[:, ~held] = words[:, order[~held]]
        out[:, held] = pool[:, ~order[held]]
        gathered.append(out)
    return gathered


def move_spans(
    words: NDArray[np.int64],
    present: NDArray[np.uint64],
    columns: Sequence[int],
    by: NDArray[np.int64],
) -> None:
    """Move the spans of bytes columns, where they are there, by so many bytes a row, in place.

    Raises:
        ValueError: The arguments differ in rows.
        IndexError: There is no such column.
    """
    if not len(present) == len(by) == words.shape[1]:
        raise ValueError("words, present and by differ in rows")
    for column in columns:
        there = (present >> np.uint64(column) & np.uint64(1)).astype(np.int64)
        words[column] += (by << SPAN_LENGTH_BITS) * there
