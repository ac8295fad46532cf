# cython: language_level=3
"""Columns to protobuf envelopes; see `_encode_py` for the meaning."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from oddspipe.ext._wire cimport wire_ctz64, write_varint

cdef enum Code:
    VARINT = 0
    ZIGZAG = 1
    FIXED64 = 2
    STRING = 3
    BYTES = 4

cdef struct Table:
    uint32_t tags[64]
    uint8_t codes[64]
    int64_t bases[64]
    int64_t counts[64]
    Py_ssize_t columns


cdef struct Pools:
    const uint8_t* names
    const int64_t* offsets
    const uint8_t* side
    int64_t side_bytes


cdef inline uint8_t* put_blob(uint8_t* at, const uint8_t* blob, int64_t length) noexcept nogil:
    at = write_varint(at, <uint64_t>length)
    memcpy(at, blob, <size_t>length)
    return at + length


cdef inline int64_t blob_at(
    Table* table, Pools* pools, int column, int64_t word, int64_t* length
) noexcept nogil:
    # Where the bytes of a string or bytes value lie in their pool; -1 if the word points nowhere.
    cdef int64_t start, base
    if table.codes[column] == STRING:
        if word < 0 or word >= table.counts[column]:
            return -1
        base = table.bases[column] + word
        length[0] = pools.offsets[base + 1] - pools.offsets[base]
        return pools.offsets[base]
    start = word >> 24
    length[0] = word & 0xFFFFFF
    if word < 0 or start + length[0] > pools.side_bytes:
        return -1
    return start


cdef int64_t check_blobs(
    Table* table, Pools* pools, const int64_t* words, const uint64_t* present, Py_ssize_t n,
    int64_t* extra,
) noexcept nogil:
    # Adds up the blobs' bytes; returns -1, or row * 64 + column of the first word at fault.
    cdef Py_ssize_t row, column
    cdef int64_t length, total = 0, worst = -1
    for column in range(table.columns):
        if table.codes[column] < STRING:
            continue
        for row in range(n):
            if not (present[row] >> column) & 1:
                continue
            length = 0
            if blob_at(table, pools, <int>column, words[column * n + row], &length) < 0:
                if worst < 0 or row * 64 + column < worst:
                    worst = row * 64 + column
                break
            total += length
    extra[0] = total
    return worst


cdef uint8_t* put_row(
    Table* table, Pools* pools, const int64_t* words, uint64_t bits, Py_ssize_t n, uint8_t* at,
) noexcept nogil:
    # `words` points at the row's word of column 0; the next column's is n further.
    cdef int column
    cdef int64_t word, length = 0, start
    cdef uint8_t code
    while bits:
        column = wire_ctz64(bits)
        bits &= bits - 1
        word = words[column * n]
        at = write_varint(at, table.tags[column])
        code = table.codes[column]
        if code == VARINT:
            at = write_varint(at, <uint64_t>word)
        elif code == FIXED64:
            memcpy(at, &word, 8)
            at += 8
        elif code == ZIGZAG:
            at = write_varint(at, (<uint64_t>word << 1) ^ <uint64_t>(word >> 63))
        else:
            start = blob_at(table, pools, column, word, &length)
            at = put_blob(at, (pools.names if code == STRING else pools.side) + start, length)
    return at


cdef void fill_table(Table* table, wire, counts):
    cdef const uint32_t[::1] tags = wire[0]
    cdef const uint8_t[::1] codes = wire[1]
    cdef const int64_t[::1] ends = counts
    cdef Py_ssize_t column
    if tags.shape[0] > 64 or codes.shape[0] != tags.shape[0]:
        raise ValueError("a table has one tag and one code a column, of at most 64 columns")
    if ends.shape[0] != tags.shape[0] + 1:
        raise ValueError("bases has one entry more than there are columns")
    table.columns = tags.shape[0]
    for column in range(table.columns):
        table.tags[column] = tags[column]
        table.codes[column] = codes[column]
        table.bases[column] = ends[column]
        table.counts[column] = ends[column + 1] - ends[column]


def encode(words, present, tuple wire, tuple names, side):
    cdef const int64_t[:, ::1] matrix = words
    cdef const uint64_t[::1] bits = present
    cdef const uint8_t[::1] blob = names[0]
    cdef const int64_t[::1] offsets = names[1]
    cdef const uint8_t[::1] aside = side
    cdef Table table
    cdef Pools pools
    cdef Py_ssize_t n = matrix.shape[1], row
    cdef int64_t extra = 0, wrong, room
    cdef uint64_t used = 0, mask
    fill_table(&table, wire, names[2])
    if matrix.shape[0] != table.columns or bits.shape[0] != n:
        raise ValueError("words has one row a column and present one entry an event")
    if offsets.shape[0] == 0 or offsets[offsets.shape[0] - 1] > blob.shape[0]:
        raise ValueError("offsets reach past the names")
    if offsets.shape[0] < table.bases[table.columns - 1] + table.counts[table.columns - 1] + 1:
        raise ValueError("bases reach past the offsets")
    starts = np.empty(n, np.int64)
    ends = np.empty(n, np.int64)
    if n == 0:
        return np.empty(0, np.uint8), starts, ends
    pools.names = &blob[0] if blob.shape[0] else NULL
    pools.offsets = &offsets[0]
    pools.side = &aside[0] if aside.shape[0] else NULL
    pools.side_bytes = aside.shape[0]
    mask = (<uint64_t>0xFFFFFFFFFFFFFFFF) >> (64 - table.columns)
    with nogil:
        for row in range(n):
            used |= bits[row]
        wrong = check_blobs(&table, &pools, &matrix[0, 0], &bits[0], n, &extra)
    if wrong >= 0:
        raise ValueError(f"row {wrong // 64}, column {wrong % 64}: the word points at no value")
    # Room for the widest row of the columns in use; pages that are not written cost nothing.
    room = n * (15 * <int64_t>int(used & mask).bit_count()) + extra + 8
    data = np.empty(room, np.uint8)
    cdef uint8_t[::1] out = data
    cdef int64_t[::1] from_ = starts
    cdef int64_t[::1] to = ends
    cdef uint8_t* at = &out[0]
    cdef uint8_t* first = at
    with nogil:
        for row in range(n):
            from_[row] = at - first
            at = put_row(&table, &pools, &matrix[0, row], bits[row] & mask, n, at)
            to[row] = at - first
    return data[: at - first], starts, ends
