# cython: language_level=3
"""Rows of a simulated feed to payloads; see `_simulate_py` for the meaning."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from oddspipe.ext import _simulate_py
from oddspipe.ext._wire cimport write_varint

cdef enum:
    FIRST = 0
    GAME = 1
    PERIOD = 2
    CLOCK = 3
    DROP = 4
    SEGMENT = 5

cdef enum:
    CUT = 1
    BAD_TAG = 2
    BAD_FIELD = 3

cdef uint64_t GOLDEN = <uint64_t>0x9E3779B97F4A7C15
cdef double UNIT = 2.0 ** -53
cdef const uint8_t* HEX = b"0123456789abcdef"


cdef struct Pieces:
    const uint8_t* blob
    const int64_t* offsets
    int64_t longest


cdef struct Tables:
    const int64_t* segments
    const uint64_t* keys
    Pieces bodies
    Pieces games
    Pieces lines
    Pieces players
    Pieces bad
    int64_t n_players
    int64_t kinds[3]
    int64_t to_market
    int64_t to_clock
    int64_t first
    double scale


cdef inline uint64_t mixed(uint64_t word) noexcept nogil:
    word = (word ^ (word >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    word = (word ^ (word >> 27)) * <uint64_t>0x94D049BB133111EB
    return word ^ (word >> 31)


cdef inline uint8_t* put_piece(uint8_t* at, Pieces* pieces, int64_t number) noexcept nogil:
    cdef int64_t start = pieces.offsets[number]
    cdef int64_t length = pieces.offsets[number + 1] - start
    memcpy(at, pieces.blob + start, <size_t>length)
    return at + length


cdef inline uint8_t* put_number(uint8_t* at, uint8_t tag, uint64_t value) noexcept nogil:
    at[0] = tag
    return write_varint(at + 1, value)


cdef inline uint8_t* put_id(uint8_t* at, uint64_t sequence) noexcept nogil:
    cdef int digit
    at[0], at[1], at[2] = 0x0A, 9, 115
    for digit in range(8):
        at[3 + digit] = HEX[(sequence >> (28 - 4 * digit)) & 15]
    return at + 11


cdef uint8_t* put_scripted(
    uint8_t* at, Tables* tables, int64_t segment, int64_t number, int64_t time
) noexcept nogil:
    at = put_piece(at, &tables.bodies, segment)
    at = put_number(at, 0x20, <uint64_t>(tables.first + number))
    return put_number(at, 0x28, <uint64_t>time)


cdef uint8_t* put_made_up(
    uint8_t* at, Tables* tables, const int64_t* segment, int64_t number, int64_t time
) noexcept nogil:
    cdef int64_t game = segment[GAME]
    cdef uint64_t sequence = <uint64_t>(tables.first + number)
    cdef uint64_t chance = mixed(tables.keys[game] + <uint64_t>number * GOLDEN)
    cdef int64_t drawn = <int64_t>(chance & 0xFFFF)
    cdef int which = 1 if drawn < tables.to_market else 2 if drawn < tables.to_clock else 0
    cdef double value
    at = put_id(at, sequence)
    at = put_piece(at, &tables.games, game)
    at = put_number(at, 0x20, sequence)
    at = put_number(at, 0x28, <uint64_t>time)
    at = put_number(at, 0x38, <uint64_t>tables.kinds[which])
    if segment[PERIOD] >= 0:
        at = put_number(at, 0x40, <uint64_t>segment[PERIOD])
    if segment[CLOCK] >= 0:
        at = put_number(
            at, 0x48,
            <uint64_t>(segment[CLOCK] - (((number - segment[FIRST]) * segment[DROP]) >> 16)),
        )
    if which == 2:
        return at
    if which == 0:
        at = put_piece(at, &tables.players, <int64_t>((chance >> 16) & 0xFFFF) % tables.n_players)
    if tables.scale > 0:
        value = <double>(mixed(chance) >> 11) * UNIT * tables.scale
        at[0] = 0x69
        memcpy(at + 1, &value, 8)
        at += 9
    if which == 1:
        at = put_piece(at, &tables.lines, game)
    return at


cdef uint8_t* put_row(
    uint8_t* at, Tables* tables, const int64_t* rows, Py_ssize_t n
) noexcept nogil:
    # `rows` points at the row's segment; its number, time and fault are n further each.
    cdef uint8_t* start = at
    cdef int64_t number = rows[n], time = rows[2 * n], fault = rows[3 * n]
    cdef const int64_t* segment
    if rows[0] < 0:
        at = put_number(at, 0x28, <uint64_t>time)
        return put_number(at, 0x38, <uint64_t>number)
    segment = tables.segments + rows[0] * SEGMENT
    if number == segment[FIRST]:
        at = put_scripted(at, tables, rows[0], number, time)
    else:
        at = put_made_up(at, tables, segment, number, time)
    if fault == CUT:
        at -= 1
    elif fault == BAD_TAG:
        start[0] = 0x0F
    elif fault >= BAD_FIELD:
        at = put_piece(at, &tables.bad, fault - BAD_FIELD)
    return at


cdef void point(Pieces* pieces, blobs):
    cdef const uint8_t[::1] blob = blobs[0]
    cdef const int64_t[::1] offsets = blobs[1]
    pieces.blob = &blob[0] if blob.shape[0] else NULL
    pieces.offsets = &offsets[0]
    pieces.longest = int(np.diff(blobs[1]).max(initial=0))


def write(given, rows):
    # The tables are small beside the rows; the twin's check costs 20 us a call.
    _simulate_py.check(given, rows)
    cdef const int64_t[:, ::1] segments = given.segments
    cdef const uint64_t[::1] keys = given.keys
    cdef const int64_t[:, ::1] matrix = rows
    cdef const int64_t[::1] kinds = given.kinds
    cdef Tables tables
    cdef Py_ssize_t n = matrix.shape[1], row
    starts, ends = np.empty(n, np.int64), np.empty(n, np.int64)
    if n == 0:
        return np.empty(0, np.uint8), starts, ends
    tables.segments = &segments[0, 0] if segments.shape[0] else NULL
    tables.keys = &keys[0] if keys.shape[0] else NULL
    point(&tables.bodies, given.bodies)
    point(&tables.games, given.games)
    point(&tables.lines, given.lines)
    point(&tables.players, given.players)
    point(&tables.bad, given.bad)
    tables.n_players = len(given.players[1]) - 1
    for row in range(3):
        tables.kinds[row] = kinds[row]
    tables.to_market, tables.to_clock = kinds[3], kinds[4]
    tables.first, tables.scale = given.first, given.scale
    # Room for the longest of both kinds of rows; pages that are not written cost nothing.
    room = 80 + tables.games.longest + max(
        tables.bodies.longest, tables.lines.longest + tables.players.longest
    ) + tables.bad.longest
    data = np.empty(n * room, np.uint8)
    cdef uint8_t[::1] out = data
    cdef int64_t[::1] from_ = starts
    cdef int64_t[::1] to = ends
    cdef uint8_t* first = &out[0]
    cdef uint8_t* at = first
    with nogil:
        for row in range(n):
            from_[row] = at - first
            at = put_row(at, &tables, &matrix[0, row], n)
            to[row] = at - first
    return data[: at - first], starts, ends
