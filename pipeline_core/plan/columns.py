"""Event fields of a spec to columns: the layout of batches, protobuf numbers, decode table."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from oddspipe.core.batch.layout import Column, Layout, envelope
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.parts import KindPlan
from oddspipe.core.spec.model import MAX_FIELD_NUMBER, EventField, EventSpec, OwnKind, SportSpec

MADE_BY_US = frozenset({Kind.UNKNOWN, Kind.HEARTBEAT, Kind.TICK})
"""Kinds that no spec names: timers are always admitted."""

FIXED_KINDS = {kind.name.lower(): int(kind) for kind in Kind if kind not in MADE_BY_US}
"""Kinds that every sport may name, and their numbers."""

DEFAULT_BYTES = 64
RESERVED_NUMBERS = range(19_000, 20_000)
"""Protobuf keeps these for itself."""

TYPE_RANGE: dict[FieldType, tuple[int, int]] = {
    FieldType.UINT32: (0, 2**32 - 1),
    FieldType.UINT64: (0, 2**63 - 1),
    FieldType.INT32: (-(2**31), 2**31 - 1),
    FieldType.INT64: (-(2**63) + 1, 2**63 - 1),
}
"""What a column of each integer type can hold; a word is an int64."""


def kinds_of(event: EventSpec) -> tuple[KindPlan, ...]:
    """Return the kinds that a sport names, by number; those that do not exist are left out."""
    kinds: dict[int, KindPlan] = {}
    names: set[str] = set()
    for entry in event.kinds:
        if isinstance(entry, OwnKind):
            kind = KindPlan(entry.name, entry.number, FIXED_KINDS[entry.like])
        elif entry in FIXED_KINDS:
            kind = KindPlan(entry, FIXED_KINDS[entry], FIXED_KINDS[entry])
        else:
            continue
        if kind.name not in names:
            kinds.setdefault(kind.number, kind)
        names.add(kind.name)
    return tuple(kinds[number] for number in sorted(kinds))


def envelope_of(event: EventSpec) -> tuple[Column, ...]:
    """Return the envelope's columns, narrowed by what the spec says of them."""
    kinds = tuple((kind.name, kind.number) for kind in kinds_of(event))
    return tuple(
        _narrowed(column, event.fields[column.name]) if column.name in event.fields else column
        for column in envelope(kinds)
    )


def envelope_names() -> frozenset[str]:
    """Return the names of the envelope's columns."""
    return frozenset(column.name for column in envelope(()))


def layout_of(spec: SportSpec) -> Layout:
    """Return the columns of a sport's events.

    Own fields without a type are left out; one whose number is missing or taken gets another, so
    that a faulty spec can be checked further.
    """
    return Layout((*envelope_of(spec.event), *_own_columns(spec.event)))


def _own_columns(event: EventSpec) -> Iterator[Column]:
    fixed = envelope_names()
    taken: set[int] = set()
    own = [(name, field) for name, field in event.fields.items() if name not in fixed]
    spare = count(MAX_FIELD_NUMBER, -1)
    for name, field in sorted(own, key=lambda pair: pair[1].number or 0):
        number = field.number
        if number is None or number in taken:
            number = next(spare)
        taken.add(number)
        if field.type is not None:
            yield _own(name, number, field.type, field)


def _own(name: str, number: int, kind: FieldType, field: EventField) -> Column:
    low, high = field.range or (None, None)
    values = field.values if kind is FieldType.ENUM and field.values else {}
    limited = kind in {FieldType.STRING, FieldType.BYTES}
    return Column(
        name,
        number,
        kind,
        required=bool(field.required),
        low=low,
        high=high,
        unit=field.unit or "",
        values=tuple(sorted(values.items(), key=lambda pair: pair[1])),
        max_bytes=(field.max_bytes or DEFAULT_BYTES) if limited else 0,
        description=field.description or "",
    )


def _narrowed(column: Column, field: EventField) -> Column:
    low, high = field.range or (column.low, column.high)
    return replace(
        column,
        required=column.required if field.required is None else field.required,
        low=low,
        high=high,
        unit=field.unit or column.unit,
        max_bytes=min(field.max_bytes or column.max_bytes, column.max_bytes),
        description=field.description or column.description,
    )
