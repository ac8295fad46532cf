"""Fit sums of features with curves as weights: least absolute errors, and a probit of who wins."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import normal_cdf

Reals = NDArray[np.float64]
Weights = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Design:
    """Features times hats of time; a feature may have fewer knots than there are.

    Attributes:
        names: One a row of the matrix.
        matrix: Shape (features × knots, rows).
    """

    names: list[tuple[str, int]]
    matrix: Reals

    @staticmethod
    def of(
        features: Mapping[str, Reals], left: Reals, knots: Sequence[float],
        fewer: Mapping[str, int] | None = None,
    ) -> "Design":  # fmt: skip
        """Multiply each feature by the hats of its knots: all, or the first few of them."""
        rows, names = [], []
        for name, value in features.items():
            count = (fewer or {}).get(name, len(knots))
            for at in range(count):
                unit = np.zeros(count)
                unit[at] = 1.0
                rows.append(value * np.interp(left, knots[:count], unit))
                names.append((name, at))
        return Design(names, np.array(rows))

    def weights(self, solved: Reals) -> Weights:
        """Return the weights by feature, a number a knot."""
        made: Weights = {}
        for (name, _), weight in zip(self.names, solved.tolist(), strict=True):
            made.setdefault(name, []).append(round(weight, 6))
        return made


def least_squares(matrix: Reals, wanted: Reals, ridge: float, rows: Reals | None = None) -> Reals:
    """Return weights whose sum is the mean, each row counted as `rows` says."""
    weighted = matrix if rows is None else matrix * rows
    size = len(matrix)
    solved = np.linalg.solve(weighted @ matrix.T + ridge * np.eye(size), weighted @ wanted)
    return np.asarray(solved, np.float64)


def least_absolute(matrix: Reals, wanted: Reals, ridge: float, turns: int = 6) -> Reals:
    """Return weights whose sum is the median, by least squares weighted anew each turn."""
    solved = least_squares(matrix, wanted, ridge)
    for _ in range(turns):
        off = np.abs(wanted - solved @ matrix)
        solved = least_squares(matrix, wanted, ridge, 1.0 / np.maximum(off, 1.0))
    return solved


def probit(matrix: Reals, won: Reals, ridge: float, start: Reals | None = None) -> Reals:
    """Return weights whose sum is the normal score of winning, by Newton's method."""
    solved = np.zeros(len(matrix)) if start is None else start.copy()
    for _ in range(25):
        score = (solved @ matrix).clip(-6.0, 6.0)
        chance = normal_cdf(score).clip(1e-6, 1 - 1e-6)
        density = np.exp(-score * score / 2) / math.sqrt(2 * math.pi)
        slope = matrix @ (density * (won - chance) / (chance * (1 - chance))) - ridge * solved
        bend = (matrix * (density**2 / (chance * (1 - chance)))) @ matrix.T
        step = np.linalg.solve(bend + ridge * np.eye(len(matrix)), slope)
        solved += step
        if np.abs(step).max() < 1e-4:
            break
    return solved


def spread_of(left: Reals, off: Reals, knots: Sequence[float]) -> list[float]:
    """Return the deviation at each knot, from what the forecasts were off."""
    design = Design.of({"": np.ones(len(left))}, left, knots).matrix
    variance = least_squares(design, off * off, 1.0)
    return [round(math.sqrt(max(value, 0.3)), 4) for value in variance.tolist()]
