"""Fold batches into game states, refuse what a temporal rule refuses, say where prices are cut."""

from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import LATE_AMENDED, Batch
from oddspipe.core.batch.layout import GAME_ID, KIND, REVISION, VALUE, Layout
from oddspipe.core.batch.sql_types import event_types
from oddspipe.core.names import ABSENT, LOGGED_KINDS, Kind, Policy
from oddspipe.core.parts import KindPlan, OddsPlan, Rule, StateColumn
from oddspipe.core.stages.frame import Conditions, EventFrame, StateFrame, Strings
from oddspipe.ext import _fold_state as s
from oddspipe.ext._fold_state import FoldState, FoldTables, Found, Rows
from oddspipe.ext.fold import run

MOVES = frozenset({Kind.PLAY, Kind.SCORE, Kind.CLOCK, Kind.CORRECTION, Kind.DELETE})
"""Kinds whose change of a game's state shows that the feed is not frozen."""
CANDIDATES_AT_ONCE = 2048
"""Rows under temporal rules in one chunk: what a re-run repeats at most."""
ALL_BITS = 2**64 - 1
_NO_FLAGS = np.empty((0, 2), np.int64)
_NO_NUMBERS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Folded:
    """What the fold found in one batch.

    Attributes:
        cuts: One row a cut, columns `CUT_…` of `oddspipe.ext._fold_state`.
        values: State at the cut, a column a state column, NaN where absent.
        rolls, sums: Complete rollups: game, second, count; total, low, high.
        status: `Reason` of each row of the batch; 0 went on.
        detail: Rule that refused the row, else -1.
        numbers: Place of each row in the partition's normalised output; -1 for a reject.
        flagged: Rows that went on although a rule does not hold: row and rule, shape (flags, 2),
            by row and then by rule.
    """

    cuts: NDArray[np.int64]
    values: NDArray[np.float64]
    rolls: NDArray[np.int64]
    sums: NDArray[np.float64]
    status: NDArray[np.uint8]
    detail: NDArray[np.int16]
    numbers: NDArray[np.int64]
    flagged: NDArray[np.int64]


class _Saved(msgspec.Struct, array_like=True):
    clock: bytes
    games: int
    finished: bytes
    live: bytes
    rolling: bytes
    meta: bytes
    columns: list[bytes]
    sums: bytes
    log_lengths: bytes
    log: bytes


def tables_of(
    layout: Layout, kinds: tuple[KindPlan, ...], state: tuple[StateColumn, ...], odds: OddsPlan
) -> FoldTables:
    """Lay the plan out as the tables that the pass reads."""
    size = max([int(k) for k in Kind] + [kind.number for kind in kinds]) + 1
    like = np.zeros(size, np.uint8)
    for fixed in Kind:
        like[fixed] = fixed
    for kind in kinds:
        like[kind.number] = kind.like
    of = [-1 if column.of is None else layout.index[column.of] for column in state]
    on = np.zeros(size, np.uint64)
    need = np.zeros(size, np.uint64)
    for k, column in enumerate(state):
        bits = np.uint64(ALL_BITS if of[k] < 0 else 1 << of[k])
        rows = np.array(column.on or range(size), np.int64)
        on[rows] |= np.uint64(1 << k)
        need[rows] |= bits
    at_once = np.zeros(size, np.uint8)
    at_once[list(odds.at_once)] = 1
    moves = np.isin(like, [int(kind) for kind in MOVES]).astype(np.uint8)
    default = np.array([_default_word(column) for column in state], np.int64)
    return FoldTables(
        take=np.array([s.TAKES[column.take] for column in state], np.int8),
        of=np.array(of, np.int32),
        is_double=np.array([column.is_double for column in state], np.uint8),
        default=default,
        has_default=np.array([column.default is not None for column in state], np.uint8),
        on=on,
        need=need,
        like=like,
        at_once=at_once,
        moves=moves,
        conflate_us=odds.conflate_us,
        stale_after_us=odds.stale_after_us,
        frozen_after_us=s.NEVER // 2 if odds.frozen_after_us is None else odds.frozen_after_us,
        value_column=VALUE,
    )


def _default_word(column: StateColumn) -> int:
    if column.is_double and column.take != "count":
        value = np.nan if column.default is None else column.default
        return int(np.float64(value).view(np.int64))
    return ABSENT if column.default is None else int(column.default)


