"""What both twins of the fold work on: tables of the plan, state of the games, rows in, cuts out.

Everything is a NumPy array, so the twins share one state and one snapshot format: the compiled
pass borrows pointers, the Python pass indexes. The numbers below are repeated in `_fold.pyx`.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]

FIRST, LAST, MAX, MIN, SUM, COUNT = range(6)
TAKES = {"first": FIRST, "last": LAST, "max": MAX, "min": MIN, "sum": SUM, "count": COUNT}

# Columns of FoldState.meta.
PHASE, DUE, DIRTY, LIFE, STALE, OLDEST = range(6)
CAUSE_SEQUENCE, CAUSE_KIND, CAUSE_NUMBER, CAUSE_TIME, CAUSE_ROW = range(6, 11)
HEAD, TAIL, ROLLED, MOVED, FROZEN = range(11, 16)
META = 16
UNSEEN, LIVE, FINISHED = range(3)

# Entries of FoldState.clock.
NOW, NEXT_WAKE, SECOND_END, HEARTBEAT, NEXT_NUMBER, ACTIVE, ROLLING, USED, FREE = range(9)
CLOCK = 9

# Columns of FoldState.pool: a logged event; the id takes 8 words, then one value a state column.
NODE_NEXT, NODE_PREV, NODE_SEQUENCE, NODE_REVISION, NODE_KIND, NODE_MASK, NODE_LENGTH = range(7)
NODE_ID = 7
NODE_VALUES = 15

# Columns of Found.cuts.
CUT_GAME, CUT_ROW, CUT_SEQUENCE, CUT_KIND, CUT_NUMBER, CUT_TIME = range(6)
CUT_AS_OF, CUT_OLDEST, CUT_MODE, CUT_AT_ONCE, CUT_REASON, CUT_FROZEN = range(6, 12)
CUT = 12
PRICED, SILENT, FINAL, STILL = range(4)
"""Modes of a cut: an ordinary one; the game has gone stale; it has ended; it is frozen."""

# Columns of Found.rolls.
ROLL_GAME, ROLL_SECOND, ROLL_COUNT = range(3)
ROLL = 3

EARLIEST = -(2**62)
NEVER = 2**62
ABSENT = -(2**63)
TEMPORAL_RULE = 18
UNKNOWN_EVENT = 19
MAX_STATE_COLUMNS = 64


@dataclass(frozen=True)
class FoldTables:
    """The plan as the pass reads it; K state columns, one entry a kind number in the tables.

    Attributes:
        take, of, is_double: How a state column folds, which event column it takes (-1: none).
        default, has_default: The word before any event, and whether there is one.
        on: Bit k is set where state column k takes this kind.
        need: Bits of the event columns that any of them needs; all bits where one needs none.
        like: The fixed kind whose handling each kind shares.
        at_once: Whether this kind is priced at once.
        moves: Whether a change of state by this kind shows that the game goes on.
        conflate_us, stale_after_us, frozen_after_us: See `OddsPlan`; NEVER for no such limit.
        value_column: Event column that rollups count.
    """

    take: NDArray[np.int8]
    of: NDArray[np.int32]
    is_double: NDArray[np.uint8]
    default: Int64s
    has_default: NDArray[np.uint8]
    on: NDArray[np.uint64]
    need: NDArray[np.uint64]
    like: NDArray[np.uint8]
    at_once: NDArray[np.uint8]
    moves: NDArray[np.uint8]
    conflate_us: int
    stale_after_us: int
    frozen_after_us: int
    value_column: int


@dataclass
class Rows:
    """One batch as the pass reads it, and its verdicts, one entry a row.

    `skip` marks rows that a temporal rule refuses; `capture[i] >= 0` asks for the state before row
    i in that row of `was`. `allowed` masks state columns by their `where`; length 0 allows all.
    The pass fills `status` (0, TEMPORAL_RULE, UNKNOWN_EVENT) and `numbers` (-1 for a reject): they
    are those of `given`, or without it those that follow the last one.
    """

    words: Int64s
    present: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    data: NDArray[np.uint8]
    allowed: NDArray[np.uint64]
    skip: NDArray[np.uint8]
    capture: NDArray[np.int32]
    was: Int64s
    status: NDArray[np.uint8]
    numbers: Int64s
    given: Int64s


@dataclass
class Found:
    """Where the pass puts cuts and complete rollups; `counts` says how many of each."""

    cuts: Int64s
    values: Floats
    rolls: Int64s
    sums: Floats
    counts: Int64s

    @staticmethod
    def of(capacity: int, columns: int) -> "Found":
        """Make room for `capacity` cuts and as many rollups."""
        return Found(
            np.empty((capacity, CUT), np.int64),
            np.empty((capacity, columns)),
            np.empty((capacity, ROLL), np.int64),
            np.empty((capacity, 3)),
            np.zeros(2, np.int64),
        )


def _scalars() -> Int64s:
    clock = np.zeros(CLOCK, np.int64)
    clock[[NOW, SECOND_END, HEARTBEAT]] = EARLIEST
    clock[NEXT_WAKE] = NEVER
    return clock


@dataclass
class FoldState:
    """Every game of a partition: state columns, log of events, what is due.

    A column of state is kept twice, as folded from the log (`logged`) and from other events
    (`free`), each with the sequence of its last write (-1: none); `value` is the two put together.
    So a refold of the log leaves the rest as it was, and equals a run in the right order.
    """

    columns: int
    clock: Int64s = field(default_factory=_scalars)
    meta: Int64s = field(init=False)
    value: Int64s = field(init=False)
    logged: Int64s = field(init=False)
    logged_at: Int64s = field(init=False)
    free: Int64s = field(init=False)
    free_at: Int64s = field(init=False)
    sums: Floats = field(init=False)
    active: NDArray[np.int32] = field(init=False)
    rolling: NDArray[np.int32] = field(init=False)
    pool: Int64s = field(init=False)
    unused: NDArray[np.int32] = field(init=False)

    def __post_init__(self) -> None:
        """Start without games."""
        for name, shape, kind in self._shapes(0):
            setattr(self, name, np.zeros(shape, kind))
        self.pool = np.zeros((0, NODE_VALUES + self.columns), np.int64)
        self.unused = np.zeros(0, np.int32)

    def _shapes(self, games: int) -> tuple[tuple[str, tuple[int, ...], type], ...]:
        wide = (games, self.columns)
        return (
            ("meta", (games, META), np.int64),
            ("value", wide, np.int64),
            ("logged", wide, np.int64),
            ("logged_at", wide, np.int64),
            ("free", wide, np.int64),
            ("free_at", wide, np.int64),
            ("sums", (games, 3), np.float64),
            ("active", (games,), np.int32),
            ("rolling", (games,), np.int32),
        )

    def make_room(self, *, games: int, events: int) -> None:
        """Let games below `games` and `events` more logged events fit."""
        have = len(self.meta)
        if games > have:
            for name, shape, kind in self._shapes(max(games, 2 * have, 16)):
                grown: NDArray[np.generic] = np.zeros(shape, kind)
                grown[:have] = getattr(self, name)
                setattr(self, name, grown)
        need = int(self.clock[USED]) + events
        if need > len(self.pool):
            pool = np.zeros((max(need, 2 * len(self.pool), 256), self.pool.shape[1]), np.int64)
            pool[: len(self.pool)] = self.pool
            unused = np.zeros(len(pool), np.int32)
            unused[: len(self.unused)] = self.unused
            self.pool, self.unused = pool, unused

    def live_games(self) -> Int64s:
        """Return the numbers of the games under way, rising."""
        return np.sort(self.active[: self.clock[ACTIVE]]).astype(np.int64)

    def log_of(self, game: int) -> list[int]:
        """Return the nodes of a game's log, in its order."""
        nodes = []
        node = int(self.meta[game, HEAD])
        while node >= 0:
            nodes.append(node)
            node = int(self.pool[node, NODE_NEXT])
        return nodes

    def save(self, *, with_log: bool) -> dict[str, NDArray[np.generic]]:
        """Copy what the pass may change; `with_log` unless it can only append to logs."""
        games = int(self.meta[:, PHASE].nonzero()[0].max(initial=-1)) + 1
        saved: dict[str, NDArray[np.generic]] = {
            name: getattr(self, name)[:games].copy() for name, _, _ in self._shapes(0)
        }
        saved["clock"] = self.clock.copy()
        if with_log:
            saved["pool"] = self.pool[: self.clock[USED]].copy()
            saved["unused"] = self.unused[: self.clock[FREE]].copy()
        return saved

    def roll_back(self, saved: dict[str, NDArray[np.generic]]) -> None:
        """Return to what `save` copied."""
        for name, array in saved.items():
            mine = getattr(self, name)
            mine[: len(array)] = array
            if name == "meta":
                mine[len(array) :] = 0
        if "pool" not in saved:
            tails = self.meta[self.active[: self.clock[ACTIVE]], TAIL]
            self.pool[tails[tails >= 0], NODE_NEXT] = -1
