"""The normal distribution over arrays: the meaning, in plain Python. See `_normal.pyi`."""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

ROOT_HALF = 0.7071067811865476
TAIL = 0.02425
"""From here to 0 and to 1 the normal score has an approximation of its own."""
FIFTH = 1.6448536269514722
"""Normal score of 95 %."""
_TAIL_TOP = (
    -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00,
    -2.549732539343734e00, 4.374664141464968e00, 2.938163982698783e00,
)  # fmt: skip
_TAIL_UNDER = (
    7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0,
)  # fmt: skip
_MIDDLE_TOP = (
    -3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02,
    1.383577518672690e02, -3.066479806614716e01, 2.506628277459239e00,
)  # fmt: skip
_MIDDLE_UNDER = (
    -5.447609879822406e01, 1.615858368580409e02, -1.556989798598866e02,
    6.680131188771972e01, -1.328068155288572e01, 1.0,
)  # fmt: skip
REACH = 6.5
"""Standard deviations beyond which `lattice` counts nothing: 4e-11 of the mass on each side."""


def cdf(x: FloatArray) -> FloatArray:
    """Return the chance that a standard normal is at most x; same shape."""
    flat = [0.5 * math.erfc(-v * ROOT_HALF) for v in x.ravel().tolist()]
    return np.array(flat, np.float64).reshape(x.shape)


def sf(x: FloatArray) -> FloatArray:
    """Return the chance that a standard normal is above x; same shape."""
    flat = [0.5 * math.erfc(v * ROOT_HALF) for v in x.ravel().tolist()]
    return np.array(flat, np.float64).reshape(x.shape)


def lattice(
    mean: FloatArray,
    sd: FloatArray,
    first: NDArray[np.int64],
    floor: NDArray[np.int64],
    out: FloatArray,
) -> None:
    """Fill `out[i, j]` with the mass that row i's normal has within half a point of `first[i] + j`.

    What lies below `floor[i]` counts at `floor[i]`; what lies above the last column, in the last
    column; so every row adds up to 1. A row with `sd` 0 has all mass at one number. A row whose
    mean or deviation is NaN is NaN throughout.
    """
    rows, width = out.shape
    for i in range(rows):
        before = 0.0
        for j in range(width):
            number = int(first[i]) + j
            upto = _upto(number, float(mean[i]), float(sd[i]), number < int(floor[i]))
            if j == width - 1 and upto == upto:  # noqa: PLR0124 - false for NaN alone
                upto = 1.0
            out[i, j] = upto - before
            before = upto


def _upto(number: int, mean: float, sd: float, below_floor: bool) -> float:  # noqa: FBT001 - twin of a C function
    if math.isnan(mean) or math.isnan(sd):
        return math.nan
    if below_floor:
        return 0.0
    gap = (number + 0.5) - mean
    if sd <= 0.0:
        return 1.0 if gap > 0.0 else 0.0
    z = gap / sd
    if z < -REACH:
        return 0.0
    if z > REACH:
        return 1.0
    return 0.5 * math.erfc(-z * ROOT_HALF)


def between(chance: FloatArray, doubt: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what a chance lies between, 5 and 95 %, when that share of its deviation is doubt.

    The chance is that of a normal number to be above a line. Part of its deviation is doubt about
    its mean: whoever knew the mean would say another chance, with a deviation of what is left. The
    two ends are what would be said at 5 and 95 % of the means. A share of 0, and a chance of 0 or
    1, leave nothing between; a share that is NaN, below 0, or 1 or more gives NaN.

    Sources: Vasicek (1987), Probability of loss on loan portfolio, for the form; the normal score
    is Acklam's rational approximation (2003), whose relative error is below 1.2e-9.
    """
    p, share = np.broadcast_arrays(np.asarray(chance, np.float64), np.asarray(doubt, np.float64))
    pairs = zip(p.ravel().tolist(), share.ravel().tolist(), strict=True)
    found = [_between(*pair) for pair in pairs]
    both = np.array(found, np.float64).reshape(*p.shape, 2)
    return np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1])


def _between(p: float, share: float) -> tuple[float, float]:
    if math.isnan(p) or not 0.0 <= share < 1.0:
        return math.nan, math.nan
    if p <= 0.0 or p >= 1.0 or share == 0.0:
        return p, p
    z, off, rest = _score(p), FIFTH * share, math.sqrt(1.0 - share * share)
    low = 0.5 * math.erfc(-(z - off) / rest * ROOT_HALF)
    high = 0.5 * math.erfc(-(z + off) / rest * ROOT_HALF)
    return min(low, p), max(high, p)


def _score(p: float) -> float:
    """Return the normal score of a chance."""
    if p < TAIL:
        return _tail_score(p)
    if p > 1.0 - TAIL:
        return -_tail_score(1.0 - p)
    q = p - 0.5
    return _power_sum(_MIDDLE_TOP, q * q) * q / _power_sum(_MIDDLE_UNDER, q * q)


def _tail_score(p: float) -> float:
    q = math.sqrt(-2.0 * math.log(p))
    return _power_sum(_TAIL_TOP, q) / _power_sum(_TAIL_UNDER, q)


def _power_sum(terms: tuple[float, ...], at: float) -> float:
    """Return a polynomial, its highest power first."""
    total = terms[0]
    for term in terms[1:]:
        total = total * at + term
    return total
