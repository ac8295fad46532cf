"""The normal distribution over arrays, through the C library's erfc. See `_normal.pyi`."""

from libc.math cimport NAN, erfc, isnan, log, sqrt
from libc.stdint cimport int64_t

import numpy as np

cdef double ROOT_HALF = 0.7071067811865476
cdef double REACH = 6.5
cdef double TAIL = 0.02425
cdef double FIFTH = 1.6448536269514722


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


def between(chance, doubt):
    """Return what a chance lies between, 5 and 95 %, when that share of its deviation is doubt."""
    p, share = np.broadcast_arrays(np.asarray(chance, np.float64), np.asarray(doubt, np.float64))
    low, high = np.empty(p.shape), np.empty(p.shape)
    _between(
        np.ascontiguousarray(p).reshape(-1), np.ascontiguousarray(share).reshape(-1),
        low.reshape(-1), high.reshape(-1),
    )
    return low, high


cdef void _between(
    const double[::1] p, const double[::1] share, double[::1] low, double[::1] high
) noexcept:
    cdef Py_ssize_t i
    cdef double z, rest, off
    with nogil:
        for i in range(p.shape[0]):
            if isnan(p[i]) or not 0.0 <= share[i] < 1.0:
                low[i] = high[i] = NAN
            elif p[i] <= 0.0 or p[i] >= 1.0 or share[i] == 0.0:
                low[i] = high[i] = p[i]
            else:
                z = _score(p[i])
                off = FIFTH * share[i]
                rest = sqrt(1.0 - share[i] * share[i])
                low[i] = min(0.5 * erfc(-(z - off) / rest * ROOT_HALF), p[i])
                high[i] = max(0.5 * erfc(-(z + off) / rest * ROOT_HALF), p[i])


cdef inline double _score(double p) noexcept nogil:
    if p < TAIL:
        return _tail_score(p)
    if p > 1.0 - TAIL:
        return -_tail_score(1.0 - p)
    return _middle_score(p - 0.5)


cdef inline double _tail_score(double p) noexcept nogil:
    cdef double q = sqrt(-2.0 * log(p))
    cdef double top = -7.784894002430293e-03
    top = top * q + -3.223964580411365e-01
    top = top * q + -2.400758277161838e+00
    top = top * q + -2.549732539343734e+00
    top = top * q + 4.374664141464968e+00
    top = top * q + 2.938163982698783e+00
    cdef double under = 7.784695709041462e-03
    under = under * q + 3.224671290700398e-01
    under = under * q + 2.445134137142996e+00
    under = under * q + 3.754408661907416e+00
    under = under * q + 1.0
    return top / under


cdef inline double _middle_score(double q) noexcept nogil:
    cdef double r = q * q
    cdef double top = -3.969683028665376e+01
    top = top * r + 2.209460984245205e+02
    top = top * r + -2.759285104469687e+02
    top = top * r + 1.383577518672690e+02
    top = top * r + -3.066479806614716e+01
    top = top * r + 2.506628277459239e+00
    cdef double under = -5.447609879822406e+01
    under = under * r + 1.615858368580409e+02
    under = under * r + -1.556989798598866e+02
    under = under * r + 6.680131188771972e+01
    under = under * r + -1.328068155288572e+01
    under = under * r + 1.0
    return top * q / under
