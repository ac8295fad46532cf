"""Overround: put a margin on fair probabilities, and take it off booked ones.

Rows are markets, columns their sides. `b` is the booked probability (1 / decimal price), `p` the
fair one, M the overround. Every row is computed alone: what stands beside it changes nothing.

| method | add | remove |
|---|---|---|
| multiplicative | b = p (1 + M) | p = b / sum b |
| additive | b = p + M / n | p = b - M / n |
| power | b = p ** k | p = b ** k |
| odds_ratio | logit b = logit p + c | logit p = logit b - c |
| shin | b = y sum y, y = sqrt(z p + (1 - z) p**2) | solve z |

Sources: Shin (1993), Measuring the incidence of insider trading in a market for state-contingent
claims. Clarke, Kovalchik and Ingram (2017), Adjusting bookmaker's odds to allow for overround.
Cheung (2015), Fixed-odds betting and traditional odds. Strumbelj (2014), On determining probability
forecasts from betting odds. With two sides Shin equals additive (Jullien and Salanie, 1994).
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import OddsError

FloatArray = NDArray[np.float64]

_SOLVED: Final = 1e-14
_MOST_STEPS: Final = 100
_TINY: Final = 1e-300


def add_overround(fair: FloatArray, *, overround: float, method: str) -> FloatArray:
    """Load fair probabilities with a margin.

    Args:
        fair: Shape (markets, sides), each in (0, 1); every row adds up to 1.
        overround: Margin to add, 0 or more. 0.045 makes every row add up to 1.045.
        method: A name of `METHODS`.

    Returns:
        Booked probabilities, none below its fair one. `power` and `odds_ratio` stay inside (0, 1);
        the others can pass 1 on a side that is all but certain: no price can be made of that.

    Raises:
        OddsError: An unknown method, fewer than two sides, or an overround below 0 or not
            below the number of sides less one.

    >>> add_overround(np.array([[0.6, 0.4]]), overround=0.05, method="power").round(4).tolist()
    [[0.6226, 0.4274]]
    """
    sides = _sides(fair)
    if not 0 <= overround < sides - 1:
        raise OddsError(f"an overround of {overround} does not fit a market of {sides} sides")
    return _method(method)[0](fair, overround)


def remove_overround(booked: FloatArray, *, method: str) -> FloatArray:
    """Take the margin off booked probabilities, so that every row adds up to 1.

    Args:
        booked: Shape (markets, sides), each in (0, 1).
        method: A name of `METHODS`.

    Returns:
        Fair probabilities. `additive` (and, with two sides, `shin`) can fall below 0 for a long
        shot whose booked probability is under its share of the margin.

    Raises:
        OddsError: An unknown method or fewer than two sides.

    >>> remove_overround(np.array([[1 / 1.10, 1 / 6.50]]), method="odds_ratio").round(3).tolist()
    [[0.881, 0.119]]
    """
    _sides(booked)
    return _method(method)[1](booked)


def _sides(table: FloatArray) -> int:
    if table.ndim != 2 or table.shape[1] < 2:
        raise OddsError("a market has two sides or more: pass an array of (markets, sides)")
    return int(table.shape[1])


def _method(
    name: str,
) -> tuple[Callable[[FloatArray, float], FloatArray], Callable[[FloatArray], FloatArray]]:
    try:
        return METHODS[name]
    except KeyError:
        known = ", ".join(METHODS)
        raise OddsError(f"no margin method is called {name!r}", hint=f"one of {known}") from None


def _sum(table: FloatArray) -> FloatArray:
    """Add up each row from left to right, which gives the same bits in any batch."""
    out = table[:, :1].copy()
    for side in range(1, table.shape[1]):
        out += table[:, side : side + 1]
    return out


def _multiplicative_add(fair: FloatArray, overround: float) -> FloatArray:
    loaded: FloatArray = fair * (1.0 + overround)
    return loaded


def _multiplicative_remove(booked: FloatArray) -> FloatArray:
    return booked / _sum(booked)


def _additive_add(fair: FloatArray, overround: float) -> FloatArray:
    loaded: FloatArray = fair + overround / fair.shape[1]
    return loaded


def _additive_remove(booked: FloatArray) -> FloatArray:
    fair: FloatArray = booked - (_sum(booked) - 1.0) / booked.shape[1]
    return fair


def _power_add(fair: FloatArray, overround: float) -> FloatArray:
    # sum p**k falls and is convex in k: Newton's steps from k = 0 never pass the root.
    logs = np.log(np.maximum(fair, _TINY))
    return np.exp(logs * _exponent(logs, 1.0 + overround, np.zeros((len(fair), 1))))


def _power_remove(booked: FloatArray) -> FloatArray:
    logs = np.log(np.maximum(booked, _TINY))
    return np.exp(logs * _exponent(logs, 1.0, np.zeros((len(booked), 1))))


def _exponent(logs: FloatArray, target: float, start: FloatArray) -> FloatArray:
    """Solve sum exp(k logs) = target for one k a row by Newton's method."""
    k = start
    moving = np.ones_like(k, dtype=bool)
    for _ in range(_MOST_STEPS):
        terms = np.exp(logs * k)
        step = (_sum(terms) - target) / -_sum(terms * logs)
        moving &= np.abs(step) > _SOLVED
        if not moving.any():
            break
        # A row that is solved stays as it is while the others go on.
        k = np.where(moving, k + step, k)
    return k


