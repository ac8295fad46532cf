"""Decode protobuf payloads into columns: the plain-Python twin, which is the meaning.

One rule a line, no speed: `_decode.pyx` does the same and a property test compares them on
arbitrary bytes.
"""

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.names import FieldType

Payloads: TypeAlias = tuple[
    NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]
Columns: TypeAlias = tuple[
    NDArray[np.int64],
    NDArray[np.uint64],
    NDArray[np.uint64],
    NDArray[np.uint8],
    NDArray[np.int16],
]
Field: TypeAlias = tuple[
    int, FieldType, bool, int | float | None, int | float | None, int, tuple[int, ...]
]

(
    OK,
    TRUNCATED,
    MALFORMED,
    WRONG_WIRE_TYPE,
    BAD_UTF8,
    OVERSIZED,
    MISSING_FIELD,
    OUT_OF_RANGE,
    NOT_FINITE,
    UNKNOWN_ENUM,
    TOO_MANY_IDS,
) = range(11)

SPAN_LENGTH_BITS = 24
MAX_FIELD_BYTES = (1 << SPAN_LENGTH_BITS) - 1
MASK = (1 << 64) - 1
INT64_MAX = 2**63 - 1
NAMES_VERSION = b"names-1\n"

TYPE_RANGE = {
    FieldType.UINT32: (0, 2**32 - 1),
    # A word is an int64: the upper half of uint64 is out of range.
    FieldType.UINT64: (0, INT64_MAX),
    FieldType.INT32: (-(2**31), 2**31 - 1),
    # -2**63 stands for "absent" in state columns.
    FieldType.INT64: (-INT64_MAX, INT64_MAX),
    FieldType.BOOL: (0, 1),
}
WIRE_TYPE = {FieldType.DOUBLE: 1, FieldType.STRING: 2, FieldType.BYTES: 2}
WIDTH = {1: 8, 5: 4}


class Refused(Exception):  # noqa: N818 - it is a verdict on a row, caught in this module
    """One row is turned away: the reason, and the column or -1."""

    def __init__(self, reason: int, column: int = -1) -> None:
        super().__init__(reason, column)
        self.reason = reason
        self.column = column


