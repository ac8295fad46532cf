"""Final scores of baseball games as one joint distribution a row, and its marginals."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import Doubt, Pmf, chase
from oddspipe.plugins.doubt import MOST as MOST_DOUBT
from oddspipe.plugins.mlb_halves import ENTRIES, NODES, Side

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EVEN = 0.3
"""Nearer to even than this many deviations, skewness does not tell."""
MOST_SKEWED = 2.0
_FURTHEST = 60
"""A lead of more than this counts as this in what may still happen: it is decided."""


class Chances(NamedTuple):
    """What may still happen in each row.

    Attributes:
        sides: Chance of 0, 1, 2 … further runs of the visitors, of home without its last scheduled
            half, and of home with it; shape (3, rows, runs).
        extras: What follows a tie; see `Extras`.
        walk_off: Chance that a walk-off is by 1, 2 … runs.
        home_score, away_score: Runs so far.
    """

    sides: FloatArray
    extras: FloatArray
    walk_off: FloatArray
    home_score: IntArray
    away_score: IntArray


@dataclass(frozen=True)
class BaseballScores:
    """Scores at the end of a scope, worked out when first asked for.

    Attributes:
        chances: Gives what may still happen. A scope that may end level, as the first five innings,
            has no bottom half that is not played: home's two distributions are the same, and what
            follows a tie is nothing.
        doubts: Gives how much of that is doubt about the strengths; None: not known.
    """

    chances: Callable[[], Chances]
    doubts: Callable[[], Doubt] | None = None

    def doubt(self) -> Doubt | None:
        """Return how much of the deviations is doubt about the strengths of both sides."""
        said = self.doubts() if self.doubts else None
        return replace(said, margin=_skewed(said.margin, self.margin())) if said else None

    def margin(self) -> Pmf:
        """Return the distribution of home minus away."""
        may, mass = self._may, self._together[0]
        return Pmf(may.home_score - may.away_score - mass.shape[1] // 2, mass)

    def total(self) -> Pmf:
        """Return the distribution of home plus away."""
        return Pmf(self._may.home_score + self._may.away_score, self._together[1])

    def home(self) -> Pmf:
        """Return the distribution of the home side's runs."""
        return Pmf(self._may.home_score, self._apart[0])

    def away(self) -> Pmf:
        """Return the distribution of the away side's runs."""
        return Pmf(self._may.away_score, self._apart[1])

    @cached_property
    def _may(self) -> Chances:
        return self.chances()

    @cached_property
    def _together(self) -> tuple[FloatArray, FloatArray]:
        return self._chased(apart=False)

    @cached_property
    def _apart(self) -> tuple[FloatArray, FloatArray]:
        return self._chased(apart=True)

    def _chased(self, *, apart: bool) -> tuple[FloatArray, FloatArray]:
        may = self._may
        lead = (may.home_score - may.away_score).clip(-_FURTHEST, _FURTHEST)
        return chase(may.sides, lead, may.extras, may.walk_off, apart)


def _skewed(share: FloatArray, margin: Pmf) -> FloatArray:
    """Return shares of doubt of a margin that is further from 0, in deviations, than its chance.

    Runs are skewed: who is behind comes back oftener than a normal number of this deviation, and
    its strength tells as much more as that (the derivative of a signed root by a tilt).
    """
    place = np.arange(margin.mass.shape[1], dtype=np.float64)
    weighed = margin.mass * place
    mean = _total(weighed)
    spread = np.sqrt((_total(weighed * place) - mean * mean).clip(0.0))
    mean += margin.first
    upto = np.cumsum(margin.mass, axis=1)
    row, level = np.arange(len(mean)), (-margin.first).clip(1, len(place) - 1)
    # A level end counts half: the first five innings may have one.
    chance = 1.0 - 0.5 * (upto[row, level] + upto[row, level - 1])
    # Tukey's lambda: the normal score within 0.01 up to 3.
    score = 4.91 * (chance.clip(0.0, 1.0) ** 0.14 - (1.0 - chance).clip(0.0, 1.0) ** 0.14)
    open_ = (np.abs(score) > EVEN) & (spread > 0.0)
    factor = np.where(open_, mean / np.where(open_, spread * score, 1.0), 1.0)
    made: FloatArray = np.minimum(share * factor.clip(1.0, MOST_SKEWED), MOST_DOUBT)
    return made


def _total(values: FloatArray) -> FloatArray:
    """Return the sum of each row, added from left to right: zeros around it change no bit."""
    total: FloatArray = np.cumsum(values, axis=1)[:, -1]
    return total


def doubt_of(away: FloatArray, home: FloatArray, known: FloatArray) -> Doubt:
    """Return shares of doubt from what strengths tell of the further runs of each side.

    Args:
        away: Variance of the visitors' mean by their strength, and of their runs; shape (2, rows).
        home: The same of home.
        known: Share of each side's strength's deviation that could be known, shape (2, rows).
    """
    away, home = (
        np.stack([of[0] * by**2, of[1]]) for of, by in ((away, known[0]), (home, known[1]))
    )

    def share(of: FloatArray) -> FloatArray:
        some = of[1] > 0.0
        return np.where(some, np.sqrt(of[0] / np.where(some, of[1], 1.0)), 0.0)

    both = share(away + home)
    return Doubt(both, both, share(home), share(away))


def spread_by_strength(side: Side, entries: IntArray, weights: FloatArray) -> FloatArray:
    """Return the variance of the mean of further runs by strength, and of the runs themselves."""
    mean, square, spread = np.zeros((3, len(entries)))
    # Node by node: a sum over an axis could differ in the last bits with the rows beside it.
    for node in range(len(NODES)):
        at = entries + node * ENTRIES
        here, weight = side.moments[0, at], weights[:, node]
        mean += weight * here
        square += weight * side.moments[1, at]
        spread += weight * here * here
    return np.stack([(spread - mean * mean).clip(0.0), (square - mean * mean).clip(0.0)])


class Priors(NamedTuple):
    """What is known of a side's strength before a game.

    Attributes:
        before: Variance of the prior, a row each.
        told: Variance of that of whoever knows the closing market: the form of the day.
        known: Deviation of what the market knows and the prior does not, a row each.
    """

    before: FloatArray
    told: np.float64
    known: FloatArray


def knowable(weights: FloatArray, priors: Priors) -> FloatArray:
    """Return the share of a strength's deviation by now that knowing the market would take away.

    The rest is the form of the day, which nobody knows before. Whoever knows the market has a
    narrower prior and learns less of the same score: the two posterior means part by that, too.
    Both are taken as normal.
    """
    mean, square = np.zeros((2, len(weights)))
    for node, theta in enumerate(NODES):
        mean += weights[:, node] * theta
        square += weights[:, node] * (theta * theta)
    now = (square - mean * mean).clip(1e-6)
    before, told = priors.before, priors.told
    learnt = (1.0 / now - 1.0 / before).clip(0.0)
    left = priors.known / (1.0 + learnt * before)
    part = (before - told) / ((1.0 + learnt * before) * (1.0 + learnt * told))
    moves = left * left + part * part * (learnt * learnt * told + learnt)
    share: FloatArray = np.minimum(np.sqrt(moves / now), 1.0)
    return share