class Fold:
    """The states of a partition's games, as architecture.md, "State, exactly", says."""

    def __init__(  # noqa: PLR0913, PLR0917 - the plan's parts, each of its own type
        self,
        layout: Layout,
        kinds: tuple[KindPlan, ...],
        state: tuple[StateColumn, ...],
        rules: tuple[Rule, ...],
        odds: OddsPlan,
        strings: Strings | None = None,
        *,
        numbered: bool = False,
    ) -> None:
        """Compile the tables and the SQL.

        Args:
            layout: Columns of events.
            kinds: Kinds and whose handling they share.
            state: Columns of state.
            odds: When a price is cut.
            rules: All rules of the plan; a reject's `detail` is an index into them.
            strings: Names of interned strings by column, growing as they come.
            numbered: Keep the numbers that rows come with; else they are counted from 0.
        """
        self._numbered = numbered
        self.tables = tables_of(layout, kinds, state, odds)
        self.state = FoldState(len(state))
        self._states = StateFrame(state)
        types = event_types(layout)
        self._where_columns = [k for k, column in enumerate(state) if column.where]
        self._wheres = Conditions([c.where for c in state if c.where], types)
        self._rules = [(at, rule) for at, rule in enumerate(rules) if rule.temporal]
        self._holds = Conditions(
            [rule.sql for _, rule in self._rules], types | self._states.types("was_")
        )
        self._where_frame = EventFrame(layout, self._wheres.uses, strings or {})
        self._rule_frame = EventFrame(layout, self._holds.uses, strings or {})
        self._found = Found.of(1024, len(state))
        likes = self.tables.like
        self._logged = np.isin(likes, [int(kind) for kind in LOGGED_KINDS])
        self._revises = np.isin(likes, [Kind.CORRECTION, Kind.DELETE])
        self._ends = likes == Kind.GAME_END
        self._flagged: list[NDArray[np.int64]] = []

    def step(self, batch: Batch) -> Folded:
        """Fold one batch."""
        count = len(batch)
        kinds = np.where(
            (batch.words[KIND] < 0) | (batch.words[KIND] >= len(self.tables.like)),
            0,
            batch.words[KIND],
        )
        logged = self._logged[kinds]
        revises = self._revises[kinds] | (
            logged & (batch.present >> np.uint64(REVISION) & np.uint64(1)).astype(bool)
            & (batch.words[REVISION] > 0)
        )  # fmt: skip
        late = (batch.flags & LATE_AMENDED).astype(bool)
        games = batch.words[GAME_ID]
        self._forget_rows()
        self.state.make_room(
            games=int(games.max(initial=-1)) + 1, events=int(np.count_nonzero(logged)) + 1
        )
        self._make_found()
        rows = self._rows(batch)
        rewrites = revises | (late & logged) | self._ends[kinds]
        candidates = np.empty(0, np.int64)
        if self._rules:
            candidates = np.flatnonzero(logged & ~revises & ~late)
        detail = np.full(count, -1, np.int16)
        self._flagged = [_NO_FLAGS]
        parts: list[Found] = []
        start = 0
        while start < count:
            inside = candidates[np.searchsorted(candidates, start) :][:CANDIDATES_AT_ONCE]
            stop = count if len(inside) < CANDIDATES_AT_ONCE else int(inside[-1]) + 1
            chunk = _Chunk(start, stop, inside, bool(rewrites[start:stop].any()))
            parts += self._fold_chunk(batch, rows, chunk, detail)
            start = stop
        return Folded(
            np.concatenate([p.cuts for p in parts] or [self._found.cuts[:0]]),
            np.concatenate([p.values for p in parts] or [self._found.values[:0]]),
            np.concatenate([p.rolls for p in parts] or [self._found.rolls[:0]]),
            np.concatenate([p.sums for p in parts] or [self._found.sums[:0]]),
            rows.status,
            detail,
            rows.numbers,
            np.concatenate(self._flagged),
        )

    def pending(self) -> list[tuple[int, int]]:
        """Return the games whose price is due later, each with the row that caused it, or -1."""
        games = self.state.live_games()
        meta = self.state.meta
        return [
            (int(g), int(meta[g, s.CAUSE_ROW])) for g in games if meta[g, s.DIRTY]
        ]  # fmt: skip

    def values(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the games seen so far and their state, a column a state column, NaN where absent.

        A game that has ended has the state that it ended with.
        """
        games = np.flatnonzero(self.state.meta[:, s.PHASE] != s.UNSEEN)
        return games, self._states.values_of(self.state.value[games])

    def live_values(self) -> NDArray[np.float64]:
        """Return the state of the games under way, a row a game; may be asked by another thread."""
        return self._states.values_of(self.state.value[self.state.live_games()])

    def timer_cuts(self, games: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return cuts of these games that no event made, as of the time reached."""
        clock = self.state.clock
        cuts = np.zeros((len(games), s.CUT), np.int64)
        cuts[:, s.CUT_GAME] = games
        cuts[:, s.CUT_ROW] = -1
        cuts[:, [s.CUT_KIND, s.CUT_REASON]] = Kind.TICK
        cuts[:, s.CUT_NUMBER] = clock[s.NEXT_NUMBER]
        cuts[:, [s.CUT_TIME, s.CUT_AS_OF, s.CUT_OLDEST]] = clock[s.NOW]
        cuts[:, s.CUT_MODE] = s.SILENT
        return cuts

    def _forget_rows(self) -> None:
        self.state.meta[self.state.active[: self.state.clock[s.ACTIVE]], s.CAUSE_ROW] = -1

    def _make_found(self) -> None:
        room = 4 * len(self.state.meta) + 1024
        if room > len(self._found.cuts):
            self._found = Found.of(room, self.state.columns)

    def _rows(self, batch: Batch) -> Rows:
        count = len(batch)
        allowed = np.empty(0, np.uint64)
        if self._where_columns and count:
            allowed = np.full(count, ALL_BITS, np.uint64)
            met = self._wheres.true(self._where_frame.of(batch))
            for k, holds in zip(self._where_columns, met, strict=True):
                allowed[~holds] &= np.uint64(ALL_BITS ^ (1 << k))
        return Rows(
            batch.words,
            batch.present,
            batch.flags,
            batch.data,
            allowed,
            np.zeros(count, np.uint8),
            np.full(count, -1, np.int32),
            np.empty((1, self.state.columns), np.int64),
            np.zeros(count, np.uint8),
            np.zeros(count, np.int64),
            batch.numbers if self._numbered else _NO_NUMBERS,
        )

    def _fold_chunk(
        self, batch: Batch, rows: Rows, chunk: "_Chunk", detail: NDArray[np.int16]
    ) -> list[Found]:
        """Fold some rows, again and again until no temporal verdict changes any more."""
        if not len(chunk.candidates):
            return self._pass(rows, chunk)
        at = chunk.candidates
        rows.capture[at] = np.arange(len(at))
        rows.was = np.empty((len(at), self.state.columns), np.int64)
        columns = self._rule_frame.of(batch.take(at))
        saved = self.state.save(with_log=chunk.rewrites)
        while True:
            parts = self._pass(rows, chunk)
            verdict, flagged = self._judge(batch, columns, rows.was, at)
            wrong = (verdict >= 0) != rows.skip[at].astype(bool)
            if not wrong.any():
                detail[at] = verdict
                rows.capture[at] = -1
                self._flagged.append(flagged)
                return parts
            self._guess(batch.words[GAME_ID][at], verdict >= 0, wrong, rows.skip, at)
            self.state.roll_back(saved)

    @staticmethod
    def _guess(
        games: NDArray[np.int64],
        fails: NDArray[np.bool_],
        wrong: NDArray[np.bool_],
        skip: NDArray[np.uint8],
        at: NDArray[np.int64],
    ) -> None:
        """Keep what is known up to the first wrong verdict of a game; take it for what follows.

        Verdicts come in runs (a score too high makes all that follow fall), so that the number of
        passes is the number of runs, not of refused rows.
        """
        for game in np.unique(games[wrong]):
            mine = np.flatnonzero(games == game)
            first = mine[np.argmax(wrong[mine])]
            skip[at[mine[mine >= first]]] = fails[first]

    def _judge(
        self,
        batch: Batch,
        columns: pl.DataFrame,
        was: NDArray[np.int64],
        at: NDArray[np.int64],
    ) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Return the first rule that refuses each candidate, or -1; and what is only flagged."""
        verdict = np.full(len(at), -1, np.int16)
        flags = []
        before = columns.hstack(self._states.of_words(was, "was_"))
        kinds = batch.words[KIND][at]
        broken = self._holds.false(before)
        for (index, rule), breaks in reversed(list(zip(self._rules, broken, strict=True))):
            fails = breaks & np.isin(kinds, rule.on) if rule.on else breaks
            if rule.policy == Policy.DEAD_LETTER:
                verdict[fails] = index
            else:
                flags += [(place, index) for place in np.flatnonzero(fails).tolist()]
        kept = [(int(at[place]), index) for place, index in flags if verdict[place] < 0]
        return verdict, np.array(sorted(kept), np.int64).reshape(-1, 2)

    def _pass(self, rows: Rows, chunk: "_Chunk") -> list[Found]:
        """Run the twin over the chunk's rows."""
        parts, at = [], chunk.start
        while at < chunk.stop:
            self._found.counts[:] = 0
            at = run(self.tables, self.state, rows, self._found, (at, chunk.stop))
            cuts, rolls = self._found.counts.tolist()
            found = self._found
            parts.append(
                Found(
                    found.cuts[:cuts].copy(),
                    found.values[:cuts].copy(),
                    found.rolls[:rolls].copy(),
                    found.sums[:rolls].copy(),
                    found.counts,
                )
            )
        return parts

    def snapshot(self) -> bytes:
        """Return the state of every game; the same for the same input however it was batched."""
        state = self.state
        live = state.live_games()
        meta = state.meta[live].copy()
        meta[:, [s.CAUSE_ROW, s.HEAD, s.TAIL]] = -1
        logs = [state.log_of(int(game)) for game in live]
        rolling = np.sort(state.rolling[: state.clock[s.ROLLING]]).astype(np.int64)
        clock = state.clock.copy()
        clock[[s.ACTIVE, s.ROLLING, s.USED, s.FREE]] = 0
        nodes = state.pool[[node for log in logs for node in log]]
        nodes[:, [s.NODE_NEXT, s.NODE_PREV]] = -1
        halves = (state.logged, state.logged_at, state.free, state.free_at)
        columns = [array[live].copy() for array in (state.value, *halves)]
        columns[1][columns[2] < 0] = 0
        columns[3][columns[4] < 0] = 0
        rolled = np.column_stack([rolling, state.meta[rolling, s.ROLLED]])
        seen = np.flatnonzero(state.meta[:, s.PHASE] == s.FINISHED)
        return msgspec.msgpack.encode(
            _Saved(
                clock.tobytes(),
                int(np.max(np.concatenate([seen, live]), initial=-1)) + 1,
                seen.astype(np.int64).tobytes(),
                live.tobytes(),
                rolled.tobytes(),
                meta.tobytes(),
                [column.tobytes() for column in columns],
                state.sums[rolling].tobytes(),
                np.array([len(log) for log in logs], np.int64).tobytes(),
                nodes.tobytes(),
            )
        )

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        saved = msgspec.msgpack.decode(state, type=_Saved)
        fresh = FoldState(self.state.columns)
        nodes = np.frombuffer(saved.log, np.int64).reshape(-1, fresh.pool.shape[1])
        fresh.make_room(games=saved.games, events=len(nodes))
        fresh.clock[:] = np.frombuffer(saved.clock, np.int64)
        live = np.frombuffer(saved.live, np.int64)
        fresh.meta[np.frombuffer(saved.finished, np.int64), s.PHASE] = s.FINISHED
        fresh.meta[live] = np.frombuffer(saved.meta, np.int64).reshape(-1, s.META)
        for name, raw in zip(
            ("value", "logged", "logged_at", "free", "free_at"), saved.columns, strict=True
        ):
            getattr(fresh, name)[live] = np.frombuffer(raw, np.int64).reshape(-1, fresh.columns)
        rolled = np.frombuffer(saved.rolling, np.int64).reshape(-1, 2)
        fresh.meta[rolled[:, 0], s.ROLLED] = rolled[:, 1]
        fresh.rolling[: len(rolled)] = rolled[:, 0]
        fresh.sums[rolled[:, 0]] = np.frombuffer(saved.sums, np.float64).reshape(-1, 3)
        fresh.active[: len(live)] = live
        fresh.clock[[s.ACTIVE, s.ROLLING, s.USED]] = len(live), len(rolled), len(nodes)
        fresh.pool[: len(nodes)] = nodes
        ends = np.cumsum(np.frombuffer(saved.log_lengths, np.int64))
        for game, end, length in zip(live, ends, np.diff(ends, prepend=0), strict=True):
            if length:
                first = end - length
                fresh.pool[first:end, s.NODE_PREV] = np.r_[-1, np.arange(first, end - 1)]
                fresh.pool[first:end, s.NODE_NEXT] = np.r_[np.arange(first + 1, end), -1]
                fresh.meta[game, [s.HEAD, s.TAIL]] = first, end - 1
        self.state = fresh


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows `start` to `stop`, the candidates for temporal rules, whether logs are rewritten."""

    start: int
    stop: int
    candidates: NDArray[np.int64]
    rewrites: bool
