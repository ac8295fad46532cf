"""Where a baseball game stands, and what both sides have to come of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import GameStates
from oddspipe.plugins.mlb_halves import INNINGS, NOTHING, STARTS, entry

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST_FIVE = 5
DONE = int(entry(np.array([INNINGS]), np.array([NOTHING]), FIRST_FIVE)[0])
"""Entry of nothing that is still to come."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a game stands; every array has one entry a row.

    With three outs the next half is about to start. `inning` is at most the last scheduled one,
    `extra` says how many more are begun.
    """

    last: IntArray
    inning: IntArray
    extra: IntArray
    top: NDArray[np.bool_]
    state: IntArray
    start: IntArray
    finished: NDArray[np.bool_]
    away_score: IntArray
    home_score: IntArray


def situation_of(states: GameStates, *, extra_runner: bool) -> Situation:
    """Read where each game stands."""
    home, away = whole(states["home_score"], 0), whole(states["away_score"], 0)
    lead = home - away
    last = whole(states["sched_innings"], INNINGS).clip(7, INNINGS)
    outs, bases = whole(states["outs"], 0).clip(0, 3), whole(states["bases"], 0).clip(0, 7)
    start = whole(states["extra_runner"], int(extra_runner)).clip(0, 1)
    ended = outs == 3
    half = 2 * (whole(states["period"], 1).clip(1, 1000) - 1) + (whole(states["half"], 0) == 1)
    half += ended
    inning, top = half // 2 + 1, half % 2 == 0
    # Nothing follows when home leads in a last bottom half, or a full last inning is not level.
    won = ~top & (inning >= last) & (lead > 0)
    decided = ended & top & (inning > last) & (lead != 0)
    fresh = np.where(inning > last, np.take(STARTS, start), 0)
    return Situation(
        last,
        np.minimum(inning, last),
        (inning - last).clip(0),
        top,
        np.where(ended, fresh, 8 * outs.clip(0, 2) + bases),
        start,
        won | decided,
        away,
        home,
    )


def first_five_to_come(now: Situation) -> tuple[tuple[IntArray, IntArray], NDArray[np.bool_]]:
    """Return the entries of what is to come of five innings, and where they are over."""
    begun = now.inning + now.extra
    inning = np.minimum(begun, FIRST_FIVE + 1)
    visitors = entry(inning, np.where(now.top, now.state, NOTHING), FIRST_FIVE)
    hosts = entry(inning - now.top, np.where(now.top, NOTHING, now.state), FIRST_FIVE)
    return (visitors, hosts), begun > FIRST_FIVE


def to_come(now: Situation) -> tuple[IntArray, IntArray]:
    """Return the entries of what both sides have to come in regulation, or in an extra inning."""
    last, top, done = now.last, now.top, np.full_like(now.last, DONE)
    batting = np.where(top, NOTHING, now.state)
    hosts = np.where(
        (now.extra > 0) & top,
        entry(last, np.take(STARTS, now.start), last),
        entry(now.inning - top, batting, last),
    )
    visitors = entry(now.inning, np.where(top, now.state, NOTHING), last)
    return np.where(now.finished, done, visitors), np.where(now.finished, done, hosts)


def whole(values: FloatArray, default: int) -> IntArray:
    """Return whole numbers, with a stand-in for what is not known."""
    return np.where(np.isnan(values), default, values).astype(np.int64)
