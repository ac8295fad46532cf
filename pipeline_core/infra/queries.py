"""Queries held against what exposes metrics: names and labels that nothing has are refused."""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from oddspipe.core.telemetry.catalogue import METRICS
from oddspipe.core.telemetry.others import TARGET_LABELS, others

NAME: Final = "__name__"


@dataclass(frozen=True, slots=True)
class Selected:
    """A selector of a query: the metric, and the labels that it asks for."""

    metric: str
    labels: frozenset[str]


@cache
def known_metrics() -> Mapping[str, frozenset[str]]:
    """Return every metric that something exposes, with the labels that it may have.

    A histogram is asked for by the series that it becomes.
    """
    found: dict[str, frozenset[str]] = {}
    for one in METRICS:
        labels = TARGET_LABELS | {"sport", *one.labels}
        if one.kind == "histogram":
            found[f"{one.name}_bucket"] = labels | {"le"}
            found |= dict.fromkeys((f"{one.name}_sum", f"{one.name}_count"), labels)
        else:
            found[one.name] = labels
    return found | {name: TARGET_LABELS | {*one.labels} for name, one in others().items()}


def selected(query: str) -> list[Selected]:
    """Return the selectors of a query, by PromQL's own grammar.

    Raises:
        ValueError: It is no PromQL, or chooses metrics by a pattern.
        ImportError: `promql-parser` is not installed.
    """
    parser = importlib.import_module("promql_parser")
    found: list[Selected] = []

    def visit(node: Any) -> bool:  # noqa: ANN401 - a library's
        if isinstance(node, parser.VectorSelector):
            found.append(_selected(node, parser))
        return True

    parser.walk(parser.parse(query.replace("$__rate_interval", "1m")), visit)
    return found


def _selected(node: Any, parser: Any) -> Selected:  # noqa: ANN401 - a library's
    matchers = node.matchers.matchers
    name = node.name
    for one in matchers:
        if one.name == NAME:
            if one.op != parser.MatchOp.Equal:
                raise ValueError(f"metrics by a pattern cannot be told: {one.value}")
            name = one.value
    return Selected(name or "", frozenset(one.name for one in matchers) - {NAME})


def unknown(query: str, recorded: Iterable[str] = ()) -> list[str]:
    """Return what a query asks for that nothing exposes.

    Args:
        query: PromQL.
        recorded: Names that recording rules make, with any labels.
    """
    known, made, faults = known_metrics(), frozenset(recorded), []
    for one in selected(query):
        if one.metric in made:
            continue
        if one.metric not in known:
            faults.append(f"nothing exposes {one.metric or 'a metric without a name'}")
        elif more := sorted(one.labels - known[one.metric]):
            faults.append(f"{one.metric} has no label {', '.join(more)}")
    return faults
