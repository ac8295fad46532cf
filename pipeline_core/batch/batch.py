"""Batches: payloads as they came, and the columns of the events in them.

Every column is a row of one `int64` matrix (`words`): integers as they are, doubles by their bits,
strings as interned numbers, bytes as a span of the payload buffer, enums by their number. One
layout for all makes a gather, a held row and a snapshot one operation each, and Polars can borrow
any column without a copy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SPAN_LENGTH_BITS = 24
"""A span packs `offset << 24 | length`: buffers below 512 GiB, values below 16 MiB."""

LATE_AMENDED = 1
"""Flag: this event came after its gap had been given up, and is folded in at its place."""
AFTER_GAP = 2
"""Flag: sequences before this event were given up."""
HALTED = 4
"""Flag: it was taken while no market may be open, because too much was turned away."""
HALT = 8
"""Flag of what is no event: from here on no market may be open."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """Records as a source gave them, in input order.

    Attributes:
        data: All payload bytes, one after another, `uint8`.
        starts, ends: Where payload i lies in `data`, shape (n,).
        ingest_us: When the adapter received payload i (or the record's own timestamp), shape (n,).
        positions: Place of payload i in its input, strictly increasing, shape (n,).
        arrived_ns: Monotonic time at which the first of them was received; for latency only.
        token: The source's own resume token after the last of them; empty if positions suffice.
        unmapped: By position, why a record did not map to an event: that payload is the record's
            original bytes, and is rejected with `MAPPING` before it is decoded.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    ingest_us: NDArray[np.int64]
    positions: NDArray[np.int64]
    arrived_ns: int = 0
    token: bytes = b""
    unmapped: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of payloads."""
        return len(self.starts)

    def bytes_at(self, row: int) -> bytes:
        """Return a copy of payload `row`."""
        return self.data[self.starts[row] : self.ends[row]].tobytes()

    def part(self, start: int, stop: int) -> "Payloads":
        """Return payloads `start` to `stop`, sharing the buffer."""
        positions = self.positions[start:stop]
        unmapped = self.unmapped
        if unmapped and len(positions):
            first, last = int(positions[0]), int(positions[-1])
            unmapped = {at: why for at, why in unmapped.items() if first <= at <= last}
        return Payloads(
            self.data,
            self.starts[start:stop],
            self.ends[start:stop],
            self.ingest_us[start:stop],
            positions,
            self.arrived_ns,
            self.token,
            unmapped,
        )

    def after(self, position: int) -> "Payloads":
        """Return the payloads from a position on."""
        return self.part(int(np.searchsorted(self.positions, position)), len(self))

    @staticmethod
    def of(
        payloads: list[bytes], *, ingest_us: NDArray[np.int64], first_position: int = 0
    ) -> "Payloads":
        """Lay `payloads` end to end in one buffer."""
        lengths = np.fromiter((len(p) for p in payloads), np.int64, len(payloads))
        ends = np.cumsum(lengths)
        return Payloads(
            np.frombuffer(b"".join(payloads), np.uint8),
            ends - lengths,
            ends,
            np.asarray(ingest_us, np.int64),
            np.arange(first_position, first_position + len(payloads), dtype=np.int64),
        )

    @staticmethod
    def joined(parts: "Sequence[Payloads]") -> "Payloads":
        """Return payloads that follow each other as one, with one buffer; none may be empty."""
        spans = [(int(part.starts.min()), int(part.ends.max())) for part in parts]
        sizes = [high - low for low, high in spans]
        moved = np.cumsum([0, *sizes])[:-1] - [low for low, _ in spans]
        unmapped: dict[int, str] = {}
        for part in parts:
            unmapped |= part.unmapped
        cut = [part.data[low:high] for part, (low, high) in zip(parts, spans, strict=True)]
        return Payloads(
            np.concatenate(cut),
            np.concatenate([part.starts + by for part, by in zip(parts, moved, strict=True)]),
            np.concatenate([part.ends + by for part, by in zip(parts, moved, strict=True)]),
            np.concatenate([part.ingest_us for part in parts]),
            np.concatenate([part.positions for part in parts]),
            parts[0].arrived_ns,
            parts[-1].token,
            unmapped,
        )


@dataclass(slots=True)
class Batch:
    """Events in columns; row i of every array is one event.

    Attributes:
        words: Shape (columns of the plan's layout, n), `int64`, C order.
        present: Bit c of row i is set when column c was in the payload, shape (n,).
        keys: Shape (2, n), `uint64`: 128-bit hash of (game_id, event_id, revision).
        flags: `LATE_AMENDED`, `AFTER_GAP`, `HALTED`, shape (n,), `uint8`.
        positions: Place in the input of the payload that each row came from, shape (n,).
        data: The buffer that spans of bytes columns point into.
        starts, ends: Where the payload of row i lies in `data`.
        numbers: Place of row i in this partition's normalised output: gap-free, from 0; the
            same for the same input however it was batched. Filled by the order stage.
        until_us: Recorded time up to which this batch has moved the partition.
    """

    words: NDArray[np.int64]
    present: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    positions: NDArray[np.int64]
    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    until_us: int = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.words.shape[1])

    def take(self, rows: NDArray[np.int64]) -> "Batch":
        """Return these rows in this order, sharing the buffer."""
        return Batch(
            np.ascontiguousarray(self.words[:, rows]),
            self.present[rows],
            np.ascontiguousarray(self.keys[:, rows]),
            self.flags[rows],
            self.positions[rows],
            self.data,
            self.starts[rows],
            self.ends[rows],
            self.numbers[rows],
            self.until_us,
        )

    def doubles(self, column: int) -> NDArray[np.float64]:
        """Return a column of doubles, without a copy."""
        seen: NDArray[np.float64] = self.words[column].view(np.float64)
        return seen

    def bytes_of(self, column: int, row: int) -> bytes:
        """Return the bytes value of one row of a bytes column."""
        span = int(self.words[column, row])
        start = span >> SPAN_LENGTH_BITS
        return self.data[start : start + (span & ((1 << SPAN_LENGTH_BITS) - 1))].tobytes()

    def payload(self, row: int) -> bytes:
        """Return the original bytes of one row."""
        return self.data[self.starts[row] : self.ends[row]].tobytes()
