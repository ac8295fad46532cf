"""Map records (rows of a recording, JSON messages) to events, in columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS
from oddspipe.core.batch.encode import NO_BYTES
from oddspipe.core.batch.layout import KIND, Column, Layout
from oddspipe.core.batch.sql import Compiled, compile_sql
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.parts import KindPlan, RecordedEvent

_INTEGERS: Final[dict[FieldType, pl.DataType]] = {
    FieldType.UINT32: pl.UInt32(),
    FieldType.UINT64: pl.UInt64(),
    FieldType.INT32: pl.Int32(),
    FieldType.INT64: pl.Int64(),
    FieldType.BOOL: pl.Boolean(),
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


class Mapper:
    """Makes events of frames of records, as the plan's entries say.

    Args:
        layout: Columns of events.
        kinds: Kinds of the plan.
        events: What a record becomes.
        types: Columns of the records and their types.
        one: A record makes one event at most, by the first entry that takes it.
    """

    def __init__(
        self,
        layout: Layout,
        kinds: Sequence[KindPlan],
        events: Sequence[RecordedEvent],
        types: Mapping[str, pl.DataType],
        *,
        one: bool = False,
    ) -> None:
        """Compile every expression.

        Raises:
            SpecError: An expression has a fault.
        """
        self._columns = len(layout)
        self._one = one
        # A heartbeat needs no naming: every sport has them.
        numbers = {"heartbeat": int(Kind.HEARTBEAT)} | {kind.name: kind.number for kind in kinds}
        self._numbers = np.array([numbers[event.kind] for event in events], np.int64)
        self._where = [
            compile_sql(event.where, types, want="bool") if event.where else None
            for event in events
        ]
        # Fields that the same entries share are evaluated together, each once.
        users: dict[tuple[str, str], list[int]] = {}
        for at, event in enumerate(events):
            for given in event.fields:
                users.setdefault(given, []).append(at)
        groups: dict[tuple[int, ...], list[_Field]] = {}
        for (name, sql), entries in users.items():
            column = layout.index[name]
            field = _Field.of(column, layout.columns[column], compile_sql(sql, types), types)
            groups.setdefault(tuple(entries), []).append(field)
        self._groups = [(np.array(entries), fields) for entries, fields in groups.items()]

    def map(self, frame: pl.DataFrame, failed: Mapping[int, str] | None = None) -> Mapped:
        """Return the events that these records make; a record that does not map makes none.

        Args:
            frame: The records.
            failed: Why rows are no records at all; they are passed over.
        """
        why = dict(failed or {})
        record, entry = np.nonzero(self._takes(frame, why).T)
        words = np.zeros((self._columns, len(record)), np.int64)
        words[KIND] = self._numbers[entry]
        present = np.full(len(record), 1 << KIND, np.uint64)
        pool = _Pool()
        for entries, fields in self._groups:
            at = np.flatnonzero(np.isin(entry, entries))
            if len(at):
                _fill(fields, (frame, record[at]), (words, present, at), pool, why)
        turned_away = np.fromiter(why, np.int64, len(why))
        idle = frame.height - len(np.union1d(record, turned_away))
        if why:
            kept = ~np.isin(record, turned_away)
            record, words, present = record[kept], words[:, kept], present[kept]
        return Mapped(record, words, present, pool.strings, pool.side(), why, idle)

    def _takes(self, frame: pl.DataFrame, failed: dict[int, str]) -> NDArray[np.bool_]:
        """Return which entries take which records, shape (entries, records)."""
        takes = np.ones((len(self._where), frame.height), np.bool_)
        asked = [(at, where.expr) for at, where in enumerate(self._where) if where is not None]
        answers = _evaluate(frame, [where.fill_null(value=False) for _, where in asked], failed)
        for (at, _), answer in zip(asked, answers, strict=True):
            takes[at] = _flags(answer)
        takes[:, np.fromiter(failed, np.int64, len(failed))] = False
        if self._one:
            takes[1:] &= ~np.logical_or.accumulate(takes)[:-1]
        return takes


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of events: what gives it, whether it is there, and whether it was given at all."""

    at: int
    column: Column
    sql: Compiled
    fitted: pl.Expr
    filled: pl.Expr

    @staticmethod
    def of(at: int, column: Column, sql: Compiled, types: Mapping[str, pl.DataType]) -> "_Field":
        given = pl.DataFrame(schema=dict(types)).select(sql.expr.alias("value")).schema["value"]
        fitted = _fitted(sql.expr, given, column)
        return _Field(at, column, sql, fitted, _filled(fitted, column))

    def why_not(self, frame: pl.DataFrame, row: int) -> str:
        """Say what the field was given in a row where it does not fit."""
        value = frame[row].select(self.sql.expr.alias("value")).item()
        told = repr(value) if isinstance(value, str) else str(value)
        return f"field {self.column.name}: {told} is no {self.column.type.value}"


def _fill(
    fields: Sequence[_Field],
    records: tuple[pl.DataFrame, NDArray[np.int64]],
    events: tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]],
    pool: "_Pool",
    failed: dict[int, str],
) -> None:
    """Give fields to the events at `at` of the records at `rows`; note what does not fit."""
    frame, rows = records
    words, present, at = events
    if len(rows) != frame.height or (np.diff(rows) != 1).any():
        uses = list(dict.fromkeys(name for field in fields for name in field.sql.uses))
        frame = frame.select(uses)[rows] if uses else pl.DataFrame(height=len(rows))
    exprs = [
        expr
        for field in fields
        for expr in (field.filled, field.fitted.is_not_null(), field.sql.expr.is_not_null())
    ]
    wrong: dict[int, str] = {}
    found = _evaluate(frame, exprs, wrong)
    bits = np.zeros(len(rows), np.uint64)
    for number, field in enumerate(fields):
        value, fits, given = found[3 * number : 3 * number + 3]
        words[field.at, at], there = pool.words(value, _flags(fits), field)
        bits |= there.astype(np.uint64) << np.uint64(field.at)
        for row in np.flatnonzero(_flags(given) & ~there).tolist():
            wrong.setdefault(row, field.why_not(frame, row))
    present[at] |= bits
    for row, why in wrong.items():
        failed.setdefault(int(rows[row]), why)


