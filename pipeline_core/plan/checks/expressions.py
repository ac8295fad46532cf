"""Every SQL expression of a spec: rules, state, guards, phases, mapping, recording."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from oddspipe.core.batch.layout import Layout
from oddspipe.core.batch.sql import check_sql, check_sql_shape
from oddspipe.core.batch.sql_types import Want, event_types
from oddspipe.core.names import LOGGED_KINDS, FieldType, Policy
from oddspipe.core.near import near
from oddspipe.core.plan.columns import kinds_of
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.feed import FeedSpec, RecordedEventSpec
from oddspipe.core.spec.model import RuleSpec, SportSpec, StateColumnSpec
from oddspipe.core.stages.guard import BUILT_IN, guard_types

Types = Mapping[str, pl.DataType]

WAS = "was_"
"""Prefix of a state column as it was before the event."""

_PAYLOAD_TYPES: dict[str, pl.DataType] = {
    "double": pl.Float64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
}
_UNFOLDED = frozenset({FieldType.STRING, FieldType.BYTES})


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions of one sport may read."""

    layout: Layout
    kinds: frozenset[str]
    events: dict[str, pl.DataType]
    state: dict[str, pl.DataType]
    derived: dict[str, pl.DataType]
    before: dict[str, pl.DataType]


def scope_of(spec: SportSpec, layout: Layout) -> Scope:
    """Return the columns that each part of a spec may read, and their types."""
    state: dict[str, pl.DataType] = dict.fromkeys(spec.state.columns, pl.Float64())
    derived: dict[str, pl.DataType] = dict.fromkeys(spec.state.derive, pl.Float64())
    return Scope(
        layout,
        frozenset(kind.name for kind in kinds_of(spec.event)),
        event_types(layout),
        state,
        derived,
        {WAS + name: kind for name, kind in state.items()},
    )