def _odds_ratio_add(fair: FloatArray, overround: float) -> FloatArray:
    if overround == 0:
        return fair.copy()
    odds = fair / (1.0 - fair)
    if fair.shape[1] == 2:
        scaled = odds * _ratio_of_two(fair, 1.0 + overround)
        return scaled / (1.0 + scaled)
    return _shifted(fair, 1.0 + overround)


def _ratio_of_two(fair: FloatArray, target: float) -> FloatArray:
    """Solve the odds ratio of a two-sided market: a quadratic with one positive root."""
    p, q = fair[:, :1], fair[:, 1:]
    cross = p * q
    squares = p * p + q * q
    half = (target - 1.0) * squares
    root = np.sqrt(half * half + 4.0 * cross * cross * target * (2.0 - target))
    return (half + root) / (2.0 * cross * (2.0 - target))


def _odds_ratio_remove(booked: FloatArray) -> FloatArray:
    if booked.shape[1] == 2:
        odds = booked / (1.0 - booked)
        scaled = odds / np.sqrt(odds[:, :1] * odds[:, 1:])
        return scaled / (1.0 + scaled)
    return _shifted(booked, 1.0)


def _shifted(table: FloatArray, target: float) -> FloatArray:
    """Shift the logits of each row by one number so that it adds up to `target`, by halving."""
    odds = table / (1.0 - table)
    low = np.full((len(table), 1), -50.0)
    high = np.full((len(table), 1), 50.0)
    for _ in range(_MOST_STEPS):
        middle = 0.5 * (low + high)
        scaled = odds * np.exp(middle)
        above = _sum(scaled / (1.0 + scaled)) > target
        high = np.where(above, middle, high)
        low = np.where(above, low, middle)
    scaled = odds * np.exp(0.5 * (low + high))
    solved: FloatArray = scaled / (1.0 + scaled)
    return solved


def _shin_add(fair: FloatArray, overround: float) -> FloatArray:
    if fair.shape[1] == 2:
        return _additive_add(fair, overround)
    low = np.zeros((len(fair), 1))
    high = np.ones((len(fair), 1))
    for _ in range(_MOST_STEPS):
        z = 0.5 * (low + high)
        root = _sum(np.sqrt(z * fair + (1.0 - z) * fair * fair))
        above = root * root > 1.0 + overround
        high = np.where(above, z, high)
        low = np.where(above, low, z)
    z = 0.5 * (low + high)
    y = np.sqrt(z * fair + (1.0 - z) * fair * fair)
    return y * _sum(y)


def _shin_remove(booked: FloatArray) -> FloatArray:
    if booked.shape[1] == 2:
        return _additive_remove(booked)
    total = _sum(booked)
    low = np.zeros((len(booked), 1))
    high = np.full((len(booked), 1), 1.0 - 1e-9)
    for _ in range(_MOST_STEPS):
        z = 0.5 * (low + high)
        above = _sum(_shin_fair(booked, total, z)) > 1.0
        low = np.where(above, z, low)
        high = np.where(above, high, z)
    return _shin_fair(booked, total, 0.5 * (low + high))


def _shin_fair(booked: FloatArray, total: FloatArray, z: FloatArray) -> FloatArray:
    return (np.sqrt(z * z + 4.0 * (1.0 - z) * booked * booked / total) - z) / (2.0 * (1.0 - z))


METHODS: Final = {
    "multiplicative": (_multiplicative_add, _multiplicative_remove),
    "additive": (_additive_add, _additive_remove),
    "power": (_power_add, _power_remove),
    "odds_ratio": (_odds_ratio_add, _odds_ratio_remove),
    "shin": (_shin_add, _shin_remove),
}
"""The margin methods by name: how to add and how to remove."""
