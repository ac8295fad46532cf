"""MLB: half-innings as a Markov chain of base-out states, games as a recursion over halves.

Moneyline, run line and total come from one recursion, which knows the walk-off, the bottom half
that is not played, and extra innings with a runner on second base.

The transition counts are Retrosheet's; `mlb_transitions.json` holds them with their notice.
Sources: Lindsey (1961, 1963); Bukiet, Harold and Palacios (1997), A Markov chain approach to
baseball, Operations Research 45:14.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import GameStates, Pmf, ScoreDistribution

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_RUNS = 14
"""Runs of one half-inning that are told apart; more happened in 1 of 8,000 halves."""
MOST_LEAD = 25
EXTRA_INNINGS = 14
"""Innings after which a tie is counted as won by home by one run: less than 1 in 10**9."""

_LEADS = 2 * MOST_LEAD + 1
# Of each marginal: what a run of the away side and of the home side is worth; the index that
# stands for "nothing more"; the width. Outside them lies less than 1e-10 of the mass.
_MARGINALS = {
    "margin": (-1, 1, 60, 121),
    "total": (1, 1, 28, 116),
    "home": (0, 1, 28, 92),
    "away": (1, 0, 28, 92),
}
_OVER = 48
"""Run distribution of a half in which nothing more can happen."""
# What a row's half leads to: fresh halves 1 to 17 by number, then these.
_AFTER_LAST, _EXTRA_BOTTOM, _FINISHED = 18, 19, 20


class MlbParameters(BaseModel):
    """How an MLB game unfolds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extra_runner: bool = Field(
        default=True, description="Whether extra innings start with a runner on second base."
    )
    home_tilt: float = Field(
        0.0, ge=-0.5, le=0.5, description="Exponential tilt of the home side's runs; 0 is average."
    )
    away_tilt: float = Field(
        0.0, ge=-0.5, le=0.5, description="Exponential tilt of the away side's runs; 0 is average."
    )


@dataclass(frozen=True, slots=True)
class _Tables:
    """Further points from the start of each half, by lead, for the four marginals.

    `runs` has a row for each half and state, and one for no runs at all. The others have shape
    (halves, leads, width); the last axis is as `_MARGINALS` says.
    """

    runs: FloatArray
    margin: FloatArray
    total: FloatArray
    home: FloatArray
    away: FloatArray


@dataclass(frozen=True, slots=True)
class MlbScores:
    """Final scores of many games, looked up from the tables."""

    tables: _Tables
    state: IntArray
    following: IntArray
    lead: IntArray
    home_score: IntArray
    away_score: IntArray
    bottom: NDArray[np.bool_]

    def margin(self) -> Pmf:
        """Return the distribution of home minus away."""
        shift = np.where(self.bottom, 1, -1)
        return self._further("margin", shift, self.lead)

    def total(self) -> Pmf:
        """Return the distribution of home plus away."""
        shift = np.ones_like(self.lead)
        return self._further("total", shift, self.home_score + self.away_score)

    def home(self) -> Pmf:
        """Return the distribution of the home side's runs."""
        return self._further("home", self.bottom.astype(np.int64), self.home_score)

    def away(self) -> Pmf:
        """Return the distribution of the away side's runs."""
        return self._further("away", (~self.bottom).astype(np.int64), self.away_score)

    def _further(self, name: str, shift: IntArray, now: IntArray) -> Pmf:
        """Add up what follows each number of runs that this half may still bring."""
        table: FloatArray = getattr(self.tables, name)
        nothing, width = _MARGINALS[name][2:]
        runs = np.arange(MOST_RUNS + 1)
        weights = self.tables.runs[self.state]
        sign = np.where(self.bottom, 1, -1)[:, None]
        lead = (self.lead[:, None] + sign * runs).clip(-MOST_LEAD, MOST_LEAD) + MOST_LEAD
        corner = (self.following[:, None] * _LEADS + lead) * width - shift[:, None] * runs
        # The tables are 0 in the outer MOST_RUNS columns, so a shifted row reads zeros of its
        # neighbours where it leaves its own.
        at = corner[:, :, None] + np.arange(MOST_RUNS, width - MOST_RUNS)
        mass = (weights[:, :, None] * table.ravel().take(at, mode="clip")).sum(axis=1)
        return Pmf(now - (nothing - MOST_RUNS), mass)


class MlbModel:
    """Price MLB games from inning, outs, bases and score."""

    version: ClassVar[str] = "1"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = (
        "period",
        "half",
        "outs",
        "bases",
        "home_score",
        "away_score",
        "sched_innings",
    )
    Parameters: ClassVar[type[BaseModel]] = MlbParameters

    def __init__(self, parameters: BaseModel) -> None:
        """Build every table once."""
        self._at = MlbParameters.model_validate(parameters.model_dump())
        document = json.loads(
            files("oddspipe.plugins").joinpath("mlb_transitions.json").read_text("utf-8")
        )
        self._tables = _tables(document, self._at)

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        home, away = _whole(states["home_score"], 0), _whole(states["away_score"], 0)
        lead = home - away
        scheduled = _whole(states["sched_innings"], 9).clip(1, 9)
        inning = _whole(states["period"], 1).clip(1, 1000)
        bottom = _whole(states["half"], 0) == 1
        outs, bases = _whole(states["outs"], 0).clip(0, 3), _whole(states["bases"], 0).clip(0, 7)
        # Halves from the first one, counted back from the last scheduled one of nine innings.
        half = 2 * (inning + 9 - scheduled - 1) + bottom
        # With three outs the next half is about to start.
        ended = outs == 3
        half = half + ended
        bottom = half % 2 == 1
        extra = half >= 18
        runner = np.where(extra & self._at.extra_runner, 2, 0)
        state = 24 * bottom + np.where(ended, runner, 8 * outs.clip(0, 2) + bases)
        following = np.where(
            extra, np.where(bottom, _AFTER_LAST, _EXTRA_BOTTOM), np.minimum(half + 1, _AFTER_LAST)
        )
        # Nothing follows when home leads in a last bottom half, or a full last inning is not level.
        won = bottom & (half >= 17) & (lead > 0)
        decided = ended & ~bottom & extra & (lead != 0)
        finished = won | decided
        scores = MlbScores(
            self._tables,
            np.where(finished, _OVER, state),
            np.where(finished, _FINISHED, following),
            lead,
            home,
            away,
            bottom,
        )
        return {"game": scores}


