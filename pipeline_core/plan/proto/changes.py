"""Which changes of a schema break those who read with the published one.

The rules are those of protobuf's language guide, "Updating a message type", with names held to as
well: JSON, tables and generated code know fields by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from oddspipe.core.plan.proto.schema import Numbered, Schema, SchemaEnum, SchemaField

_VARINT: Final = frozenset({"uint32", "uint64", "int64", "bool"})
_LENGTHS: Final = frozenset({"string", "bytes"})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that readers or senders feel.

    Attributes:
        severity: `error` breaks readers; `warning` does not, but somebody should know.
        code: Stable code.
        place: The field or enum value: `field 17 down`.
        message: What was, and what is.
        fix: What to do.
    """

    severity: Literal["error", "warning"]
    code: str
    place: str
    message: str
    fix: str


def changes(old: Schema, new: Schema) -> list[Change]:
    """Return what readers of `old` and those who send for it would feel of `new`.

    Additions are not among them: readers pass over fields that they do not know.
    """
    if old.package != new.package:
        return [
            Change(
                "error", "schema.package", f"package {old.package}",
                f"the package is {new.package}: no reader of {old.package} would know its messages",
                "Compare with a file of the same sport and schema_version.",
            )
        ]  # fmt: skip
    return [*_fields(old, new), *_retired(old.retired, new), *_enums(old, new)]


def _fields(old: Schema, new: Schema) -> Iterator[Change]:
    names = {field.name: field for field in new.fields}
    numbers = {field.number: field for field in new.fields}
    for field in old.fields:
        same, heir = names.get(field.name), numbers.get(field.number)
        if same is not None and same.number == field.number:
            yield from _changed(field, same, {one.name for one in new.enums})
        elif same is not None:
            yield _renumbered(field, same)
        elif heir is not None:
            yield _handed_on(field, heir, new)
        elif (field.name, field.number) not in new.retired:
            yield _removed(field)
    known = {field.name for field in old.fields} | {field.number for field in old.fields}
    for field in new.fields:
        if field.required and field.name not in known and field.number not in known:
            yield Change(
                "warning", "schema.required", _place(field),
                "a new field is required: what older senders send is turned away",
                "Make it optional until every sender has it.",
            )  # fmt: skip


def _place(field: SchemaField) -> str:
    return f"field {field.number} {field.name}"


def _renumbered(field: SchemaField, same: SchemaField) -> Change:
    return Change(
        "error", "schema.renumbered", _place(field),
        f"number {field.number} → {same.number}: readers look for it under {field.number}",
        f"Give {field.name!r} its number {field.number} again.",
    )  # fmt: skip


def _removed(field: SchemaField) -> Change:
    return Change(
        "error", "schema.removed", _place(field),
        f"{field.type} {field.name} = {field.number} → nothing: its number is free to be taken by "
        "something else, which readers would take for it",
        f"Retire it: event.retired.fields: {{{field.name}: {field.number}}}.",
    )  # fmt: skip


def _handed_on(field: SchemaField, heir: SchemaField, new: Schema) -> Change:
    """Tell of a number that another name has now: the same thing renamed, or another thing."""
    if (heir.type, heir.unit) == (field.type, field.unit):
        return Change(
            "warning", "schema.renamed", _place(field), f"renamed: {field.name} → {heir.name}",
            "Bytes stay as they were; JSON, tables and code made from the schema must follow.",
        )  # fmt: skip
    return Change(
        "error", "schema.number-reused", _place(field),
        f"number {field.number} was {_typed(field)} {field.name}, is {_typed(heir)} {heir.name}: "
        f"readers take the one for the other",
        f"Give {heir.name!r} the number {_free(new)}, and retire the old one: "
        f"event.retired.fields: {{{field.name}: {field.number}}}.",
    )  # fmt: skip


def _typed(field: SchemaField) -> str:
    return f"{field.type} ({field.unit})" if field.unit else field.type


def _free(new: Schema) -> int:
    """Return a number that was never used."""
    return max([15, *(f.number for f in new.fields), *(number for _, number in new.retired)]) + 1


