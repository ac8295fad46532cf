"""Map records (rows of a recording, JSON messages) to events, in columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS
from oddspipe.core.batch.encode import NO_BYTES
from oddspipe.core.batch.layout import KIND, Column, Layout
from oddspipe.core.batch.sql import Compiled, compile_sql
from oddspipe.core.names import FieldType
from oddspipe.core.parts import KindPlan, RecordedEvent

_INTEGERS: Final[dict[FieldType, pl.DataType]] = {
    FieldType.UINT32: pl.UInt32(),
    FieldType.UINT64: pl.UInt64(),
    FieldType.INT32: pl.Int32(),
    FieldType.INT64: pl.Int64(),
    FieldType.BOOL: pl.Boolean(),
}
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


@dataclass(slots=True)
class Mapped:
    """Events made of records, by record and then in the order of the mapping.

    Attributes:
        record: Row of the record that each event came from, rising, shape (n,).
        words, present, side: As in `Batch`; strings are numbers into `strings`.
        strings: Names of string columns by column index.
        failed: Why a record did not map, by its row; it made no event.
        idle: Records that no `where` matched.
    """

    record: NDArray[np.int64]
    words: NDArray[np.int64]
    present: NDArray[np.uint64]
    strings: dict[int, list[str]]
    side: NDArray[np.uint8]
    failed: dict[int, str]
    idle: int

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.record)


@dataclass(slots=True)
class _Part:
    """Events of one entry of the mapping."""

    rows: NDArray[np.int64]
    words: NDArray[np.int64]
    present: NDArray[np.uint64]


class Mapper:
    """Makes events of frames of records, as the plan's entries say.

    Args:
        layout: Columns of events.
        kinds: Kinds of the plan.
        events: What a record becomes.
        types: Columns of the records and their types.
    """

    def __init__(
        self,
        layout: Layout,
        kinds: Sequence[KindPlan],
        events: Sequence[RecordedEvent],
        types: Mapping[str, pl.DataType],
    ) -> None:
        """Compile every expression.

        Raises:
            SpecError: An expression has a fault.
        """
        self._layout = layout
        numbers = {kind.name: kind.number for kind in kinds}
        self._events = [_Entry(event, numbers[event.kind], layout, types) for event in events]

    def map(self, frame: pl.DataFrame) -> Mapped:
        """Return the events that these records make; a record that does not map makes none."""
        failed: dict[int, str] = {}
        pool = _Pool()
        parts = [entry.apply(frame, self._layout, pool, failed) for entry in self._events]
        rows = np.concatenate([part.rows for part in parts] or [np.empty(0, np.int64)])
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        words = np.concatenate([part.words for part in parts], axis=1)[:, order]
        present = np.concatenate([part.present for part in parts])[order]
        idle = frame.height - len(np.union1d(rows, np.fromiter(failed, np.int64, len(failed))))
        if failed:
            kept = ~np.isin(rows, np.fromiter(failed, np.int64, len(failed)))
            rows, words, present = rows[kept], words[:, kept], present[kept]
        return Mapped(rows, words, present, pool.strings, pool.side(), failed, idle)


class _Entry:
    """One entry of a mapping, compiled."""

    def __init__(
        self,
        event: RecordedEvent,
        number: int,
        layout: Layout,
        types: Mapping[str, pl.DataType],
    ) -> None:
        self._number = number
        self._where = compile_sql(event.where, types, want="bool") if event.where else None
        self._fields: list[tuple[int, Column, Compiled]] = []
        for name, sql in event.fields:
            at = layout.index[name]
            self._fields.append((at, layout.columns[at], compile_sql(sql, types)))

    def apply(
        self, frame: pl.DataFrame, layout: Layout, pool: "_Pool", failed: dict[int, str]
    ) -> _Part:
        """Return this entry's events, and note the records whose values do not fit."""
        rows = np.arange(frame.height)
        if self._where is not None:
            rows = np.flatnonzero(_evaluate(frame, self._where).fill_null(value=False).to_numpy())
            frame = frame[rows]
        words = np.zeros((len(layout), len(rows)), np.int64)
        present = np.full(len(rows), 1 << KIND, np.uint64)
        words[KIND] = self._number
        for at, column, compiled in self._fields:
            given = _evaluate(frame, compiled)
            value, there = pool.words(given, at, column)
            words[at] = value
            present |= there.astype(np.uint64) << np.uint64(at)
            for row in np.flatnonzero(given.is_not_null().to_numpy() & ~there):
                why = f"field {column.name}: {given[int(row)]!r} is no {column.type.value}"
                failed.setdefault(int(rows[row]), why)
        return _Part(rows, words, present)


def _evaluate(frame: pl.DataFrame, compiled: Compiled) -> pl.Series:
    value = frame.select(compiled.expr.alias("value"))["value"]
    # An expression without columns gives one row whatever the frame's height.
    return value if len(value) == frame.height else value.new_from_index(0, frame.height)


