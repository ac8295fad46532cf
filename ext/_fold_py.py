"""The fold in plain Python: the meaning of `_fold.pyx`, one row after another.

"State, exactly" in docs/architecture.md has the rules; each is a method here.
"""

from dataclasses import dataclass, field

import numpy as np

from oddspipe.ext import _fold_state as s
from oddspipe.ext._fold_state import FoldState, FoldTables, Found, Rows

EVENT_ID, REVISION, GAME_ID, SEQUENCE, EVENT_TIME, INGEST_TIME, KIND = range(7)
TRACKING, GAME_END, CORRECTION, DELETE, HEARTBEAT, TICK = 4, 7, 8, 9, 10, 15
LOGGED = frozenset({1, 2, 6, GAME_END, CORRECTION, DELETE})
LATE_AMENDED = 1
MAX_ID = 64
SPAN_LENGTH_BITS = 24
SECOND = 1_000_000
WRAP = 1 << 64


def _double(word: int) -> float:
    return float(np.int64(word).view(np.float64))


def _word(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def _signed(value: int) -> int:
    return (value + (WRAP >> 1)) % WRAP - (WRAP >> 1)


@dataclass
class _Pass:
    """One walk over the rows of a batch."""

    tables: FoldTables
    state: FoldState
    rows: Rows
    found: Found
    columns: range = field(init=False)

    def __post_init__(self) -> None:
        """Know the state columns by number."""
        self.columns = range(self.state.columns)

    def word(self, column: int, row: int) -> int:
        return int(self.rows.words[column, row])

    def has(self, column: int, row: int) -> bool:
        return bool(int(self.rows.present[row]) >> column & 1)

    # Columns of state.

    def taken(self, kind: int, row: int) -> list[int]:
        """Return the state columns that take this row, were it of this kind."""
        tables = self.tables
        if not int(self.rows.present[row]) & int(tables.need[kind]):
            return []
        mask = int(tables.on[kind])
        if len(self.rows.allowed):
            mask &= int(self.rows.allowed[row])
        return [
            k
            for k in self.columns
            if mask >> k & 1 and (tables.of[k] < 0 or self.has(int(tables.of[k]), row))
        ]

    def joined(self, k: int, a: int, b: int) -> int:
        """Put two partial results of max, min, sum or count together."""
        take, double = self.tables.take[k], self.tables.is_double[k]
        if take in (s.MAX, s.MIN):
            x, y = (_double(a), _double(b)) if double else (a, b)
            return b if (y > x if take == s.MAX else y < x) else a
        if double and take == s.SUM:
            return _word(_double(a) + _double(b))
        return _signed(a + b)

    def absorb(self, game: int, k: int, word: int, sequence: int, *, log: bool) -> None:
        """Fold one value into one half (logged or free) of a state column."""
        value = self.state.logged if log else self.state.free
        at = self.state.logged_at if log else self.state.free_at
        take = self.tables.take[k]
        if take == s.COUNT:
            word = 1
        if at[game, k] < 0 or take == s.LAST:
            value[game, k], at[game, k] = word, sequence
        elif take != s.FIRST:
            value[game, k] = self.joined(k, int(value[game, k]), word)
            at[game, k] = sequence

    def put_together(self, game: int, k: int) -> int:
        """Return the value of a state column from its two halves and its default."""
        state, tables = self.state, self.tables
        halves = [
            (int(at[game, k]), int(value[game, k]))
            for at, value in ((state.free_at, state.free), (state.logged_at, state.logged))
            if at[game, k] >= 0
        ]
        if not halves:
            return int(tables.default[k])
        if tables.take[k] == s.LAST:
            return max(halves, key=lambda half: half[0])[1]
        if tables.take[k] == s.FIRST:
            return min(halves, key=lambda half: half[0])[1]
        result = halves[-1][1]
        if len(halves) > 1:
            result = self.joined(k, result, halves[0][1])
        if tables.has_default[k]:
            result = self.joined(k, int(tables.default[k]), result)
        return result

    def settle(self, game: int, columns: list[int]) -> bool:
        """Bring these columns up to date; say whether one changed."""
        changed = False
        for k in columns:
            now = self.put_together(game, k)
            changed = changed or now != self.state.value[game, k]
            self.state.value[game, k] = now
        return changed

    def value_of(self, k: int, row: int) -> int:
        of = int(self.tables.of[k])
        return self.word(of, row) if of >= 0 else 0

    def fold_free(self, game: int, row: int, columns: list[int]) -> bool:
        for k in columns:
            self.absorb(game, k, self.value_of(k, row), self.word(SEQUENCE, row), log=False)
        return self.settle(game, columns)

    # Logs of games.

    def fold_node(self, game: int, node: int) -> list[int]:
        entry = self.state.pool[node]
        columns = [k for k in self.columns if int(entry[s.NODE_MASK]) >> k & 1]
        for k in columns:
            word, sequence = int(entry[s.NODE_VALUES + k]), int(entry[s.NODE_SEQUENCE])
            self.absorb(game, k, word, sequence, log=True)
        return columns

    def refold(self, game: int) -> bool:
        """Fold the game's log again; what other events wrote stays."""
        self.state.logged_at[game] = -1
        for node in self.state.log_of(game):
            self.fold_node(game, node)
        return self.settle(game, list(self.columns))

    def id_of(self, row: int) -> tuple[int, bytes]:
        if not self.has(EVENT_ID, row):
            return 0, bytes(MAX_ID)
        span = self.word(EVENT_ID, row)
        start, length = span >> SPAN_LENGTH_BITS, span & ((1 << SPAN_LENGTH_BITS) - 1)
        length = min(length, MAX_ID)
        return length, self.rows.data[start : start + length].tobytes().ljust(MAX_ID, b"\0")

    def find(self, game: int, row: int) -> int:
        """Return the node of the event with this row's id, newest first; -1 if there is none."""
        length, name = self.id_of(row)
        for node in reversed(self.state.log_of(game)):
            entry = self.state.pool[node]
            same = entry[s.NODE_ID : s.NODE_ID + 8].tobytes() == name
            if entry[s.NODE_LENGTH] == length and same:
                return node
        return -1

    def revision(self, row: int) -> int:
        return self.word(REVISION, row) if self.has(REVISION, row) else 0

    def fill(self, node: int, kind: int, row: int) -> None:
        """Write what the fold needs of this row into a node."""
        entry = self.state.pool[node]
        columns = self.taken(kind, row)
        entry[s.NODE_REVISION] = self.revision(row)
        entry[s.NODE_KIND] = kind
        entry[s.NODE_MASK] = _signed(sum(1 << k for k in columns))
        entry[s.NODE_VALUES :] = 0
        for k in columns:
            entry[s.NODE_VALUES + k] = self.value_of(k, row)

    def new_node(self) -> int:
        clock = self.state.clock
        if clock[s.FREE] > 0:
            clock[s.FREE] -= 1
            return int(self.state.unused[clock[s.FREE]])
        clock[s.USED] += 1
        return int(clock[s.USED]) - 1

    def log_event(self, game: int, kind: int, row: int) -> bool:
        """Put a new event at its sequence; say whether the state changed."""
        pool = self.state.pool
        log = self.state.log_of(game)
        node = self.new_node()
        sequence = self.word(SEQUENCE, row)
        length, name = self.id_of(row)
        pool[node, s.NODE_SEQUENCE] = sequence
        pool[node, s.NODE_LENGTH] = length
        pool[node, s.NODE_ID : s.NODE_ID + 8] = np.frombuffer(name, np.int64)
        self.fill(node, kind, row)
        at = len(log)
        while at > 0 and pool[log[at - 1], s.NODE_SEQUENCE] > sequence:
            at -= 1
        log.insert(at, node)
        self.chain(game, log)
        if at == len(log) - 1:
            return self.settle(game, self.fold_node(game, node))
        return self.refold(game)

    def chain(self, game: int, log: list[int]) -> None:
        """Link the nodes of a log in this order."""
        pool, meta = self.state.pool, self.state.meta[game]
        for before, node, after in zip([-1, *log], log, [*log[1:], -1], strict=False):
            pool[node, s.NODE_PREV], pool[node, s.NODE_NEXT] = before, after
        meta[s.HEAD], meta[s.TAIL] = (log[0], log[-1]) if log else (-1, -1)

    def forget(self, node: int) -> None:
        self.state.unused[self.state.clock[s.FREE]] = node
        self.state.clock[s.FREE] += 1

    def strike(self, game: int, node: int) -> bool:
        """Take an event out of the log."""
        self.chain(game, [other for other in self.state.log_of(game) if other != node])
        self.forget(node)
        return self.refold(game)

    def amend(self, game: int, node: int, kind: int, row: int) -> bool:
        """Replace an event by its correction, unless a later revision already did."""
        entry = self.state.pool[node]
        if self.revision(row) < entry[s.NODE_REVISION]:
            return False
        own = self.tables.like[kind] != CORRECTION
        self.fill(node, kind if own else int(entry[s.NODE_KIND]), row)
        return self.refold(game)

    # Cuts and rollups.

    def cut(self, game: int, mode: int, reason: int, *, at_once: bool) -> None:
        """Write down the state of a game and its cause; the next is due later."""
        meta, clock, tables = self.state.meta[game], self.state.clock, self.tables
        at = int(self.found.counts[0])
        self.found.cuts[at] = (
            game,
            *(meta[c] for c in (s.CAUSE_ROW, s.CAUSE_SEQUENCE, s.CAUSE_KIND)),
            *(meta[c] for c in (s.CAUSE_NUMBER, s.CAUSE_TIME)),
            clock[s.NOW],
            meta[s.OLDEST],
            mode,
            at_once,
            reason,
            meta[s.FROZEN],
        )
        for k in self.columns:
            word = int(self.state.value[game, k])
            if tables.is_double[k] and tables.take[k] != s.COUNT:
                self.found.values[at, k] = _double(word)
            else:
                self.found.values[at, k] = np.nan if word == s.ABSENT else float(word)
        self.found.counts[0] += 1
        if mode in (s.SILENT, s.STILL):
            return
        meta[s.DUE] = clock[s.NOW] + tables.conflate_us
        meta[s.DIRTY] = 0
        meta[s.OLDEST] = s.NEVER
        meta[s.STALE] = 0
        self.wake_by(self.wake_time(game, 1))

    def wake_by(self, at: int) -> None:
        self.state.clock[s.NEXT_WAKE] = min(int(self.state.clock[s.NEXT_WAKE]), at)

    def wake_time(self, game: int, what: int) -> int:
        """Return when a game is due (0), goes stale (1) or is frozen (2)."""
        meta = self.state.meta[game]
        if what == 0:
            return int(meta[s.DUE]) if meta[s.DIRTY] else s.NEVER
        if what == 2:
            waits = meta[s.MOVED] and not meta[s.FROZEN]
            return int(meta[s.MOVED]) + self.tables.frozen_after_us if waits else s.NEVER
        if meta[s.STALE]:
            return s.NEVER
        life = max(int(meta[s.LIFE]), int(self.state.clock[s.HEARTBEAT]))
        return life + self.tables.stale_after_us

    def event_time(self, row: int) -> int:
        return self.word(EVENT_TIME, row) if self.has(EVENT_TIME, row) else 0

    def silence(self, game: int, row: int, what: int) -> None:
        """Cut a game that is stale (1) or frozen (2); a pending price stays pending."""
        clock = self.state.clock
        out = self.found.cuts[self.found.counts[0]]
        self.state.meta[game, s.STALE if what == 1 else s.FROZEN] = 1
        self.cut(game, s.SILENT if what == 1 else s.STILL, TICK, at_once=False)
        out[s.CUT_ROW], out[s.CUT_SEQUENCE], out[s.CUT_KIND] = -1, 0, TICK
        out[s.CUT_NUMBER], out[s.CUT_TIME] = clock[s.NEXT_NUMBER], self.event_time(row)
        out[s.CUT_OLDEST] = clock[s.NOW]

    def wake(self, row: int) -> None:
        """Cut what is due, then what is stale, then what is frozen, by time and game number."""
        clock = self.state.clock
        for what in (0, 1, 2):
            games = self.state.live_games().tolist()
            waits = sorted((self.wake_time(game, what), game) for game in games)
            for at, game in waits:
                if at > clock[s.NOW]:
                    break
                if what == 0:
                    like = int(self.tables.like[self.state.meta[game, s.CAUSE_KIND]])
                    self.cut(game, s.PRICED, like, at_once=False)
                else:
                    self.silence(game, row, what)
        games = self.state.live_games().tolist()
        clock[s.NEXT_WAKE] = min(
            (self.wake_time(game, what) for game in games for what in (0, 1, 2)), default=s.NEVER
        )

    def roll_up(self) -> None:
        """Give out the second that is over, by game number, and begin the next."""
        clock = self.state.clock
        for game in sorted(self.state.rolling[: clock[s.ROLLING]].tolist()):
            at = self.found.counts[1]
            second = clock[s.SECOND_END] // SECOND - 1
            self.found.rolls[at] = (game, second, self.state.meta[game, s.ROLLED])
            self.found.sums[at] = self.state.sums[game]
            self.found.counts[1] += 1
            self.state.meta[game, s.ROLLED] = 0
        clock[s.ROLLING] = 0
        clock[s.SECOND_END] = (clock[s.NOW] // SECOND + 1) * SECOND

    def count_tracking(self, game: int, row: int) -> None:
        meta, sums, clock = self.state.meta[game], self.state.sums[game], self.state.clock
        if meta[s.ROLLED] == 0:
            self.state.rolling[clock[s.ROLLING]] = game
            clock[s.ROLLING] += 1
            sums[:] = (0.0, np.nan, np.nan)
        meta[s.ROLLED] += 1
        column = self.tables.value_column
        if column >= 0 and self.has(column, row):
            value = _double(self.word(column, row))
            sums[0] += value
            low, high = float(sums[1]), float(sums[2])
            if not low <= value:  # also when there is none yet: NaN compares false
                sums[1] = value
            if not high >= value:
                sums[2] = value

    # The rows.

    def begin(self, game: int) -> None:
        state = self.state
        state.meta[game] = 0
        state.meta[game, [s.PHASE, s.DUE, s.OLDEST]] = s.LIVE, -s.NEVER, s.NEVER
        state.meta[game, [s.CAUSE_ROW, s.HEAD, s.TAIL]] = -1
        state.value[game] = self.tables.default
        state.logged_at[game] = -1
        state.free_at[game] = -1
        state.active[state.clock[s.ACTIVE]] = game
        state.clock[s.ACTIVE] += 1
        self.wake_by(int(state.clock[s.NOW]) + self.tables.stale_after_us)

    def finish(self, game: int) -> None:
        state = self.state
        for node in state.log_of(game):
            self.forget(node)
        self.chain(game, [])
        state.meta[game, s.PHASE] = s.FINISHED
        left = [other for other in state.active[: state.clock[s.ACTIVE]] if other != game]
        state.active[: len(left)] = left
        state.clock[s.ACTIVE] = len(left)

    def take_event(self, kind: int, row: int) -> int:
        """Fold one event of a game and cut its price where that is due; return its status."""
        game, like = self.word(GAME_ID, row), int(self.tables.like[kind])
        meta = self.state.meta[game]
        if meta[s.PHASE] == s.UNSEEN:
            self.begin(game)
        meta[s.LIFE] = self.state.clock[s.NOW]
        if self.rows.capture[row] >= 0:
            self.rows.was[self.rows.capture[row]] = self.state.value[game]
        if self.rows.skip[row]:
            return s.TEMPORAL_RULE
        if meta[s.PHASE] == s.FINISHED:
            return 0
        late = bool(self.rows.flags[row] & LATE_AMENDED)
        if like in (CORRECTION, DELETE) or (like in LOGGED and self.revision(row) > 0):
            return self.revise(kind, row)
        if like in LOGGED:
            changed = self.log_event(game, kind, row)
        else:
            changed = not late and self.fold_free(game, row, self.taken(kind, row))
        if like == TRACKING:
            self.count_tracking(game, row)
        self.close_row(game, kind, row, changed=changed, amended=late)
        return 0

    def revise(self, kind: int, row: int) -> int:
        """Correct or delete a logged event; return the row's status."""
        game = self.word(GAME_ID, row)
        node = self.find(game, row)
        if node < 0:
            return s.UNKNOWN_EVENT
        if self.tables.like[kind] == DELETE:
            changed = self.strike(game, node)
        else:
            changed = self.amend(game, node, kind, row)
        self.close_row(game, kind, row, changed=changed, amended=True)
        return 0

    def close_row(self, game: int, kind: int, row: int, *, changed: bool, amended: bool) -> None:
        """Cut a price at this row, or leave the game pending."""
        meta, clock = self.state.meta[game], self.state.clock
        like = int(self.tables.like[kind])
        at_once = amended or bool(self.tables.at_once[kind]) or like == GAME_END
        if changed and self.tables.moves[kind]:
            meta[s.MOVED], meta[s.FROZEN] = clock[s.NOW], 0
            self.wake_by(self.wake_time(game, 2))
        now_due = at_once or clock[s.NOW] >= meta[s.DUE]
        if not (changed or now_due):
            return
        meta[s.OLDEST] = min(int(meta[s.OLDEST]), self.word(INGEST_TIME, row))
        meta[s.CAUSE_SEQUENCE], meta[s.CAUSE_KIND] = self.word(SEQUENCE, row), kind
        meta[s.CAUSE_NUMBER], meta[s.CAUSE_TIME] = clock[s.NEXT_NUMBER], self.event_time(row)
        meta[s.CAUSE_ROW] = row
        if not now_due:
            meta[s.DIRTY] = 1
            self.wake_by(int(meta[s.DUE]))
            return
        final = like == GAME_END
        reason = CORRECTION if amended else like
        self.cut(game, s.FINAL if final else s.PRICED, reason, at_once=at_once)
        if final:
            self.finish(game)

    def take_row(self, row: int) -> None:
        clock = self.state.clock
        ingest = self.word(INGEST_TIME, row)
        if ingest > clock[s.NOW]:
            clock[s.NOW] = ingest
            if ingest >= clock[s.SECOND_END]:
                self.roll_up()
            if ingest >= clock[s.NEXT_WAKE]:
                self.wake(row)
        kind = self.word(KIND, row)
        if not 0 <= kind < len(self.tables.like):
            kind = 0
        if len(self.rows.given):
            clock[s.NEXT_NUMBER] = self.rows.given[row]
        like = self.tables.like[kind]
        status = 0
        if like == HEARTBEAT:
            clock[s.HEARTBEAT] = clock[s.NOW]
        elif like != TICK:
            status = self.take_event(kind, row)
        self.rows.status[row] = status
        self.rows.numbers[row] = -1 if status else clock[s.NEXT_NUMBER]
        clock[s.NEXT_NUMBER] += not status


def run(
    tables: FoldTables, state: FoldState, rows: Rows, found: Found, span: tuple[int, int]
) -> int:
    """Fold a span of `rows` into `state`; return the first row that `found` had no room for.

    Args:
        tables: The plan's tables.
        state: The games, with room for every game and every logged row of `rows`.
        rows: The batch and its verdicts.
        found: Cuts and rollups are added to it.
        span: The row to begin with, and the row to stop before.
    """
    walk = _Pass(tables, state, rows, found)
    room = len(found.cuts)
    for row in range(*span):
        cuts, rolls = found.counts
        clock = state.clock
        if cuts + 3 * clock[s.ACTIVE] + 2 > room or rolls + clock[s.ROLLING] > room:
            return row
        walk.take_row(row)
    return span[1]
