"""Fit how much likelier some final margins are than a normal curve says.

A margin at the end of regulation is weighed by its own size (key numbers: 3, 7, 0) and by how far
it is from the lead of now (nobody scores any more; one more field goal), by iterative proportional
fitting at knots of the time left; 40 rows of shrinkage keep rare margins near 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import GameStates, KeyNumbers, NormalScores, Overtime, ScoreDistribution
from oddspipe.plugins.curves import Reals

TAIL = 6
TURNS, SHRINKAGE = 60, 40.0
NOBODY = 1e-9
"""A knot that no row is near has no step."""


class Sample(NamedTuple):
    """States whose regulation ended known; an entry a row.

    Attributes:
        left, lead: Seconds of regulation, and home minus away, as the state stands.
        margin: Home minus away at the end of regulation.
        scores: What the model says without key numbers and without overtime.
        home_share: Chance of home in an overtime.
    """

    left: Reals
    lead: Reals
    margin: Reals
    scores: NormalScores
    home_share: Reals

    @staticmethod
    def priced(states: GameStates, level: Reals, answer: ScoreDistribution) -> "Sample":
        """Take states, their margins at the end of regulation, and what the model says of them."""
        scores = cast("NormalScores", answer)
        lead = states["home_score"] - states["away_score"]
        home_share = cast("Overtime", scores.overtime).home_share
        return Sample(states["time_left"], lead, level, replace(scores, overtime=None), home_share)

    def of(self, keep: NDArray[np.bool_]) -> "Sample":
        """Return some rows."""
        fields = ("home_score", "away_score", "margin_mean", "margin_sd", "total_mean", "total_sd")
        scores = NormalScores(*(getattr(self.scores, name)[keep] for name in fields))
        left, lead, margin = (column[keep] for column in (self.left, self.lead, self.margin))
        return Sample(left, lead, margin, scores, self.home_share[keep])

    def keys(self, made: Mapping[str, Any]) -> KeyNumbers:
        """Return the weights that tables give to the rows."""
        knots, size, moved = (np.array(made[name]) for name in ("knots", "size", "moved"))
        return KeyNumbers(self.left, self.lead, knots, size, moved, self.home_share)


def key_tables(at: Sample, knots_s: Sequence[float], most: int) -> dict[str, Any]:
    """Return the tables, of logarithms, that fit some rows.

    Args:
        at: The rows.
        knots_s: Seconds left at which the tables hold.
        most: The last entry of a table, which stands for all larger margins.
    """
    knots = np.array(knots_s)
    near = np.stack([np.interp(at.left, knots, unit) for unit in np.eye(len(knots))])
    plain = at.scores.margin()
    numbers = plain.first[:, None] + np.arange(plain.mass.shape[1])
    size = np.minimum(np.abs(numbers), most).astype(np.int64)
    moved = np.minimum(np.abs(numbers - at.lead[:, None]), most).astype(np.int64)
    came = (at.margin, at.margin - at.lead)
    tables = [np.zeros((len(knots), most + 1)) for _ in range(2)]
    observed: list[Reals] = [
        np.stack([np.bincount(np.minimum(np.abs(each), most).astype(np.int64), row, most + 1)
                  for row in near])
        for each in came
    ]  # fmt: skip
    flat = [np.arange(len(at.left))[:, None] * (most + 1) + index for index in (size, moved)]
    for _ in range(TURNS):
        for which in (0, 1):
            keys = at.keys({"knots": knots, "size": tables[0], "moved": tables[1]})
            mass = keys.weigh(plain).mass
            sums = np.bincount(flat[which].ravel(), mass.ravel(), len(at.left) * (most + 1))
            expected = near @ sums.reshape(len(at.left), most + 1)
            tables[which] += 0.7 * _step(observed[which], expected, most)
            tables[which][:, most] = tables[which][:, most - TAIL : most].mean(axis=1)
    return {
        "knots": knots.tolist(),
        "size": np.round(tables[0], 4).tolist(),
        "moved": np.round(tables[1], 4).tolist(),
    }


def _step(observed: Reals, expected: Reals, most: int) -> Reals:
    """Return by how much what came was likelier, as a logarithm.

    What is fitted is where margins lie, not how far they reach: no step on the average, and the
    large margins together weigh as those before them do.
    """
    step: Reals = np.log((observed + SHRINKAGE) / (expected + SHRINKAGE))
    near_ones = expected[:, :most]
    weight = near_ones.sum(axis=1, keepdims=True)
    step -= (step[:, :most] * near_ones).sum(axis=1, keepdims=True) / np.maximum(weight, NOBODY)
    return step


def likelihood(at: Sample, keys: KeyNumbers | None) -> float:
    """Return the mean log likelihood of the margins that came."""
    pmf = at.scores.margin()
    if keys is not None:
        pmf = keys.weigh(pmf)
    column = (at.margin - pmf.first).astype(np.int64)
    inside = (column >= 0) & (column < pmf.mass.shape[1])
    there = pmf.mass[np.arange(len(column)), column.clip(0, pmf.mass.shape[1] - 1)]
    return float(np.log(np.where(inside, there, 0.0).clip(1e-6)).mean())
