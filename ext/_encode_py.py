"""Columns to protobuf envelopes in plain Python: the meaning of `_encode.pyx`."""

import numpy as np
from numpy.typing import NDArray

Wire = tuple[NDArray[np.uint32], NDArray[np.uint8]]
Names = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]

_VARINT, _ZIGZAG, _FIXED64, _STRING, _BYTES = range(5)
_SPAN_BITS = 24
_WORD = 1 << 64


def encode(
    words: NDArray[np.int64],
    present: NDArray[np.uint64],
    wire: Wire,
    names: Names,
    side: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Write one protobuf envelope a row; a column whose present bit is clear is left out.

    Args:
        words: Shape (columns, n): integers as they are, doubles by their bits, strings as numbers
            into `names`, bytes as spans `offset << 24 | length` of `side`.
        present: Bit c of row i is set when column c is written, shape (n,).
        wire: Tag (`number << 3 | wire type`) and code (0 varint, 1 ZigZag, 2 double, 3 string,
            4 bytes) of every column, in the order in which they are written.
        names: All names end to end, where each begins (and the last ends), and the place of each
            column's first name (one entry more than there are columns).
        side: The bytes of bytes columns.

    Returns:
        The payloads end to end, and where each starts and ends.

    Raises:
        ValueError: Shapes do not fit, or a word points at no value.
    """
    _check(words, present, wire, names)
    tags, codes = wire[0].tolist(), wire[1].tolist()
    out = bytearray()
    starts, ends = [], []
    blob, aside = names[0].tobytes(), side.tobytes()
    found = [
        _blobs(words[column], codes[column], (blob, *names[1:]), aside, column)
        for column in range(len(tags))
    ]
    _refuse_lost(found, present)
    for row, bits in enumerate(present.tolist()):
        starts.append(len(out))
        for column, tag in enumerate(tags):
            if bits >> column & 1:
                out += _varint(tag)
                out += _value(int(words[column, row]), codes[column], found[column], row)
        ends.append(len(out))
    data = np.frombuffer(bytes(out), np.uint8)
    return data, np.array(starts, np.int64), np.array(ends, np.int64)


def _check(words: NDArray[np.int64], present: NDArray[np.uint64], wire: Wire, names: Names) -> None:
    columns = len(wire[0])
    if columns > 64 or len(wire[1]) != columns:
        raise ValueError("a table has one tag and one code a column, of at most 64 columns")
    if len(names[2]) != columns + 1:
        raise ValueError("bases has one entry more than there are columns")
    if words.shape[0] != columns or len(present) != words.shape[1]:
        raise ValueError("words has one row a column and present one entry an event")
    if not len(names[1]) or names[1][-1] > len(names[0]):
        raise ValueError("offsets reach past the names")
    if len(names[1]) < names[2][-1] + 1:
        raise ValueError("bases reach past the offsets")


def _blobs(
    words: NDArray[np.int64],
    code: int,
    names: tuple[bytes, NDArray[np.int64], NDArray[np.int64]],
    side: bytes,
    column: int,
) -> list[bytes | None]:
    """Return the bytes that each word of a string or bytes column stands for."""
    blob, offsets, bases = names
    if code == _STRING:
        first, after = int(bases[column]), int(bases[column + 1])
        return [
            blob[offsets[first + word] : offsets[first + word + 1]]
            if 0 <= word < after - first
            else None
            for word in words.tolist()
        ]
    if code == _BYTES:
        mask = (1 << _SPAN_BITS) - 1
        spans = [(word >> _SPAN_BITS, word & mask) for word in words.tolist()]
        return [
            side[start : start + length] if start >= 0 and start + length <= len(side) else None
            for start, length in spans
        ]
    return []


def _refuse_lost(found: list[list[bytes | None]], present: NDArray[np.uint64]) -> None:
    for row, bits in enumerate(present.tolist()):
        for column, values in enumerate(found):
            if values and bits >> column & 1 and values[row] is None:
                raise ValueError(f"row {row}, column {column}: the word points at no value")


def _value(word: int, code: int, blobs: list[bytes | None], row: int) -> bytes:
    if code == _VARINT:
        return _varint(word % _WORD)
    if code == _ZIGZAG:
        return _varint((word << 1 ^ word >> 63) % _WORD)
    if code == _FIXED64:
        return (word % _WORD).to_bytes(8, "little")
    blob = blobs[row] or b""
    return _varint(len(blob)) + blob


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
