"""Fit sums of features with curves as weights: least absolute errors, and a probit of who wins."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
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


def by_time(rows: pl.DataFrame, left: str) -> tuple[NDArray[np.int64], pl.DataFrame]:
    """Return rows by the time that is left, and the number of the game of each.

    Rows that stand together then have the same few features; see `Parts`. Games are numbered in the
    order of `rows`, in which each stands together.
    """
    game = rows["game_id"].rle_id().to_numpy().astype(np.int64)
    order = np.argsort(-rows[left].cast(pl.Float64).to_numpy(), kind="stable")
    return game[order], rows[order]


CHUNK = 4096
"""Rows that are added up at once: the features that they have lie in the cache of a core."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A matrix in chunks of rows, each without the features that none of its rows has.

    Where rows come by the time that is left, a chunk lies between two knots and has few features:
    all is then quicker by about the number of knots.
    """

    size: int
    chunks: tuple[tuple[slice, NDArray[np.int64], Reals], ...]

    @staticmethod
    def of(matrix: Reals) -> "Parts":
        """Cut a matrix up, shape (features, rows)."""
        size, rows = matrix.shape
        chunks = []
        for start in range(0, rows, CHUNK):
            part = slice(start, min(start + CHUNK, rows))
            has = np.flatnonzero(matrix[:, part].any(axis=1))
            chunks.append((part, has, np.ascontiguousarray(matrix[has, part])))
        return Parts(size, tuple(chunks))

    def gram(self, weights: Reals) -> Reals:
        """Return the products of features with each other, rows weighted."""
        made = np.zeros((self.size, self.size))
        for part, has, values in self.chunks:
            made[np.ix_(has, has)] += (values * weights[part]) @ values.T
        return made

    def dot(self, wanted: Reals) -> Reals:
        """Return the products of features with a number a row."""
        made = np.zeros(self.size)
        for part, has, values in self.chunks:
            made[has] += values @ wanted[part]
        return made

    def sums(self, weights: Reals, rows: int) -> Reals:
        """Return the sum of weighted features of each row."""
        made = np.empty(rows)
        for part, has, values in self.chunks:
            made[part] = weights[has] @ values
        return made

    def squares(self, spread: Reals, rows: int) -> Reals:
        """Return the variance of that sum, where this is the covariance of the weights."""
        made = np.empty(rows)
        for part, has, values in self.chunks:
            made[part] = ((spread[np.ix_(has, has)] @ values) * values).sum(axis=0)
        return made


def least_squares(parts: Parts, wanted: Reals, ridge: float, rows: Reals | None = None) -> Reals:
    """Return weights whose sum is the mean, each row counted as `rows` says."""
    weights = np.ones(len(wanted)) if rows is None else rows
    bend = parts.gram(weights) + ridge * np.eye(parts.size)
    return np.asarray(np.linalg.solve(bend, parts.dot(weights * wanted)), np.float64)


def least_absolute(parts: Parts, wanted: Reals, ridge: float, turns: int = 6) -> Reals:
    """Return weights whose sum is the median, by least squares weighted anew each turn."""
    solved = least_squares(parts, wanted, ridge)
    for _ in range(turns):
        off = np.abs(wanted - parts.sums(solved, len(wanted)))
        solved = least_squares(parts, wanted, ridge, 1.0 / np.maximum(off, 1.0))
    return solved


def probit(parts: Parts, won: Reals, ridge: float) -> Reals:
    """Return weights whose sum is the normal score of winning, by Newton's method."""
    solved = np.zeros(parts.size)
    for _ in range(25):
        pull, fall = probit_pull(parts.sums(solved, len(won)), won)
        bend = parts.gram(fall) + ridge * np.eye(parts.size)
        step = np.linalg.solve(bend, parts.dot(pull) - ridge * solved)
        solved += step
        if np.abs(step).max() < 1e-4:
            break
    return solved


def probit_pull(score: Reals, won: Reals) -> tuple[Reals, Reals]:
    """Return each row's slope and bend of the log likelihood, by its normal score of winning."""
    score = score.clip(-6.0, 6.0)
    chance = normal_cdf(score).clip(1e-6, 1 - 1e-6)
    density = np.exp(-score * score / 2) / math.sqrt(2 * math.pi)
    inside = chance * (1 - chance)
    return density * (won - chance) / inside, density**2 / inside


def median_pull(off: Reals, deviation: Reals) -> tuple[Reals, Reals]:
    """Return the same for a median, where what is off is normal with this deviation."""
    return np.sign(off), math.sqrt(2 / math.pi) / deviation


def spread_of(left: Reals, off: Reals, knots: Sequence[float]) -> list[float]:
    """Return the deviation at each knot, from what the forecasts were off."""
    design = Design.of({"": np.ones(len(left))}, left, knots).matrix
    variance = least_squares(Parts.of(design), off * off, 1.0)
    return [round(math.sqrt(max(value, 0.3)), 4) for value in variance.tolist()]
