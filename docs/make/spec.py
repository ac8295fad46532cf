"""The pages of what a person writes: sport files and platform.yaml, read off the pydantic parts."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from docs.make.text import anchor, code, page, summary, table
from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from oddspipe.core.spec import fields
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.part import Part
from oddspipe.core.spec.platform import PlatformSpec

ROOT = Path(__file__).parents[2]
KINDS = {
    "Duration": "duration",
    "PositiveDuration": "duration",
    "Size": "size",
    "Rate": "rate",
    "Share": "share",
    "TimeOfDay": "time of day",
    "MonthDay": "day of the year",
    "Zone": "time zone",
    "Sql": "SQL",
    "Speed": "speed",
    "LineStep": "`0.5`, `1.0`",
    "Name": "name",
    "Text": "text",
    "SecretRef": "secret",
    "Endpoint": "address or secret",
}
"""Words for the kinds of values in `spec/fields.py`, by their names there."""
DURATIONS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000))
SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1))
LONGEST_EXAMPLE = 60


@dataclass(slots=True)
class Section:
    """One part of the file: a class, and the paths under which it may stand."""

    part: type[BaseModel]
    paths: list[str] = field(default_factory=list)
    within: str = ""
    inherited: type[BaseModel] | None = None


def sections(root: type[BaseModel]) -> list[Section]:
    """Return the parts below a root, each once, in the order in which a reader meets them."""
    found: dict[type[BaseModel], Section] = {}
    _gather(found, root, "", None)
    for section in found.values():
        section.paths.sort(key=lambda path: path.count("."))
    return list(found.values())


def _gather(
    found: dict[type[BaseModel], Section],
    part: type[BaseModel],
    path: str,
    inherited: type[BaseModel] | None,
) -> None:
    section = found.setdefault(part, Section(part, inherited=inherited))
    if path in section.paths:
        return
    section.paths.append(path)
    if len(section.paths) > 1:
        return
    for name, one in part.model_fields.items():
        if inherited is not None and name in inherited.model_fields:
            continue
        at = f"{path}.{one.alias or name}".lstrip(".")
        below = list(_parts(one.annotation, at))
        shared = _shared([model for model, _ in below])
        if shared is not None:
            _gather(found, shared, below[0][1], None)
        for model, where in below:
            _gather(found, model, where + (_told_apart(model) if shared else ""), shared)


def _parts(kind: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:  # noqa: ANN401 - types
    """Yield the parts in a type, each with its path."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _parts(args[0], path)
    elif origin in {Union, UnionType}:
        for one in args:
            yield from _parts(one, path)
    elif origin is dict:
        yield from _parts(args[1], f"{path}.<name>")
    elif origin is tuple:
        yield from _parts(args[0], f"{path}[]")
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind, path


def _shared(models: list[type[BaseModel]]) -> type[BaseModel] | None:
    """Return the class that several choices are made from, None where there is no choice."""
    bases = {model.__bases__[0] for model in models}
    if len(models) < 2 or len(bases) != 1 or Part in bases:
        return None
    base = bases.pop()
    return base if issubclass(base, BaseModel) else None


