"""Messages of a provider (JSON) to events: what every source calls that receives such bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import astuple
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.encode import Encoder, with_originals
from oddspipe.core.batch.layout import EVENT_TIME, INGEST_TIME, SCHEMA_VERSION, Layout
from oddspipe.core.errors import SpecError
from oddspipe.core.names import FieldType
from oddspipe.core.parts import FeedPlan, KindPlan, RecordedEvent
from oddspipe.core.stages.mapping import Mapped, Mapper

NO_ENTRY: Final = "no entry of feed.mapping takes it"
_JSON_TYPES: Final[dict[str, tuple[Any, pl.DataType]]] = {
    "uint32": (int, pl.Int64()),
    "uint64": (int, pl.UInt64()),
    "int32": (int, pl.Int64()),
    "int64": (int, pl.Int64()),
    "double": (float, pl.Float64()),
    "string": (str, pl.String()),
    "bool": (bool, pl.Boolean()),
}
_INT_BOUNDS: Final = {
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
_AS_TEXT: Final = frozenset({FieldType.ENUM, FieldType.BYTES})


class JsonMessages:
    """Makes events of JSON messages: one message is one event, or does not map.

    Args:
        layout: Columns of events.
        kinds: Kinds of the plan.
        payload: Members of a message and their types.
        mapping: What a message becomes; the first entry that takes it decides.
        schema_version: Version that the events bear.
        max_payload_bytes: A longer message is handed on as it is: it is rejected as oversized.
    """

    def __init__(  # noqa: PLR0913 - parts of a plan, which stands above the stages
        self,
        layout: Layout,
        kinds: Sequence[KindPlan],
        payload: Sequence[tuple[str, str]],
        mapping: Sequence[RecordedEvent],
        *,
        schema_version: int,
        max_payload_bytes: int = 65_536,
    ) -> None:
        """Compile the mapping.

        Raises:
            SpecError: An expression has a fault.
        """
        self._records = JsonRecords(payload)
        self._mapper = Mapper(layout, kinds, mapping, self._records.types, one=True)
        self._encoder = Encoder(layout)
        self._schema_version = schema_version
        self._limit = max_payload_bytes

    @classmethod
    def of_feed(
        cls,
        feed: FeedPlan,
        layout: Layout,
        kinds: Sequence[KindPlan],
        *,
        schema_version: int,
        max_payload_bytes: int = 65_536,
    ) -> "JsonMessages":
        """Return what reads the messages of a feed with `format: json`."""
        return cls(
            layout, kinds, feed.payload, feed.mapping,
            schema_version=schema_version, max_payload_bytes=max_payload_bytes,
        )  # fmt: skip

    @classmethod
    def of_events(
        cls,
        layout: Layout,
        kinds: Sequence[KindPlan],
        *,
        schema_version: int,
        max_payload_bytes: int = 65_536,
    ) -> "JsonMessages":
        """Return what reads events as JSON: a member for each field that is there, by its name.

        Kinds and enums are their names, bytes are text.
        """
        members = [
            (c.name, "string" if c.type in _AS_TEXT else c.type.value) for c in layout.columns
        ]
        fields = tuple((c.name, f'"{c.name}"') for c in layout.columns if c.name != "kind")
        mapping = [RecordedEvent(kind.name, f"kind = '{kind.name}'", fields) for kind in kinds]
        return cls(
            layout, kinds, members, mapping,
            schema_version=schema_version, max_payload_bytes=max_payload_bytes,
        )  # fmt: skip

    def events(self, given: Payloads, *, delay_us: int | None = None) -> Payloads:
        """Return the same payloads as envelopes; those that do not map stay as they are.

        Args:
            given: The messages. Positions and token are kept, and times unless `delay_us` is given.
            delay_us: Take the time that a message says it was received at, or else this much after
                its event time; the times given are the least, and none falls.
        """
        rows = len(given)
        if not rows:
            return given
        long = given.ends - given.starts > self._limit
        frame, failed = self._records.read(_texts(given, long))
        mapped = self._mapper.map(frame, failed | dict.fromkeys(np.flatnonzero(long).tolist(), ""))
        mapped.words[SCHEMA_VERSION] = self._schema_version
        mapped.present |= np.uint64(1 << SCHEMA_VERSION)
        if delay_us is not None:
            given = replace(given, ingest_us=_received(mapped, given.ingest_us, delay_us))
        encoded = self._encoder.encode(mapped.words, mapped.present, mapped.strings, mapped.side)
        if len(mapped) == rows:
            data, starts, ends = encoded
            return replace(given, data=data, starts=starts, ends=ends)
        kept = np.ones(rows, np.bool_)
        kept[mapped.record] = False
        stay = np.flatnonzero(kept)
        originals = [given.bytes_at(row) for row in stay.tolist()]
        data, starts, ends = with_originals(encoded, mapped.record, stay, originals)
        why = {
            int(given.positions[row]): mapped.failed.get(row, NO_ENTRY)
            for row in stay[~long[stay]].tolist()
        }
        return replace(
            given, data=data, starts=starts, ends=ends, unmapped={**given.unmapped, **why}
        )


def _texts(given: Payloads, long: NDArray[np.bool_]) -> list[bytes]:
    """Return the messages, with nothing in place of those that are too long."""
    first = int(given.starts.min())
    raw = given.data[first : int(given.ends.max())].tobytes()
    spans = zip((given.starts - first).tolist(), (given.ends - first).tolist(), strict=True)
    texts = [raw[start:end] for start, end in spans]
    for row in np.flatnonzero(long).tolist():
        texts[row] = b"{}"
    return texts


def _received(mapped: Mapped, least: NDArray[np.int64], delay_us: int) -> NDArray[np.int64]:
    """Return when messages were received, as they say themselves."""
    there = mapped.present[:, None] >> np.array([INGEST_TIME, EVENT_TIME], np.uint64) & np.uint64(1)
    told = np.where(
        there[:, 0] == 1,
        mapped.words[INGEST_TIME],
        np.where(there[:, 1] == 1, mapped.words[EVENT_TIME] + delay_us, 0),
    )
    times = least.copy()
    times[mapped.record] = np.maximum(told, least[mapped.record])
    return np.maximum.accumulate(times)


class JsonRecords:
    """Reads JSON messages into a frame with the members that a feed declares.

    Args:
        members: Dotted name and type of each member; a member that is not there is NULL.
    """

    def __init__(self, members: Sequence[tuple[str, str]]) -> None:
        """Make the typed decoder.

        Raises:
            SpecError: A member is a value and has members of its own.
        """
        self._members = [(name, kind) for name, kind in members]
        self.types: dict[str, pl.DataType] = {name: _JSON_TYPES[kind][1] for name, kind in members}
        tree: dict[str, Any] = {}
        for name, kind in members:
            *parents, leaf = name.split(".")
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
                if not isinstance(branch, dict):
                    raise SpecError(f"feed.payload: {parent!r} is a value and has members")
            if leaf in branch:
                raise SpecError(f"feed.payload: {leaf!r} is a value and has members")
            branch[leaf] = kind
        self._tree = tree
        kind_of_record = _struct("Record", tree)
        self._nothing = kind_of_record()
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind_of_record)

    def read(self, payloads: Sequence[bytes]) -> tuple[pl.DataFrame, dict[int, str]]:
        """Return a row for each payload (all NULL where it is no such record), and why it is none.

        One bad payload does not touch its neighbours.
        """
        records, failed = self._decoded(payloads)
        columns: dict[str, list[Any]] = {}
        _spread(map(astuple, records), self._tree, "", columns)
        made = {
            name: _series(columns[name], (name, kind), self.types[name], failed)
            for name, kind in self._members
        }
        frame = pl.DataFrame(made, height=len(records))
        return frame, failed

    def _decoded(self, payloads: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        lines = b"\n".join(payloads)
        # As lines they are decoded in one call, if each payload is one line.
        if lines.count(b"\n") == len(payloads) - 1:
            try:
                records = self._decoder.decode_lines(lines)
            except (msgspec.DecodeError, UnicodeDecodeError):
                records = []
            if len(records) == len(payloads):
                return records, {}
        return self._one_by_one(payloads)

    def _one_by_one(self, payloads: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        records: list[Any] = []
        failed: dict[int, str] = {}
        for row, payload in enumerate(payloads):
            try:
                records.append(self._decoder.decode(payload))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                failed[row] = f"no such JSON message: {error}"
                records.append(self._nothing)
        return records, failed


def _spread(
    rows: Iterable[tuple[Any, ...]],
    tree: Mapping[str, Any],
    above: str,
    columns: dict[str, list[Any]],
) -> None:
    """Lay the members of records into columns, those of inner records by their dotted names."""
    flat = list(chain.from_iterable(rows))
    for at, (member, inner) in enumerate(tree.items()):
        values = flat[at :: len(tree)]
        if isinstance(inner, dict):
            nothing = (None,) * len(inner)
            below = (nothing if one is None else astuple(one) for one in values)
            _spread(below, inner, f"{above}{member}.", columns)
        else:
            columns[f"{above}{member}"] = values


def _struct(name: str, tree: Mapping[str, Any]) -> type[msgspec.Struct]:
    """Return a typed struct; names that are no Python identifiers are renamed inside."""
    fields = []
    for member, inner in tree.items():
        if isinstance(inner, dict):
            kind: Any = _struct(f"{name}_{member}", inner)
        else:
            kind = _annotated(inner)
        fields.append((_attribute(member), kind | None, None))
    rename = {_attribute(member): member for member in tree}
    # Without cycles there is nothing for the collector to look at; it made this twice as slow.
    return msgspec.defstruct(name, fields, rename=rename, gc=False)


def _annotated(kind: str) -> Any:  # noqa: ANN401 - msgspec takes types made at run time
    """Return the type of a member; 32-bit bounds here, 64-bit ones where the frame is made."""
    if kind not in _INT_BOUNDS:
        return _JSON_TYPES[kind][0]
    low, high = _INT_BOUNDS[kind]
    if high >= 2**63 - 1:  # msgspec's limits are 64-bit themselves
        return Annotated[int, msgspec.Meta(ge=0)] if low == 0 else int
    return Annotated[int, msgspec.Meta(ge=low, le=high)]


def _attribute(member: str) -> str:
    return f"m_{member}"


def _series(
    values: list[Any], member: tuple[str, str], kind: pl.DataType, failed: dict[int, str]
) -> pl.Series:
    """Return a column; whole numbers beyond 64 bits, which JSON can hold, are taken out."""
    try:
        return pl.Series(values, dtype=kind)
    except (OverflowError, TypeError):
        name, wanted = member
        low, high = _INT_BOUNDS[wanted]
        for row, value in enumerate(values):
            if value is not None and not low <= value <= high:
                failed.setdefault(row, f"{name}: {value} is no {wanted}")
                values[row] = None
        return pl.Series(values, dtype=kind)
