"""Games that are on at once: how many events each has had at any time, and which these are."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.adapters.simulator.faults import (
    DUPLICATES,
    GAPS,
    GOLDEN,
    LATE,
    MALFORMED,
    OUT_OF_RANGE,
    SWAPS,
    TRUNCATED,
    Faults,
    Sites,
)
from oddspipe.core.adapters.simulator.script import Script
from oddspipe.core.batch import layout as at
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.plan.model import Plan
from oddspipe.ext import _simulate_py as ext
from oddspipe.ext._simulate_py import Blobs, Tables, mixed

Words = NDArray[np.int64]
MILLION: Final = 1_000_000
PLAYERS: Final = 22
FASTEST: Final = 10.0
"""Measures of made-up events lie below this, or below the spec's range."""
DUPLICATE_US: Final = 500_000
_FRACTION: Final = 16  # bits after the point of a step between two events
_WORD: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a feed is, and how it errs.

    Attributes:
        rate: Events a second at the busiest moment, all games together.
        until_us: The feed ends then; what comes later does not count as busy.
        duplicate_us, late_us: How long after an event its copy, or itself, comes.
        spare_us: No faults in so long before the end of a game.
    """

    rate: int
    until_us: int
    faults: Faults
    duplicate_us: int
    late_us: int
    spare_us: int
    window_us: int


def pace_of(plan: Plan, *, games: int, rate: int, until_us: int, faults: Faults) -> Pace:
    """Work out the waits of delayed events from the windows of the plan."""
    window = plan.order.window_us
    # Four events of a game later its gap is certain to have been seen.
    late = window + max(MILLION, window // 2, 4 * MILLION * games * _steepest(plan) // rate)
    duplicate = min(DUPLICATE_US, plan.duplicates.window_us // 2)
    return Pace(rate, until_us, faults, duplicate, late, late + 2 * window + MILLION, window)


def _steepest(plan: Plan) -> int:
    """Return a bound of how many times the slowest rate the fastest is."""
    factor = 1.0
    for phase in plan.load.phases:
        factor *= max(phase.multiplier, 1 / phase.multiplier)
    return int(factor) + 1


@dataclass(slots=True)
class Game:
    """One game: its segments, each begun by a scripted event.

    Attributes:
        segment: Number of its first segment among those of all games.
        first, start, step: Of each segment: number of its first event, when that is, and the time
            from an event to the next in 1/65536 microseconds.
        events: Events in all.
        sites: Its faults.
    """

    segment: int
    first: list[int]
    start: list[int]
    step: list[int]
    events: int
    sites: Sites

    def before(self, time_us: int) -> int:
        """Return how many events there are before a time."""
        which = bisect_left(self.start, time_us) - 1
        if which < 0:
            return 0
        stop = self.first[which + 1] if which + 1 < len(self.first) else self.events
        step = self.step[which]
        if not step:
            return stop
        passed = -(-((time_us - self.start[which]) << _FRACTION) // step)
        return min(stop, self.first[which] + passed)

    def rows(self, start: int, stop: int) -> Words:
        """Return segment, number and time of events `start` to before `stop`, shape (3, n)."""
        found = np.empty((3, stop - start), np.int64)
        found[1] = np.arange(start, stop)
        which = bisect_right(self.first, start) - 1
        done = start
        while done < stop:
            end = self.first[which + 1] if which + 1 < len(self.first) else self.events
            end = min(end, stop)
            part = found[:, done - start : end - start]
            part[0] = self.segment + which
            np.subtract(part[1], self.first[which], out=part[2])
            part[2] *= self.step[which]
            part[2] >>= _FRACTION
            part[2] += self.start[which]
            done, which = end, which + 1
        return found


@dataclass(frozen=True, slots=True)
class Lineup:
    """Games that begin together, and what their payloads are written from.

    Attributes:
        tables: For the writer.
        games: The games.
        kinds: Of each segment, the kind of the scripted event that begins it.
        corrections: Numbers of the corrections of each game.
    """

    tables: Tables
    games: tuple[Game, ...]
    corrections: tuple[list[int], ...]


def lineup_of(  # noqa: PLR0913 - what decides it
    plan: Plan,
    script: Script,
    factor: NDArray[np.float64],
    pace: Pace,
    *,
    keys: list[int],
    silent: Iterable[int],
) -> Lineup:
    """Lay out a script: how many made-up events follow each of its events, and how fast.

    Args:
        plan: The plan.
        script: The script.
        factor: Times the usual rate after each event of it.
        pace: How much comes.
        keys: Key of the random numbers of each game.
        silent: When the feed falls silent, in the time of these games.
    """
    game = script.words[at.GAME_ID]
    counts = _counts(plan, script, factor, pace)
    starts = np.flatnonzero(np.diff(game, prepend=-1))
    sizes = np.diff(np.append(starts, len(game)))
    total = np.cumsum(counts + 1)
    base = np.concatenate([[0], total])[starts]
    first = np.concatenate([[0], total])[:-1] - np.repeat(base, sizes)
    step = (_lengths(script, game) << _FRACTION) // (counts + 1)
    segments = np.zeros((len(game), ext.SEGMENT), np.int64)
    segments[:, ext.FIRST], segments[:, ext.GAME] = first, game
    _fill_clock(script, segments, counts)
    table = pace.faults.table(keys[0])
    games = []
    for number, (begin, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        part = slice(begin, begin + size)
        events = int((counts[part] + 1).sum())
        games.append(
            Game(
                begin, first[part].tolist(), script.offsets[part].tolist(), step[part].tolist(),
                events, Sites(pace.faults, table, keys[number], (0, 0)),
            )
        )  # fmt: skip
        _place_faults(script, part, games[-1], pace, (table, keys[number]), silent)
    revised = script.has(at.REVISION)
    corrections = tuple(
        [int(first[row]) for row in range(begin, begin + size) if revised[row]]
        for begin, size in zip(starts.tolist(), sizes.tolist(), strict=True)
    )
    return Lineup(_tables(plan, script, segments, keys), tuple(games), corrections)


def _lengths(script: Script, game: Words) -> Words:
    """Return the time from each event of the script to the next of its game."""
    after = np.append(script.offsets[1:], 0)
    last = np.append(game[1:] != game[:-1], True)
    return np.where(last, 0, after - script.offsets)


def _counts(plan: Plan, script: Script, factor: NDArray[np.float64], pace: Pace) -> Words:
    """Return how many made-up events follow each event of the script."""
    game = script.words[at.GAME_ID]
    lengths = _lengths(script, game)
    if plan.load.tracking_share + plan.load.market_share <= 0:
        return np.zeros(len(game), np.int64)
    weight = np.where(lengths > 0, factor, 0.0)
    # The busiest moment: sums of the games' factors at every change of one of them.
    order = np.argsort(script.offsets, kind="stable")
    change = np.diff(weight, prepend=0.0)
    begins = np.flatnonzero(np.diff(game, prepend=-1))
    change[begins] = weight[begins]
    busy = np.cumsum(change[order])[script.offsets[order] < pace.until_us]
    share = pace.rate / MILLION / float(busy.max(initial=1.0))
    counts = np.empty(len(game), np.int64)
    for begin, end in zip(begins, [*begins[1:], len(game)], strict=True):
        due = np.floor(np.cumsum(lengths[begin:end] * weight[begin:end]) * share)
        # The script's own events are part of the rate.
        made = np.maximum.accumulate(np.maximum(due.astype(np.int64) - np.arange(end - begin), 0))
        counts[begin:end] = np.diff(made, prepend=0)
    counts[lengths == 0] = 0
    return counts


def _fill_clock(script: Script, segments: Words, counts: Words) -> None:
    """Give made-up events the period of the play before, and a clock that falls to the next."""
    words, game = script.words, script.words[at.GAME_ID]
    plain = ~script.has(at.REVISION)
    for column, place in ((at.PERIOD, ext.PERIOD), (at.CLOCK, ext.CLOCK)):
        known = script.has(column) & plain
        where = np.maximum.accumulate(np.where(known, np.arange(len(game)), -1))
        there = (where >= 0) & (game[where] == game)
        segments[:, place] = np.where(there, words[column, where], -1)
    clock, period = segments[:, ext.CLOCK], segments[:, ext.PERIOD]
    falls = np.zeros(len(game), np.int64)
    falls[:-1] = clock[:-1] - clock[1:]
    on = (falls > 0) & (clock >= 0)
    on[:-1] &= (game[:-1] == game[1:]) & (period[:-1] == period[1:]) & (clock[1:] >= 0)
    segments[:, ext.DROP] = np.where(on, (falls << _FRACTION) // (counts + 1), 0)


def _place_faults(  # noqa: PLR0913, PLR0917 - what decides where there are none
    script: Script,
    part: slice,
    game: Game,
    pace: Pace,
    drawn: tuple[NDArray[np.int64], int],
    silent: Iterable[int],
) -> None:
    """Say where a game has faults: not at its ends, nor where one would make another."""
    if not pace.faults.total:
        return
    last = game.before(game.start[-1] - pace.spare_us)
    game.sites = Sites(pace.faults, *drawn, (2, last))
    # A correction of an event that never came would be a reject of its own.
    ids = script.words[at.EVENT_ID, part]
    revised = script.has(at.REVISION)[part]
    for which in np.flatnonzero(revised | np.isin(ids, ids[revised])).tolist():
        game.sites.spare(game.first[which])
    # Of a pair that changed places, the second must come before the first is given up.
    for when in silent:
        game.sites.spare(game.before(when) - 1, only=SWAPS)
    for which, step in enumerate(game.step):
        if step >> _FRACTION > pace.window_us // 2:
            stop = game.first[which + 1] if which + 1 < len(game.first) else game.events
            for number, _ in game.sites.between(game.first[which], stop):
                game.sites.spare(number, only=SWAPS)


def _tables(plan: Plan, script: Script, segments: Words, keys: list[int]) -> Tables:
    encoder, layout = Encoder(plan.layout), plan.layout
    own = sum(1 << column for column in range(at.ENVELOPE_COLUMNS, len(layout)))
    left = np.uint64(~(1 << at.SEQUENCE | 1 << at.EVENT_TIME | 1 << at.INGEST_TIME) & _WORD)
    bodies = encoder.encode(script.words, script.present & left, script.strings, script.side)
    begins = np.flatnonzero(np.diff(script.words[at.GAME_ID], prepend=-1))
    named = encoder.encode(
        np.ascontiguousarray(script.words[:, begins]),
        np.full(len(begins), 1 << at.GAME_ID, np.uint64), script.strings, script.side,
    )  # fmt: skip
    words = np.zeros((len(layout), PLAYERS), np.int64)
    words[at.PLAYER_ID] = np.arange(PLAYERS)
    players = encoder.encode(
        words, np.full(PLAYERS, 1 << at.PLAYER_ID, np.uint64),
        {at.PLAYER_ID: [f"player-{number:02d}" for number in range(PLAYERS)]},
    )  # fmt: skip
    # Lines of each game: those of its first market event, if it has one.
    shown = begins.copy()
    is_market = script.words[at.KIND] == Kind.MARKET
    for number, begin in enumerate(begins.tolist()):
        mine = is_market & (script.words[at.GAME_ID] == number)
        shown[number] = int(np.argmax(mine)) if mine.any() else begin
    bits = np.where(is_market[shown], script.present[shown] & np.uint64(own), np.uint64(0))
    lines = encoder.encode(
        np.ascontiguousarray(script.words[:, shown]), bits, script.strings, script.side
    )
    return Tables(
        segments=segments,
        bodies=_pieces(bodies),
        games=_pieces(named),
        lines=_pieces(lines),
        players=_pieces(players),
        bad=_pieces(_bad_fields(plan, encoder)),
        keys=np.array(keys, np.uint64),
        kinds=np.array(_kinds(plan), np.int64),
        first=plan.order.first_sequence,
        scale=_scale(plan),
    )


def _pieces(encoded: tuple[NDArray[np.uint8], Words, Words]) -> Blobs:
    data, starts, ends = encoded
    return data, np.append(starts, ends[-1:] if len(ends) else [0]).astype(np.int64)


def _bad_fields(plan: Plan, encoder: Encoder) -> tuple[NDArray[np.uint8], Words, Words]:
    """Return fields just above their ranges; the last of a field on the wire counts."""
    numbers = [
        (number, column)
        for number, column in enumerate(plan.layout.columns)
        if column.high is not None
        and column.type in {FieldType.UINT32, FieldType.INT32, FieldType.DOUBLE}
        and column.high < 2**31 - 1
    ]
    words = np.zeros((len(plan.layout), len(numbers)), np.int64)
    present = np.zeros(len(numbers), np.uint64)
    for row, (number, column) in enumerate(numbers):
        high = column.high or 0
        word = np.float64(high + 1).view(np.int64) if column.is_double else int(high) + 1
        words[number, row] = word
        present[row] = 1 << number
    return encoder.encode(words, present, {})


def _kinds(plan: Plan) -> list[int]:
    """Return the numbers of tracking, market and clock events and the bounds of their shares.

    What tracking and market events leave of the load are clock events, where the sport has them.
    """
    known = {kind.number for kind in plan.kinds}
    load = plan.load
    rest = max(0.0, 1 - load.tracking_share - load.market_share)
    shares = {
        Kind.TRACKING: load.tracking_share, Kind.MARKET: load.market_share, Kind.CLOCK: rest
    }  # fmt: skip
    weights = [share if kind in known else 0.0 for kind, share in shares.items()]
    whole = sum(weights) or 1.0
    market = round(weights[1] / whole * 65536)
    clock = round(weights[2] / whole * 65536)
    return [*map(int, shares), market, market + clock]


def _scale(plan: Plan) -> float:
    value = plan.layout.columns[at.VALUE]
    low = float("-inf") if value.low is None else value.low
    high = FASTEST if value.high is None else min(FASTEST, value.high)
    return float(high) if low <= 0 < high else 0.0


def key_of(seed: int, turn: int, game: int) -> int:
    """Return the key of a game's random numbers.

    >>> key_of(1, 0, 0) == key_of(1, 0, 1)
    False
    """
    return mixed(mixed(seed & _WORD) + (turn << 20 | game) * GOLDEN & _WORD)


MARKS: Final[Mapping[int, int]] = {TRUNCATED: ext.CUT, MALFORMED: ext.BAD_TAG}
WITHHELD: Final = (GAPS, LATE)


def emitted(game: Game, start: int, stop: int, bad: int) -> Words:
    """Return what comes of events `start` to before `stop` when it is their turn, shape (5, n).

    Rows are segment, number, time, mark (as the writer has it) and turn: the time at which it
    comes, which differs from the event's own where neighbours changed places.
    """
    found = np.zeros((5, stop - start), np.int64)
    found[:3] = game.rows(start, stop)
    found[4] = found[2]
    if start == stop or not game.sites.faults.total:
        return found
    keep = np.ones(stop - start, bool)
    for number, kind in game.sites.between(start - 1, stop):
        row = number - start
        if kind == SWAPS:
            _swap(game, found, number, start)
        elif row < 0:
            continue
        elif kind in WITHHELD:
            keep[row] = False
        elif kind == OUT_OF_RANGE:
            found[3, row] = ext.BAD_FIELD + mixed(number) % bad
        elif kind != DUPLICATES:
            found[3, row] = MARKS[kind]
    return found[:, keep]


def _swap(game: Game, found: Words, number: int, start: int) -> None:
    """Let two neighbours change places; one of them may lie outside what is looked at."""
    row = number - start
    if row >= 0:
        found[:3, row] = game.rows(number + 1, number + 2)[:, 0]
    if row + 1 < found.shape[1]:
        found[:3, row + 1] = game.rows(number, number + 1)[:, 0]


def delayed(game: Game, kind: int, events: tuple[int, int], by_us: int) -> Words:
    """Return the events with a fault that come again, or at last, some time later, shape (5, n)."""
    numbers = [number for number, which in game.sites.between(*events) if which == kind]
    found = np.zeros((5, len(numbers)), np.int64)
    for column, number in enumerate(numbers):
        found[:3, column] = game.rows(number, number + 1)[:, 0]
    found[4] = found[2] + by_us
    return found
