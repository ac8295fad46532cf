"""What may stand at a place of a spec, read off the types: the keys of a mapping, the choices."""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from oddspipe.core.problem import Path


def keys_at(model: type[BaseModel], path: Path, tree: Any) -> list[str]:  # noqa: ANN401 - plain values
    """Return the keys that a mapping at `path` may have; none where any key may stand."""
    keys: dict[str, None] = {}
    for part in _parts_at(model, path, tree):
        if isinstance(part, type) and issubclass(part, BaseModel):
            keys |= dict.fromkeys(field.alias or name for name, field in part.model_fields.items())
    return list(keys)


def choices_at(model: type[BaseModel], path: Path, tree: Any) -> list[str]:  # noqa: ANN401 - plain values
    """Return the words that may stand at `path`; none where any value may."""
    words: dict[str, None] = {}
    for part in _parts_at(model, path, tree):
        if get_origin(part) is Literal:
            words |= dict.fromkeys(str(word) for word in get_args(part))
        elif isinstance(part, type) and issubclass(part, Enum):
            words |= dict.fromkeys(str(word.value) for word in part)
    return list(words)


def _parts_at(model: type[BaseModel], path: Path, tree: Any) -> list[Any]:  # noqa: ANN401 - types
    parts, value = [model], tree
    for step in path:
        parts = [below for part in parts for below in _below(part, step)]
        value = _child(value, step)
        parts = _chosen(parts, value)
    return parts


def _child(value: Any, step: str | int) -> Any:  # noqa: ANN401 - plain values of any kind
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _below(part: Any, step: str | int) -> Iterator[Any]:  # noqa: ANN401 - types of any kind
    if isinstance(part, type) and issubclass(part, BaseModel):
        for name, field in part.model_fields.items():
            if step in {name, field.alias}:
                yield from _alternatives(field.annotation)
        return
    origin, args = get_origin(part), get_args(part)
    if origin is dict:
        yield from _alternatives(args[1])
    elif origin is tuple:
        fixed = isinstance(step, int) and Ellipsis not in args and step < len(args)
        yield from _alternatives(args[int(step) if fixed else 0])


def _alternatives(part: Any) -> Iterator[Any]:  # noqa: ANN401 - types of any kind
    origin = get_origin(part)
    if origin is Annotated:
        yield from _alternatives(get_args(part)[0])
    elif origin in {Union, UnionType}:
        for one in get_args(part):
            yield from _alternatives(one)
    elif part is not type(None):
        yield part


def _chosen(parts: list[Any], value: Any) -> list[Any]:  # noqa: ANN401 - types and plain values
    """Of several models, take those that the value names by its `protocol` or `kind`."""
    if len(parts) == 1 or not isinstance(value, dict):
        return parts
    named = []
    for part in parts:
        fields = part.model_fields if hasattr(part, "model_fields") else {}
        for key in ("protocol", "kind"):
            if key in fields and value.get(key) in get_args(fields[key].annotation):
                named.append(part)  # noqa: PERF401
    return named or parts
