"""The plan as a graph: what flows from where to where; as Mermaid text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from oddspipe.core.names import LatePolicy
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.model import Plan

Shape = Literal["source", "stage", "store", "rejects"]

_DRAWN: Final[dict[Shape, tuple[str, str]]] = {
    "source": ('(["', '"])'),
    "stage": ('["', '"]'),
    "store": ('[("', '")]'),
    "rejects": ('[/"', '"/]'),
}
"""What stands before and after the words of a node."""
_STYLES: Final = (
    "classDef source fill:#e8f0fe,stroke:#4a6fa5,color:#111",
    "classDef stage fill:#ffffff,stroke:#555,color:#111",
    "classDef store fill:#e9f7ef,stroke:#3c8d5a,color:#111",
    "classDef rejects fill:#fdecea,stroke:#b3453a,color:#111",
)


@dataclass(frozen=True, slots=True)
class Node:
    """A stage or a place; `lines` are its words, the first its name."""

    id: str
    shape: Shape
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """What flows from one node to another; `usual` edges are drawn through, others dotted."""

    source: str
    target: str
    flows: str
    usual: bool = True


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges, in the order in which an event meets them."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(plan: Plan) -> Graph:
    """Return the graph of a plan."""
    return Graph(
        f"{plan.title} ({plan.sport}), environment {plan.deployment.environment}",
        tuple(_nodes(plan)),
        tuple(_edges(plan)),
    )


def mapped_by(plan: Plan) -> int:
    """Return by how many entries records become events in this environment; 0 where they are it."""
    feed = plan.feed
    match plan.deployment.source:
        case "simulator":
            return 0
        case "replay":
            return len(feed.recording.events) if feed.recording else 0
        case _:
            return len(feed.mapping) if feed.format == "json" else 0


def counted(count: int, one: str, several: str = "") -> str:
    """Return a count with its word.

    >>> counted(1, "rule"), counted(2, "rule"), counted(0, "entry", "entries")
    ('1 rule', '2 rules', '0 entries')
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart; the same graph always gives the same text."""
    lines = ["---", f"title: {_quoted(graph.title)}", "---", "flowchart LR"]
    lines += [f"  {node.id}{_drawn(node)}:::{node.shape}" for node in graph.nodes]
    for edge in graph.edges:
        arrow = "-->" if edge.usual else "-.->"
        lines.append(f'  {edge.source} {arrow}|"{_safe(edge.flows)}"| {edge.target}')
    lines += [f"  {style}" for style in _STYLES]
    return "\n".join(lines) + "\n"


def _drawn(node: Node) -> str:
    before, after = _DRAWN[node.shape]
    return f"{before}{'<br/>'.join(_safe(line) for line in node.lines)}{after}"


def _safe(words: str) -> str:
    """Return words that Mermaid takes as they are: its own signs become entities.

    >>> _safe('line < 4 "or" #5')
    'line #lt; 4 #quot;or#quot; #35;5'
    """
    entities = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "|": "#124;"}
    return "".join(entities.get(sign, sign) for sign in " ".join(words.split()))


def _quoted(words: str) -> str:
    """Return a title as YAML takes it."""
    return '"' + words.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _id(prefix: str, name: str) -> str:
    """Return an id that Mermaid takes; `end` and other words of its own cannot come out."""
    return f"{prefix}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"


def _nodes(plan: Plan) -> Iterator[Node]:
    feed, odds = plan.feed, plan.odds
    topic = feed.options.get("topic") if plan.deployment.source == feed.protocol else None
    yield Node(
        "feed",
        "source",
        (
            plan.deployment.source,
            *([str(topic)] if topic else []),
            counted(feed.partitions, "partition"),
        ),
    )
    if entries := mapped_by(plan):
        yield Node("stage_map", "stage", ("map", counted(entries, "entry", "entries")))
    rows = sum(not rule.temporal for rule in plan.rules)
    yield Node(
        "stage_normalise", "stage",
        ("normalise", counted(len(plan.layout), "field"), counted(rows, "rule")),
    )  # fmt: skip
    yield Node(
        "stage_order", "stage",
        (
            "order",
            f"duplicates {duration_text(plan.duplicates.window_us)}",
            f"gaps {duration_text(plan.order.window_us)}, late: {plan.order.late.value}",
        ),
    )  # fmt: skip
    yield Node(
        "stage_price", "stage",
        (
            "price",
            f"model {plan.model.name} {plan.model.version}",
            *((f"shadow {plan.shadow.model.name}",) if plan.shadow else ()),
            f"{counted(len(odds.markets), 'market')}, {counted(len(odds.guards), 'guard')}",
        ),
    )  # fmt: skip
    for sink in plan.sinks:
        yield _sink(plan, sink)


def _sink(plan: Plan, sink: SinkPlan) -> Node:
    shape: Shape = "rejects" if sink.kind == "dead_letters" else "store"
    topic = sink.options.get("topic")
    kind = sink.options["name"] if sink.kind == "plugin" else sink.kind.replace("_", " ")
    words = (sink.name, str(kind), *([str(topic)] if topic else []))
    if sink.kind == "partner_log":
        words += tuple(plan.deployment.values.get("partner_list") or ())
    return Node(_id("sink", sink.name), shape, (*words, sink.keeps.value.replace("_", " ")))


def _out_of_order(plan: Plan) -> str:
    late = "late, " if plan.order.late is LatePolicy.DLQ else ""
    return f"{late}reused or jumping sequence, for a finished game"


def _edges(plan: Plan) -> Iterator[Edge]:
    first, flows = "stage_normalise", "payloads"
    letters = [_id("sink", sink.name) for sink in plan.sinks if sink.kind == "dead_letters"]
    if mapped_by(plan):
        yield Edge("feed", "stage_map", "records")
        yield from (Edge("stage_map", to, "what does not map", usual=False) for to in letters)
        first, flows = "stage_map", "events"
        yield Edge(first, "stage_normalise", flows)
    else:
        yield Edge("feed", "stage_normalise", flows)
    yield Edge("stage_normalise", "stage_order", "sound events")
    yield Edge("stage_order", "stage_price", "events in sequence")
    for sink in plan.sinks:
        if sink.kind != "dead_letters":
            holds = "events and odds" if sink.kind in {"clickhouse", "plugin"} else "odds"
            yield Edge("stage_price", _id("sink", sink.name), holds)
    for to in letters:
        yield Edge("stage_normalise", to, "broken, out of range, against a rule", usual=False)
        yield Edge("stage_order", to, _out_of_order(plan), usual=False)
        yield Edge("stage_price", to, "against a temporal rule, model failed", usual=False)
