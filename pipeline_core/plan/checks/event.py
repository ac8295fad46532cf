"""Kinds and fields of events: numbers, types, ranges, enums."""

from collections.abc import Iterator

from oddspipe.core.batch.layout import (
    ENVELOPE_COLUMNS,
    FIRST_OWN_NUMBER,
    MAX_COLUMNS,
    STANDING_NUMBER,
    envelope,
)
from oddspipe.core.names import FieldType
from oddspipe.core.near import near
from oddspipe.core.plan.columns import (
    FIXED_KINDS,
    RESERVED_NUMBERS,
    TYPE_RANGE,
    envelope_names,
)
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.model import EventField, EventSpec, OwnKind

_TEXTS = frozenset({FieldType.STRING, FieldType.BYTES})
_NUMBERS = frozenset({*TYPE_RANGE, FieldType.DOUBLE})
_FORBIDDEN_PREFIX = "was_"


def event_problems(event: EventSpec) -> Iterator[Problem]:
    """Yield everything wrong with the kinds and fields of a sport's events."""
    yield from _kinds(event)
    fixed = {column.name: column for column in envelope(())}
    by_number: dict[int, str] = {}
    for name, field in event.fields.items():
        at: Path = ("event", "fields", name)
        if name in fixed:
            yield from _envelope_field(at, field, fixed[name].type)
            continue
        yield from _number(at, name, field, by_number)
        yield from _own_field(at, name, field)
    yield from _retired(event)
    own = len(event.fields.keys() - envelope_names())
    if own > MAX_COLUMNS - ENVELOPE_COLUMNS:
        yield Problem(
            "field.too-many",
            ("event", "fields"),
            f"There are {own} own fields; an event holds at most {MAX_COLUMNS - ENVELOPE_COLUMNS}.",
            on_key=True,
        )


def _kinds(event: EventSpec) -> Iterator[Problem]:
    names: set[str] = set()
    numbers: dict[int, str] = {}
    for index, entry in enumerate(event.kinds):
        at: Path = ("event", "kinds", index)
        own = isinstance(entry, OwnKind)
        name = entry.name if isinstance(entry, OwnKind) else entry
        if name in names or (own and name in FIXED_KINDS):
            yield Problem(
                "kind.duplicate",
                (*at, "name") if own else at,
                f"The kind {name!r} is named twice."
                if name in names
                else f"{name!r} is the name of a fixed kind.",
                "Give the own kind another name." if own else "Take one of them away.",
            )
        elif isinstance(entry, OwnKind):
            if entry.number in numbers:
                yield Problem(
                    "kind.number-clash",
                    (*at, "number"),
                    f"Number {entry.number} already belongs to kind {numbers[entry.number]!r}.",
                    f"Take a free one, e.g. {_free(numbers, 16)}.",
                )
            numbers.setdefault(entry.number, name)
        elif name not in FIXED_KINDS:
            yield Problem(
                "kind.unknown",
                at,
                f"There is no fixed kind {name!r}.",
                near(name, FIXED_KINDS)
                if name not in {"heartbeat", "tick"}
                else "Heartbeats and ticks are always admitted; leave it away.",
            )
        names.add(name)


def _retired(event: EventSpec) -> Iterator[Problem]:
    """Yield what is retired and used again, and values retired of what is no enum."""
    retired = event.retired
    yield from _used_again(
        ("event", "fields"),
        [((name,), name, field.number) for name, field in event.fields.items()],
        retired.fields,
    )
    yield from _used_again(
        ("event", "kinds"),
        [
            ((index,), entry.name, entry.number)
            for index, entry in enumerate(event.kinds)
            if isinstance(entry, OwnKind)
        ],
        retired.kinds,
    )
    for name, values in retired.values.items():
        at: Path = ("event", "fields", name, "values")
        field = event.fields.get(name)
        if field is None or field.values is None:
            yield Problem(
                "retired.unknown",
                ("event", "retired", "values", name),
                f"There is no enum {name!r} that could have had values.",
                near(name, [key for key, one in event.fields.items() if one.values]),
                on_key=True,
            )
            continue
        yield from _used_again(at, [((key,), key, of) for key, of in field.values.items()], values)


def _used_again(
    at: Path, used: list[tuple[Path, str, int | None]], retired: dict[str, int]
) -> Iterator[Problem]:
    numbers = {number: name for name, number in retired.items()}
    for place, name, number in used:
        if name in retired or number in numbers:
            gone = name if name in retired else numbers[number or 0]
            yield Problem(
                "retired.used",
                (*at, *place),
                f"{gone} = {retired[gone]} is retired: whoever reads old events would take "
                f"{name!r} for it.",
                "Take a name and a number that were never used.",
                on_key=isinstance(place[-1], str),
            )


