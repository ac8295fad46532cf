"""Events on the normalised topic: each as it came, and behind it where it stands.

What is added is one protobuf field of its own number, so that whoever reads events with the sport's
schema reads these too and passes over it. It has a fixed length; so a whole batch is written and
read by columns.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import HALT, Batch, Payloads
from oddspipe.core.batch.layout import INGEST_TIME, STANDING_NUMBER
from oddspipe.ext.tail import put_tails, take_tails

NO_NUMBER: Final = -1
"""Number of what is no event."""
_TAG: Final = STANDING_NUMBER << 3 | 2
TAIL: Final = np.dtype(
    [
        *(("tag", "u1", 2), ("length", "u1")),
        *(("tag_1", "u1"), ("number", "<i8")),
        *(("tag_2", "u1"), ("position", "<i8")),
        *(("tag_3", "u1"), ("ingest_us", "<i8")),
        *(("tag_4", "u1"), ("flags", "<u4")),
    ]
)
"""The field as bytes: a message of `number`, `position`, `ingest_us` (fixed64) and `flags`."""
_HEAD: Final = TAIL.fields["tag_1"][1]  # type: ignore[index]
_FIXED: Final = {
    "tag": (_TAG & 0x7F | 0x80, _TAG >> 7),
    "length": TAIL.itemsize - _HEAD,
    "tag_1": 1 << 3 | 1,
    "tag_2": 2 << 3 | 1,
    "tag_3": 3 << 3 | 1,
    "tag_4": 4 << 3 | 5,
}


@dataclass(frozen=True, slots=True)
class Standings:
    """Where the events of some records stand; each shape (n,).

    Attributes:
        whole: Whether a record is one of ours; what the others say means nothing.
        number: Place in the partition's normalised output.
        position: Place in the feed.
        ingest_us: When it was received.
        flags: As in `Batch`.
    """

    whole: NDArray[np.bool_]
    number: NDArray[np.int64]
    position: NDArray[np.int64]
    ingest_us: NDArray[np.int64]
    flags: NDArray[np.uint8]


def as_records(
    events: Batch,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return events as they stand on the normalised topic: a buffer, starts and ends."""
    tails = np.empty(len(events), TAIL)
    for name, value in _FIXED.items():
        tails[name] = value
    tails["number"] = events.numbers
    tails["position"] = events.positions
    tails["ingest_us"] = events.words[INGEST_TIME]
    tails["flags"] = events.flags
    raw = tails.view(np.uint8).reshape(len(events), TAIL.itemsize)
    return put_tails(events.data, events.starts, events.ends, raw)


def as_halt(position: int, ingest_us: int) -> bytes:
    """Return the record that says that no market may be open from here on; it is no event.

    Args:
        position: Place in the feed before which everything was taken.
        ingest_us: Recorded time reached.
    """
    tails = np.empty(1, TAIL)
    for name, value in (*_FIXED.items(), ("number", NO_NUMBER), ("flags", HALT)):
        tails[name] = value
    tails["position"], tails["ingest_us"] = position, ingest_us
    return tails.tobytes()


def standings(records: Payloads) -> Standings:
    """Read where the events of records stand."""
    raw = take_tails(records.data, records.starts, records.ends, TAIL.itemsize)
    tails = raw.view(TAIL).reshape(len(records))
    whole = np.ones(len(records), np.bool_)
    for name, value in _FIXED.items():
        same = tails[name] == value
        whole &= same.all(axis=1) if same.ndim > 1 else same
    return Standings(
        whole,
        tails["number"].astype(np.int64),
        tails["position"].astype(np.int64),
        tails["ingest_us"].astype(np.int64),
        tails["flags"].astype(np.uint8),
    )
