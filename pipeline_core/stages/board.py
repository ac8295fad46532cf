"""Boards: what is offered on each game, what of it has changed, and under which number it goes out.

A market moves inactive → open ⇄ suspended → settled, or → closed where the result of its scope is
not known at the end; there is no way back. While it is suspended its last good price stays on the
board, so that a price without a cause does not creep in behind the guard that refused it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.names import Status
from oddspipe.core.stages.isolate import RawBoards
from oddspipe.core.stages.slots import Shape

INACTIVE, OPEN, SUSPENDED, CLOSED, SETTLED = range(5)
STATUSES = (Status.INACTIVE, Status.OPEN, Status.SUSPENDED, Status.CLOSED, Status.SETTLED)
PASSES = -1
"""Verdict on a market: its new price goes on the board. Anything else keeps the last one."""

Judge = Callable[[NDArray[np.float64]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cuts of one step, in the order in which they were made.

    Attributes:
        game: Interned number.
        final: Whether the game ended here.
        scores: Home and away points, NaN where unknown, shape (2, cuts).
    """

    game: NDArray[np.int64]
    final: NDArray[np.bool_]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Published:
    """What goes out, in order: boards by their cut, rows by board and slot.

    Attributes:
        cut: Row of `Cuts` that each board was made at.
        sequence, number: The game's odds sequence from 1; place in the partition's odds from 0.
        opened, suspended: Whether a market went from suspended to open; the verdict that suspended
            a market here, or `PASSES`.
        board, slot: Of each row.
        status: Of each row, an index into `STATUSES`.
        prices: One board a row of it, shape (rows,) after `rows`.
    """

    cut: NDArray[np.int64]
    sequence: NDArray[np.int64]
    number: NDArray[np.int64]
    opened: NDArray[np.bool_]
    suspended: NDArray[np.int64]
    board: NDArray[np.int64]
    slot: NDArray[np.int64]
    status: NDArray[np.int64]
    prices: RawBoards


class _Saved(msgspec.Struct, array_like=True):
    number: int
    sequences: bytes
    games: bytes
    status: bytes
    prices: list[bytes]


