"""A schema as the text of a `.proto` file."""

from collections.abc import Iterator
from textwrap import wrap

from oddspipe.core.plan.proto.schema import (
    MESSAGE,
    Numbered,
    Schema,
    SchemaEnum,
    SchemaField,
    value_name,
)

WIDTH = 100


def proto_text(schema: Schema, title: str) -> str:
    """Return the file; the same schema always gives the same bytes.

    Every field is `optional`, so that readers can tell an absent value from 0. What a number may be
    stands in its comment: protobuf has no ranges, and `oddspipe schema check` reads them there.
    """
    return "\n".join(_lines(schema, title)) + "\n"


def facts_of(field: SchemaField) -> str:
    """Return unit, range, length and need of a field, in the form that `reading` knows.

    >>> facts_of(SchemaField("distance", 18, "uint32", unit="yd", low=0, high=99))
    'Unit: yd. Range: 0 to 99.'
    """
    facts = []
    if field.unit:
        facts.append(f"Unit: {field.unit}.")
    if field.low is not None and field.high is not None:
        facts.append(f"Range: {field.low} to {field.high}.")
    if field.max_bytes:
        facts.append(f"At most {field.max_bytes} bytes.")
    if field.required:
        facts.append("Required.")
    return " ".join(facts)


def _lines(schema: Schema, title: str) -> Iterator[str]:
    yield "// Made by `oddspipe schema write` from the spec of the sport. Do not edit."
    yield f"// Schema {schema.digest}"
    yield 'syntax = "proto3";'
    yield ""
    yield f"package {schema.package};"
    yield ""
    yield from _comment(f"An event of a game: {title}. Numbers 1 to 15 are the same in all sports.")
    yield from _comment(
        "A correction has the event_id of what it corrects, a higher revision and a new sequence."
    )
    yield f"message {MESSAGE} {{"
    for enum in schema.enums:
        yield from _enum(enum)
        yield ""
    if schema.retired:
        yield from _reserved(schema.retired, [name for name, _ in schema.retired], "  ")
        yield ""
    for at, field in enumerate(schema.fields):
        if at:
            yield ""
        yield from _comment(field.description, "  ")
        if facts := facts_of(field):
            yield f"  // {facts}"
        yield f"  optional {field.type} {field.name} = {field.number};"
    yield "}"


def _enum(enum: SchemaEnum) -> Iterator[str]:
    notes = dict(enum.notes)
    yield f"  enum {enum.name} {{"
    if enum.retired:
        names = [value_name(enum.name, name) for name, _ in enum.retired]
        yield from _reserved(enum.retired, names, "    ")
    for name, number in enum.values:
        yield from _comment(notes.get(number, ""), "    ")
        yield f"    {value_name(enum.name, name)} = {number};"
    yield "  }"


def _reserved(retired: Numbered, names: list[str], indent: str) -> Iterator[str]:
    yield f"{indent}reserved {', '.join(str(number) for _, number in retired)};"
    quoted = ", ".join(f'"{name}"' for name in names)
    yield f"{indent}reserved {quoted};"


def _comment(words: str, indent: str = "") -> Iterator[str]:
    start = f"{indent}// "
    for line in wrap(" ".join(words.split()), WIDTH - len(start)):
        yield start + line
