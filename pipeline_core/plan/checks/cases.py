"""Tests inside a spec: the words that they use must exist."""

from collections.abc import Iterator

from oddspipe.core.batch.rejects import Reason
from oddspipe.core.names import FieldType
from oddspipe.core.plan.checks.expressions import Scope
from oddspipe.core.plan.checks.near import near
from oddspipe.core.plan.checks.odds import market_of
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.cases import CaseSpec, GivenEvent
from oddspipe.core.spec.model import SportSpec

_TIMERS = frozenset({"tick", "heartbeat"})


def case_problems(spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    """Yield the words of a spec's tests that nothing in the spec bears."""
    names: set[str] = set()
    for index, case in enumerate(spec.tests):
        at: Path = ("tests", index)
        if case.name in names:
            yield Problem(
                "test.duplicate",
                (*at, "name"),
                f"There is already a test {case.name!r}.",
                "Name it for the fact that it proves.",
            )
        names.add(case.name)
        last = 0
        for number, event in enumerate(case.given):
            yield from _given((*at, "given", number), event, scope)
            if event.at < last:
                yield Problem(
                    "test.time",
                    (*at, "given", number, "at"),
                    "This event arrives before the one above it.",
                    "Events are given in the order in which they arrive.",
                )
            last = max(last, event.at)
        yield from _expected((*at, "expect"), case, spec, scope)


def _given(at: Path, event: GivenEvent, scope: Scope) -> Iterator[Problem]:
    if event.kind not in scope.kinds | _TIMERS:
        yield Problem(
            "kind.unknown",
            (*at, "kind"),
            f"This sport has no events of kind {event.kind!r}.",
            near(event.kind, scope.kinds | _TIMERS),
        )
    if event.game_id is None and event.kind not in _TIMERS:
        yield Problem("test.game", at, "The event names no game.", "Add game_id.")
    for name, value in (event.model_extra or {}).items():
        if name not in scope.layout.index:
            yield _no_field((*at, name), name, scope)
            continue
        column = scope.layout.columns[scope.layout.index[name]]
        words = [word for word, _ in column.values]
        if column.type is FieldType.ENUM and isinstance(value, str) and value not in words:
            yield Problem(
                "sql.unknown-value",
                (*at, name),
                f"{name!r} never has the value {value!r}.",
                near(value, words),
            )


def _expected(at: Path, case: CaseSpec, spec: SportSpec, scope: Scope) -> Iterator[Problem]:  # noqa: C901
    known = scope.state | scope.derived
    games = {event.game_id for event in case.given}
    for game, columns in case.expect.state.items():
        if game not in games:
            yield Problem(
                "test.game",
                (*at, "state", game),
                f"No event of this test is of game {game!r}.",
                near(game, (name for name in games if name)),
                on_key=True,
            )
        for name in columns:
            if name not in known:
                yield Problem(
                    "test.state",
                    (*at, "state", game, name),
                    f"The state has no column {name!r}.",
                    near(name, known),
                    on_key=True,
                )
    for index, event in enumerate(case.expect.events or ()):
        for name in event:
            if name not in scope.layout.index:
                yield _no_field((*at, "events", index, name), name, scope)
    rules = {rule.name for rule in spec.rules}
    for index, reject in enumerate(case.expect.rejects or ()):
        reasons = [one.name for one in Reason]
        if reject.reason not in reasons:
            yield Problem(
                "test.reason",
                (*at, "rejects", index, "reason"),
                f"There is no reason {reject.reason!r}.",
                near(reject.reason, [*reasons, *(one.lower() for one in reasons)]),
            )
        if reject.rule is not None and reject.rule not in rules:
            yield Problem(
                "test.rule",
                (*at, "rejects", index, "rule"),
                f"There is no rule {reject.rule!r}.",
                near(reject.rule, rules),
            )
    offered = {(market_of(name, entry), entry.scope) for name, entry in spec.odds.markets.items()}
    for index, price in enumerate(case.expect.prices):
        if (price.market, price.scope) not in offered:
            yield Problem(
                "test.market",
                (*at, "prices", index, "market"),
                f"{price.market.value} of scope {price.scope!r} is not offered.",
                near(price.market.value, (one.value for one, _ in offered if one)),
            )


def _no_field(at: Path, name: str, scope: Scope) -> Problem:
    return Problem(
        "field.unknown",
        at,
        f"Events have no field {name!r}.",
        near(name, scope.layout.index),
        on_key=True,
    )
