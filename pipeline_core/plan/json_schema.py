"""JSON Schema of sport and platform files, for editors: draft 2020-12, parameters of plug-ins too.

Files extend one another and merge key by key, so a mapping that stands in one file need not be
whole: nothing is required but in the entries of lists, which are replaced as a whole.
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from oddspipe.core.errors import PluginError
from oddspipe.core.plan.shown import written_by
from oddspipe.core.ports.registry import Group, installed, load
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/FromEnvironment"
_FROM_ENVIRONMENT = {
    "type": "object",
    "title": "From the environment",
    "description": "The value of an environment variable.",
    "properties": {
        "env": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "default": {"description": "What stands in when the variable is not set."},
    },
    "required": ["env"],
    "additionalProperties": False,
    "examples": [{"env": "REDIS_URL", "default": "redis://localhost:6379/0"}],
}
_TOLD = ("description", "default", "examples")
_SCALARS = {"string", "number", "integer", "boolean"}


def sport_schema(models: Iterable[str] | None = None) -> dict[str, Any]:
    """Return the schema of a sport file.

    Args:
        models: Models whose parameters are described; all that are installed when left out.
    """
    made = _schema(SportSpec, "A sport of oddspipe")
    defs = made["$defs"]
    names = installed("models") if models is None else tuple(sorted(models))
    for part in ("ModelSpec", "ShadowSpec"):
        _with_parameters(defs[part], defs, "models", names)
    if models is None:
        _with_parameters(defs["PluginSink"], defs, "sinks", installed("sinks"))
    return made


def platform_schema() -> dict[str, Any]:
    """Return the schema of a platform file."""
    return _schema(PlatformSpec, "The platform of oddspipe")


def schema_text(schema: dict[str, Any]) -> str:
    """Return a schema as it is written to a file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


class _Written(GenerateJsonSchema):
    """Gives defaults as a person writes them, and leaves out those of whole parts."""

    @override
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        inner: Any = schema["schema"]
        reader = inner.get("function", {}).get("function") if "function" in inner else None
        write = written_by(reader)
        if write is not None and isinstance(made.get("default"), int):
            made["default"] = write(made["default"])
        elif isinstance(made.get("default"), dict) or made.get("default", 0) is None:
            del made["default"]
        return made


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    made = model.model_json_schema(by_alias=True, schema_generator=_Written)
    made = _inlined(made, made["$defs"])
    entries = _entries(made)
    defs = {
        name: _opened(part, required=name in entries) for name, part in made.pop("$defs").items()
    }
    made = _opened(made)
    return {
        "$schema": DIALECT,
        **made,
        "title": title,
        "$defs": {**defs, "FromEnvironment": _FROM_ENVIRONMENT},
    }


def _inlined(schema: Any, defs: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a schema with enums in the place of references to them."""
    if isinstance(schema, list):
        return [_inlined(one, defs) for one in schema]
    if not isinstance(schema, dict):
        return schema
    meant = defs.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    made = {key: _inlined(value, defs) for key, value in schema.items()}
    if "enum" in meant:
        del made["$ref"]
        return {**{key: meant[key] for key in ("enum", "type", "description")}, **made}
    return made


def _entries(schema: dict[str, Any]) -> set[str]:
    """Return the parts that stand in lists only: these are never merged, so each is whole."""
    listed: set[str] = set()
    merged: set[str] = set()
    _gather(schema, listed, merged, in_list=False)
    return listed - merged


def _gather(schema: Any, listed: set[str], merged: set[str], *, in_list: bool) -> None:  # noqa: ANN401
    if isinstance(schema, list):
        for one in schema:
            _gather(one, listed, merged, in_list=in_list)
        return
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        (listed if in_list else merged).add(schema["$ref"].rpartition("/")[2])
    for key, value in schema.items():
        inside = key == "items" or (in_list and key in {"anyOf", "oneOf"})
        _gather(value, listed, merged, in_list=inside)


def _opened(part: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    """Return a part without required keys whose values may come from the environment."""
    dropped = {"discriminator"} if required else {"discriminator", "required"}
    made = {key: value for key, value in part.items() if key not in dropped}
    if "properties" in made:
        made["properties"] = {name: _value(one) for name, one in made["properties"].items()}
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _entry(made["additionalProperties"])
    if "patternProperties" in made:
        named = made["patternProperties"]
        made["patternProperties"] = {pattern: _entry(one) for pattern, one in named.items()}
        made["additionalProperties"] = False
    if "oneOf" in made:
        made["anyOf"] = made.pop("oneOf")  # without its `kind` an entry fits several
    for key in ("anyOf", "prefixItems"):
        if key in made:
            made[key] = [_opened(one) for one in made[key]]
    if isinstance(made.get("items"), dict):
        made["items"] = _value(made["items"])
    return made


def _entry(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an entry by name: null takes away one of the file that is extended."""
    return {"anyOf": [_value(schema), {"type": "null"}]}


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may also be a reference to the environment."""
    made = _opened(schema)
    if "const" in made or not _is_scalar(made):
        return made
    told: dict[str, Any] = {
        key: made.pop(key) for key in ("description", "default", "examples") if key in made
    }
    options = made.get("anyOf", [made])
    return {"anyOf": [*options, {"$ref": _REFERENCE}], **told}


def _is_scalar(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type")
    if "anyOf" in schema:
        return any(_is_scalar(one) for one in schema["anyOf"])
    named = {kinds} if isinstance(kinds, str) else set(kinds or ())
    return "enum" in schema or not _SCALARS.isdisjoint(named)


def _with_parameters(
    part: dict[str, Any], defs: dict[str, Any], group: Group, names: Iterable[str]
) -> None:
    """Describe the parameters of each plug-in, where its name stands beside them."""
    cases = []
    for name in names:
        try:
            parameters = load(group, name).Parameters
        except (PluginError, AttributeError):
            continue  # `validate` says what is wrong with it
        made = _opened(parameters.model_json_schema(by_alias=True, schema_generator=_Written))
        for key, one in made.pop("$defs", {}).items():
            defs[f"{group}.{name}.{key}"] = _opened(one)
        defs[f"{group}.{name}"] = _moved(made, f"{group}.{name}.")
        cases.append(
            {
                "if": {"properties": {"name": {"const": name}}, "required": ["name"]},
                "then": {"properties": {"parameters": {"$ref": f"#/$defs/{group}.{name}"}}},
            }
        )
    if cases:
        part["allOf"] = cases
        part["properties"]["name"]["examples"] = list(names)


def _moved(schema: Any, prefix: str) -> Any:  # noqa: ANN401 - JSON of any kind
    """Return a schema whose references lead to definitions under longer names."""
    if isinstance(schema, dict):
        return {
            key: f"#/$defs/{prefix}{value.rsplit('/', 1)[1]}"
            if key == "$ref" and value.startswith("#/$defs/") and value != _REFERENCE
            else _moved(value, prefix)
            for key, value in schema.items()
        }
    return [_moved(one, prefix) for one in schema] if isinstance(schema, list) else schema
