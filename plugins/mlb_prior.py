"""What is known of a baseball game before it starts, turned into the strengths of both sides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import Pmf

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVELS: FloatArray = np.linspace(-0.26, 0.22, 13)
EDGES: FloatArray = np.linspace(-0.18, 0.18, 13)
"""Half the sum and half the difference of both strengths, where the start of a game is priced."""
FIRST_LENGTH, LENGTHS = 7, 3
_DEGREE = 6
_TERMS = [(i, j) for i in range(_DEGREE + 1) for j in range(_DEGREE + 1 - i)]
_MARGIN_SCALE = 4.0
_TOTAL_SCALE = 8.0
_LIKELIEST = 0.85


class Opening(NamedTuple):
    """What a game is expected to bring before it starts; every array has one entry a row.

    Attributes:
        chance: That home wins.
        margin: Mean of home minus away.
        line: The total that is as likely exceeded as not, between whole numbers too.
        total: Mean of the total.
    """

    chance: FloatArray
    margin: FloatArray
    line: FloatArray
    total: FloatArray


def opening(margin: Pmf, total: Pmf) -> Opening:
    """Read off two marginals what a game is expected to bring."""
    margins, totals = _numbers(margin), _numbers(total)
    # Half of what lies at a number counts as below it, so that a half line cuts between.
    upto = np.cumsum(total.mass, axis=1) - 0.5 * total.mass
    rows = np.arange(len(upto))
    above = (upto < 0.5).sum(axis=1)
    low, high = upto[rows, above - 1], upto[rows, above]
    return Opening(
        (margin.mass * (margins > 0)).sum(axis=1),
        (margin.mass * margins).sum(axis=1),
        totals[rows, above - 1] + (0.5 - low) / (high - low),
        (total.mass * totals).sum(axis=1),
    )


def _numbers(pmf: Pmf) -> FloatArray:
    return np.asarray(pmf.first[:, None] + np.arange(pmf.mass.shape[1]), np.float64)


@dataclass(frozen=True, slots=True)
class Solver:
    """Polynomials from chance or margin, and line or total, to the strengths that give them.

    Attributes:
        terms: Shape (spreads, lengths, 2 by chance or margin, 2 by line or total, 2, terms).
        usual: Opening of a game of which nothing is known; each array (spreads, lengths).
    """

    terms: FloatArray
    usual: Opening

    def strengths(
        self, known: Opening, spread: IntArray, length: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the mean strength of the visitors and of home.

        Args:
            known: What is known, NaN where not; a chance goes before a margin, a line before a
                total; where neither is known, the usual one stands.
            spread: Which of the spreads a row has.
            length: Innings of regulation.
        """
        at = (spread, length - FIRST_LENGTH)
        by_margin = np.isnan(known.chance) & ~np.isnan(known.margin)
        by_total = np.isnan(known.line) & ~np.isnan(known.total)
        chance = np.where(np.isnan(known.chance), self.usual.chance[at], known.chance)
        line = np.where(np.isnan(known.line), self.usual.line[at], known.line)
        first = np.where(by_margin, known.margin / _MARGIN_SCALE, _logit(chance))
        second = np.where(by_total, known.total, line)
        terms = self.terms[(*at, by_margin.astype(np.int64), by_total.astype(np.int64))]
        basis = _basis(first, second)
        level, edge = np.zeros((2, len(first)))
        for term in range(len(_TERMS)):
            level += terms[:, 0, term] * basis[term]
            edge += terms[:, 1, term] * basis[term]
        level, edge = level.clip(LEVELS[0], LEVELS[-1]), edge.clip(EDGES[0], EDGES[-1])
        return level - edge, level + edge


Start = Callable[[FloatArray, FloatArray, FloatArray, IntArray], Opening]
"""Gives the opening of games by strength of the visitors, of home, spread and length."""


def make_solver(start: Start, spreads: tuple[float, ...], chance: float, total: float) -> Solver:
    """Price the start of games of many strengths, and turn that round by least squares.

    Args:
        start: Prices the start of games.
        spreads: Deviations of a side's strength round its mean.
        chance: Usual chance of home.
        total: Usual mean total of nine innings.
    """
    level, edge = (axis.ravel() for axis in np.meshgrid(LEVELS, EDGES, indexing="ij"))
    shape = (len(spreads), LENGTHS)
    terms = np.zeros((*shape, 2, 2, 2, len(_TERMS)))
    for spread, deviation in enumerate(spreads):
        for length in range(LENGTHS):
            rows = np.full(len(level), deviation), np.full(len(level), FIRST_LENGTH + length)
            made = start(level - edge, level + edge, *rows)
            for first, x in enumerate((_logit(made.chance), made.margin / _MARGIN_SCALE)):
                for second, y in enumerate((made.line, made.total)):
                    found = np.linalg.lstsq(_basis(x, y).T, np.array([level, edge]).T)[0]
                    terms[spread, length, first, second] = found.T
    usual = Opening(*np.full((4, *shape), np.nan))
    nine = np.full(len(spreads), FIRST_LENGTH + LENGTHS - 1)
    told = np.full(len(spreads), chance), np.full(len(spreads), total)
    unknown = np.full(len(spreads), np.nan)
    which = np.arange(len(spreads))
    away, home = Solver(terms, usual).strengths(
        Opening(told[0], unknown, unknown, told[1]), which, nine
    )
    for length in range(LENGTHS):
        made = start(away, home, np.array(spreads), np.full(len(spreads), FIRST_LENGTH + length))
        for table, values in zip(usual, made, strict=True):
            table[:, length] = values
    return Solver(terms, usual)


def _logit(chance: FloatArray) -> FloatArray:
    inside = chance.clip(1.0 - _LIKELIEST, _LIKELIEST)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _basis(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the terms of a polynomial, shape (terms, rows)."""
    x, y = first.clip(-2.0, 2.0), np.log(second.clip(3.0, 20.0) / _TOTAL_SCALE)
    powers_x, powers_y = ([np.ones_like(v)] for v in (x, y))
    for _ in range(_DEGREE):
        powers_x.append(powers_x[-1] * x)
        powers_y.append(powers_y[-1] * y)
    return np.array([powers_x[i] * powers_y[j] for i, j in _TERMS])
