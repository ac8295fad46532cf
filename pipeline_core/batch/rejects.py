"""Rows turned away, each with its original bytes and a reason."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Reason(IntEnum):
    """Why a row did not go on; the numbers are those of `ext` and of stored dead letters."""

    OK = 0
    """The row went on."""
    TRUNCATED = 1
    """The payload ends inside a field."""
    MALFORMED = 2
    """Not protobuf: bad tag, wire type 3, 4, 6 or 7, varint over 64 bits."""
    WRONG_WIRE_TYPE = 3
    """A known field with another wire type than the spec gives it."""
    BAD_UTF8 = 4
    """A text field whose bytes are not UTF-8."""
    OVERSIZED = 5
    """A payload, string or bytes field above its limit."""
    MISSING_FIELD = 6
    """A field that the event must have is absent."""
    OUT_OF_RANGE = 7
    """A number outside the range that the spec gives the field."""
    NOT_FINITE = 8
    """NaN or infinite."""
    UNKNOWN_ENUM = 9
    """A number that the spec gives no name."""
    TOO_MANY_IDS = 10
    """A column of names is full: more distinct ids than the plan allows."""
    RULE = 11
    """A validation rule of the spec says no; `detail` is its index."""
    MAPPING = 12
    """The provider's record does not map to an event."""
    DUPLICATE = 13
    """Same game, event id and revision inside the window: counted, not a dead letter."""
    SEQUENCE_REUSED = 14
    """Another event already came under this sequence."""
    SEQUENCE_JUMP = 15
    """Further ahead of the game's next sequence than `order.max_gap`."""
    LATE = 16
    """Behind the game's order, under the late policies `dlq` (dead letter) and `drop`."""
    FINISHED_GAME = 17
    """The game has ended."""
    TEMPORAL_RULE = 18
    """A rule about the state before the event says no; `detail` is its index."""
    UNKNOWN_EVENT = 19
    """A correction or delete of an event that the game does not have."""
    PLUGIN = 20
    """The model raised, hung or returned something unusable on this game's state."""
    GUARD = 21
    """A guard with the policy `dead-letter` refused the price that this event made; it names it."""


COUNTED_ONLY = frozenset({Reason.DUPLICATE})
"""Reasons that are counted but make no dead letter."""


@dataclass(frozen=True, slots=True)
class Rejects:
    """Rows turned away by one stage in one batch, in input order.

    `reason` and `detail` have one entry a row; `detail` is the column index for field checks, the
    rule index for rules, else -1. `payloads[i]` are the original bytes. `text[i]` may say more.
    """

    stage: str
    reason: NDArray[np.uint8]
    detail: NDArray[np.int16]
    position: NDArray[np.int64]
    ingest_us: NDArray[np.int64]
    payloads: list[bytes]
    text: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.payloads)

    @staticmethod
    def none(stage: str) -> "Rejects":
        """Return an empty set of rejects."""
        return Rejects(
            stage,
            np.empty(0, np.uint8),
            np.empty(0, np.int16),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            [],
        )
