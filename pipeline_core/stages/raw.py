"""What stands in a raw topic: a provider's messages as they came, and events of our own between."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.encode import with_originals
from oddspipe.core.stages.messages import JsonMessages

OURS: Final = b"\xffoddspipe\n"
"""Begins an event of our own: no JSON text, UTF-8 or protobuf message begins like this."""


class RawMessages:
    """Makes events of the records of a raw topic.

    Args:
        messages: Reads the provider's messages; None: they are events already.
    """

    def __init__(self, messages: JsonMessages | None) -> None:
        """Take what reads the messages."""
        self._messages = messages

    def events(self, given: Payloads) -> Payloads:
        """Return the same records as events; those that do not map stay as they are."""
        ours = _ours(given)
        if not len(ours):
            return self._read(given)
        theirs = np.setdiff1d(np.arange(len(given)), ours, assume_unique=True)
        read = self._read(_rows(given, theirs))
        own = [given.bytes_at(row)[len(OURS) :] for row in ours.tolist()]
        data, starts, ends = with_originals((read.data, read.starts, read.ends), theirs, ours, own)
        return replace(given, data=data, starts=starts, ends=ends, unmapped=read.unmapped)

    def _read(self, given: Payloads) -> Payloads:
        return given if self._messages is None else self._messages.events(given)


def as_ours(event: bytes) -> bytes:
    """Return an event as it stands in a raw topic."""
    return OURS + event


def _ours(given: Payloads) -> NDArray[np.int64]:
    """Return the rows of our own events."""
    long = np.flatnonzero(given.ends - given.starts >= len(OURS))
    likely = long[given.data[given.starts[long]] == OURS[0]]
    found: Sequence[int] = [row for row in likely.tolist() if given.bytes_at(row).startswith(OURS)]
    return np.array(found, np.int64)


def _rows(given: Payloads, rows: NDArray[np.int64]) -> Payloads:
    return replace(
        given,
        starts=given.starts[rows],
        ends=given.ends[rows],
        ingest_us=given.ingest_us[rows],
        positions=given.positions[rows],
    )
