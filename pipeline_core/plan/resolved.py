"""What a sport says, value by value, each with where it is written or that it is a default."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel

from oddspipe.core.plan.shown import default_text, without_login
from oddspipe.core.problem import Path
from oddspipe.core.spec.document import Document, Node
from oddspipe.core.spec.fields import SecretRef

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Resolved:
    """One value.

    Attributes:
        path: Where it is in the spec.
        value: What it is, as a person writes it; a secret stays a reference.
        file: File that it is written in; empty of a default.
        line: Line there; 0 of a default.
        column: Column there; 0 of a default.
        origin: `$NAME` or `default of $NAME` of a value from the environment, `default` of one
            that nobody wrote, else empty.
    """

    path: Path
    value: Any
    file: str
    line: int
    column: int
    origin: str

    @property
    def place(self) -> str:
        """Return where the value comes from, in words."""
        written = f"{self.file}:{self.line}" if self.file else ""
        return ", ".join(one for one in (written, self.origin) if one)


def resolved(document: Document, spec: BaseModel) -> Iterator[Resolved]:
    """Yield every value of a spec, in the order of the reference.

    Args:
        document: The file with what it extends.
        spec: The sound spec that was made of it.
    """
    if document.root is not None:
        yield from _part((), spec, document.root)


def _part(path: Path, part: BaseModel, node: Node | None) -> Iterator[Resolved]:
    for name, field in type(part).model_fields.items():
        key = field.alias or name
        below = node.child(key) if node is not None else None
        value = getattr(part, name)
        if below is None and not isinstance(value, BaseModel):
            if value not in (None, (), {}):
                yield Resolved((*path, key), _plain(default_text(field)), "", 0, 0, DEFAULT)
        else:
            yield from _value((*path, key), value, below)
    for key in part.model_extra or {}:
        below = node.child(key) if node is not None else None
        if below is not None:
            yield from _written((*path, key), below)


def _value(path: Path, value: Any, node: Node | None) -> Iterator[Resolved]:  # noqa: ANN401
    if isinstance(value, BaseModel):
        yield from _part(path, value, node)
    elif node is None:
        yield Resolved(path, _plain(value), "", 0, 0, DEFAULT)
    elif isinstance(value, dict) and node.mapping is not None:
        for key, one in value.items():
            yield from _value((*path, key), one, node.child(key))
    elif isinstance(value, tuple) and node.entries is not None and _has_parts(value):
        for at, one in enumerate(value):
            yield from _value((*path, at), one, node.child(at))
    else:
        yield from _written(path, node)


def _has_parts(value: tuple[Any, ...]) -> bool:
    return any(isinstance(one, (BaseModel, dict)) for one in value)


def _written(path: Path, node: Node) -> Iterator[Resolved]:
    mark = node.mark
    yield Resolved(path, _plain(node.plain()), mark.file, mark.line, mark.column, node.origin)


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain values of any kind
    if isinstance(value, (SecretRef, Enum)):
        return str(value) if isinstance(value, SecretRef) else value.value
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return without_login(value) if isinstance(value, str) else value
