"""From columns back to payloads: what sources use that map records or make events."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.names import FieldType
from oddspipe.ext.encode import encode

# Code in the encoder's table, and protobuf wire type, of each type.
_WIRE: Final = {
    FieldType.UINT32: (0, 0),
    FieldType.UINT64: (0, 0),
    FieldType.INT32: (1, 0),
    FieldType.INT64: (0, 0),
    FieldType.BOOL: (0, 0),
    FieldType.ENUM: (0, 0),
    FieldType.DOUBLE: (2, 1),
    FieldType.STRING: (3, 2),
    FieldType.BYTES: (4, 2),
}
NO_BYTES: Final = np.empty(0, np.uint8)
Encoded = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]


class Encoder:
    """Writes events of one layout as protobuf envelopes."""

    def __init__(self, layout: Layout) -> None:
        """Make the encoder's table."""
        self._wire = (
            np.array([_tag(column) for column in layout.columns], np.uint32),
            np.array([_WIRE[column.type][0] for column in layout.columns], np.uint8),
        )

    def encode(
        self,
        words: NDArray[np.int64],
        present: NDArray[np.uint64],
        strings: Mapping[int, Sequence[str]],
        side: NDArray[np.uint8] = NO_BYTES,
    ) -> Encoded:
        """Return the payloads end to end, and where each starts and ends.

        Args:
            words: As in `Batch`, shape (columns, n).
            present: As in `Batch`; a column whose bit is clear is not written.
            strings: The names that a string column's words are numbers of, by column index.
            side: The buffer that spans of bytes columns point into.

        Raises:
            ValueError: A word points at no name, or outside `side`.
        """
        names = _packed(strings, len(self._wire[0]))
        return encode(np.ascontiguousarray(words), present, self._wire, names, side)


def with_originals(
    encoded: Encoded, made: NDArray[np.int64], stay: NDArray[np.int64], originals: Sequence[bytes]
) -> Encoded:
    """Return envelopes at the places `made` and original bytes at the places `stay`."""
    data, starts, ends = encoded
    lengths = np.fromiter(map(len, originals), np.int64, len(originals))
    upto = np.cumsum(lengths) + len(data)
    first = np.empty(len(made) + len(stay), np.int64)
    last = np.empty_like(first)
    first[made], last[made] = starts, ends
    first[stay], last[stay] = upto - lengths, upto
    return np.concatenate([data, np.frombuffer(b"".join(originals), np.uint8)]), first, last


def _tag(column: Column) -> int:
    return column.number << 3 | _WIRE[column.type][1]


def _packed(
    strings: Mapping[int, Sequence[str]], columns: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Lay all names end to end, with the place of each and of each column's first."""
    blobs: list[bytes] = []
    bases = np.zeros(columns + 1, np.int64)
    for column in range(columns):
        blobs.extend(name.encode() for name in strings.get(column, ()))
        bases[column + 1] = len(blobs)
    offsets = np.zeros(len(blobs) + 1, np.int64)
    np.cumsum([len(blob) for blob in blobs], out=offsets[1:])
    return np.frombuffer(b"".join(blobs), np.uint8), offsets, bases
