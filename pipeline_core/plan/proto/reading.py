"""The text of a `.proto` file that was published, back to a schema; alone imports its parser."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from antlr4.error.ErrorListener import ErrorListener
from proto_schema_parser import ast
from proto_schema_parser.parser import Parser
from typing_extensions import override

from oddspipe.core.errors import UsageError
from oddspipe.core.plan.proto.schema import (
    MESSAGE,
    Numbered,
    Schema,
    SchemaEnum,
    SchemaField,
    value_name,
)

_UNIT: Final = re.compile(r"Unit: (.+?)\.(?= |$)")
_RANGE: Final = re.compile(r"Range: (\S+) to (\S+)\.(?= |$)")
_BYTES: Final = re.compile(r"At most (\d+) bytes\.")
_NEED: Final = "Required."


def read_proto(text: str, file: str) -> Schema:
    """Read a `.proto` file that `oddspipe schema write` wrote in this or an earlier version.

    Raises:
        UsageError: It is not such a file; says where.
    """
    tree = _parsed(text, file)
    packages = [one.name for one in tree.file_elements if isinstance(one, ast.Package)]
    messages = [
        one for one in tree.file_elements if isinstance(one, ast.Message) and one.name == MESSAGE
    ]
    if len(packages) != 1 or len(messages) != 1:
        raise UsageError(
            f"{file}: not the schema of a sport: it has no package with a message {MESSAGE}",
            hint="Name a file that `oddspipe schema write` made.",
        )
    (message,) = messages
    enums = [one for one in message.elements if isinstance(one, ast.Enum)]
    retired = [one for one in message.elements if isinstance(one, ast.Reserved)]
    return Schema(
        packages[0],
        tuple(_fields(message.elements)),
        tuple(_enum(one, file) for one in enums),
        _retired(
            [r for one in retired for r in one.ranges],
            [n for one in retired for n in one.names],
            file,
        ),
    )


class _Refuse(ErrorListener):
    """Raises at the first syntax error; the parser alone would only print it."""

    def __init__(self, file: str) -> None:
        self._file = file

    @override
    def syntaxError(self, *said: Any) -> None:
        _, _, line, column, message, _ = said
        raise UsageError(
            f"{self._file}:{line}:{column + 1}: not protobuf: {message}",
            hint="Take the published file from version control, or name another with --against.",
        )


def _parsed(text: str, file: str) -> ast.File:
    def strict(part: Any) -> None:  # noqa: ANN401 - the parser's runtime is not typed
        part.removeErrorListeners()
        part.addErrorListener(_Refuse(file))

    return Parser(setup_lexer=strict, setup_parser=strict).parse(text)


def _fields(elements: Iterable[object]) -> Iterable[SchemaField]:
    said: list[str] = []
    for one in elements:
        if isinstance(one, ast.Comment):
            said.append(one.text.removeprefix("//").strip())
            continue
        if isinstance(one, ast.Field):
            yield _field(one, said)
        said = []


def _field(field: ast.Field, said: Sequence[str]) -> SchemaField:
    facts = said[-1] if said else ""
    unit, bounds, length = _UNIT.search(facts), _RANGE.search(facts), _BYTES.search(facts)
    has_facts = unit or bounds or length or _NEED in facts
    return SchemaField(
        field.name,
        field.number,
        str(field.type),
        " ".join(said[:-1] if has_facts else said),
        unit.group(1) if unit else "",
        _number(bounds.group(1)) if bounds else None,
        _number(bounds.group(2)) if bounds else None,
        int(length.group(1)) if length else 0,
        required=_NEED in facts,
    )


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def _enum(enum: ast.Enum, file: str) -> SchemaEnum:
    start = value_name(enum.name, "")
    values = [
        (one.name.removeprefix(start).lower(), one.number)
        for one in enum.elements
        if isinstance(one, ast.EnumValue)
    ]
    reserved = [one for one in enum.elements if isinstance(one, ast.EnumReserved)]
    names = [name.removeprefix(start).lower() for one in reserved for name in one.names]
    return SchemaEnum(
        enum.name,
        tuple(sorted(values, key=lambda pair: pair[1])),
        _retired([r for one in reserved for r in one.ranges], names, file),
    )


def _retired(ranges: Sequence[str], names: Sequence[str], file: str) -> Numbered:
    """Return names and numbers in pairs: they are written in the same order."""
    if len(ranges) != len(names) or not all(text.isdecimal() for text in ranges):
        raise UsageError(
            f"{file}: {len(ranges)} numbers and {len(names)} names are reserved; "
            "each number has its name",
            hint="Name a file that `oddspipe schema write` made.",
        )
    return tuple((name, int(number)) for name, number in zip(names, ranges, strict=True))
