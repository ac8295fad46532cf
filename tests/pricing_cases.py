"""Events and plans for the tests of the fold and of prices."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Batch
from oddspipe.core.batch.layout import Column, Layout, envelope
from oddspipe.core.names import FieldType, Kind, Market
from oddspipe.core.parts import Guard, KindPlan, MarketPlan, OddsPlan, Rule, StateColumn

KINDS = tuple(KindPlan(kind.name.lower(), int(kind), int(kind)) for kind in Kind)
LAYOUT = Layout(
    (
        *envelope(tuple((kind.name, kind.number) for kind in KINDS)),
        Column("down", 16, FieldType.UINT32),
        Column("spread_line", 17, FieldType.DOUBLE),
    )
)
PLAYS = (int(Kind.PLAY), int(Kind.SCORE))
STATE = (
    StateColumn("period", "last", "period", (), is_double=False),
    StateColumn("clock", "last", "clock", (), is_double=False),
    StateColumn("home_score", "last", "home_score", (), is_double=False, default=0),
    StateColumn("away_score", "last", "away_score", (), is_double=False, default=0),
    StateColumn("spread_line", "last", "spread_line", (int(Kind.MARKET),), is_double=True),
    StateColumn("plays", "count", None, PLAYS, is_double=False),
    StateColumn("first_down", "first", "down", (), is_double=False),
    StateColumn("top", "max", "value", (), is_double=True),
    StateColumn("low", "min", "down", (), is_double=False, default=9),
    StateColumn("sum", "sum", "down", (), is_double=False, default=0),
    StateColumn("late_downs", "count", None, PLAYS, is_double=False, where="down >= 3"),
)
RULES = (
    Rule("row_wise", "clock <= 900000", temporal=False),
    Rule(
        "score_never_falls",
        "home_score >= was_home_score AND away_score >= was_away_score",
        temporal=True,
        on=PLAYS,
    ),
)
AT_ONCE = tuple(
    int(kind)
    for kind in (
        Kind.PLAY,
        Kind.SCORE,
        Kind.CORRECTION,
        Kind.DELETE,
        Kind.GAME_START,
        Kind.GAME_END,
    )
)


def market(name: Market, *, step: float = 0.5, alternates: int = 3) -> MarketPlan:
    return MarketPlan(
        name,
        "game",
        0.0 if name is Market.MONEYLINE else step,
        whole=True,
        alternates=0 if name is Market.MONEYLINE else alternates,
        fixed_line=None,
        margin_method="multiplicative",
        margin=0.045,
        price_floor=1.01,
        price_cap=101.0,
    )


GUARDS = (
    Guard(
        "total_below_score",
        "market = 'total' AND line < home_score + away_score AND status <> 'settled'",
    ),
    Guard("jump_without_cause", "NOT at_once AND ABS(p_fair - was_p_fair) > 0.25"),
)


def odds(**changes: Any) -> OddsPlan:
    values: dict[str, Any] = {
        "markets": (market(Market.MONEYLINE), market(Market.SPREAD), market(Market.TOTAL)),
        "formats": ("decimal",),
        "at_once": AT_ONCE,
        "conflate_us": 20_000,
        "stale_after_us": 15_000_000,
        "guards": GUARDS,
    }
    return OddsPlan(**(values | changes))


@dataclass(frozen=True)
class Event:
    """One event as a test writes it; `fields` are own and envelope columns by name."""

    kind: Kind
    game: int = 0
    sequence: int = 0
    at: int = 0
    id: bytes = b""
    revision: int = 0
    late: bool = False
    fields: tuple[tuple[str, float], ...] = ()


def event(kind: Kind, game: int = 0, sequence: int = 0, at: int = 0, **more: Any) -> Event:
    name = more.pop("id", b"%d-%d" % (game, sequence))
    revision, late = more.pop("revision", 0), more.pop("late", False)
    return Event(kind, game, sequence, at, name, revision, late, tuple(more.items()))


def batch_of(events: list[Event], first_position: int = 0) -> Batch:
    """Lay events out as the order stage would; the payload of a row is its id."""
    count = len(events)
    words = np.zeros((len(LAYOUT), count), np.int64)
    present = np.zeros(count, np.uint64)
    lengths = np.array([len(e.id) for e in events], np.int64)
    ends = np.cumsum(lengths)

    def put(row: int, column: str, value: float) -> None:
        at = LAYOUT.index[column]
        if LAYOUT.columns[at].is_double:
            words[at, row] = np.float64(value).view(np.int64)
        else:
            words[at, row] = int(value)
        present[row] |= np.uint64(1 << at)

    for row, e in enumerate(events):
        put(row, "event_id", int((ends[row] - lengths[row]) << SPAN_LENGTH_BITS | lengths[row]))
        for column, value in (
            ("kind", e.kind),
            ("game_id", e.game),
            ("sequence", e.sequence),
            ("event_time", e.at),
            ("ingest_time", e.at),
            *e.fields,
        ):
            put(row, column, value)
        if e.revision:
            put(row, "revision", e.revision)
    return Batch(
        words,
        present,
        np.zeros((2, count), np.uint64),
        np.array([e.late for e in events], np.uint8),
        np.arange(first_position, first_position + count),
        np.frombuffer(b"".join(e.id for e in events), np.uint8),
        ends - lengths,
        ends,
        np.arange(first_position, first_position + count),
    )
