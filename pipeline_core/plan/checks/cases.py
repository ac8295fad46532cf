"""Tests inside a spec: the words that they use must exist, and each must assert something."""

from collections.abc import Iterator

from oddspipe.core.batch.layout import Column
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.names import FieldType, Policy
from oddspipe.core.near import near
from oddspipe.core.plan.checks.expressions import Scope
from oddspipe.core.plan.checks.odds import market_of
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.cases import (
    CaseSpec,
    Expected,
    ExpectedPrice,
    ExpectedReject,
    GivenBytes,
    GivenEvent,
    GivenRecord,
    GivenTime,
)
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.stages.anomalies import codes_of
from oddspipe.core.stages.guard import BUILT_IN

_TIMERS = frozenset({"tick", "heartbeat"})
_REASONS = (
    "play",
    "score",
    "market",
    "clock",
    "correction",
    "final",
    "stale_input",
    "recovered",
    "error_rate",
    "model_error",
)
"""Why an odds message goes out, beside the guards."""


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
        yield from _given((*at, "given"), case, spec, scope)
        yield from _times((*at, "given"), case)
        if not asserts(case.expect):
            yield Problem(
                "test.nothing",
                (*at, "expect"),
                "This test expects nothing, so it cannot fail.",
                "Name what must come of it: state, prices, rejects, events …",
                on_key=True,
            )
        for check in (_games, _events, _states, _rejects, _odds):
            yield from check((*at, "expect"), case, spec, scope)


def asserts(expect: Expected) -> bool:
    """Say whether anything is expected at all."""
    counted = (expect.published, expect.duplicates, expect.dropped, expect.held)
    listed = (expect.events, expect.rejects, expect.reasons)
    return bool(
        any(expect.state.values())
        or expect.prices
        or expect.suspended
        or expect.anomalies
        or any(one is not None for one in (*counted, *listed))
    )


def named_games(case: CaseSpec) -> frozenset[str] | None:
    """Return the games of a test's events; None where records or bytes may name more."""
    if any(isinstance(entry, GivenRecord | GivenBytes) for entry in case.given):
        return None
    events = [entry for entry in case.given if isinstance(entry, GivenEvent)]
    return frozenset(event.game_id for event in events if event.game_id is not None)


def folded_enum(name: str, spec: SportSpec, scope: Scope) -> Column | None:
    """Return the enum that a state column takes its value of; None where it holds a number."""
    column = spec.state.columns.get(name)
    if column is None or column.take not in {"first", "last"} or column.of is None:
        return None
    at = scope.layout.index.get(column.of)
    of = None if at is None else scope.layout.columns[at]
    return of if of is not None and of.type is FieldType.ENUM else None


