"""A feed that was written down: NDJSON, a message a line, in the order in which it came."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from oddspipe.core.adapters.pace import Pace
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import Clock
from oddspipe.core.errors import RunError, SpecError
from oddspipe.core.plan.model import Plan
from oddspipe.core.stages.messages import JsonMessages

LINES: Final = 16_384
"""Lines that are mapped at once."""
EVENTS_SUFFIX: Final = ".events.ndjson"


def captured_files(data: Path, sport: str) -> list[Path]:
    """Return the files of captured messages in a folder, or in its folder of the sport."""
    return sorted(data.glob("*.ndjson")) or sorted((data / sport).glob("*.ndjson"))


class CapturedSource:
    """Replays captured messages, file after file in the order of their names.

    A file that ends in `.events.ndjson` has events by the names of their fields; any other has what
    the feed sends: the provider's messages where the feed's format is `json`, else events too.

    Args:
        plan: What runs.
        files: The files.
        pace: How fast.
        delay_us: From event to receipt, where a message does not say when it was received.
    """

    name: Final = "replay"
    finite: Final = True

    def __init__(
        self, plan: Plan, files: Sequence[Path], pace: Pace, delay_us: int, clock: Clock
    ) -> None:
        self._plan = plan
        self._files = files
        self._pace = pace
        self._delay_us = delay_us
        self._clock = clock
        self._readers: dict[bool, JsonMessages] = {}
        self._parts: Iterator[Payloads] = iter(())
        self._pending: Payloads | None = None
        self._total: int | None = None

    def open(self, position: int, token: bytes = b"") -> None:  # noqa: ARG002 - the port's
        """Go to `position`: what lies before it is read again, since its times decide ours."""
        self._pace.restart()
        self._parts = self._read(position)
        self._pending = None

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what is due of the next lines."""
        if self._pending is None:
            self._pending = next(self._parts, None)
        if self._pending is None:
            return None
        due, self._pending = self._pace.due(self._pending, timeout_us)
        return due

    def acknowledge(self, position: int) -> None:
        """Do nothing; a recording stays where it is."""

    def total(self) -> int | None:
        """Return how many lines there are."""
        if self._total is None:
            self._total = sum(sum(1 for _ in _lines(file)) for file in self._files)
        return self._total

    def close(self) -> None:
        """Let go of the files, and of what was read of them."""
        self._parts, self._pending = iter(()), None

    def _read(self, skip_to: int) -> Iterator[Payloads]:
        position, latest = 0, 0
        for file in self._files:
            reader = self._reader(file)
            lines = _lines(file)
            while part := list(islice(lines, LINES)):
                times = np.full(len(part), latest, np.int64)
                given = Payloads.of(part, ingest_us=times, first_position=position)
                made = reader.events(given, delay_us=self._delay_us)
                position += len(part)
                latest = int(made.ingest_us[-1])
                if position > skip_to:
                    first = max(0, skip_to - int(made.positions[0]))
                    arrived = self._clock.monotonic_ns()
                    yield replace(made.part(first, len(made)), arrived_ns=arrived)

    def _reader(self, file: Path) -> JsonMessages:
        plan = self._plan
        as_events = plan.feed.format == "event" or file.name.endswith(EVENTS_SUFFIX)
        if as_events not in self._readers:
            limit = plan.max_payload_bytes
            try:
                self._readers[as_events] = (
                    JsonMessages.of_events(
                        plan.layout, plan.kinds,
                        schema_version=plan.schema_version, max_payload_bytes=limit,
                    )
                    if as_events
                    else JsonMessages.of_feed(
                        plan.feed, plan.layout, plan.kinds,
                        schema_version=plan.schema_version, max_payload_bytes=limit,
                    )
                )  # fmt: skip
            except SpecError as error:
                raise RunError(f"{plan.sport}: {error.message}", hint=error.hint) from error
        return self._readers[as_events]


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file that are not empty, without their ends.

    Raises:
        RunError: The file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            for line in opened:
                text = line.rstrip(b"\r\n")
                if text:
                    yield text
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {error.strerror}") from error
