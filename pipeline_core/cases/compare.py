"""What a test expects against what came: every difference, with its place and how to mend it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from oddspipe.core.batch.layout import Layout
from oddspipe.core.cases.align import Aligned, aligned
from oddspipe.core.cases.play import Played, Row
from oddspipe.core.names import FieldType
from oddspipe.core.plan.model import Plan
from oddspipe.core.problem import Path
from oddspipe.core.spec.builder import read_scalar
from oddspipe.core.spec.cases import Expected, ExpectedPrice, Plain

SAME_WITHIN: Final = 1e-6
"""Numbers of events and states that differ by no more than this are the same."""
_EVENT: Final = ("game_id", "sequence", "kind")
_REJECT: Final = ("game_id", "sequence", "reason", "rule", "field")
_PRICED: Final = ("p_fair", "p_push", "decimal")


@dataclass(frozen=True, slots=True)
class SetValue:
    """Write this value in the place of the expected one."""

    value: Plain


@dataclass(frozen=True, slots=True)
class SetEntries:
    """Write these entries: an old one by its index, with some of its values set, or a new one."""

    entries: tuple[tuple[int | None, Row | Plain], ...]


Fix = SetValue | SetEntries


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that was not met.

    Attributes:
        path: Where it is written, from the root of the spec.
        what: What it is about, in words.
        lines: Mark and text of each line: `expected` and `got`, or a list with `-` for what is
            missing, `+` for what is there beyond it, and a blank for what is as expected.
        fix: What would make it right; None where only a person can say.
    """

    path: Path
    what: str
    lines: tuple[tuple[str, str], ...]
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is compared.

    Attributes:
        plan: The plan that was played.
        markets: Names of `odds.markets` by scope and market.
        expect: What the test expects.
        at: Where that is written.
        played: What came.
    """

    plan: Plan
    markets: Mapping[tuple[str, str], str]
    expect: Expected
    at: Path
    played: Played


def differences(question: Question) -> list[Difference]:
    """Return every expectation that was not met."""
    found: list[Difference] = []
    for check in (_events, _rejects, _states, _prices, _counts, _reasons, _suspended):
        found += check(question)
    return found


def as_yaml(value: object) -> str:
    """Return a plain value, list or mapping as one line of YAML.

    >>> as_yaml({"sequence": 3, "reason": "LATE", "p_fair": 0.5, "rule": None})
    '{sequence: 3, reason: LATE, p_fair: 0.5, rule: null}'
    """
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{as_yaml(key)}: {as_yaml(one)}" for key, one in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    text = str(value)
    if isinstance(value, int) or (text.isidentifier() and read_scalar(text) == text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# Lists.


def _events(ask: Question) -> Iterator[Difference]:
    if ask.expect.events is not None:
        wanted = [_in_words(event, ask.plan.layout) for event in ask.expect.events]
        shown = _shown(_EVENT, ask.played)
        yield from _list((*ask.at, "events"), "events", (wanted, ask.played.events), shown)


def _in_words(event: Row, layout: Layout) -> Row:
    """Return an expected event with the names of enums in the place of their numbers."""
    found: Row = {}
    for name, value in event.items():
        column = layout.columns[layout.index[name]]
        words = {number: word for word, number in column.values}
        is_number = column.type is FieldType.ENUM and isinstance(value, int)
        found[name] = words.get(int(value or 0), value) if is_number else value
    return found


def _rejects(ask: Question) -> Iterator[Difference]:
    if ask.expect.rejects is not None:
        written: list[Row] = [one.model_dump(exclude_unset=True) for one in ask.expect.rejects]
        wanted: list[Row] = [{key: one[key] for key in _REJECT if key in one} for one in written]
        shown = _shown(_REJECT, ask.played)
        yield from _list((*ask.at, "rejects"), "rejects", (wanted, ask.played.rejects), shown)


def _shown(names: tuple[str, ...], played: Played) -> tuple[str, ...]:
    """Leave out the game where there is but one."""
    games = {one["game_id"] for one in (*played.events, *played.rejects) if "game_id" in one}
    return names if len(games) > 1 else names[1:]


def _list(
    path: Path, what: str, both: tuple[Sequence[Row], Sequence[Row]], shown: tuple[str, ...]
) -> Iterator[Difference]:
    """Compare two lists of mappings; of what came only the fields that are named."""
    wanted, came = both
    pairs = aligned(wanted, came, _fits)
    if all(pair.same for pair in pairs):
        return
    lines: list[tuple[str, str]] = []
    entries: list[tuple[int | None, Row | Plain]] = []
    for pair in pairs:
        lines += _lines(pair, wanted, came, shown)
        if pair.came is None:
            continue
        got = came[pair.came]
        if pair.wanted is None:
            entries.append((None, {name: got[name] for name in shown if name in got}))
        else:
            expected = wanted[pair.wanted]
            patch = {
                name: got.get(name)
                for name, value in expected.items()
                if not _same(value, got.get(name))
            }
            entries.append((pair.wanted, patch))
    yield Difference(path, what, tuple(lines), SetEntries(tuple(entries)))


def _lines(
    pair: Aligned, wanted: Sequence[Row], came: Sequence[Row], shown: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    names = shown
    if pair.wanted is not None:
        expected = wanted[pair.wanted]
        names = tuple(expected)
        yield (" " if pair.same else "-"), as_yaml(expected)
    if pair.came is not None and not pair.same:
        got = came[pair.came]
        more = [name for name in shown if name in got and name not in names]
        yield "+", as_yaml({name: got.get(name) for name in (*names, *more) if name in got})


def _fits(expected: Row, got: Row) -> bool:
    return all(_same(value, got.get(name)) for name, value in expected.items())


def _same(expected: Plain, got: Plain) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected == got
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return math.isclose(expected, got, rel_tol=1e-9, abs_tol=SAME_WITHIN)
    return expected == got


def _reasons(ask: Question) -> Iterator[Difference]:
    wanted = ask.expect.reasons
    if wanted is None:
        return
    came = [str(one["reason"]) for one in ask.played.odds]
    pairs = aligned(wanted, came, str.__eq__)
    if all(pair.same for pair in pairs):
        return
    lines: list[tuple[str, str]] = []
    for pair in pairs:
        if pair.wanted is not None:
            lines.append((" " if pair.same else "-", wanted[pair.wanted]))
        if pair.came is not None and not pair.same:
            lines.append(("+", came[pair.came]))
    fix = SetEntries(
        tuple(
            (pair.wanted, None) if pair.same else (None, came[pair.came])
            for pair in pairs
            if pair.came is not None
        )
    )
    yield Difference((*ask.at, "reasons"), "reasons of odds messages", tuple(lines), fix)


# Single values.


def _value(path: Path, what: str, expected: Plain, got: Plain, note: str = "") -> Difference:
    name = path[-1]
    lines = (
        ("expected", f"{name}: {as_yaml(expected)}{note}"),
        ("got", f"{name}: {as_yaml(got)}"),
    )
    return Difference(path, what, lines, SetValue(got))


def _missing(path: Path, what: str, expected: str, got: str) -> Difference:
    return Difference(path, what, (("expected", expected), ("got", got)))


def _states(ask: Question) -> Iterator[Difference]:
    for game, columns in ask.expect.state.items():
        path = (*ask.at, "state", game)
        if game not in ask.played.states:
            there = ", ".join(ask.played.states) or "none"
            yield _missing(path, "state", f"a game {game}", f"games seen: {there}")
            continue
        state = ask.played.states[game]
        for name, value in columns.items():
            got = _of_enum(ask.plan, name, state[name]) if isinstance(value, str) else state[name]
            if not _same(value, got):
                yield _value((*path, name), f"state of {game}", value, _short(got))


def _of_enum(plan: Plan, name: str, got: Plain) -> Plain:
    """Return a number of the state as the word of the enum that it was taken of."""
    of = next(column.of for column in plan.state if column.name == name)
    values = plan.layout.columns[plan.layout.index[of or ""]].values
    return next((word for word, number in values if number == got), got)


def _short(got: Plain) -> Plain:
    return round(got, 6) if isinstance(got, float) else got


def _counts(ask: Question) -> Iterator[Difference]:
    played = ask.played
    counted = {
        "published": len(played.odds),
        "duplicates": played.duplicates,
        "dropped": played.dropped,
        "held": played.held,
    }
    said = {
        "published": "odds messages",
        "duplicates": "duplicates",
        "dropped": "late events dropped",
        "held": "events that still wait",
    }
    for name, got in counted.items():
        expected = getattr(ask.expect, name)
        if expected is not None and expected != got:
            yield _value((*ask.at, name), said[name], expected, got)
    for code, wanted in ask.expect.anomalies.items():
        if (found := played.anomalies.get(code, 0)) != wanted:
            yield _value((*ask.at, "anomalies", code), f"anomalies {code}", wanted, found)


def _suspended(ask: Question) -> Iterator[Difference]:
    for game, wanted in ask.expect.suspended.items():
        got = [
            ask.markets[scope, market]
            for (of, scope, market), rows in ask.played.prices.items()
            if of == game and any(row["status"] == "suspended" for row in rows)
        ]
        if set(got) != set(wanted):
            lines = (("expected", as_yaml(wanted)), ("got", as_yaml(got)))
            kept = tuple((at, None) for at, name in enumerate(wanted) if name in got)
            more = tuple((None, name) for name in got if name not in wanted)
            what = f"suspended markets of {game}"
            yield Difference((*ask.at, "suspended", game), what, lines, SetEntries((*kept, *more)))


# Prices.


def _prices(ask: Question) -> Iterator[Difference]:
    games = {game for game, _, _ in ask.played.prices}
    for index, price in enumerate(ask.expect.prices):
        game = price.game_id or (next(iter(games)) if len(games) == 1 else "")
        yield from _price((*ask.at, "prices", index), game, price, ask.played)


def _price(path: Path, game: str, price: ExpectedPrice, played: Played) -> Iterator[Difference]:
    rows = played.prices.get((game, price.scope, price.market.value), [])
    side = [row for row in rows if row["side"] == price.side.value]
    found = next((row for row in side if _is_line(row, price.line)), None)
    what = f"price of {game} {price.market.value} {price.side.value}"
    what += "" if price.line is None else f" {price.line:g}"
    if found is None:
        lines = [as_yaml(row["line"]) for row in side if row["line"] is not None]
        there = f"lines {', '.join(lines)}" if lines else "no price of it"
        yield _missing(path, what, "a price", there)
        return
    for name in _PRICED:
        wanted, got = getattr(price, name), float(found[name] or 0)
        if wanted is not None and abs(wanted - got) > price.within + 1e-12:
            value = _rounded(got, price.within)
            yield _value((*path, name), what, wanted, value, f"  (within {price.within:g})")
    if price.status is not None and price.status.value != found["status"]:
        yield _value((*path, "status"), what, price.status.value, found["status"])


def _is_line(row: Row, line: float | None) -> bool:
    return bool(row["is_main"]) if line is None else row["line"] == line


def _rounded(got: float, within: float) -> float:
    """Return a number with no more digits than its tolerance calls for."""
    return next((near for n in range(6) if abs((near := round(got, n)) - got) <= within / 2), got)
