"""Canonical bytes of a plan, and their SHA-256: the logic digest and the deployment digest.

The logic digest covers what decides prices: event layout, kinds, mapping, rules, windows, state,
model (name, version, parameters) and odds. It is the same in all environments; tests, owner,
alerts, schedule, load and sinks leave it alone. The deployment digest covers everything but tests.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from oddspipe.core.batch.layout import Layout
from oddspipe.core.plan.model import Plan

ENGINE = 1
"""Raised when the same spec begins to price differently because the core changed."""

_LOGIC = (
    "sport",
    "schema_version",
    "kinds",
    "max_payload_bytes",
    "rules",
    "duplicates",
    "order",
    "state",
    "derived",
    "model",
    "odds",
)
_LOGIC_OF_FEED = ("format", "key", "payload", "mapping")
_WORDS_ONLY = frozenset({"description", "unit"})
"""What is said of a column for people; it decides nothing."""
_NOT_DEPLOYED = frozenset({"tests", "logic_digest", "deployment_digest"})


def canonical(value: object) -> bytes:
    """Return bytes that are the same for equal values, on any machine and in any order of keys.

    Floats are written by their bits, so that 0.1 has one spelling; 1 and 1.0 differ.

    >>> canonical({"b": 1, "a": (0.5, None)})
    b'{"a":[{"f":"0x1.0000000000000p-1"},null],"b":1}'
    """
    plain = _plain(value)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def logic_digest(plan: Plan) -> str:
    """Return the SHA-256 of what decides prices, as 64 hexadecimal digits."""
    parts: dict[str, object] = {name: getattr(plan, name) for name in _LOGIC}
    parts["engine"] = ENGINE
    parts["feed"] = {name: getattr(plan.feed, name) for name in _LOGIC_OF_FEED}
    parts["layout"] = _bare(plan.layout)
    return hashlib.sha256(canonical(parts)).hexdigest()


def deployment_digest(plan: Plan) -> str:
    """Return the SHA-256 of everything but tests, as 64 hexadecimal digits."""
    parts = {
        field.name: getattr(plan, field.name)
        for field in fields(plan)
        if field.name not in _NOT_DEPLOYED
    }
    return hashlib.sha256(canonical(parts)).hexdigest()


def with_digests(plan: Plan) -> Plan:
    """Return the plan with both digests filled in."""
    return replace(plan, logic_digest=logic_digest(plan), deployment_digest=deployment_digest(plan))


def _bare(layout: Layout) -> list[dict[str, object]]:
    return [
        {f.name: getattr(column, f.name) for f in fields(column) if f.name not in _WORDS_ONLY}
        for column in layout.columns
    ]


def _plain(value: object) -> Any:  # noqa: ANN401, PLR0911
    match value:
        case Enum():
            return _plain(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return {"f": value.hex()}
        case Mapping():
            if all(isinstance(key, str) for key in value):
                return {key: _plain(one) for key, one in value.items()}
            return sorted([_plain(key), _plain(one)] for key, one in value.items())
        case list() | tuple():
            return [_plain(one) for one in value]
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"a plan holds no {type(value).__name__}")
