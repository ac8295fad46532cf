# cython: language_level=3
"""Tails of a fixed length behind byte strings; see `_tail_py` for the meaning."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

from oddspipe.ext._tail_py import check


def put_tails(data, starts, ends, tails):
    check(data, starts, ends)
    cdef const uint8_t[::1] given = data
    cdef const int64_t[::1] from_ = starts
    cdef const int64_t[::1] to = ends
    cdef const uint8_t[:, ::1] last = tails
    cdef Py_ssize_t n = from_.shape[0], length = last.shape[1], row
    cdef int64_t size, at = 0
    if last.shape[0] != n:
        raise ValueError(f"there are {n} spans and {last.shape[0]} tails")
    made_starts = np.empty(n, np.int64)
    made_ends = np.empty(n, np.int64)
    made = np.empty(int((ends - starts).sum()) + n * length, np.uint8)
    if n == 0 or made.shape[0] == 0:
        made_starts[:] = 0
        made_ends[:] = 0
        return made, made_starts, made_ends
    cdef uint8_t[::1] out = made
    cdef int64_t[::1] begins = made_starts
    cdef int64_t[::1] stops = made_ends
    with nogil:
        for row in range(n):
            size = to[row] - from_[row]
            begins[row] = at
            if size:
                memcpy(&out[at], &given[from_[row]], <size_t>size)
            at += size
            if length:
                memcpy(&out[at], &last[row, 0], <size_t>length)
            at += length
            stops[row] = at
    return made, made_starts, made_ends


def take_tails(data, starts, ends, Py_ssize_t length):
    check(data, starts, ends)
    cdef const uint8_t[::1] given = data
    cdef const int64_t[::1] from_ = starts
    cdef const int64_t[::1] to = ends
    cdef Py_ssize_t n = from_.shape[0], row
    found = np.zeros((n, length), np.uint8)
    if n == 0 or length == 0:
        return found
    cdef uint8_t[:, ::1] out = found
    with nogil:
        for row in range(n):
            if to[row] - from_[row] >= length:
                memcpy(&out[row, 0], &given[to[row] - length], <size_t>length)
    return found