def _whole(values: FloatArray, default: int) -> IntArray:
    return np.where(np.isnan(values), default, values).astype(np.int64)


def _tables(document: Mapping[str, Any], at: MlbParameters) -> _Tables:
    """Build the run distributions and run the recursion from the last half to the first."""
    top = _half_runs(document["transitions"]["top"], at.away_tilt)
    bottom = _half_runs(document["transitions"]["bottom"], at.home_tilt)
    runs = np.zeros((49, MOST_RUNS + 1))
    runs[:24], runs[24:48] = top, bottom
    runs[_OVER, 0] = 1.0
    margins = np.array(document["walk_off_margin"], np.float64)
    walk_off = margins / margins.sum()
    start = 2 if at.extra_runner else 0
    made = {name: _recursion((top, bottom), start, walk_off, name) for name in _MARGINALS}
    return _Tables(runs, made["margin"], made["total"], made["home"], made["away"])


def _half_runs(counts: list[list[int]], tilt: float) -> FloatArray:
    """Return the chance of 0 to `MOST_RUNS` further runs in the half from each of 24 states."""
    moves = np.zeros((5, 24, 25))
    for state, after, scored, count in counts:
        moves[scored, state, after] += count
    moves /= moves.sum(axis=(0, 2))[None, :, None]
    solve = np.linalg.inv(np.eye(24) - moves[0, :, :24])
    out = np.zeros((24, MOST_RUNS + 1))
    for more in range(MOST_RUNS + 1):
        known = moves[more, :, 24].copy() if more < 5 else np.zeros(24)
        for scored in range(1, min(more, 4) + 1):
            known += moves[scored, :, :24] @ out[:, more - scored]
        out[:, more] = solve @ known
    out *= np.exp(tilt * np.arange(MOST_RUNS + 1))
    result: FloatArray = out / out.sum(axis=1, keepdims=True)
    return result


def _recursion(
    runs: tuple[FloatArray, FloatArray], start: int, walk_off: FloatArray, name: str
) -> FloatArray:
    """Return one marginal's table: further points by what half comes next, and by lead."""
    top, bottom = runs
    away, home, nothing, width = _MARGINALS[name]
    table = np.zeros((_FINISHED + 1, _LEADS, width))
    table[_FINISHED, :, nothing] = 1.0
    after = table[_AFTER_LAST]
    after[:, nothing] = 1.0
    # Home passed the visitors: the game stops at the winning runs, not at all that might score.
    for lead in range(1, MOST_LEAD + 1):
        after[MOST_LEAD + lead, :] = 0.0
        for by, chance in enumerate(walk_off, start=1):
            after[MOST_LEAD + lead, nothing + home * (min(by, MOST_RUNS) - lead)] += chance
    # A tie is played on: each pass adds one more extra inning before the end.
    after[MOST_LEAD] = 0.0
    after[MOST_LEAD, nothing + home] = 1.0
    for _ in range(EXTRA_INNINGS):
        table[_EXTRA_BOTTOM] = _half(after, bottom[start], 1, home)
        table[_EXTRA_BOTTOM, MOST_LEAD + 1 :] = table[_FINISHED, MOST_LEAD + 1 :]
        after[MOST_LEAD] = _half(table[_EXTRA_BOTTOM], top[start], -1, away)[MOST_LEAD]
    table[17] = _half(after, bottom[0], 1, home)
    table[17, MOST_LEAD + 1 :] = table[_FINISHED, MOST_LEAD + 1 :]
    for half in range(16, 0, -1):
        side = (top[0], -1, away) if half % 2 == 0 else (bottom[0], 1, home)
        table[half] = _half(table[half + 1], *side)
    # Room for a shifted look-up.
    table[:, :, :MOST_RUNS] = 0.0
    table[:, :, -MOST_RUNS:] = 0.0
    return table


def _half(following: FloatArray, runs: FloatArray, direction: int, worth: int) -> FloatArray:
    """Play one half from its start: every lead at once, one number of runs after another."""
    out = np.zeros_like(following)
    leads = np.arange(_LEADS)
    for scored, chance in enumerate(runs):
        reached = following[(leads + direction * scored).clip(0, _LEADS - 1)]
        shift = worth * scored
        if shift > 0:
            out[:, shift:] += chance * reached[:, :-shift]
        elif shift < 0:
            out[:, :shift] += chance * reached[:, -shift:]
        else:
            out += chance * reached
    return out