def _envelope_field(at: Path, field: EventField, kind: FieldType) -> Iterator[Problem]:
    for key in ("number", "type", "values"):
        if getattr(field, key) is not None:
            yield Problem(
                "field.envelope",
                (*at, key),
                f"{at[-1]!r} is a field of the envelope; its {key} is fixed.",
                f"Leave {key!r} away; range, unit, required and description may be said.",
                on_key=True,
            )
    yield from _range(at, field, kind)
    yield from _length(at, field, kind)


def _number(at: Path, name: str, field: EventField, by_number: dict[int, str]) -> Iterator[Problem]:
    number = field.number
    if number is None:
        yield Problem(
            "field.number-missing",
            at,
            f"The own field {name!r} has no number.",
            f"Give it one that was never used, e.g. number: {_free(by_number, 16)}.",
            on_key=True,
        )
    elif number < FIRST_OWN_NUMBER or number in RESERVED_NUMBERS or number == STANDING_NUMBER:
        whose = "the envelope" if number < FIRST_OWN_NUMBER else "protobuf itself (19000-19999)"
        whose = "the normalised topic" if number == STANDING_NUMBER else whose
        yield Problem(
            "field.number-reserved",
            (*at, "number"),
            f"Number {number} is reserved for {whose}.",
            f"Own fields are numbered from {FIRST_OWN_NUMBER}, e.g. {_free(by_number, 16)}.",
        )
    elif number in by_number:
        yield Problem(
            "field.number-clash",
            (*at, "number"),
            f"Number {number} already belongs to field {by_number[number]!r}.",
            f"Take a free one, e.g. {_free(by_number, 16)}.",
        )
    else:
        by_number[number] = name


def _own_field(at: Path, name: str, field: EventField) -> Iterator[Problem]:
    if name.startswith(_FORBIDDEN_PREFIX):
        yield Problem(
            "field.name",
            at,
            f"The name {name!r} begins like the state before an event.",
            f"Leave {_FORBIDDEN_PREFIX!r} away.",
            on_key=True,
        )
    if field.type is None:
        yield Problem(
            "field.type-missing",
            at,
            f"The own field {name!r} has no type.",
            near(name, (kind.value for kind in FieldType)),
            on_key=True,
        )
        return
    yield from _enum(at, field, field.type)
    yield from _range(at, field, field.type)
    yield from _length(at, field, field.type)


def _enum(at: Path, field: EventField, kind: FieldType) -> Iterator[Problem]:
    if kind is not FieldType.ENUM:
        if field.values is not None:
            yield Problem(
                "field.values",
                (*at, "values"),
                f"Values belong to an enum; the type is {kind.value}.",
                "Say type: enum, or take the values away.",
                on_key=True,
            )
        return
    if not field.values:
        yield Problem(
            "field.values",
            at,
            f"The enum {at[-1]!r} has no values.",
            "Name them: values: {none: 0, home: 1}.",
            on_key=True,
        )
        return
    seen: dict[int, str] = {}
    for name, number in field.values.items():
        if number in seen:
            yield Problem(
                "field.enum-clash",
                (*at, "values", name),
                f"Number {number} already stands for {seen[number]!r}.",
                f"Take a free one, e.g. {_free(seen, 0)}.",
            )
        seen.setdefault(number, name)
    if 0 not in seen:
        yield Problem(
            "field.enum-zero",
            (*at, "values"),
            "No value has the number 0, which protobuf readers take for an absent one.",
            "Add one, e.g. none: 0.",
            on_key=True,
        )


def _range(at: Path, field: EventField, kind: FieldType) -> Iterator[Problem]:
    if field.range is None:
        return
    low, high = field.range
    place = (*at, "range")
    if kind not in _NUMBERS:
        yield Problem(
            "field.range-type",
            place,
            f"A range belongs to a number; {at[-1]!r} is {kind.value}.",
            "Take the range away.",
            on_key=True,
        )
        return
    if low > high:
        yield Problem(
            "field.range-order",
            place,
            f"The range begins at {low} and ends at {high}: nothing is in it.",
            f"Turn it round: [{high}, {low}].",
        )
    for index, bound in enumerate(field.range):
        lowest, highest = TYPE_RANGE.get(kind, (float("-inf"), float("inf")))
        if not lowest <= bound <= highest:
            yield Problem(
                "field.range-bounds",
                (*place, index),
                f"{bound} is outside of what {kind.value} can hold ({lowest} to {highest}).",
                "Take a wider or a signed type." if kind in TYPE_RANGE else "",
            )


def _length(at: Path, field: EventField, kind: FieldType) -> Iterator[Problem]:
    if field.max_bytes is not None and kind not in _TEXTS:
        yield Problem(
            "field.max-bytes",
            (*at, "max_bytes"),
            f"A length belongs to a string or bytes; {at[-1]!r} is {kind.value}.",
            "Take max_bytes away.",
            on_key=True,
        )


def _free(taken: dict[int, str], first: int) -> int:
    number = first
    while number in taken:
        number += 1
    return number