class Names:
    """Number names in the order in which they first come; at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._number: dict[bytes, int] = {}
        self._names: list[str] = []

    def __len__(self) -> int:
        """Return how many names are known."""
        return len(self._number)

    def find(self, name: bytes) -> int:
        """Return the number of a name, -1 if it is not known."""
        return self._number.get(name, -1)

    def number(self, name: bytes) -> int:
        """Return the number of a name, a new one if it is not known.

        Raises:
            ValueError: It is not UTF-8, or the names are full.
        """
        at = self.find(name)
        if at < 0:
            if len(self) >= self.limit:
                raise ValueError(f"more than {self.limit} names")
            text = name.decode()
            at = self._number[name] = len(self._names)
            self._names.append(text)
        return at

    def by_number(self) -> list[str]:
        """Return the names by number: the same list each time, which only ever grows."""
        return self._names

    def snapshot(self) -> bytes:
        """Return all names as bytes."""
        names = list(self._number)
        head = struct.pack(f"<I{len(names)}I", len(names), *map(len, names))
        return NAMES_VERSION + head + b"".join(names)

    def restore(self, state: bytes) -> None:
        """Take up names that `snapshot` of either twin gave, in place of all known ones.

        Raises:
            ValueError: The bytes are no such snapshot, or hold more names than the limit.
        """
        names = read_names(state, self.limit)
        self._number = {name: at for at, name in enumerate(names)}
        self._names[:] = [name.decode() for name in names]


def read_names(state: bytes, limit: int) -> list[bytes]:
    """Return the names in a snapshot.

    Raises:
        ValueError: The bytes are no snapshot of names, or hold more names than the limit.
    """
    at = len(NAMES_VERSION)
    if state[:at] != NAMES_VERSION or len(state) < at + 4:
        raise ValueError("not a snapshot of names")
    (count,) = struct.unpack_from("<I", state, at)
    if count > limit or len(state) < at + 4 + 4 * count:
        raise ValueError(f"a snapshot of {count} names; the limit is {limit}")
    lengths = struct.unpack_from(f"<{count}I", state, at + 4)
    at += 4 + 4 * count
    if len(state) != at + sum(lengths):
        raise ValueError("a damaged snapshot of names")
    names = []
    for length in lengths:
        names.append(state[at : at + length])
        at += length
    if len(set(names)) != count:
        raise ValueError("a snapshot that names one thing twice")
    return names


class Check(NamedTuple):
    """What one column must satisfy."""

    type: FieldType
    wire: int
    required: bool
    low: int | float
    high: int | float
    max_bytes: int
    values: frozenset[int]


def check_of(field: Field) -> Check:
    """Return the checks of a column, the range of its type included."""
    _, kind, required, low, high, max_bytes, values = field
    low_word: int | float
    high_word: int | float
    if kind is FieldType.DOUBLE:
        low_word = -math.inf if low is None else float(low)
        high_word = math.inf if high is None else float(high)
    else:
        low_word, high_word = TYPE_RANGE.get(kind, (-(2**63), INT64_MAX))
        if low is not None and low > low_word:
            low_word = min(math.ceil(low), INT64_MAX)
        if high is not None and high < high_word:
            high_word = max(math.floor(high), -(2**63))
    longest = min(max_bytes or MAX_FIELD_BYTES, MAX_FIELD_BYTES)
    wire = WIRE_TYPE.get(kind, 0)
    return Check(kind, wire, required, low_word, high_word, longest, frozenset(values))


class DecodeTable:
    """What every column must satisfy, and the names of the string columns.

    Args:
        fields: One tuple a column: protobuf number, type, required, low, high (inclusive; None
            is unbounded), most bytes (0: only the payload's limit), numbers of the enum.
        envelope: Columns of event_id, revision, game_id, sequence, event_time, ingest_time, kind.
        timers: Kind numbers that need nothing but the kind; always admitted.
        max_payload: Longest payload in bytes, below 16 MiB.
        max_names: Most distinct strings of one column.
        trust_ingest_time: Keep the payload's own ingest time where it has one.

    Raises:
        ValueError: More than 64 columns, two with one number, or `max_payload` too large.
    """

    def __init__(  # noqa: PLR0913 - a table is made once, from keywords
        self,
        fields: Sequence[Field],
        *,
        envelope: tuple[int, int, int, int, int, int, int] = (0, 1, 2, 3, 4, 5, 6),
        timers: tuple[int, ...] = (10, 15),
        max_payload: int = 65536,
        max_names: int = 1_000_000,
        trust_ingest_time: bool = False,
    ) -> None:
        if len(fields) > 64 or len({field[0] for field in fields}) != len(fields):
            raise ValueError("at most 64 columns, each with a number of its own")
        if any(not 0 < field[0] < 2**29 for field in fields):
            raise ValueError("a field number is in 1 to 2**29 - 1")
        if not 0 < max_payload <= MAX_FIELD_BYTES:
            raise ValueError("max_payload is in 1 to 2**24 - 1")
        self.checks = [check_of(field) for field in fields]
        self.column_of = {field[0]: column for column, field in enumerate(fields)}
        self.envelope = envelope
        self.timers = frozenset(timers)
        kind = envelope[6]
        self.checks[kind] = self.checks[kind]._replace(
            values=self.checks[kind].values | self.timers
        )
        self.max_payload = max_payload
        self.trust_ingest_time = trust_ingest_time
        self.names: dict[int, Names] = {
            column: Names(max_names)
            for column, check in enumerate(self.checks)
            if check.type is FieldType.STRING
        }

    def snapshot(self) -> bytes:
        """Return the names of all string columns as bytes."""
        parts = [names.snapshot() for names in self.names.values()]
        return struct.pack(f"<I{len(parts)}Q", len(parts), *map(len, parts)) + b"".join(parts)

    def restore(self, state: bytes) -> None:
        """Take up names that `snapshot` of either twin gave.

        Raises:
            ValueError: The bytes are no such snapshot, or one of other columns.
        """
        for names, part in zip(self.names.values(), split_parts(state), strict=True):
            names.restore(part)


def split_parts(state: bytes) -> list[bytes]:
    """Return the snapshots of the string columns in a snapshot of a table.

    Raises:
        ValueError: The bytes are damaged.
    """
    if len(state) < 4:
        raise ValueError("not a snapshot of a decode table")
    (count,) = struct.unpack_from("<I", state)
    if len(state) < 4 + 8 * count:
        raise ValueError("not a snapshot of a decode table")
    lengths = struct.unpack_from(f"<{count}Q", state, 4)
    at = 4 + 8 * count
    if len(state) != at + sum(lengths):
        raise ValueError("a damaged snapshot of a decode table")
    parts = []
    for length in lengths:
        parts.append(state[at : at + length])
        at += length
    return parts


def decode(payloads: Payloads, table: DecodeTable, columns: Columns) -> int:
    """Decode payloads into columns and return how many rows are good.

    A row that is turned away has all words 0 (but its ingest time), no present bits and key 0; if
    one field is at fault, the game (a known one) and the sequence stay, where both can be read.
    Every occurrence of a field is checked; the last one counts.

    Args:
        payloads: Bytes (`uint8`), starts, ends and ingest times (`int64`), each of n.
        table: What to check; takes up new names of good rows.
        columns: Filled: words (columns, n) `int64`, present (n,) `uint64`, keys (2, n) `uint64`,
            status (n,) `uint8`, detail (n,) `int16`. All in C order.
    """
    data, starts, ends, ingest_us = payloads
    words, present, keys, status, detail = columns
    buffer = data.tobytes()
    ingest = table.envelope[5]
    for row in range(len(starts)):
        start, end, arrived = int(starts[row]), int(ends[row]), int(ingest_us[row])
        values: dict[int, int] = {}
        key = (0, 0)
        try:
            values = decode_row(buffer, start, end, table)
            key = finish_row(buffer, values, table)
            status[row], detail[row] = OK, -1
        except Refused as refused:
            values = place_of(buffer, start, end, table) if refused.column >= 0 else {}
            status[row], detail[row] = refused.reason, refused.column
        if not (table.trust_ingest_time and ingest in values):
            words_ingest = arrived
        else:
            words_ingest = values[ingest]
        words[:, row] = 0
        for column, word in values.items():
            words[column, row] = word
        words[ingest, row] = words_ingest
        bits = sum(1 << column for column in values)
        present[row] = bits | 1 << ingest if status[row] == OK else bits
        keys[:, row] = key
    return int(np.count_nonzero(status[: len(starts)] == OK))


def decode_row(buffer: bytes, start: int, end: int, table: DecodeTable) -> dict[int, int]:
    """Return the words of one payload by column; strings and bytes as spans.

    Raises:
        Refused: The bytes are not protobuf, or a field is not what its column says.
    """
    if not 0 <= start <= end <= len(buffer):
        raise Refused(TRUNCATED)
    if end - start > table.max_payload:
        raise Refused(OVERSIZED)
    values: dict[int, int] = {}
    at = start
    while at < end:
        tag, at = varint(buffer, at, end)
        number, wire = tag >> 3, tag & 7
        if tag > 2**32 - 1 or number == 0 or wire in {3, 4, 6, 7}:
            raise Refused(MALFORMED)
        column = table.column_of.get(number)
        if column is None:
            _, at = raw_value(buffer, at, end, wire)
            continue
        check = table.checks[column]
        if wire != check.wire:
            raise Refused(WRONG_WIRE_TYPE, column)
        raw, at = raw_value(buffer, at, end, wire)
        values[column] = word_of(buffer, raw, check, column)
    return values


def place_of(buffer: bytes, start: int, end: int, table: DecodeTable) -> dict[int, int]:
    """Return the game and the sequence of a payload with a faulty field; nothing if one is unknown.

    They say where the event stood, so that nobody waits for it.
    """
    _, _, game_id, sequence, *_ = table.envelope
    values: dict[int, int] = {}
    at = start
    try:
        while at < end:
            tag, at = varint(buffer, at, end)
            number, wire = tag >> 3, tag & 7
            if tag > 2**32 - 1 or number == 0 or wire in {3, 4, 6, 7}:
                return {}
            column = table.column_of.get(number)
            raw, at = raw_value(buffer, at, end, wire)
            if column in {game_id, sequence}:
                if wire != table.checks[column].wire:
                    return {}
                values[column] = word_of(buffer, raw, table.checks[column], column)
    except Refused:
        return {}
    if values.keys() != {game_id, sequence}:
        return {}
    values[game_id] = table.names[game_id].find(span_bytes(buffer, values[game_id]))
    return values if values[game_id] >= 0 else {}


def varint(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a varint and the place behind it.

    Raises:
        Refused: It runs past the end, or over 64 bits.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at == end:
            raise Refused(TRUNCATED)
        byte = buffer[at]
        at += 1
        if shift == 63 and byte > 1:
            raise Refused(MALFORMED)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, at


def raw_value(buffer: bytes, at: int, end: int, wire: int) -> tuple[int, int]:
    """Return the number, the bits or the span of one value, and the place behind it.

    Raises:
        Refused: It runs past the end.
    """
    if wire == 0:
        return varint(buffer, at, end)
    if wire == 2:
        length, at = varint(buffer, at, end)
    else:
        length = WIDTH[wire]
    if length > end - at:
        raise Refused(TRUNCATED)
    if wire == 2:
        return at << SPAN_LENGTH_BITS | length, at + length
    return int.from_bytes(buffer[at : at + length], "little"), at + length


def word_of(buffer: bytes, raw: int, check: Check, column: int) -> int:
    """Return the word of a value that passes its column's checks.

    Raises:
        Refused: It does not.
    """
    if check.wire == 2:
        return span_word(buffer, raw, check, column)
    if check.type is FieldType.DOUBLE:
        return double_word(raw, check, column)
    word = raw - 2**64 if raw >= 2**63 else raw
    if check.type is FieldType.ENUM:
        if word not in check.values:
            raise Refused(UNKNOWN_ENUM, column)
        return word
    if check.type is FieldType.INT32:
        word = raw >> 1 ^ -(raw & 1)
    if not check.low <= word <= check.high:
        raise Refused(OUT_OF_RANGE, column)
    return word


def span_word(buffer: bytes, span: int, check: Check, column: int) -> int:
    """Return the span of a string or bytes value that passes its column's checks.

    Raises:
        Refused: It is too long, or a string that is not UTF-8.
    """
    if span & MAX_FIELD_BYTES > check.max_bytes:
        raise Refused(OVERSIZED, column)
    if check.type is FieldType.STRING:
        try:
            span_bytes(buffer, span).decode()
        except UnicodeDecodeError:
            raise Refused(BAD_UTF8, column) from None
    return span


def double_word(raw: int, check: Check, column: int) -> int:
    """Return the bits of a double that passes its column's checks.

    Raises:
        Refused: It is not finite, or out of range.
    """
    value = float(struct.unpack("<d", raw.to_bytes(8, "little"))[0])
    if not math.isfinite(value):
        raise Refused(NOT_FINITE, column)
    if not check.low <= value <= check.high:
        raise Refused(OUT_OF_RANGE, column)
    # -0.0 + 0.0 is 0.0: one zero, so that equal values have equal bits.
    return int(struct.unpack("<q", struct.pack("<d", value + 0.0))[0])


def span_bytes(buffer: bytes, span: int) -> bytes:
    """Return the bytes that a span stands for."""
    start = span >> SPAN_LENGTH_BITS
    return buffer[start : start + (span & MAX_FIELD_BYTES)]


def finish_row(buffer: bytes, values: dict[int, int], table: DecodeTable) -> tuple[int, int]:
    """Check what a row must have, number its strings in place, and return its key.

    Raises:
        Refused: Something is missing, or a column of names is full.
    """
    event_id, revision, game_id, _, event_time, ingest_time, kind = table.envelope
    if kind not in values:
        raise Refused(MISSING_FIELD, kind)
    if values[kind] in table.timers:
        for column in values.keys() - {event_time, ingest_time, kind}:
            del values[column]
        return (0, 0)
    check_required(values, table)
    strings = {column: span_bytes(buffer, values[column]) for column in table.names.keys() & values}
    key = key_of(strings[game_id], span_bytes(buffer, values[event_id]), values.get(revision, 0))
    for column in sorted(strings):
        names = table.names[column]
        if names.find(strings[column]) < 0 and len(names) >= names.limit:
            raise Refused(TOO_MANY_IDS, column)
    for column, name in strings.items():
        values[column] = table.names[column].number(name)
    return key


def check_required(values: dict[int, int], table: DecodeTable) -> None:
    """Check that an event that is no timer has what it needs; an empty id is not there.

    Raises:
        Refused: Something is missing.
    """
    event_id, _, game_id, sequence, _, ingest_time, _ = table.envelope
    for column, check in enumerate(table.checks):
        # The ingest time is always there: the record's own, if the payload has none.
        needed = check.required and column != ingest_time
        if (needed or column in {event_id, game_id, sequence}) and column not in values:
            raise Refused(MISSING_FIELD, column)
        if column in {event_id, game_id} and not values[column] & MAX_FIELD_BYTES:
            raise Refused(MISSING_FIELD, column)


def fold(a: int, b: int) -> int:
    """Return both halves of the 128-bit product, folded into one word."""
    product = a * b
    return (product ^ product >> 64) & MASK


def absorb(state: tuple[int, int], a: int, b: int) -> tuple[int, int]:
    """Mix two words into both lanes of a hash."""
    low, high = state
    return (
        (low + fold(a ^ low, b ^ 0x9E3779B97F4A7C15)) & MASK,
        (high + fold(b ^ high, a ^ 0xC2B2AE3D27D4EB4F)) & MASK,
    )


def absorb_bytes(state: tuple[int, int], data: bytes) -> tuple[int, int]:
    """Mix bytes in, 16 at a time, the last block filled with zeros."""
    for at in range(0, len(data), 16):
        a, b = struct.unpack("<QQ", data[at : at + 16].ljust(16, b"\0"))
        state = absorb(state, a, b)
    return state


def key_of(game_id: bytes, event_id: bytes, revision: int) -> tuple[int, int]:
    """Return the 128-bit key by which a duplicate is known."""
    state = (0x243F6A8885A308D3, 0x13198A2E03707344)
    state = absorb(absorb_bytes(state, game_id), len(game_id), 0xA4093822299F31D0)
    return absorb(absorb_bytes(state, event_id), len(event_id), revision)
