"""The script of some games: plays, scores and lines, around which the rest is made up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch import layout as at
from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Batch, Payloads
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.errors import RunError
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.source import Source
from oddspipe.core.stages.fold import Fold
from oddspipe.core.stages.frame import Conditions, StateFrame
from oddspipe.core.stages.normalise import Normalise, timers_of
from oddspipe.ext._fold_state import CUT_ROW
from oddspipe.ext._simulate_py import mixed

Words = NDArray[np.int64]
MILLION: Final = 1_000_000
WORD: Final = 2**64 - 1
LINES_US, FIRST_PLAY_US = 1_000, 2_000
"""When a made-up game has its lines and its first play, so that there are odds at once."""
CORRECTED_US: Final = 2 * MILLION
"""A correction comes so long after its play at least, and five times as long at most."""
_NEVER_US: Final = 2**60


@dataclass(slots=True)
class Script:
    """Scripted events, by game and then in order.

    Attributes:
        words, present: As in `Batch`; `game_id` is the number of the game.
        strings: Names of string columns by column index.
        side: The buffer that spans of bytes columns point into.
        offsets: Time of each event since the start of its game, in microseconds.
    """

    words: Words
    present: NDArray[np.uint64]
    strings: dict[int, list[str]]
    side: NDArray[np.uint8]
    offsets: Words

    @property
    def games(self) -> int:
        """Return the number of games."""
        return len(self.strings[at.GAME_ID])

    def has(self, column: int) -> NDArray[np.bool_]:
        """Say which events carry a column."""
        return (self.present >> np.uint64(column) & np.uint64(1)).astype(bool)

    def take(self, rows: Words) -> "Script":
        """Return these events in this order."""
        return Script(
            np.ascontiguousarray(self.words[:, rows]),
            self.present[rows],
            self.strings,
            self.side,
            self.offsets[rows],
        )


class _Writer:
    """Fills the columns of some events."""

    def __init__(self, plan: Plan, rows: int) -> None:
        self.words = np.zeros((len(plan.layout), rows), np.int64)
        self.present = np.zeros(rows, np.uint64)

    def put(self, column: int, rows: slice, values: Words | int) -> None:
        """Set a column of some rows."""
        self.words[column, rows] = values
        self.present[rows] |= np.uint64(1 << column)


def made_up(plan: Plan, games: int, seed: int, turn: int) -> Script:
    """Make up some games that start together; `turn` counts those before them."""
    made = plan.made_game
    each = made.plays + 3
    writer = _Writer(plan, games * each)
    offsets = np.empty(games * each, np.int64)
    ids = [b"start", b"lines", *(b"play-%d" % play for play in range(made.plays)), b"end"]
    for game in range(games):
        key = [seed & WORD, mixed(turn << 32 | game)]
        random = np.random.Generator(np.random.Philox(key=key))
        rows = slice(game * each, (game + 1) * each)
        offsets[rows] = _times(plan, random)
        writer.put(at.GAME_ID, rows, game)
        _play(plan, writer, rows, offsets[rows], random)
    _identify(writer, ids, games)
    names = [f"{plan.sport}-{turn}-{game}" for game in range(games)]
    side = np.frombuffer(b"".join(ids), np.uint8)
    script = Script(writer.words, writer.present, {at.GAME_ID: names}, side, offsets)
    known = [kind.number for kind in plan.kinds]
    keep = np.isin(script.words[at.KIND], known)
    if not made.pregame:
        keep &= script.words[at.KIND] != Kind.MARKET
    return script.take(np.flatnonzero(keep))


def _identify(writer: _Writer, ids: Sequence[bytes], games: int) -> None:
    lengths = np.array([len(one) for one in ids])
    spans = (np.cumsum(lengths) - lengths) << SPAN_LENGTH_BITS | lengths
    writer.put(at.EVENT_ID, slice(None), np.tile(spans, games))


def _times(plan: Plan, random: np.random.Generator) -> Words:
    """Return when a game's events are: each play somewhere in its share of the game."""
    made = plan.made_game
    plays = (np.arange(made.plays) + random.random(made.plays)) * made.game_us / made.plays
    plays[0] = FIRST_PLAY_US
    times = np.array([0, LINES_US, *plays.astype(np.int64), made.game_us])
    return np.maximum.accumulate(times - np.arange(len(times))) + np.arange(len(times))