class _Pool:
    """Gathers strings and bytes while columns are turned into words."""

    def __init__(self) -> None:
        self.strings: dict[int, list[str]] = {}
        self._numbers: dict[int, dict[str, int]] = {}
        self._blobs: list[bytes] = []
        self._length = 0

    def side(self) -> NDArray[np.uint8]:
        """Return the buffer of bytes values."""
        return np.frombuffer(b"".join(self._blobs), np.uint8) if self._blobs else NO_BYTES

    def words(
        self, given: pl.Series, at: int, column: Column
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return a word for each value, and whether there is one that fits the column."""
        if column.type is FieldType.STRING:
            return self._names(given.cast(pl.String, strict=False), at)
        if column.type is FieldType.BYTES:
            return self._spans(given.cast(pl.String, strict=False))
        if column.type is FieldType.DOUBLE:
            doubles = given.cast(pl.Float64, strict=False)
            bits = doubles.fill_null(0.0).to_numpy().view(np.int64)
            return bits, doubles.is_not_null().to_numpy()
        whole = _whole(given, column)
        there = whole.is_not_null().to_numpy()
        filled = whole.fill_null(value=False if whole.dtype == pl.Boolean else 0)
        if filled.dtype == pl.UInt64:
            return filled.to_numpy().view(np.int64), there
        return filled.cast(pl.Int64).to_numpy(), there

    def _names(self, given: pl.Series, at: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        names = self.strings.setdefault(at, [])
        numbers = self._numbers.setdefault(at, {})
        for name in given.unique(maintain_order=True).drop_nulls().to_list():
            if name not in numbers:
                numbers[name] = len(names)
                names.append(name)
        if not numbers:
            return np.zeros(len(given), np.int64), np.zeros(len(given), np.bool_)
        found = given.replace_strict(numbers, default=None, return_dtype=pl.Int64)
        return found.fill_null(0).to_numpy(), found.is_not_null().to_numpy()

    def _spans(self, given: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        there = given.is_not_null().to_numpy()
        filled = given.fill_null("")
        lengths = filled.str.len_bytes().cast(pl.Int64).to_numpy()
        ends = np.cumsum(lengths) + self._length
        blob = "".join(filled.to_list()).encode()
        self._blobs.append(blob)
        self._length += len(blob)
        fits = lengths < 1 << SPAN_LENGTH_BITS
        return (ends - lengths) << SPAN_LENGTH_BITS | lengths, there & fits


def _whole(given: pl.Series, column: Column) -> pl.Series:
    """Return the values as whole numbers of the column's type; NULL where one is none."""
    if column.type is FieldType.ENUM:
        if given.dtype in (pl.String, pl.Categorical, pl.Enum):
            return given.cast(pl.String).replace_strict(
                dict(column.values), default=None, return_dtype=pl.Int64
            )
        known = given.cast(pl.Int64, strict=False)
        return known.set(~known.is_in([number for _, number in column.values]), None)
    if given.dtype.is_float():
        given = given.set(given != given.floor(), None)
    return given.cast(_INTEGERS[column.type], strict=False)


class JsonRecords:
    """Reads JSON messages into a frame with the members that a feed declares.

    Args:
        members: Dotted name and type of each member; a member that is not there is NULL.
    """

    def __init__(self, members: Sequence[tuple[str, str]]) -> None:
        """Make the typed decoder."""
        self._members = [(name, kind) for name, kind in members]
        self.types: dict[str, pl.DataType] = {name: _JSON_TYPES[kind][1] for name, kind in members}
        tree: dict[str, Any] = {}
        for name, kind in members:
            *parents, leaf = name.split(".")
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
            branch[leaf] = kind
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_struct("Record", tree))

    def read(self, payloads: Sequence[bytes]) -> tuple[pl.DataFrame, dict[int, str]]:
        """Return a row for each payload (all NULL where it is no such record), and why it is none.

        One bad payload does not touch its neighbours.
        """
        records: list[Any] = []
        failed: dict[int, str] = {}
        nothing = self._decoder.decode(b"{}")
        for row, payload in enumerate(payloads):
            try:
                records.append(self._decoder.decode(payload))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                failed[row] = str(error)
                records.append(nothing)
        columns = {name: _member(records, name) for name, _ in self._members}
        for name, kind in self._members:
            if kind in {"int64", "uint64"}:
                _bound(columns[name], kind, name, failed)
        frame = pl.DataFrame(
            {name: pl.Series(columns[name], dtype=self.types[name]) for name in columns},
            height=len(records),
        )
        return frame, failed


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
    return msgspec.defstruct(name, fields, rename=rename)


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


def _member(records: Sequence[Any], name: str) -> list[Any]:
    *parents, leaf = (_attribute(step) for step in name.split("."))
    found = list(records)
    for parent in parents:
        get = attrgetter(parent)
        found = [None if record is None else get(record) for record in found]
    get = attrgetter(leaf)
    return [None if record is None else get(record) for record in found]


def _bound(values: list[Any], kind: str, name: str, failed: dict[int, str]) -> None:
    """Take out whole numbers beyond 64 bits, which JSON can hold and a frame cannot."""
    low, high = _INT_BOUNDS[kind]
    for row, value in enumerate(values):
        if value is not None and not low <= value <= high:
            failed.setdefault(row, f"{name}: {value} is no {kind}")
            values[row] = None


def row_as_json(frame: pl.DataFrame, row: int) -> bytes:
    """Return one row of a frame as JSON: the original bytes of a recorded row's dead letter."""
    return json.dumps(frame.row(row, named=True), default=str, sort_keys=True).encode()
