"""Rows of a simulated feed to payloads in plain Python: the meaning of `_simulate.pyx`."""

import struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]
Blobs = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Pieces of bytes end to end, and where each begins (and the last ends)."""

# Columns of a segment: what happens between two events of a game's script, the first included.
FIRST, GAME, PERIOD, CLOCK, DROP = range(5)
SEGMENT: Final = 5
# What is done to a row; from BAD_FIELD on, the field of that number is added to it.
WHOLE, CUT, BAD_TAG, BAD_FIELD = range(4)
KINDS: Final = 3
"""Kinds of made-up events: tracking, market, clock, each with its wire number and chance."""
SHORTEST_ID: Final = b"\x0a\x09s"

_MASK: Final = 2**64 - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_UNIT: Final = 2.0**-53


class Tables(NamedTuple):
    """What the rows of some games are written from.

    Attributes:
        segments: Shape (segments, 5), by game and then in order: number of its first event in its
            game, game, period and clock of made-up events (-1: none), and how much the clock
            falls from one of them to the next, in 1/65536 ms.
        bodies: The scripted event that begins each segment, without sequence and time.
        games: The field `game_id` of each game, ready to be copied.
        lines: Own fields of market events of each game, ready to be copied.
        players: The field `player_id` of each player, ready to be copied.
        bad: Fields beyond their range, ready to be copied.
        keys: Key of the random numbers of each game, shape (games,).
        kinds: Wire number of tracking, market and clock events, and of 65536 made-up events how
            many are market events, and how many market or clock events, shape (5,).
        first: Sequence of the first event of a game.
        scale: Measures lie in [0, scale); 0 leaves them out.
    """

    segments: Words
    bodies: Blobs
    games: Blobs
    lines: Blobs
    players: Blobs
    bad: Blobs
    keys: NDArray[np.uint64]
    kinds: Words
    first: int
    scale: float


def mixed(word: int) -> int:
    """Scatter the bits of a word (the finaliser of SplitMix64).

    >>> hex(mixed(1))
    '0x5692161d100b05e5'
    """
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _MASK
    return word ^ word >> 31


def write(tables: Tables, rows: Words) -> tuple[NDArray[np.uint8], Words, Words]:
    """Write one payload a row.

    Args:
        tables: What they are written from.
        rows: Shape (4, n): segment, number of the event in its game, event time in microseconds,
            and what is done to it. A row of segment -1 belongs to no game: its number is its kind.

    Returns:
        The payloads end to end, and where each starts and ends.

    Raises:
        ValueError: A row or a table points outside a table.
    """
    check(tables, rows)
    out, starts, ends = bytearray(), [], []
    for segment, number, time, fault in rows.T.tolist():
        starts.append(len(out))
        if segment < 0:
            out += b"\x28" + _varint(time) + b"\x38" + _varint(number)
        else:
            payload = _event(tables, segment, number, time)
            out += _broken(payload, fault, tables.bad)
        ends.append(len(out))
    data = np.frombuffer(bytes(out), np.uint8)
    return data, np.array(starts, np.int64), np.array(ends, np.int64)


def check(tables: Tables, rows: Words) -> None:
    """Refuse rows and tables that point outside a table.

    Raises:
        ValueError: One does.
    """
    if rows.ndim != 2 or rows.shape[0] != 4:
        raise ValueError("rows has four words a row")
    if rows.shape[1] and not -1 <= rows[0].min() <= rows[0].max() < len(tables.segments):
        raise ValueError("a row is of no segment")
    bad = len(tables.bad[1]) - 1
    if rows.shape[1] and not 0 <= rows[3].min() <= rows[3].max() < BAD_FIELD + bad:
        raise ValueError("a row has no such fault")
    _check_tables(tables)


def _check_tables(tables: Tables) -> None:
    segments, games = tables.segments, len(tables.keys)
    if segments.ndim != 2 or segments.shape[1] != SEGMENT or len(tables.kinds) != 5:
        raise ValueError("a segment has five words, and so have the kinds")
    if len(tables.players[1]) < 2:
        raise ValueError("there is no player")
    if len(segments) and not 0 <= segments[:, GAME].min() <= segments[:, GAME].max() < games:
        raise ValueError("a segment is of no game")
    sizes = (len(segments), games, games, -1, -1)
    blobs = (tables.bodies, tables.games, tables.lines, tables.players, tables.bad)
    for size, (blob, offsets) in zip(sizes, blobs, strict=True):
        if len(offsets) < 1 or (size >= 0 and len(offsets) != size + 1):
            raise ValueError("a blob has one offset more than it has pieces")
        if offsets[0] < 0 or offsets[-1] > len(blob) or (np.diff(offsets) < 0).any():
            raise ValueError("offsets reach past their blob")


def _event(tables: Tables, segment: int, number: int, time: int) -> bytes:
    first, game, period, clock, drop = tables.segments[segment].tolist()
    sequence = tables.first + number
    if number == first:
        body = _piece(tables.bodies, segment)
        return body + b"\x20" + _varint(sequence) + b"\x28" + _varint(time)
    chance = mixed(int(tables.keys[game]) + number * _GOLDEN & _MASK)
    tracking, market, clocks, to_market, to_clock = tables.kinds.tolist()
    drawn = chance & 0xFFFF
    kind = market if drawn < to_market else clocks if drawn < to_clock else tracking
    out = SHORTEST_ID + f"{sequence & 0xFFFFFFFF:08x}".encode()
    out += _piece(tables.games, game)
    out += b"\x20" + _varint(sequence) + b"\x28" + _varint(time) + b"\x38" + _varint(kind)
    if period >= 0:
        out += b"\x40" + _varint(period)
    if clock >= 0:
        out += b"\x48" + _varint(clock - ((number - first) * drop >> 16))
    if to_market <= drawn < to_clock:
        return out
    if drawn >= to_clock:
        out += _piece(tables.players, (chance >> 16 & 0xFFFF) % (len(tables.players[1]) - 1))
    if tables.scale > 0:
        value = (mixed(chance) >> 11) * _UNIT * tables.scale
        out += b"\x69" + struct.pack("<d", value)
    return out + _piece(tables.lines, game) if drawn < to_market else out


def _broken(payload: bytes, fault: int, bad: Blobs) -> bytes:
    if fault == CUT:
        return payload[:-1]
    if fault == BAD_TAG:
        return b"\x0f" + payload[1:]
    return payload + _piece(bad, fault - BAD_FIELD) if fault >= BAD_FIELD else payload


def _piece(blobs: Blobs, at: int) -> bytes:
    blob, offsets = blobs
    return blob[offsets[at] : offsets[at + 1]].tobytes()


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= _MASK
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
