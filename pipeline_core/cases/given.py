"""What a test gives, as the payloads that a source would hand over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Payloads
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.batch.layout import (
    EVENT_TIME,
    GAME_ID,
    KIND,
    SCHEMA_VERSION,
    SEQUENCE,
    Column,
)
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.plan.model import Plan
from oddspipe.core.spec.cases import (
    GivenBytes,
    GivenEntry,
    GivenEvent,
    GivenRecord,
    GivenTime,
    Plain,
)
from oddspipe.core.stages.mapping import Mapper
from oddspipe.core.stages.messages import NO_ENTRY, JsonRecords

START_US = 1_767_225_600_000_000
"""Recorded time at which every test begins: 2026-01-01 00:00 UTC."""
TICK_US = 50_000
"""A source that has nothing is asked again after so long; each time makes a tick."""
MAX_TICKS = 10_000
"""Ticks of one advance; a longer one has them further apart."""

Named = tuple[str, int]
"""Game and sequence."""

_TIMERS = {"tick": int(Kind.TICK), "heartbeat": int(Kind.HEARTBEAT)}


@dataclass(frozen=True, slots=True)
class Sent:
    """One entry of a test as payloads.

    Attributes:
        at_us: Recorded time since the start of the test at which the last of them arrives.
        told: The entry in a few words: `A 3 score`.
        payloads: What arrives.
        names: Game and sequence of each payload, where they are known.
    """

    at_us: int
    told: str
    payloads: Payloads
    names: tuple[Named, ...] = ()


@dataclass
class Sender:
    """Makes payloads of a test's entries: numbers events by game, keeps the time."""

    plan: Plan
    now_us: int = 0
    position: int = 0
    _next: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the encoder's table."""
        self._encoder = Encoder(self.plan.layout)
        self._kinds = {kind.name: kind.number for kind in self.plan.kinds} | _TIMERS

    def send(self, entry: GivenEntry) -> Sent:
        """Return an entry as payloads, and move the time on to it."""
        match entry:
            case GivenTime():
                return self._advance(entry.advance)
            case GivenRecord():
                self._reach(entry.at)
                return self._record(msgspec.json.encode(entry.record))
            case GivenBytes():
                self._reach(entry.at)
                raw = bytes.fromhex(entry.hex)
                return self._sent(f"{len(raw)} bytes", [raw])
            case GivenEvent():
                self._reach(entry.at)
                return self._event(entry)

    def _reach(self, at_us: int | None) -> None:
        self.now_us = max(self.now_us, at_us or 0)

    def _sent(self, told: str, payloads: list[bytes], names: Sequence[Named] = ()) -> Sent:
        times = np.full(len(payloads), START_US + self.now_us)
        made = Payloads.of(payloads, ingest_us=times, first_position=self.position)
        self.position += len(payloads)
        return Sent(self.now_us, told, made, tuple(names))

    # Time.

    def _advance(self, by_us: int) -> Sent:
        count = min(max(by_us // TICK_US, 1), MAX_TICKS)
        times = START_US + self.now_us + np.arange(1, count + 1) * by_us // count
        self.now_us += by_us
        words = np.zeros((len(self.plan.layout), count), np.int64)
        words[KIND], words[EVENT_TIME] = Kind.TICK, times
        present = np.full(count, 1 << KIND | 1 << EVENT_TIME, np.uint64)
        data, starts, ends = self._encoder.encode(words, present, {})
        ticks = [data[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]
        sent = self._sent("time passes", ticks)
        return replace(sent, payloads=replace(sent.payloads, ingest_us=times))

    # Events.

    def _event(self, event: GivenEvent) -> Sent:
        values: dict[str, Plain] = {"event_time": START_US + self.now_us}
        told = event.kind
        names = []
        if event.game_id is not None:
            sequence = self._number(event.game_id, event.sequence)
            told = f"{event.game_id} {sequence} {event.kind}"
            names = [(event.game_id, sequence)]
            values |= {
                "game_id": event.game_id,
                "sequence": sequence,
                "event_id": event.event_id or f"{event.game_id}-{sequence}",
            }
        if event.revision:
            values["revision"] = event.revision
            told += f" (revision {event.revision})"
        values |= {"schema_version": self.plan.schema_version, **(event.model_extra or {})}
        return self._sent(told, [self._encoded(self._kinds[event.kind], values)], names)

    def _number(self, game: str, stated: int | None) -> int:
        following = self._next.get(game, self.plan.order.first_sequence)
        sequence = following if stated is None else stated
        self._next[game] = max(following, sequence + 1)
        return sequence

    def _encoded(self, kind: int, values: dict[str, Plain]) -> bytes:
        """Return one event as protobuf."""
        layout = self.plan.layout
        words = np.zeros((len(layout), 1), np.int64)
        words[KIND], present = kind, 1 << KIND
        strings: dict[int, list[str]] = {}
        side = b""
        for name, value in values.items():
            at = layout.index[name]
            if value is None:
                continue
            column = layout.columns[at]
            if column.type is FieldType.STRING:
                strings[at] = [str(value)]
            elif column.type is FieldType.BYTES:
                raw = str(value).encode()
                words[at] = len(side) << SPAN_LENGTH_BITS | len(raw)
                side += raw
            else:
                words[at] = _word(column, value)
            present |= 1 << at
        data, starts, ends = self._encoder.encode(
            words, np.array([present], np.uint64), strings, np.frombuffer(side, np.uint8)
        )
        return data[starts[0] : ends[0]].tobytes()

    # Records of the provider.

    @cached_property
    def _mapping(self) -> tuple[JsonRecords, Mapper]:
        records = JsonRecords(self.plan.feed.payload)
        plan = self.plan
        return records, Mapper(plan.layout, plan.kinds, plan.feed.mapping, records.types, one=True)

    def _record(self, raw: bytes) -> Sent:
        """Map a message as the feed's adapter does; one that does not map goes on as it came."""
        records, mapper = self._mapping
        frame, failed = records.read([raw])
        mapped = mapper.map(frame, failed)
        if not len(mapped):
            why = mapped.failed.get(0, NO_ENTRY)
            sent = self._sent("a record", [raw])
            unmapped = {int(sent.payloads.positions[0]): why}
            return replace(sent, payloads=replace(sent.payloads, unmapped=unmapped))
        mapped.words[SCHEMA_VERSION] = self.plan.schema_version
        mapped.present |= np.uint64(1 << SCHEMA_VERSION)
        encoded = self._encoder.encode(mapped.words, mapped.present, mapped.strings, mapped.side)
        data, starts, ends = encoded
        events = [data[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]
        names = list(self._names(mapped.words, mapped.strings))
        kinds = {number: name for name, number in self._kinds.items()}
        told = [
            f"{game} {sequence} {kinds[kind]}"
            for (game, sequence), kind in zip(names, mapped.words[KIND].tolist(), strict=True)
        ]
        return self._sent(f"record: {', '.join(told)}", events, names)

    def _names(self, words: NDArray[np.int64], strings: dict[int, list[str]]) -> Iterator[Named]:
        for game, sequence in words[[GAME_ID, SEQUENCE]].T.tolist():
            name = strings[GAME_ID][game] if strings.get(GAME_ID) else ""
            yield name, self._number(name, sequence)


def _word(column: Column, value: Plain) -> int:
    """Return a value as the column's word; one that the column cannot hold is sent all the same."""
    if column.type is FieldType.DOUBLE:
        return int(np.float64(value).view(np.int64))
    if isinstance(value, str):
        return dict(column.values)[value]
    return int(value or 0)
