"""The protobuf schema of a sport's event, as values."""

import hashlib
from dataclasses import dataclass

from oddspipe.core.batch.layout import Column
from oddspipe.core.errors import SpecError
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.plan.digest import canonical
from oddspipe.core.plan.model import Plan

MESSAGE = "Event"
KIND_ENUM = "Kind"
FILE = "event.proto"

TYPES = {
    FieldType.UINT32: "uint32",
    FieldType.UINT64: "uint64",
    FieldType.INT32: "sint32",
    FieldType.INT64: "int64",
    FieldType.DOUBLE: "double",
    FieldType.STRING: "string",
    FieldType.BYTES: "bytes",
    FieldType.BOOL: "bool",
}
"""Protobuf's name of each type but enum, as the decoder reads it from the wire."""

Numbered = tuple[tuple[str, int], ...]
"""Names and numbers, by number."""


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One field; `type` is protobuf's, or the name of an enum. For the rest see `Column`."""

    name: str
    number: int
    type: str
    description: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    max_bytes: int = 0
    required: bool = False


@dataclass(frozen=True, slots=True)
class SchemaEnum:
    """An enum: values as the spec names them, and those that are never used again.

    Attributes:
        notes: What is said of a value, by its number.
    """

    name: str
    values: Numbered
    retired: Numbered = ()
    notes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The event of one sport in one version."""

    package: str
    fields: tuple[SchemaField, ...]
    enums: tuple[SchemaEnum, ...]
    retired: Numbered = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the schema.

        The file of a schema names this in place of a digest of the plan, so that a new margin does
        not give partners a new file.
        """
        return hashlib.sha256(canonical(self)).hexdigest()


def schema_of(plan: Plan) -> Schema:
    """Return the schema of a plan's events.

    Raises:
        SpecError: Two enum values would have one name; protobuf keeps them in one scope.
    """
    retired = dict(plan.retired.values)
    enums = [_kinds(plan)] + [
        SchemaEnum(camel(column.name), column.values, retired.get(column.name, ()))
        for column in plan.layout.columns
        if column.type is FieldType.ENUM and column.name != "kind"
    ]
    _assert_distinct(enums)
    fields = sorted(plan.layout.columns, key=lambda column: column.number)
    return Schema(
        package_of(plan.sport, plan.schema_version),
        tuple(_field(column) for column in fields),
        tuple(enums),
        plan.retired.fields,
    )


def package_of(sport: str, version: int) -> str:
    """Return the protobuf package.

    >>> package_of("nfl", 1)
    'oddspipe.nfl.v1'
    """
    return f"oddspipe.{sport}.v{version}"


def path_of(package: str) -> str:
    """Return the path of a schema's file below `generated/`.

    It lies beside the folders of environments, not in them: readers are the same everywhere. Its
    folders are its package, as protobuf tools expect of an include path. A new version is a new
    file, so that readers of the old one keep theirs.

    >>> path_of("oddspipe.nfl.v1")
    'proto/oddspipe/nfl/v1/event.proto'
    """
    return f"proto/{package.replace('.', '/')}/{FILE}"


def camel(name: str) -> str:
    """Return the name of the enum of a field.

    >>> camel("play_type")
    'PlayType'
    """
    return "".join(part.capitalize() for part in name.split("_"))


def value_name(enum: str, value: str) -> str:
    """Return the name of an enum's value, which protobuf wants to be unique in the message.

    >>> value_name("PlayType", "run")
    'PLAY_TYPE_RUN'
    """
    start = "".join(f"_{letter}" if letter.isupper() else letter for letter in enum).lstrip("_")
    return f"{start}_{value}".upper()


def _field(column: Column) -> SchemaField:
    return SchemaField(
        column.name,
        column.number,
        camel(column.name) if column.type is FieldType.ENUM else TYPES[column.type],
        column.description,
        column.unit,
        column.low,
        column.high,
        column.max_bytes,
        column.required,
    )


def _kinds(plan: Plan) -> SchemaEnum:
    """Return all fixed kinds, sent here or not, so that taking one up or away changes no number."""
    fixed = {int(kind): kind.name.lower() for kind in Kind}
    own = {kind.number: kind.name for kind in plan.kinds if kind.number not in fixed}
    sent = {kind.number for kind in plan.kinds} | {Kind.HEARTBEAT, Kind.TICK}
    notes = dict.fromkeys(fixed.keys() - sent, "Not sent in this sport.")
    notes |= {
        int(Kind.UNKNOWN): "Never sent.",
        int(Kind.HEARTBEAT): "The feed is alive and nothing happened; names no game.",
        int(Kind.TICK): "Time passed and nothing arrived; names no game.",
    }
    notes |= {
        kind.number: f"Handled like {fixed[kind.like]}."
        for kind in plan.kinds
        if kind.number not in fixed
    }
    return SchemaEnum(
        KIND_ENUM,
        tuple((name, number) for number, name in sorted((fixed | own).items())),
        plan.retired.kinds,
        tuple(sorted(notes.items())),
    )


def _assert_distinct(enums: list[SchemaEnum]) -> None:
    seen: dict[str, str] = {}
    for enum in enums:
        for value, _ in enum.values:
            name = value_name(enum.name, value)
            if name in seen:
                raise SpecError(
                    f"event.fields: value {value!r} of {enum.name} and a value of {seen[name]} are "
                    f"both {name} in protobuf",
                    hint="Give one of them another name.",
                )
            seen[name] = enum.name