def expression_problems(spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    """Yield everything wrong with the SQL of a spec, and with the kinds it is said to be about."""
    yield from _feed(spec.feed, scope)
    names: set[str] = set()
    for index, rule in enumerate(spec.rules):
        yield from _rule(("rules", index), rule, scope, names)
        yield from _policy(("rules", index), rule, spec)
        names.add(rule.name)
    for name, column in spec.state.columns.items():
        yield from _state_column(("state", "columns", name), column, scope)
    known = dict(scope.state)
    for name, sql in spec.state.derive.items():
        yield from _derived(name, sql, spec, known)
        known[name] = pl.Float64()
    board = guard_types(kinds_of(spec.event), tuple(known))
    codes = names | set(BUILT_IN)
    for index, guard in enumerate(spec.odds.guards):
        at: Path = ("odds", "guards", index)
        if guard.name in codes:
            yield Problem(
                "guard.duplicate",
                (*at, "name"),
                f"There is already a rule or guard {guard.name!r}.",
                "Anomalies are counted by their code; give this one another name.",
            )
        codes.add(guard.name)
        yield from sql_problems((*at, "suspend_when"), guard.suspend_when, board, "bool")
    for index, phase in enumerate(spec.load.phases):
        at = ("load", "phases", index, "when")
        yield from sql_problems(at, phase.when, {**scope.state, **scope.derived}, "bool")


def sql_problems(at: Path, sql: str, columns: Types, want: Want) -> Iterator[Problem]:
    """Yield the faults of one expression as problems of the place where it is written."""
    for fault in check_sql(sql, columns, want=want):
        yield Problem(fault.code, at, fault.message, fault.hint, offset=fault.offset)


def kind_problems(at: Path, kinds: tuple[str, ...], known: frozenset[str]) -> Iterator[Problem]:
    """Yield the kinds of a list that the sport does not have."""
    for index, kind in enumerate(kinds):
        if kind not in known:
            yield Problem(
                "kind.unknown",
                (*at, index),
                f"This sport has no events of kind {kind!r}.",
                near(kind, known),
            )


def _rule(at: Path, rule: RuleSpec, scope: Scope, names: set[str]) -> Iterator[Problem]:
    if rule.name in names:
        yield Problem(
            "rule.duplicate",
            (*at, "name"),
            f"There is already a rule {rule.name!r}.",
            "A dead letter names its rule; give this one another name.",
        )
    columns = scope.events | scope.before
    for problem in sql_problems((*at, "check"), rule.check, columns, "bool"):
        unknown = problem.message.split("'")[1] if problem.code == "sql.unknown-column" else ""
        if unknown.startswith(WAS):
            yield Problem(
                "rule.unknown-state",
                problem.path,
                f"{unknown!r} asks for the state before the event, but there is no state column "
                f"{unknown.removeprefix(WAS)!r}.",
                near(unknown, scope.before),
                offset=problem.offset,
            )
        else:
            yield problem
    yield from kind_problems((*at, "on"), rule.on, scope.kinds)


def _policy(at: Path, rule: RuleSpec, spec: SportSpec) -> Iterator[Problem]:
    """Yield the kinds at which a rule's policy cannot be kept."""
    if rule.policy is Policy.DEAD_LETTER:
        return
    kinds = {kind.name: kind for kind in kinds_of(spec.event)}
    logged = [name for name, kind in kinds.items() if kind.like in LOGGED_KINDS]
    at_once = spec.odds.cadence.at_once
    for name in rule.on or logged:
        place = (*at, "on", rule.on.index(name)) if rule.on else (*at, "policy")
        if name in kinds and name not in logged:
            yield Problem(
                "rule.policy",
                place,
                f"Events of kind {name!r} are not kept in order, so that this rule can only turn "
                "them away.",
                "Leave the kind out, or use the policy dead-letter.",
            )
        elif name in kinds and rule.policy is Policy.SUSPEND and name not in at_once:
            yield Problem(
                "rule.policy",
                place,
                f"Events of kind {name!r} are not priced at once, so that this rule cannot suspend "
                "at them.",
                "Name the kind in odds.cadence.at_once, or use another policy.",
            )


def _state_column(at: Path, column: StateColumnSpec, scope: Scope) -> Iterator[Problem]:
    known = scope.layout.index
    if column.take == "count":
        if column.of is not None:
            yield Problem(
                "state.of",
                (*at, "of"),
                "A count counts events, not values.",
                "Take `of` away, or say take: sum.",
                on_key=True,
            )
    elif column.of is None:
        yield Problem(
            "state.of",
            at,
            f"take: {column.take} needs `of`, the field that it takes.",
            f"Say of: {at[-1]}." if at[-1] in known else "",
            on_key=True,
        )
    elif column.of not in known:
        yield Problem(
            "state.unknown-field",
            (*at, "of"),
            f"Events have no field {column.of!r}.",
            near(column.of, known),
        )
    elif scope.layout.columns[known[column.of]].type in _UNFOLDED:
        yield Problem(
            "state.type",
            (*at, "of"),
            f"The state holds numbers; {column.of!r} is text.",
            "Make it an enum, or count events with `where`.",
        )
    yield from kind_problems((*at, "on"), column.on, scope.kinds)
    if column.where is not None:
        yield from sql_problems((*at, "where"), column.where, scope.events, "bool")


def _derived(
    name: str, sql: str, spec: SportSpec, known: dict[str, pl.DataType]
) -> Iterator[Problem]:
    at: Path = ("state", "derive", name)
    if name in spec.state.columns:
        yield Problem(
            "state.name-clash",
            at,
            f"{name!r} is already a state column.",
            "Give the derived column another name.",
            on_key=True,
        )
    for problem in sql_problems(at, sql, known, "number"):
        word = problem.message.split("'")[1] if problem.code == "sql.unknown-column" else ""
        if word in spec.state.derive:
            hint = "A derived column reads state and derived columns above it."
            yield Problem(problem.code, at, problem.message, hint, offset=problem.offset)
        else:
            yield problem


def _feed(feed: FeedSpec, scope: Scope) -> Iterator[Problem]:  # noqa: C901
    if feed.format == "json":
        for key in ("payload", "mapping"):
            if not getattr(feed, key):
                yield Problem(
                    "feed.mapping-missing",
                    ("feed", "format"),
                    f"format: json needs {key!r}.",
                    "Name the members of the message and say what becomes of them.",
                )
    else:
        for key in ("payload", "mapping"):
            if getattr(feed, key):
                yield Problem(
                    "feed.mapping-unused",
                    ("feed", key),
                    f"{key!r} is not read: with format: event the payloads are events already.",
                    "Say format: json, or take it away.",
                    on_key=True,
                )
    yield from _members(feed.payload)
    members = {name: _PAYLOAD_TYPES.get(kind, pl.Int64()) for name, kind in feed.payload.items()}
    for index, event in enumerate(feed.mapping):
        yield from _recorded(("feed", "mapping", index), event, scope, members)
    if feed.recording is None:
        return
    at: Path = ("feed", "recording")
    for key in ("starts", "elapsed"):
        yield from _shape_problems((*at, key), getattr(feed.recording, key))
    for index, event in enumerate(feed.recording.events):
        yield from _recorded((*at, "events", index), event, scope, None)
    scoring = feed.recording.scoring
    at = (*at, "scoring")
    for place, sql in (
        (("where",), scoring.where),
        (("closing", "home"), scoring.closing.home),
        (("closing", "total"), scoring.closing.total),
        *((("segments", k, "where"), one.where) for k, one in enumerate(scoring.segments)),
    ):
        if sql is not None:
            yield from _shape_problems((*at, *place), sql)


def _members(payload: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the members of a message that are values and have members of their own."""
    for name in payload:
        steps = name.split(".")
        above = [".".join(steps[:size]) for size in range(len(steps) - 1, 0, -1)]
        value = next((one for one in above if one in payload), None)
        if value is not None:
            yield Problem(
                "feed.payload-member",
                ("feed", "payload", name),
                f"{name!r} is a member of {value!r}, which is a value itself: {payload[value]}.",
                f"Take {value!r} away, or correct the name.",
                on_key=True,
            )


def _recorded(
    at: Path, event: RecordedEventSpec, scope: Scope, columns: Types | None
) -> Iterator[Problem]:
    if event.kind not in scope.kinds | {"heartbeat"}:
        yield Problem(
            "kind.unknown",
            (*at, "kind"),
            f"This sport has no events of kind {event.kind!r}.",
            near(event.kind, scope.kinds),
        )
    if event.where is not None:
        yield from _one((*at, "where"), event.where, columns, "bool")
    for name, sql in event.fields.items():
        place = (*at, "fields", name)
        if name not in scope.layout.index:
            yield Problem(
                "field.unknown",
                place,
                f"Events have no field {name!r}.",
                near(name, scope.layout.index),
                on_key=True,
            )
        want = _wanted(scope.layout, name)
        yield from _one(place, sql, columns, want)


def _one(at: Path, sql: str, columns: Types | None, want: Want) -> Iterator[Problem]:
    if columns is None:
        yield from _shape_problems(at, sql)
    else:
        yield from sql_problems(at, sql, columns, want)


def _shape_problems(at: Path, sql: str) -> Iterator[Problem]:
    for fault in check_sql_shape(sql):
        yield Problem(fault.code, at, fault.message, fault.hint, offset=fault.offset)


def _wanted(layout: Layout, name: str) -> Want:
    if name not in layout.index:
        return "any"
    kind = layout.columns[layout.index[name]].type
    if kind is FieldType.BOOL:
        return "bool"
    if kind in {FieldType.STRING, FieldType.BYTES, FieldType.ENUM}:
        return "any"
    return "number"