def _told_apart(model: type[BaseModel]) -> str:
    """Return what a choice is known by: a word of its own, or the key that it needs."""
    for key in ("protocol", "kind"):
        words = get_args(model.model_fields[key].annotation) if key in model.model_fields else ()
        if words:
            return f" ({key}: {words[0]})"
    return f" ({next(name for name, one in model.model_fields.items() if one.is_required())})"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a part, as a row of its table."""

    name: str
    type: str
    default: str
    meaning: str
    example: str


def keys(section: Section) -> Iterator[Key]:
    """Yield the keys of a part, without those that it shares with its neighbours."""
    schema = section.part.model_json_schema(by_alias=True)
    defs = schema.get("$defs", {})
    for name, one in section.part.model_fields.items():
        if section.inherited is not None and name in section.inherited.model_fields:
            continue
        written = one.alias or name
        fragment = schema["properties"][written]
        yield Key(
            written,
            _kind_of(one) or _words(fragment, defs),
            _default(one, fragment),
            one.description or "",
            _example(section.paths, written, one),
        )


@cache
def _validators() -> dict[Any, str]:
    """Return the word for a kind of value by the function that reads it."""
    return {
        mark.func: word
        for name, word in KINDS.items()
        for mark in getattr(getattr(fields, name), "__metadata__", ())
        if isinstance(mark, BeforeValidator)
    }


def _kind_of(one: FieldInfo) -> str:
    """Return the kind of a value that one of `spec/fields.py` reads, else nothing."""
    optional = get_origin(one.annotation) in {Union, UnionType}
    choices = get_args(one.annotation) if optional else [one.annotation]
    inside = [mark for choice in choices for mark in getattr(choice, "__metadata__", ())]
    for mark in (*one.metadata, *inside):
        if isinstance(mark, BeforeValidator) and mark.func in _validators():
            return _validators()[mark.func]
    return ""


@cache
def _kinds() -> list[tuple[dict[str, Any], str]]:
    """Return the schema of each kind of value, without its sentence, and the word for it."""
    made = [
        (TypeAdapter(getattr(fields, name)).json_schema(), word)
        for name, word in KINDS.items()
        if name != "Zone"  # its schema is that of any text
    ]
    return [(_bare(schema), word) for schema, word in made]


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    dropped = {"description", "title", "default", "examples"}
    return {name: value for name, value in schema.items() if name not in dropped}


def _words(fragment: dict[str, Any], defs: dict[str, Any]) -> str:
    """Return a schema in words."""
    bare = _bare(fragment)
    for schema, word in _kinds():
        if bare == schema:
            return word
    if "$ref" in bare:
        target = defs[bare["$ref"].rsplit("/", 1)[-1]]
        if "enum" in target:
            return _choices(target["enum"])
        return "mapping"
    choices = bare.get("anyOf") or bare.get("oneOf")
    if choices:
        words = dict.fromkeys(_words(one, defs) for one in choices if one != {"type": "null"})
        return " or ".join(words)
    return _plain_words(bare, defs)


def _plain_words(bare: dict[str, Any], defs: dict[str, Any]) -> str:
    if "enum" in bare:
        return _choices(bare["enum"])
    if "const" in bare:
        return code(bare["const"])
    kind = bare.get("type", "any value")
    if kind == "array":
        if "prefixItems" in bare:
            return " and ".join(_words(one, defs) for one in bare["prefixItems"]) + ", in brackets"
        return f"list of {_words(bare['items'], defs)}" if bare.get("items") else "list"
    if kind == "object":
        inside = bare.get("additionalProperties") or next(
            iter(bare.get("patternProperties", {}).values()), {}
        )
        told = _words(inside, defs) if isinstance(inside, dict) and inside else ""
        return f"mapping to {told}" if told and told != "mapping" else "mapping"
    word = {"integer": "whole number", "boolean": "true or false", "string": "text"}.get(kind, kind)
    return f"{word}{_bounds(bare)}"


def _choices(values: list[Any]) -> str:
    return ", ".join(code(value) for value in values)


def _bounds(bare: dict[str, Any]) -> str:
    low, high = bare.get("minimum"), bare.get("maximum")
    above = bare.get("exclusiveMinimum")
    said = f" from {low}" if low is not None else f" above {above}" if above is not None else ""
    return said + (f" to {high}" if high is not None else "")


def _default(one: FieldInfo, fragment: dict[str, Any]) -> str:
    if one.is_required():
        return "needed"
    value = one.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ({}, ()):
        return ""
    if isinstance(value, BaseModel):
        return (
            "its own defaults"
            if value.model_fields_set == set()
            else _flow(value.model_dump(mode="json", exclude_none=True))
        )
    return code(_written(value, fragment))


def _written(value: Any, fragment: dict[str, Any]) -> str:  # noqa: ANN401 - any default
    """Return a value as a person would write it: microseconds as a duration, bytes as a size."""
    word = _words(fragment, {}) if "$ref" not in fragment else ""
    if word == "duration":
        return _in_units(value, DURATIONS, fallback=f"{value // 1000}ms")
    if word == "size":
        return _in_units(value, SIZES, fallback=f"{value}B")
    if word == "share":
        return f"{value * 100:g}%"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(str(one) for one in value)}]"
    return str(getattr(value, "value", value))


def _in_units(value: int, units: tuple[tuple[str, int], ...], *, fallback: str) -> str:
    """Return a number in the largest unit that it is a whole number of.

    >>> _in_units(90_000_000, DURATIONS, fallback="")
    '90s'
    """
    for unit, size in units:
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return fallback


@cache
def _files() -> list[dict[str, Any]]:
    """Return the files that come with oddspipe, in which real examples are looked up."""
    names = ("sports/nfl.yaml", "sports/nba.yaml", "sports/mlb.yaml", "sports/shared/defaults.yaml")
    return [yaml.safe_load((ROOT / name).read_text()) for name in (*names, "platform.yaml")]


def _example(paths: list[str], key: str, one: FieldInfo) -> str:
    """Return a value that one of the shipped files has at this place, else the declared one."""
    for path in paths:
        steps = [*path.partition(" (")[0].replace("[]", ".[]").split("."), key]
        told = path.partition(" (")[2].rstrip(")")
        for tree in _files():
            for value in _at(tree, [step for step in steps if step], told):
                if (text := _flow(value)) and len(text) <= LONGEST_EXAMPLE:
                    return text
    return _flow(one.examples[0]) if one.examples else ""


def _at(tree: Any, steps: list[str], told: str) -> Iterator[Any]:  # noqa: ANN401 - plain values
    if not steps:
        yield tree
        return
    step, *rest = steps
    if step == "<name>" and isinstance(tree, dict):
        below: list[Any] = list(tree.values())
    elif step == "[]" and isinstance(tree, list):
        below = tree
    elif isinstance(tree, dict) and step in tree:
        if not rest and told and f"{told.partition(': ')[0]}" in tree:
            key, _, word = told.partition(": ")
            below = [tree[step]] if tree[key] == word else []
        else:
            below = [tree[step]]
    else:
        below = []
    for one in below:
        yield from _at(one, rest, told)


def _flow(value: Any) -> str:  # noqa: ANN401 - plain values of any kind
    """Return a value as YAML on one line, set as code."""
    if value is None:
        return ""
    text = yaml.safe_dump(
        json.loads(json.dumps(value, default=str)), default_flow_style=True, sort_keys=False,
        width=10_000,
    )  # fmt: skip
    return code(text.removesuffix("\n").removesuffix("\n...").strip())


def kinds_table() -> str:
    """Return the kinds of values with what they look like."""
    rows = []
    for name, word in KINDS.items():
        if name in {"PositiveDuration", "LineStep"}:
            continue
        schema = TypeAdapter(getattr(fields, name)).json_schema()
        said = schema.get("description", "")
        if name in {"Name", "Text", "Speed", "Endpoint"}:
            said = {
                "Name": "Lower case letters, digits and underscores, a letter first.",
                "Text": "Text that is not empty.",
                "Speed": "A factor of real time, or `max`.",
                "Endpoint": "An address, `{env: NAME}` or `{secret: path#key}`.",
            }[name]
        examples = [_flow(one) for one in schema.get("examples", ())]
        rows.append((word, said, " ".join(examples)))
    return table(("kind", "meaning", "examples"), rows)


def _linked(kind: str, path: str, anchors: dict[str, str]) -> str:
    """Return a type whose mapping leads to the section of what stands in it."""
    for at in (path, f"{path}.<name>", f"{path}[]"):
        if at in anchors:
            return kind.replace("mapping", f"[mapping](#{anchors[at]})")
    return kind


def _anchors(found: list[Section]) -> dict[str, str]:
    return {path: _named(one.paths[0]) for one in found for path in one.paths if path}


def _named(path: str) -> str:
    """Return the anchor of a path.

    >>> _named("odds.markets.<name>.margin"), _named("feed (protocol: kafka)")
    ('odds.markets.name.margin', 'feed.protocol.kafka')
    """
    return re.sub(r"[^a-z0-9_]+", ".", path).strip(".")


def _section_text(section: Section, anchors: dict[str, str]) -> str:
    title = code(section.paths[0]) or "The top"
    also = [f"`{path}`" for path in section.paths[1:]]
    told = summary(section.part)
    if also:
        told += f" Also at {', '.join(also)}."
    if section.inherited is not None and section.inherited.model_fields:
        told += f" Also takes every key of `{section.paths[0].partition(' (')[0]}`."
    rows = []
    for key in keys(section):
        at = f"{section.paths[0].partition(' (')[0]}.{key.name}".lstrip(".")
        kind = _linked(key.type, at, anchors)
        rows.append((code(key.name), kind, key.default, key.meaning, key.example))
    grid = "\n\n" + table(("key", "type", "default", "meaning", "example"), rows) if rows else ""
    return f"{anchor(_named(title.lower().strip('`')))}\n## {title}\n\n{told}{grid}"


def _all_sections(root: type[BaseModel]) -> list[str]:
    found = sections(root)
    return [_section_text(one, _anchors(found)) for one in found]


def spec_page() -> str:
    """Return the page of a sport file."""
    return page(
        "Sport file",
        "Every key that a sport file may have: `sports/nfl.yaml` and its neighbours are examples "
        "in full. `<name>` stands for a name of your own, `[]` for each entry of a list. Any "
        "value may be `{env: NAME}`, `{env: NAME, default: …}` or, where it says so, "
        "`{secret: path#key}`. A key without a default may be left out.",
        "## Kinds of values\n\n" + kinds_table(),
        *_all_sections(SportSpec),
    )


def platform_page() -> str:
    """Return the page of platform.yaml."""
    return page(
        "Platform file",
        "Every key of `platform.yaml`: what is not a sport. Kinds of values are those of the "
        "[sport file](spec.md#kinds-of-values).",
        *_all_sections(PlatformSpec),
    )
