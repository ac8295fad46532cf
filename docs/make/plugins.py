"""The page of what a plug-in may import, and of what it may give."""

import inspect
from enum import EnumType
from typing import get_args

from docs.make.text import anchor, code, own_doc, page, summary, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from oddspipe.core import api
from oddspipe.core.ports import registry
from oddspipe.core.ports.model import OddsModel
from oddspipe.core.ports.registry import Group
from oddspipe.core.ports.sink import Sink
from oddspipe.core.ports.source import Source

PORTS = {"models": OddsModel, "sources": Source, "sinks": Sink}


def groups() -> list[tuple[str, str, str, str]]:
    """Return entry-point group, what it gives, what that must be, and what is installed."""
    return [
        (
            code(f"oddspipe.{group}"),
            summary(PORTS[group]) if group in PORTS else "The spec of a sport.",
            f"[`{PORTS[group].__name__}`](#{PORTS[group].__name__})"
            if group in PORTS
            else "a [sport file](spec.md) of the package, named `package:file.yaml`",
            ", ".join(map(code, _shipped(group))),
        )
        for group in get_args(Group)
    ]


def _shipped(group: Group) -> list[str]:
    """Return the plug-ins of a group that come with oddspipe itself."""
    return [name for name in registry.installed(group) if _is_ours(group, name)]


def _is_ours(group: Group, name: str) -> bool:
    return any(
        one.name == name and one.value.startswith("oddspipe.") for one in registry.entries(group)
    )


def plugins_page() -> str:
    """Return the page of plug-ins."""
    return page(
        "Plug-ins",
        "A plug-in is found by name through an entry point, and imports `oddspipe.core.api` only: "
        "what is here is kept stable.",
        "## Entry points\n\n" + table(("group", "gives", "protocol", "included"), groups()),
        "## Parameters of the included models\n\nWhat `model.parameters` of a sport file may set.",
        *(_parameters(name) for name in _shipped("models")),
        "## oddspipe.core.api",
        *(_entry(name) for name in api.__all__),
    )


def _parameters(name: str) -> str:
    parameters: type[BaseModel] = registry.load_model(name).Parameters
    rows = [
        (code(key), code(one.annotation.__name__ if one.annotation else ""), code(one.default),
         _unit(one), one.description or "")
        for key, one in parameters.model_fields.items()
    ]  # fmt: skip
    return f"### Model {name}\n\n" + table(
        ("parameter", "type", "default", "unit", "meaning"), rows
    )


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _entry(name: str) -> str:
    thing = getattr(api, name)
    parts = [f"{anchor(name)}\n### {name}", own_doc_text(thing)]
    if isinstance(thing, EnumType):
        words = ", ".join(code(member.name) for member in thing)
        parts.append(f"One of {words}.")
    elif inspect.isclass(thing):
        parts.append(_members(thing))
    return "\n\n".join(part for part in parts if part)


def own_doc_text(thing: object) -> str:
    """Return a docstring as Markdown: its prose as it is, its lists and examples as code."""
    prose, mark, listed = own_doc(thing).partition("\n\nAttributes:\n")
    prose, args, more = prose.partition("\n\nArgs:\n")
    prose, example, shown = prose.partition("\n\n>>> ")
    parts = [prose]
    if example:
        parts.append(f"```python\n>>> {shown}\n```")
    for title, text in (("Args", more if args else ""), ("Attributes", listed if mark else "")):
        if text:
            parts.append(f"```text\n{title}:\n{text}\n```")
    return "\n\n".join(parts)


def _members(thing: type) -> str:
    """Return the public methods of a class with the first paragraph of their docstrings."""
    rows = []
    for name, member in vars(thing).items():
        if name.startswith("_"):
            continue
        function = member.fget if isinstance(member, property) else member
        function = getattr(function, "__func__", function)
        if inspect.isfunction(function):
            shown = name if isinstance(member, property) else f"{name}{_signature(function)}"
            rows.append((code(shown), summary(function)))
    return table(("member", "meaning"), rows) if rows else ""


def _signature(function: object) -> str:
    """Return the names of the parameters, without the types."""
    if not callable(function):
        return ""
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return f"({', '.join(names)})"