def _play(
    plan: Plan, writer: _Writer, rows: slice, times: Words, random: np.random.Generator
) -> None:
    """Put kinds, clock, scores and own fields of one game."""
    made, index = plan.made_game, plan.layout.index
    start, lines = slice(rows.start, rows.start + 1), slice(rows.start + 1, rows.start + 2)
    plays, end = slice(rows.start + 2, rows.stop - 1), slice(rows.stop - 1, rows.stop)
    for part, kind in ((start, Kind.GAME_START), (lines, Kind.MARKET), (plays, Kind.PLAY),
                       (end, Kind.GAME_END)):  # fmt: skip
        writer.put(at.KIND, part, kind)
    for name, mean, sd in made.pregame:
        line = np.array([np.round(random.normal(mean, sd) * 2) / 2])
        writer.put(index[name], lines, line.view(np.int64))
    share = times[2:-1] / (made.game_us + 1) * made.periods
    writer.put(at.PERIOD, plays, share.astype(np.int64) + 1)
    if made.period_us:
        writer.put(at.CLOCK, plays, ((1 - share % 1) * made.period_us / 1000).astype(np.int64))
    points = np.array([0, *(one for one, _ in made.points)])
    chances = np.array([chance for _, chance in made.points])
    scored = random.choice(points, (2, made.plays), p=[1 - chances.sum(), *chances]).cumsum(axis=1)
    for column, score in zip((at.HOME_SCORE, at.AWAY_SCORE), scored, strict=True):
        writer.put(column, plays, score)
        writer.put(column, end, score[-1])
    for name in made.draw:
        writer.put(index[name], plays, _drawn(plan, name, made.plays, random))


def _drawn(plan: Plan, name: str, count: int, random: np.random.Generator) -> Words:
    column = plan.layout.columns[plan.layout.index[name]]
    if column.type is FieldType.ENUM:
        return random.choice([number for _, number in column.values], count).astype(np.int64)
    low, high = column.low or 0, column.high if column.high is not None else 1
    if column.is_double:
        return random.uniform(low, high, count).view(np.int64)
    return random.integers(int(low), int(high) + 1, count)


def recorded(plan: Plan, source: Source) -> tuple[Script, int]:
    """Read the script of recorded games, and when the first of them began.

    Raises:
        RunError: There is no game, or a recorded event does not fit the spec.
    """
    parts = []
    source.open(0)
    while (payloads := source.poll(0)) is not None:
        parts.append(payloads)
    source.close()
    normalise = Normalise(plan.layout, plan.kinds, max_payload_bytes=plan.max_payload_bytes)
    batches = [_decoded(normalise, part) for part in parts]
    sizes = np.cumsum([0, *(len(part.data) for part in parts)])
    for batch, shift in zip(batches, sizes.tolist(), strict=False):
        for column, kind in enumerate(plan.layout.columns):
            if kind.type is FieldType.BYTES:
                batch.words[column] += shift << SPAN_LENGTH_BITS
    words = np.concatenate([batch.words for batch in batches], axis=1)
    present = np.concatenate([batch.present for batch in batches])
    strings = {column: list(names) for column, names in normalise.strings.items()}
    side = np.concatenate([part.data for part in parts])
    kept = np.flatnonzero(~np.isin(words[at.KIND], timers_of(plan.kinds)))
    times = words[at.EVENT_TIME, kept]
    order = kept[np.lexsort((times, words[at.GAME_ID, kept]))]
    script = Script(words, present, strings, side, words[at.EVENT_TIME]).take(order)
    game = script.words[at.GAME_ID]
    begins = np.flatnonzero(np.diff(game, prepend=-1))
    start_us = int(script.offsets[begins].min())
    script.offsets -= np.repeat(script.offsets[begins], np.diff(np.append(begins, len(game))))
    return script, start_us


def _decoded(normalise: Normalise, payloads: Payloads) -> Batch:
    for why in payloads.unmapped.values():
        raise RunError(f"a recorded row does not map to an event: {why}", hint=_REPLAY)
    batch, status, _ = normalise.step(payloads)
    if status.any():
        reason = Reason(int(status[status != 0][0])).name
        raise RunError(f"a recorded event does not fit the spec: {reason}", hint=_REPLAY)
    return batch