@dataclass
class Books:
    """The last board of every game and the numbers given so far."""

    slots: Shape
    number: int = 0
    sequence: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    status: NDArray[np.int8] = field(init=False)
    good: RawBoards = field(init=False)

    def __post_init__(self) -> None:
        """Start without games."""
        self.status = np.zeros((0, self.slots.markets), np.int8)
        self.good = RawBoards.empty(0, len(self.slots))

    def make_room(self, games: int) -> None:
        """Let games below `games` have a board."""
        have = len(self.sequence)
        if games <= have:
            return
        size = max(games, 2 * have, 16)
        sequence, status = np.zeros(size, np.int64), np.zeros((size, self.status.shape[1]), np.int8)
        good = RawBoards.empty(size, len(self.slots))
        sequence[:have], status[:have] = self.sequence, self.status
        good.put(np.arange(have), self.good)
        self.sequence, self.status, self.good = sequence, status, good

    def open_markets(self, game: int) -> int:
        """Return how many markets of a game are open."""
        return int(np.count_nonzero(self.status[game] == OPEN))

    def over(self, cuts: Cuts) -> NDArray[np.bool_]:
        """Say which markets of each cut are closed or settled already, shape (cuts, markets)."""
        over = self.status[cuts.game] >= CLOSED
        for cut in np.flatnonzero(cuts.final).tolist():
            over[cut + 1 :] |= (cuts.game[cut + 1 :] == cuts.game[cut])[:, None]
        return over

    def publish(
        self, cuts: Cuts, raw: RawBoards, verdict: NDArray[np.int64], judge: Judge | None
    ) -> Published:
        """Put the cuts on the boards, in order, and return what changed.

        Args:
            cuts: The cuts.
            raw: Their prices, shape (cuts, slots).
            verdict: `PASSES` or why a market may not take its new price, shape (cuts, markets).
            judge: Verdicts of guards, given each slot's last good fair probability at its line.
        """
        line_up = _LineUp.of(cuts.game)
        boards = self._line_up(line_up, raw)
        verdict = self._judged(line_up, boards, cuts, verdict, judge)
        ok = np.ones((line_up.rows, verdict.shape[1]), bool)
        ok[line_up.at] = (verdict == PASSES) & ~cuts.final[:, None]
        source = _last_good(ok)
        status = self._statuses(line_up, source, ok)
        at, slots = source[:, self.slots.group], np.arange(len(self.slots))
        held = RawBoards(*(array[at, slots] for array in boards.arrays()))
        self._settle(line_up, cuts, held, boards, status)
        _keep_ends(line_up, held, status, self.slots.group)
        published = self._changes(line_up, held, status)
        suspends = published & (status == SUSPENDED)
        suspends[1:] &= status[:-1] == OPEN
        opens = published & (status == OPEN)
        opens[1:] &= status[:-1] == SUSPENDED
        self._keep(line_up, held, status)
        return self._number(line_up, cuts, held, status, (published, opens, suspends), verdict)

    def _line_up(self, line_up: "_LineUp", raw: RawBoards) -> RawBoards:
        boards = RawBoards.empty(line_up.rows, len(self.slots))
        boards.put(line_up.stored, self.good.take(line_up.games))
        boards.put(line_up.at, raw)
        return boards

    def _judged(
        self,
        line_up: "_LineUp",
        boards: RawBoards,
        cuts: Cuts,
        base: NDArray[np.int64],
        judge: Judge | None,
    ) -> NDArray[np.int64]:
        """Ask the guards until no verdict changes: each depends on those before it in its game."""
        if judge is None:
            return base
        verdict = base
        while True:
            ok = np.ones((line_up.rows, base.shape[1]), bool)
            ok[line_up.at] = (verdict == PASSES) & ~cuts.final[:, None]
            before = _last_good(ok)[line_up.at - 1]
            found = judge(self._was(boards, before, line_up.at))
            after = np.where(base == PASSES, found, base)
            if np.array_equal(after, verdict):
                return verdict
            verdict = after

    def _was(
        self, boards: RawBoards, before: NDArray[np.int64], at: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the last good fair probability of each slot's side at its present line."""
        slots = self.slots
        was = np.full((len(at), len(slots)), np.nan)
        for group in range(slots.markets):
            row = before[:, group][:, None]
            mine = np.flatnonzero((slots.group == group) & (slots.sign > 0))
            if not slots.has_line[mine[0]]:
                both = np.r_[mine, slots.partner[mine]]
                was[:, both] = boards.p_fair[row, both]
                continue
            then, now = boards.line[row, mine], boards.line[at[:, None], mine]
            same = now[:, :, None] == then[:, None, :]
            place, known = same.argmax(axis=2), same.any(axis=2)
            for side in (mine, slots.partner[mine]):
                p_fair = np.take_along_axis(boards.p_fair[row, side], place, axis=1)
                was[:, side] = np.where(known, p_fair, np.nan)
        return was

    def _statuses(
        self, line_up: "_LineUp", source: NDArray[np.int64], ok: NDArray[np.bool_]
    ) -> NDArray[np.int8]:
        """Return the status of each market at each row, the end of the game left out."""
        stored = self.status[line_up.games]
        is_cut = np.zeros(line_up.rows, bool)
        is_cut[line_up.at] = True
        first = np.zeros((line_up.rows, stored.shape[1]), np.int8)
        first[line_up.stored] = stored
        markets = np.arange(stored.shape[1])
        offered = is_cut[source] | (first[source, markets] != INACTIVE)
        status = np.where(ok, OPEN, np.where(offered, SUSPENDED, INACTIVE)).astype(np.int8)
        status[line_up.stored] = stored
        return status

    def _settle(
        self,
        line_up: "_LineUp",
        cuts: Cuts,
        held: RawBoards,
        boards: RawBoards,
        status: NDArray[np.int8],
    ) -> None:
        """Replace the boards of games that ended by their results."""
        for cut in np.flatnonzero(cuts.final):
            row = line_up.at[cut]
            home, away = cuts.scores[:, cut]
            won, pushed = self._results(held.line[row], home, away)
            same_line = np.isclose(held.line[row], boards.line[row], rtol=0, equal_nan=True)
            push = same_line & (boards.p_push[row] == 1.0)
            decided = same_line & np.isin(boards.p_fair[row], (0.0, 1.0)) & ~push
            decided &= np.isin(boards.p_push[row], (0.0, 0.5))
            elsewhere = ~self.slots.is_game
            result = np.where(decided, boards.p_fair[row], np.where(push, 0.0, np.nan))
            won = np.where(elsewhere, result, won)
            back = np.where(decided, boards.p_push[row], push.astype(float))
            pushed = np.where(elsewhere, back, pushed)
            gone = np.isnan(won) & np.isfinite(held.p_fair[row])
            open_end = self.slots.any_of_market(gone[None])[0]
            known = ~open_end[self.slots.group]
            held.p_fair[row] = np.where(known, won, held.p_fair[row])
            held.p_push[row] = np.where(known, pushed, held.p_push[row])
            held.p_booked[row] = np.where(known, won, held.p_booked[row])
            held.decimal_milli[row] = 0
            for end in (held.p_low, held.p_high):
                end[row] = np.where(known & ~np.isnan(end[row]), won, end[row])
            was = status[row - 1]
            end = np.where(open_end, CLOSED, SETTLED)
            status[row] = np.where(was == INACTIVE, INACTIVE, end)

    def _results(
        self, line: NDArray[np.float64], home: float, away: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return for each slot 1 if its side won, else 0, and the share of a stake that comes back.

        That is 1 for a push, 0.5 where a quarter line was half met; NaN if unknown.
        """
        slots = self.slots
        scored = slots.points(np.array([home]), np.array([away]))[0]
        level = np.where(slots.is_spread, line, np.where(slots.has_points, -line, 0.0))
        ahead = slots.sign * (scored + level)
        won = np.where(np.isnan(ahead), np.nan, (ahead > 0).astype(float))
        back = np.where(ahead == 0, 1.0, np.where(np.abs(ahead) == 0.25, 0.5, 0.0))
        return won, np.where(np.isnan(ahead), np.nan, back)

    def _changes(
        self, line_up: "_LineUp", held: RawBoards, status: NDArray[np.int8]
    ) -> NDArray[np.bool_]:
        """Say which markets differ from the game's last board in a price, a line or the status."""
        line = np.where(np.isnan(held.line), -1e9, held.line)
        differs = np.zeros(line.shape, bool)
        differs[1:] = (line[1:] != line[:-1]) | (held.decimal_milli[1:] != held.decimal_milli[:-1])
        changed = self.slots.any_of_market(differs)
        changed[1:] |= status[1:] != status[:-1]
        changed[line_up.stored] = False
        return np.asarray(changed & (status != INACTIVE))

    def _keep(self, line_up: "_LineUp", held: RawBoards, status: NDArray[np.int8]) -> None:
        self.status[line_up.games] = status[line_up.last]
        self.good.put(line_up.games, held.take(line_up.last))

    def _number(  # noqa: PLR0913, PLR0917 - what each row of a board is, by row
        self,
        line_up: "_LineUp",
        cuts: Cuts,
        held: RawBoards,
        status: NDArray[np.int8],
        marks: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
        verdict: NDArray[np.int64],
    ) -> Published:
        """Give out numbers in the order of the cuts and gather the rows that go out."""
        published, opens, suspends = (mark[line_up.at] for mark in marks)
        cut = np.flatnonzero(published.any(axis=1))
        game = cuts.game[cut]
        order = np.argsort(game, kind="stable")
        fresh = np.flatnonzero(np.diff(game[order], prepend=-1))
        nth = np.arange(len(cut)) - np.repeat(fresh, np.diff([*fresh, len(cut)]))
        sequence = np.empty(len(cut), np.int64)
        sequence[order] = self.sequence[game[order]] + 1 + nth
        np.maximum.at(self.sequence, game, sequence)
        number = self.number + np.arange(len(cut))
        self.number += len(cut)
        row = line_up.at[cut]
        shown = published[cut][:, self.slots.group] & np.isfinite(held.p_fair[row])
        board, slot = np.nonzero(shown)
        blame = np.where(suspends[cut], verdict[cut], PASSES)
        at = row[board]
        return Published(
            cut,
            sequence,
            number,
            np.asarray(opens[cut].any(axis=1)),
            np.where(blame.min(axis=1) < PASSES, blame.min(axis=1), blame.max(axis=1)),
            board,
            slot,
            status[at, self.slots.group[slot]].astype(np.int64),
            RawBoards(*(array[at, slot] for array in held.arrays())),
        )

    def snapshot(self) -> bytes:
        """Return numbers and boards; of games that are over only the number."""
        live = np.flatnonzero(((self.status > INACTIVE) & (self.status < CLOSED)).any(axis=1))
        over = np.flatnonzero(self.sequence)
        size = int(over.max(initial=-1)) + 1
        return msgspec.msgpack.encode(
            _Saved(
                self.number,
                self.sequence[:size].tobytes(),
                live.tobytes(),
                self.status[:size].tobytes(),
                [array[live].tobytes() for array in self.good.arrays()],
            )
        )

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        saved = msgspec.msgpack.decode(state, type=_Saved)
        fresh = Books(self.slots)
        sequence = np.frombuffer(saved.sequences, np.int64)
        fresh.make_room(len(sequence))
        fresh.number = saved.number
        fresh.sequence[: len(sequence)] = sequence
        status = np.frombuffer(saved.status, np.int8)
        fresh.status[: len(sequence)] = status.reshape(-1, fresh.status.shape[1])
        live = np.frombuffer(saved.games, np.int64)
        for mine, raw in zip(fresh.good.arrays(), saved.prices, strict=True):
            mine[live] = np.frombuffer(raw, mine.dtype).reshape(-1, len(self.slots))
        self.number, self.sequence = fresh.number, fresh.sequence
        self.status, self.good = fresh.status, fresh.good


@dataclass(frozen=True, slots=True)
class _LineUp:
    """Cuts by game, each game's after a row for the board it had before.

    Attributes:
        games: The games, rising.
        stored: Row of each game's earlier board.
        last: Last row of each game.
        at: Row of each cut.
        rows: How many rows there are.
    """

    games: NDArray[np.int64]
    stored: NDArray[np.int64]
    last: NDArray[np.int64]
    at: NDArray[np.int64]
    rows: int

    @staticmethod
    def of(game: NDArray[np.int64]) -> "_LineUp":
        """Line the cuts up."""
        games, nth, counts = np.unique(game, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts + 1)
        stored = ends - counts - 1
        order = np.argsort(game, kind="stable")
        at = np.empty(len(game), np.int64)
        at[order] = np.arange(len(game)) + nth[order] + 1
        return _LineUp(games, stored, ends - 1, at, len(game) + len(games))


def _keep_ends(
    line_up: _LineUp, held: RawBoards, status: NDArray[np.int8], group: NDArray[np.int64]
) -> None:
    """Leave markets that are closed or settled as they are, whatever comes for them."""
    first = np.zeros(line_up.rows, bool)
    first[line_up.stored] = True
    for row in np.flatnonzero((status[:-1] >= CLOSED).any(axis=1) & ~first[1:]).tolist():
        ended = status[row] >= CLOSED
        status[row + 1, ended] = status[row, ended]
        slots = ended[group]
        for array in held.arrays():
            array[row + 1, slots] = array[row, slots]


def _last_good(ok: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each row the last row up to it that is good, market by market."""
    rows = np.arange(len(ok))[:, None]
    return np.maximum.accumulate(np.where(ok, rows, 0), axis=0)