def _changed(old: SchemaField, new: SchemaField, enums: set[str]) -> Iterator[Change]:
    place = _place(old)
    if new.type != old.type:
        yield Change(
            "error", "schema.type", place,
            f"type {old.type} → {new.type}: {_harm(old, new, enums)}",
            f"Keep {old.type}; a value of another type is a new field with a new number.",
        )  # fmt: skip
    if new.unit != old.unit:
        yield Change(
            "warning", "schema.unit", place,
            f"unit {old.unit or 'none'} → {new.unit or 'none'}: a number means another thing now",
            "If the values change with it, add a new field.",
        )  # fmt: skip
    if (bounds := _narrower(old, new)) is not None:
        yield Change(
            "warning", "schema.range", place, f"range {bounds}: narrower",
            "Values that were good before are now turned away; tell the sender.",
        )  # fmt: skip
    if new.max_bytes < old.max_bytes:
        yield Change(
            "warning", "schema.length", place, f"at most {old.max_bytes} → {new.max_bytes} bytes",
            "Values that were good before are now turned away; tell the sender.",
        )  # fmt: skip
    if new.required and not old.required:
        yield Change(
            "warning", "schema.required", place, "optional → required",
            "Events without it are now turned away; tell the sender.",
        )  # fmt: skip


def _harm(old: SchemaField, new: SchemaField, enums: set[str]) -> str:
    def way(kind: str) -> str:
        if kind in _VARINT or kind in enums:
            return "varint"
        return "bytes" if kind in _LENGTHS else kind

    if way(old.type) == way(new.type):
        return f"readers built for {old.type} cut off or misread what does not fit it"
    return "it is written in another way, which readers take for nonsense"


def _narrower(old: SchemaField, new: SchemaField) -> str | None:
    lows = (
        -float("inf") if old.low is None else old.low,
        -float("inf") if new.low is None else new.low,
    )
    highs = (
        float("inf") if old.high is None else old.high,
        float("inf") if new.high is None else new.high,
    )
    if lows[1] <= lows[0] and highs[1] >= highs[0]:
        return None
    was = "any" if old.low is None else f"{old.low} to {old.high}"
    return f"{was} → {new.low} to {new.high}"


def _retired(retired: Numbered, new: Schema) -> Iterator[Change]:
    for name, number in retired:
        takers = [field for field in new.fields if field.number == number or field.name == name]
        for field in takers:
            yield Change(
                "error", "schema.retired-used", _place(field),
                f"{name} = {number} was retired and is used again: readers of old events take the "
                "one for the other",
                f"Take another name and the number {_free(new)}.",
            )  # fmt: skip
        if not takers and (name, number) not in new.retired:
            yield Change(
                "error", "schema.retired-dropped", f"field {number} {name}",
                f"{name} = {number} was retired and is no longer: it is free to be used again",
                f"Put it back: event.retired.fields: {{{name}: {number}}}.",
            )  # fmt: skip


def _enums(old: Schema, new: Schema) -> Iterator[Change]:
    now = {enum.name: enum for enum in new.enums}
    for enum in old.enums:
        # An enum that is gone went with its field, of which is told already.
        if enum.name in now:
            yield from _values(enum, now[enum.name])


def _values(old: SchemaEnum, new: SchemaEnum) -> Iterator[Change]:
    names, numbers = dict(new.values), {number: name for name, number in new.values}
    for name, number in old.values:
        place = f"value {number} {old.name}.{name}"
        if name in names and names[name] != number:
            yield Change(
                "error", "schema.value-renumbered", place,
                f"number {number} → {names[name]}: readers take {number} for {name}",
                f"Give {name!r} its number {number} again.",
            )  # fmt: skip
        elif name not in names and number in numbers:
            yield Change(
                "error", "schema.value-reused", place,
                f"{number} was {name}, is {numbers[number]}: readers take the one for the other",
                f"Give {numbers[number]!r} the number {_free_value(new)}, and retire {name!r}.",
            )  # fmt: skip
        elif name not in names and (name, number) not in new.retired:
            yield Change(
                "error", "schema.value-removed", place,
                f"{name} = {number} → nothing: its number is free to be taken by something else",
                f"Retire it: event.retired.{_below(old)}: {{{name}: {number}}}.",
            )  # fmt: skip
    for name, number in old.retired:
        if name in names or number in numbers:
            yield Change(
                "error", "schema.retired-used", f"value {number} {old.name}.{name}",
                f"{name} = {number} was retired and is used again",
                f"Take another name and the number {_free_value(new)}.",
            )  # fmt: skip
        elif (name, number) not in new.retired:
            yield Change(
                "error", "schema.retired-dropped", f"value {number} {old.name}.{name}",
                f"{name} = {number} was retired and is no longer: it is free to be used again",
                f"Put it back: event.retired.{_below(old)}: {{{name}: {number}}}.",
            )  # fmt: skip


def _free_value(new: SchemaEnum) -> int:
    return max(number for _, number in (*new.values, *new.retired)) + 1


def _below(enum: SchemaEnum) -> str:
    """Return where a value of this enum is retired."""
    if enum.name == "Kind":
        return "kinds"
    field = "".join(f"_{c.lower()}" if c.isupper() else c for c in enum.name).lstrip("_")
    return f"values.{field}"