_REPLAY = "Replay it (--source replay): the dead letters say which row, and keep it."


def again(script: Script, turn: int) -> Script:
    """Return recorded games under other names, for the time after they have been played."""
    names = [f"{name}+{turn}" if turn else name for name in script.strings[at.GAME_ID]]
    return replace(script, strings=script.strings | {at.GAME_ID: names})


def corrected(plan: Plan, script: Script, share: int, key: int) -> Script:
    """Add corrections of `share` plays in a million: new event, same id, revision 1."""
    kind = script.words[at.KIND]
    game = script.words[at.GAME_ID]
    last = np.zeros(script.games, np.int64)
    np.maximum.at(last, game, script.offsets)
    added, delays = [], []
    for row in np.flatnonzero(np.isin(kind, (Kind.PLAY, Kind.SCORE))).tolist():
        drawn = mixed(key + row * 0x9E3779B97F4A7C15 & WORD)
        delay = CORRECTED_US + drawn % (4 * CORRECTED_US)
        late = script.offsets[row] + delay >= last[game[row]]
        if drawn >> 32 < share * 2**32 // MILLION and not late:
            added.append(row)
            delays.append(delay)
    if not added:
        return script
    more = script.take(np.array(added))
    more.offsets += np.array(delays)
    more.words[at.REVISION] = 1
    more.present |= np.uint64(1 << at.REVISION)
    for name in plan.made_game.draw:
        _nudge(plan, more, plan.layout.index[name])
    both = Script(
        np.concatenate([script.words, more.words], axis=1),
        np.concatenate([script.present, more.present]),
        script.strings,
        script.side,
        np.concatenate([script.offsets, more.offsets]),
    )
    return both.take(np.lexsort((both.offsets, both.words[at.GAME_ID])))


def _nudge(plan: Plan, script: Script, column: int) -> None:
    """Give a field that made-up plays draw another value, where it is there."""
    spec = plan.layout.columns[column]
    if spec.is_double:
        return
    values = script.words[column]
    if spec.type is FieldType.ENUM:
        numbers = np.array(sorted(number for _, number in spec.values))
        other = numbers[(np.searchsorted(numbers, values) + 1) % len(numbers)]
    else:
        low, high = int(spec.low or 0), int(spec.high if spec.high is not None else 1)
        other = np.where(values > low, values - 1, min(low + 1, high))
    script.words[column] = np.where(script.has(column), other, values)


def multipliers(plan: Plan, script: Script) -> NDArray[np.float64]:
    """Return how many times the usual rate comes after each event of the script."""
    factor = np.ones(len(script.offsets))
    if not plan.load.phases or not len(factor):
        return factor
    order = np.argsort(script.offsets, kind="stable")
    timed = script.take(order)
    timed.words[at.INGEST_TIME] = timed.offsets
    count = len(order)
    batch = Batch(
        timed.words, timed.present, np.zeros((2, count), np.uint64), np.zeros(count, np.uint8),
        np.arange(count), timed.side, np.zeros(count, np.int64), np.zeros(count, np.int64),
        np.full(count, -1, np.int64), int(timed.offsets[-1]),
    )  # fmt: skip
    # Every event cuts a price, so that the fold says what the state is after each.
    odds = replace(
        plan.odds, at_once=tuple(kind.number for kind in plan.kinds), stale_after_us=_NEVER_US
    )
    fold = Fold(plan.layout, plan.kinds, plan.state, plan.rules, odds, script.strings)
    folded = fold.step(batch)
    rows = folded.cuts[:, CUT_ROW]
    values = StateFrame(plan.state, plan.derived).with_derived(folded.values)
    frame = pl.DataFrame([pl.Series(n, v, nan_to_null=True) for n, v in values.items()])
    types: dict[str, pl.DataType] = dict.fromkeys(values, pl.Float64())
    met = Conditions([phase.when for phase in plan.load.phases], types).true(frame)
    found = np.ones(len(rows))
    for phase, holds in zip(plan.load.phases, met, strict=True):
        found[holds] *= phase.multiplier
    factor[order[rows[rows >= 0]]] = found[rows >= 0]
    return factor
