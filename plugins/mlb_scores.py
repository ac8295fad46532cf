"""Final scores of baseball games as one joint distribution a row, and its marginals."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import Doubt, Pmf, chase
from oddspipe.plugins.mlb_halves import ENTRIES, NODES, Side

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

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
        return self.doubts() if self.doubts else None

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


def doubt_of(away: FloatArray, home: FloatArray, known: FloatArray) -> Doubt:
    """Return shares of doubt from what strengths tell of the further runs of each side.

    Args:
        away: Variance of the visitors' mean by their strength, and of their runs; shape (2, rows).
        home: The same of home.
        known: Share of a strength's deviation that could be known before the game.
    """

    def share(of: FloatArray) -> FloatArray:
        return np.where(
            of[1] > 0.0, known * np.sqrt(of[0] / np.where(of[1] > 0.0, of[1], 1.0)), 0.0
        )

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
