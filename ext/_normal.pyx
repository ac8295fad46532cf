"""The normal distribution over arrays, through the C library's erfc. See `_normal.pyi`."""

from libc.math cimport NAN, erfc, isnan
from libc.stdint cimport int64_t

import numpy as np

cdef double ROOT_HALF = 0.7071067811865476
cdef double REACH = 6.5


def cdf(x):
    """Return the chance that a standard normal is at most x; same shape."""
    source = np.ascontiguousarray(x, np.float64)
    out = np.empty(source.shape)
    _tail(source.ravel(), out.reshape(-1), -1.0)
    return out


def sf(x):
    """Return the chance that a standard normal is above x; same shape."""
    source = np.ascontiguousarray(x, np.float64)
    out = np.empty(source.shape)
    _tail(source.ravel(), out.reshape(-1), 1.0)
    return out


cdef void _tail(const double[::1] x, double[::1] out, double sign) noexcept:
    cdef Py_ssize_t i
    with nogil:
        for i in range(x.shape[0]):
            out[i] = 0.5 * erfc(sign * x[i] * ROOT_HALF)


def lattice(
    const double[::1] mean,
    const double[::1] sd,
    const int64_t[::1] first,
    const int64_t[::1] floor,
    double[:, ::1] out,
):
    """Fill `out[i, j]` with the mass within half a point of `first[i] + j`."""
    cdef Py_ssize_t i, j, rows = out.shape[0], width = out.shape[1]
    cdef double before, upto
    if not (mean.shape[0] == sd.shape[0] == first.shape[0] == floor.shape[0] == rows):
        raise ValueError("mean, sd, first, floor and out have different numbers of rows")
    with nogil:
        for i in range(rows):
            before = 0.0
            for j in range(width):
                upto = _upto(first[i] + j, mean[i], sd[i], floor[i])
                if j == width - 1 and not isnan(upto):
                    upto = 1.0
                out[i, j] = upto - before
                before = upto


cdef inline double _upto(int64_t number, double mean, double sd, int64_t floor) noexcept nogil:
    cdef double gap, z
    if isnan(mean) or isnan(sd):
        return NAN
    if number < floor:
        return 0.0
    gap = (<double> number + 0.5) - mean
    if sd <= 0.0:
        return 1.0 if gap > 0.0 else 0.0
    z = gap / sd
    if z < -REACH:
        return 0.0
    if z > REACH:
        return 1.0
    return 0.5 * erfc(-z * ROOT_HALF)