def _evaluate(
    frame: pl.DataFrame, exprs: Sequence[pl.Expr], failed: dict[int, str], first: int = 0
) -> list[pl.Series]:
    """Return a column for each expression, NULL in rows whose evaluation fails, which are noted.

    One bad value fails a whole call of Polars, such as a CAST of 'x' to a number: the frame is
    then halved until the bad rows are alone.
    """
    try:
        found = frame.select(expr.alias(str(at)) for at, expr in enumerate(exprs)).get_columns()
    except pl.exceptions.PolarsError as error:
        if frame.height <= 1:
            failed.setdefault(first, str(error).split("\n", 1)[0])
            return [pl.Series([None] * frame.height) for _ in exprs]
        half = frame.height // 2
        low = _evaluate(frame[:half], exprs, failed, first)
        high = _evaluate(frame[half:], exprs, failed, first + half)
        return [_joined(a, b) for a, b in zip(low, high, strict=True)]
    # Expressions without columns give one row whatever the frame's height.
    return [
        one if len(one) == frame.height else one.new_from_index(0, frame.height) for one in found
    ]


def _joined(a: pl.Series, b: pl.Series) -> pl.Series:
    if a.dtype == pl.Null:
        a = a.cast(b.dtype)
    return a.append(b.cast(a.dtype))


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
        self, value: pl.Series, there: NDArray[np.bool_], field: _Field
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return a word for each value that is there, and whether there is one."""
        if field.column.type is FieldType.STRING:
            return self._names(value, field.at), there
        if field.column.type is FieldType.BYTES:
            return self._spans(value, there)
        words = value.to_numpy() if not value.null_count() else value.fill_null(0).to_numpy()
        if field.column.type is FieldType.DOUBLE:
            return words.astype(np.float64).view(np.int64), there
        return words.astype(np.int64), there

    def _names(self, given: pl.Series, at: int) -> NDArray[np.int64]:
        names = self.strings.setdefault(at, [])
        numbers = self._numbers.setdefault(at, {})
        for name in given.unique(maintain_order=True).drop_nulls().to_list():
            if name not in numbers:
                numbers[name] = len(names)
                names.append(name)
        if not numbers:
            return np.zeros(len(given), np.int64)
        return given.replace_strict(numbers, default=0, return_dtype=pl.Int64).to_numpy()

    def _spans(
        self, given: pl.Series, there: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        filled = given.fill_null("") if given.null_count() else given
        lengths = filled.str.len_bytes().to_numpy().astype(np.int64)
        ends = np.cumsum(lengths) + self._length
        blob = str(filled.str.join().item() or "").encode()
        self._blobs.append(blob)
        self._length += len(blob)
        fits = lengths < 1 << SPAN_LENGTH_BITS
        return (ends - lengths) << SPAN_LENGTH_BITS | lengths, there & fits


def _flags(given: pl.Series) -> NDArray[np.bool_]:
    """Return a column of booleans; a NULL, where evaluation failed, is False."""
    flags: NDArray[np.bool_] = given.fill_null(value=False).to_numpy().astype(np.bool_)
    return flags


def _fitted(given: pl.Expr, kind: pl.DataType, column: Column) -> pl.Expr:
    """Return the values as the column's type holds them; NULL where one does not fit."""
    if column.type in (FieldType.STRING, FieldType.BYTES):
        return given if kind == pl.String else given.cast(pl.String, strict=False)
    if column.type is FieldType.DOUBLE:
        return given if kind == pl.Float64 else given.cast(pl.Float64, strict=False)
    if column.type is FieldType.ENUM:
        if kind in (pl.String, pl.Categorical, pl.Enum):
            return given.cast(pl.String).replace_strict(
                dict(column.values), default=None, return_dtype=pl.Int64
            )
        known = given.cast(pl.Int64, strict=False)
        return pl.when(known.is_in([number for _, number in column.values])).then(known)
    if kind.is_float() or kind.is_decimal():
        given = pl.when(given == given.floor()).then(given)
    return given.cast(_INTEGERS[column.type], strict=False)


def _filled(fitted: pl.Expr, column: Column) -> pl.Expr:
    """Return the values with something in place of NULL, as 64-bit numbers or text."""
    if column.type is FieldType.STRING:
        return fitted
    if column.type is FieldType.BYTES:
        return fitted.fill_null("")
    if column.type is FieldType.DOUBLE:
        return fitted.fill_null(0.0)
    if column.type is FieldType.UINT64:
        return fitted.fill_null(0).reinterpret(signed=True)
    if column.type is FieldType.BOOL:
        return fitted.fill_null(value=False).cast(pl.Int64)
    return fitted.fill_null(0).cast(pl.Int64)


def row_as_json(frame: pl.DataFrame, row: int) -> bytes:
    """Return one row of a frame as JSON: the original bytes of a recorded row's dead letter."""
    return json.dumps(frame.row(row, named=True), default=str, sort_keys=True).encode()
