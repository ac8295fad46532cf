"""Canonical bytes of a plan, and their SHA-256: the logic digest and the deployment digest.

The logic digest covers what decides prices: event layout, kinds, mapping, rules, windows, state,
model (name, version, parameters) and odds. It is the same in all environments; tests, owner,
alerts, schedule, load and sinks leave it alone, and so does where the model runs, or another that
is only compared with it. The deployment digest covers everything but tests.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, Final

from oddspipe.core.batch.layout import Layout
from oddspipe.core.parts import ModelPlan
from oddspipe.core.plan.model import Plan

ENGINE = 2
"""Raised when the same spec begins to price differently because the core changed."""

LOGIC_COVERS: Final = {
    "breaker": "share of dead letters at which markets are suspended, its window, its probe",
    "derived": "columns computed from the state",
    "duplicates": "window for duplicates",
    "engine": "generation of oddspipe's own pricing",
    "feed": "format of the feed, its key and how its messages map to events",
    "kinds": "kinds of events",
    "layout": "fields of the event: numbers, types, ranges, enum values, limits",
    "max_payload_bytes": "longest payload",
    "model": "model: name, version, parameters",
    "odds": "markets, margin, formats, cadence, staleness, guards",
    "order": "order: first sequence, window, late policy, limits",
    "rules": "rules, in their order",
    "schema_version": "version of the event's schema",
    "sport": "name of the sport",
    "state": "columns of the state",
}
"""What decides prices, by its key in `logic_document`."""

DEPLOYMENT_ADDS: Final = {
    "alerts": "alert thresholds",
    "breaker_pause_us": "pause before a probe after too many dead letters",
    "deployment": "environment: endpoints, sizes, partners, owners, prices of the cost model",
    "feed": "the rest of the feed: protocol, address, partitions, heartbeat, retention, recording",
    "isolation": "where the model runs: process, deadline, memory",
    "layout": "descriptions and units of fields",
    "load": "load profile",
    "made_game": "how games are simulated",
    "owner": "owner of the sport",
    "retired": "names and numbers that the event never uses again",
    "schedule": "season and schedule",
    "shadow": "model that is compared with it: name, version, parameters, limits",
    "sinks": "sinks: guarantees and options",
    "snapshot_interval_us": "snapshot interval",
    "title": "title of the sport",
}
"""What the deployment digest covers besides, by its key in `deployment_document`."""

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
    plain = _plain(value, lambda number: {"f": number.hex()})
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode()


def readable(value: object) -> str:
    """Return what `canonical` writes as indented JSON with ordinary floats, for people and diffs.

    >>> print(readable({"b": 1, "a": (0.5,)}))
    {
      "a": [
        0.5
      ],
      "b": 1
    }
    """
    return json.dumps(_plain(value, float), sort_keys=True, indent=2, ensure_ascii=False)


def logic_document(plan: Plan) -> dict[str, object]:
    """Return what decides prices: what the logic digest is made of."""
    document: dict[str, object] = {
        name: getattr(plan, name) for name in LOGIC_COVERS if hasattr(plan, name)
    }
    document["engine"] = ENGINE
    document["feed"] = {name: getattr(plan.feed, name) for name in _LOGIC_OF_FEED}
    document["layout"] = _bare(plan.layout)
    return document


def deployment_document(plan: Plan) -> dict[str, object]:
    """Return everything but tests: what the deployment digest is made of."""
    document: dict[str, object] = {
        field.name: getattr(plan, field.name)
        for field in fields(plan)
        if field.name not in _NOT_DEPLOYED
    }
    document["engine"] = ENGINE
    document["sinks"] = {sink.name: sink for sink in plan.sinks}
    return document


def logic_digest(plan: Plan) -> str:
    """Return the SHA-256 of what decides prices, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(logic_document(plan))).hexdigest()


def deployment_digest(plan: Plan) -> str:
    """Return the SHA-256 of everything but tests, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(deployment_document(plan))).hexdigest()


def model_digest(model: ModelPlan) -> str:
    """Return the SHA-256 of a model's name, version and parameters."""
    identity = (model.name, model.version, model.parameters)
    return hashlib.sha256(canonical(identity)).hexdigest()


def with_digests(plan: Plan) -> Plan:
    """Return the plan with both digests filled in."""
    return replace(plan, logic_digest=logic_digest(plan), deployment_digest=deployment_digest(plan))


def _bare(layout: Layout) -> list[dict[str, object]]:
    return [
        {f.name: getattr(column, f.name) for f in fields(column) if f.name not in _WORDS_ONLY}
        for column in layout.columns
    ]


def _plain(value: object, number: Callable[[float], object]) -> Any:  # noqa: ANN401, PLR0911 - JSON of any shape, one return a kind
    match value:
        case Enum():
            return _plain(value.value, number)
        case None | bool() | int() | str():
            return value
        case float():
            return number(value)
        case Mapping():
            if all(isinstance(key, str) for key in value):
                return {key: _plain(one, number) for key, one in value.items()}
            return sorted([_plain(key, number), _plain(one, number)] for key, one in value.items())
        case list() | tuple():
            return [_plain(one, number) for one in value]
        case _ if is_dataclass(value):
            return {f.name: _plain(getattr(value, f.name), number) for f in fields(value)}
        case _:
            raise TypeError(f"a plan holds no {type(value).__name__}")
