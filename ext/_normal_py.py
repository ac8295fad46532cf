"""The normal distribution over arrays: the meaning, in plain Python. See `_normal.pyi`."""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

ROOT_HALF = 0.7071067811865476
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