def _given(at: Path, case: CaseSpec, spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    for number, entry in enumerate(case.given):
        if isinstance(entry, GivenEvent):
            yield from _event((*at, number), entry, scope)
        elif isinstance(entry, GivenRecord) and spec.feed.format != "json":
            yield Problem(
                "test.record",
                (*at, number, "record"),
                "This feed sends events, not JSON records.",
                "Give the event: kind, game_id and its fields.",
                on_key=True,
            )


def _event(at: Path, event: GivenEvent, scope: Scope) -> Iterator[Problem]:
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
        if name == "ingest_time":
            yield Problem(
                "test.time",
                (*at, name),
                "When an event arrives is said by 'at'.",
                "Take ingest_time away.",
                on_key=True,
            )
        elif name not in scope.layout.index:
            yield _no_field((*at, name), name, scope)
        else:
            yield from _word((*at, name), value, scope.layout.columns[scope.layout.index[name]])


def _word(at: Path, value: object, column: Column) -> Iterator[Problem]:
    """Yield what keeps a value from being sent as this field, or from ever coming out of it."""
    words = [word for word, _ in column.values]
    if value is None:
        return
    if column.type is FieldType.ENUM and isinstance(value, str):
        if value not in words:
            yield Problem(
                "sql.unknown-value",
                at,
                f"{at[-1]!r} never has the value {value!r}.",
                near(value, words),
            )
    elif column.type in {FieldType.STRING, FieldType.BYTES}:
        if not isinstance(value, str):
            yield Problem("type.text", at, f"{at[-1]!r} is text, not {value!r}.", "Quote it.")
    elif isinstance(value, str) or not isinstance(value, int | float):
        yield Problem("type.number", at, f"{at[-1]!r} is a number, not {value!r}.")
    elif column.type is not FieldType.DOUBLE and not (
        value == value // 1 and -(2**63) <= value < 2**63
    ):
        yield Problem("type.whole", at, f"{at[-1]!r} is a whole number, not {value!r}.")


def _times(at: Path, case: CaseSpec) -> Iterator[Problem]:
    now = 0
    for number, entry in enumerate(case.given):
        if isinstance(entry, GivenTime):
            now += entry.advance
        elif entry.at is not None:
            if entry.at < now:
                yield Problem(
                    "test.time",
                    (*at, number, "at"),
                    "This arrives before what is above it.",
                    "Entries are given in the order in which they arrive.",
                )
            now = max(now, entry.at)


def _games(at: Path, case: CaseSpec, _spec: SportSpec, _scope: Scope) -> Iterator[Problem]:
    games = named_games(case)
    if games is None:
        return
    expect = case.expect
    named: list[tuple[Path, str | None, bool]] = [
        *(((*at, "state", game), game, True) for game in expect.state),
        *(((*at, "suspended", game), game, True) for game in expect.suspended),
    ]
    listed: dict[str, tuple[ExpectedReject | ExpectedPrice, ...]] = {
        "rejects": expect.rejects or (),
        "prices": expect.prices,
    }
    named += [
        ((*at, key, index, "game_id"), entry.game_id, False)
        for key, entries in listed.items()
        for index, entry in enumerate(entries)
    ]
    for path, game, on_key in named:
        if game is not None and game not in games:
            yield Problem(
                "test.game",
                path,
                f"No event of this test is of game {game!r}.",
                near(game, games),
                on_key=on_key,
            )
    for index, price in enumerate(expect.prices):
        if price.game_id is None and len(games) > 1:
            yield Problem(
                "test.game",
                (*at, "prices", index),
                "This test has several games; of which is this price?",
                "Add game_id.",
            )


def _states(at: Path, case: CaseSpec, spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    known = scope.state | scope.derived
    for game, columns in case.expect.state.items():
        for name, value in columns.items():
            path: Path = (*at, "state", game, name)
            if name not in known:
                yield Problem(
                    "test.state",
                    path,
                    f"The state has no column {name!r}.",
                    near(name, known),
                    on_key=True,
                )
                continue
            enum = folded_enum(name, spec, scope)
            if enum is not None:
                yield from _word(path, value, enum)
            elif isinstance(value, str):
                yield Problem(
                    "type.number",
                    path,
                    f"The state holds numbers; {value!r} is none.",
                    "Write a number, or null for a column without a value.",
                )


def _events(at: Path, case: CaseSpec, _spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    for index, event in enumerate(case.expect.events or ()):
        for name, value in event.items():
            path: Path = (*at, "events", index, name)
            if name not in scope.layout.index:
                yield _no_field(path, name, scope)
            else:
                yield from _word(path, value, scope.layout.columns[scope.layout.index[name]])


def _rejects(at: Path, case: CaseSpec, spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    reasons = [one.name for one in Reason]
    rules = {rule.name for rule in spec.rules}
    for index, reject in enumerate(case.expect.rejects or ()):
        path: Path = (*at, "rejects", index)
        if reject.reason not in reasons:
            yield Problem(
                "test.reason",
                (*path, "reason"),
                f"There is no reason {reject.reason!r}.",
                near(reject.reason, [*reasons, *(one.lower() for one in reasons)]),
            )
        if reject.rule is not None and reject.rule not in rules:
            yield Problem(
                "test.rule",
                (*path, "rule"),
                f"There is no rule {reject.rule!r}.",
                near(reject.rule, rules),
            )
        if reject.field is not None and reject.field not in scope.layout.index:
            yield Problem(
                "field.unknown",
                (*path, "field"),
                f"Events have no field {reject.field!r}.",
                near(reject.field, scope.layout.index),
            )


def _odds(at: Path, case: CaseSpec, spec: SportSpec, _scope: Scope) -> Iterator[Problem]:
    offered = {(market_of(name, entry), entry.scope) for name, entry in spec.odds.markets.items()}
    for index, price in enumerate(case.expect.prices):
        if (price.market, price.scope) not in offered:
            yield Problem(
                "test.market",
                (*at, "prices", index, "market"),
                f"{price.market.value} of scope {price.scope!r} is not offered.",
                near(price.market.value, (one.value for one, _ in offered if one)),
            )
    for game, markets in case.expect.suspended.items():
        for index, market in enumerate(markets):
            if market not in spec.odds.markets:
                yield Problem(
                    "test.market",
                    (*at, "suspended", game, index),
                    f"odds.markets has no {market!r}.",
                    near(market, spec.odds.markets),
                )
    yield from _words(at, case, spec)


def _words(at: Path, case: CaseSpec, spec: SportSpec) -> Iterator[Problem]:
    """Yield reasons and codes of anomalies that there are not."""
    guards = [f"guard:{name}" for name in (*BUILT_IN, *(one.name for one in spec.odds.guards))]
    holds = [f"guard:{one.name}" for one in spec.rules if one.policy is Policy.SUSPEND]
    known = [*_REASONS, *guards, *holds]
    codes = codes_of(spec.rules, spec.odds.guards)
    for code in case.expect.anomalies:
        if code not in codes:
            yield Problem(
                "test.anomaly",
                (*at, "anomalies", code),
                f"No anomaly has the code {code!r}.",
                near(code, codes),
                on_key=True,
            )
    for index, reason in enumerate(case.expect.reasons or ()):
        if reason not in known:
            yield Problem(
                "test.reason",
                (*at, "reasons", index),
                f"No odds message has the reason {reason!r}.",
                near(reason, known),
            )


def _no_field(at: Path, name: str, scope: Scope) -> Problem:
    return Problem(
        "field.unknown",
        at,
        f"Events have no field {name!r}.",
        near(name, scope.layout.index),
        on_key=True,
    )
