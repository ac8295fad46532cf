"""What a fault leaves unchecked: cross-checks that read a faulty value say so and never pass."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from oddspipe.core.problem import Path, Problem


class CrossCheck(NamedTuple):
    """A check that reads values of several places.

    Attributes:
        code: The code of what it finds.
        at: Where it says so.
        reads: What else it reads; with a fault in one of these it cannot be made.
        told: The check in words; what is at `at` against what it reads when empty.
    """

    code: str
    at: str
    reads: tuple[str, ...]
    told: str = ""

    @property
    def words(self) -> str:
        """Return what is checked."""
        return self.told or f"{self.at} against {', '.join(self.reads)}"


CROSS_CHECKS = (
    CrossCheck("window.retention", "duplicates.window", ("feed.retention",)),
    CrossCheck("window.retention", "order.window", ("feed.retention",)),
    CrossCheck("window.retention", "recovery.snapshot_every", ("feed.retention",)),
    CrossCheck("window.order", "order.window", ("duplicates.window",)),
    CrossCheck("duplicates.scope", "duplicates.key", ("feed.key",)),
    CrossCheck("cadence.stale", "odds.cadence.conflate", ("odds.stale_after",)),
    CrossCheck("stale.heartbeat", "odds.stale_after", ("feed.heartbeat",)),
    CrossCheck("stale.order", "order.window", ("odds.stale_after",)),
    CrossCheck("alerts.heartbeat", "alerts.silent_game", ("feed.heartbeat",)),
    CrossCheck("load.mix", "load.mix", ("load.mix",), "the sum of load.mix"),
    CrossCheck("load.games", "load.games_at_once", ("schedule.windows",)),
    CrossCheck(
        "made_game.points", "made_game.points", ("made_game.points",), "the sum of made_game.points"
    ),
    CrossCheck("replicas.partitions", "feed.partitions", (), "feed.partitions against replicas"),
    CrossCheck("feed.brokers", "feed.protocol", ("feed.brokers",)),
    CrossCheck("model.input", "model.name", (), "the inputs of the model against the state"),
    CrossCheck("model.parameter", "model.parameters", ("model.name",)),
    CrossCheck("model.unknown-parameter", "model.parameters", ("model.name",)),
    CrossCheck("model.missing-parameter", "model.parameters", ("model.name",)),
    CrossCheck("market.scope", "odds.markets", ("model.name",)),
    CrossCheck("feed.mapping-missing", "feed.format", ("feed.payload", "feed.mapping")),
    CrossCheck("feed.mapping-unused", "feed.payload", ("feed.format",)),
    CrossCheck("feed.mapping-unused", "feed.mapping", ("feed.format",)),
)
"""Checks of single values that must fit together."""

NAMED_IN: Mapping[str, tuple[str, ...]] = {
    "field.unknown": ("event.fields",),
    "kind.unknown": ("event.kinds",),
    "model.input": ("state.columns", "state.derive"),
    "retired.unknown": ("event.fields",),
    "rule.unknown-state": ("state.columns",),
    "sql.unknown-value": ("event.fields",),
    "state.unknown-field": ("event.fields",),
    "test.market": ("odds.markets",),
    "test.rule": ("rules",),
    "test.state": ("state.columns", "state.derive"),
}
"""Codes that say that there is no such name, and the sections that would have it."""

COLUMNS_OF: Mapping[str, tuple[str, ...]] = {
    "feed.mapping": ("feed.payload",),
    "load.phases": ("state.columns", "state.derive"),
    "odds.guards": ("state.columns", "state.derive"),
    "rules": ("event.fields",),
    "state.columns": ("event.fields",),
    "state.derive": ("state.columns", "state.derive"),
}
"""Places of SQL, and the sections whose names are its columns."""

PART_OF: Mapping[str, tuple[str, ...]] = {
    "field.number-missing": ("number",),
    "field.type-missing": ("type",),
    "field.values": ("values", "type"),
    "market.line-sign": ("line", "market"),
    "market.line-step": ("line", "step"),
    "market.line-whole": ("line", "whole"),
    "market.lines": ("market",),
    "market.unknown": ("market",),
    "price.bounds": ("floor", "cap"),
    "sink.guarantee": ("memory", "ttl"),
    "state.of": ("of", "take"),
    "state.type": ("take",),
    "test.game": ("game_id",),
    "field.max-bytes": ("type",),
    "field.range-bounds": ("type",),
    "field.range-type": ("type",),
    "field.enum-zero": ("values",),
}
"""Codes that compare values of one part, and the keys that they read."""


def settled(
    problems: Iterable[Problem], gone: frozenset[Path], called: Callable[[Path], str]
) -> Iterator[Problem]:
    """Yield the problems that stand on sound values, and what the others leave unchecked.

    Args:
        problems: What the cross-checks found in a spec without the faulty values.
        gone: Places of the file that are faulty.
        called: Gives the name of what stands at a place.
    """
    found = list(problems)
    faulty = gone | {one.path for one in found if one.code in _NAMELESS}
    for one in found:
        if any(one.path[: len(place)] == place for place in gone) or _unsure(one, gone):
            continue
        name = next(
            (name for name in _names(one, faulty, called) if f"'{name}'" in one.message), ""
        )
        yield _doubted(one, name) if name else one
    yield from _notices(gone)


_NAMING = tuple(
    dict.fromkeys(one for of in (*NAMED_IN.values(), *COLUMNS_OF.values()) for one in of)
)
"""Sections that give names."""

_NAMELESS = frozenset({"field.type-missing", "field.values", "kind.number-clash"})
"""Codes of entries that are left out of what others may name, but are there."""


def _names(one: Problem, faulty: Iterable[Path], called: Callable[[Path], str]) -> Iterator[str]:
    """Yield the names of faulty entries of the sections that a problem looks for a name in."""
    for section in _sections(one):
        size = len(section)
        yield from (called(p[: size + 1]) for p in faulty if len(p) > size and p[:size] == section)


def _sections(one: Problem) -> list[Path]:
    """Return the sections that would have the name which a problem says is nowhere."""
    named = NAMED_IN.get(one.code, ())
    if one.code == "sql.unknown-column":
        named = next(
            (of for at, of in COLUMNS_OF.items() if one.path[: len(_path(at))] == _path(at)), ()
        )
    return [_path(section) for section in named]


def _doubted(one: Problem, name: str) -> Problem:
    return Problem(
        "check.skipped",
        one.path,
        f"Not checked further: {name!r} has a fault of its own.",
        severity="skipped",
        on_key=one.on_key,
        offset=one.offset,
    )


def _unsure(one: Problem, gone: frozenset[Path]) -> bool:
    """Say whether a problem may only come from what is gone."""
    reads = [
        _path(read)
        for check in CROSS_CHECKS
        if check.code == one.code and one.path[: len(_path(check.at))] == _path(check.at)
        for read in check.reads
    ]
    sections = _sections(one)
    keys = PART_OF.get(one.code, ())
    parts = {(*part, key) for part in (one.path, one.path[:-1], one.path[:-2]) for key in keys}
    return (
        any(_overlap(read, place) for read in reads for place in gone)
        or any(section[: len(place)] == place for section in sections for place in gone)
        or not parts.isdisjoint(gone)
    )


def _notices(gone: frozenset[Path]) -> Iterator[Problem]:
    """Yield one notice for each faulty place that keeps checks from being made."""
    for place in sorted(gone, key=lambda path: [str(step) for step in path]):
        whats = [
            check.words
            for check in CROSS_CHECKS
            if any(_overlap(_path(read), place) for read in check.reads)
            or _path(check.at)[: len(place)] == place
        ]
        whats += [
            f"what names {section}" for section in _NAMING if _path(section)[: len(place)] == place
        ]
        if whats:
            told = "; ".join(dict.fromkeys(whats))
            yield Problem(
                "check.skipped",
                place,
                f"Not checked because of this fault: {told}.",
                severity="skipped",
            )


def _path(dotted: str) -> Path:
    return tuple(dotted.split("."))


def _overlap(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
