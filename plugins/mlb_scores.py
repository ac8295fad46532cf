"""Final scores of baseball games as one joint distribution a row, and its marginals."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import Pmf, chase

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
    """

    chances: Callable[[], Chances]

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
