"""The resolved parts that a plan is made of.

They stand below the stages, which take them as they are; the plan only gathers them.
"""

from dataclasses import dataclass, field
from typing import Any

from oddspipe.core.names import Guarantee, LatePolicy, Market, Policy


@dataclass(frozen=True, slots=True)
class KindPlan:
    """A kind of event: its wire number, and the fixed kind whose handling it shares."""

    name: str
    number: int
    like: int


@dataclass(frozen=True, slots=True)
class Retired:
    """Names and numbers that the event had once and never uses again, each by number."""

    fields: tuple[tuple[str, int], ...] = ()
    kinds: tuple[tuple[str, int], ...] = ()
    values: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    """Values of enums, by field."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row-wise SQL expression that must hold; NULL passes, as in a CHECK constraint.

    `temporal` rules also read `was_<state column>`: the state before the event. They apply to
    logged kinds and are checked where the state is folded. So are those whose `policy` is not that
    an event which fails becomes a dead letter. `on` are kind numbers; empty: all.
    """

    name: str
    sql: str
    temporal: bool
    on: tuple[int, ...] = ()
    policy: Policy = Policy.DEAD_LETTER


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Drop events whose (game_id, event_id, revision) came within `window_us`."""

    window_us: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """Stop taking messages when more of them than `max_rate` are turned away.

    Attributes:
        max_rate: Share of the messages in the window; 1 never stops.
        window_us: Recorded time that is looked back on.
        min_messages: Messages in the window below which the share says nothing.
        probe: Messages that are taken after a pause to see whether it is over.
    """

    max_rate: float = 0.25
    window_us: int = 10_000_000
    min_messages: int = 100
    probe: int = 100


@dataclass(frozen=True, slots=True)
class Order:
    """Put each game's events in sequence."""

    first_sequence: int
    window_us: int
    late: LatePolicy
    max_held: int
    max_gap: int


@dataclass(frozen=True, slots=True)
class StateColumn:
    """One column of a game's state, folded from events.

    `take` is first, last, max, min, sum or count; `of` names the event column (None for count);
    `on` are kind numbers, empty for all; `where` is a row-wise SQL condition on the event.
    `default` is its value before any event; None is absent (NaN for doubles, ABSENT for integers).
    """

    name: str
    take: str
    of: str | None
    on: tuple[int, ...]
    is_double: bool
    default: float | None = None
    where: str | None = None


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column computed from the state by a row-wise SQL expression, before the model runs."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """The odds model: an entry point of group `oddspipe.models`, its parameters as JSON values."""

    name: str
    version: str
    parameters: dict[str, Any]
    scopes: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Isolation:
    """Where a model runs, how long one batch may take it, and how much memory it may take.

    `memory_bytes` is a limit of a process of its own, beyond what it takes when it is loaded.
    """

    process: bool = False
    deadline_us: int = 2_000_000
    memory_bytes: int = 512 << 20


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """A second model that prices the same states, is recorded and never published.

    After `failures` prices that failed it is off until the next start.
    """

    model: ModelPlan
    isolation: Isolation
    failures: int


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """One market of one scope.

    `step` is the distance of neighbouring lines in points (0.5, 1.0; 0 for moneyline), `whole`
    says whether whole lines (with a push) are offered beside half lines; `alternates` lines are
    quoted on each side of the main one. `margin` is the overround to add (0.045 = 4.5 %).
    """

    market: Market
    scope: str
    step: float
    whole: bool
    alternates: int
    fixed_line: float | None
    margin_method: str
    margin: float
    price_floor: float
    price_cap: float


@dataclass(frozen=True, slots=True)
class Guard:
    """A row-wise SQL condition over a board's rows; `policy` says what becomes where it is true."""

    name: str
    sql: str
    policy: Policy = Policy.SUSPEND


@dataclass(frozen=True, slots=True)
class OddsPlan:
    """What is priced, when, and what must hold before it leaves.

    `frozen_after_us` is how long a game may stand still while its feed gives signs of life; None
    for ever. `policies` are those of the guards that are built in, by code, where not `suspend`.
    """

    markets: tuple[MarketPlan, ...]
    formats: tuple[str, ...]
    at_once: tuple[int, ...]
    conflate_us: int
    stale_after_us: int
    guards: tuple[Guard, ...]
    frozen_after_us: int | None = None
    policies: tuple[tuple[str, Policy], ...] = ()


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """A sink: what it claims, what it can keep and why, and its typed options as JSON values."""

    name: str
    kind: str
    claims: Guarantee
    keeps: Guarantee
    why: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """How a row of a record (a recording's row, a provider's message) becomes one event.

    `where` is a row-wise SQL condition (None: every row); `fields` are event column → SQL over the
    record's columns and the adapter's `first_row`, `last_row` (booleans of the game).
    """

    kind: str
    where: str | None
    fields: tuple[tuple[str, str], ...]
    prior: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A file with one row a game: columns and their types, joined by `key`, or made by ratings."""

    file: str
    key: str
    columns: tuple[tuple[str, str], ...]
    rate: bool


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a back-test scores: rows, closing prices and segments, each SQL over a row's columns."""

    where: str | None
    closing_home: str | None
    closing_total: str | None
    segments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """Where recorded games lie below the data folder, and how they become events.

    `starts` is SQL giving the local start as 'YYYY-MM-DD HH:MM', in time zone `zone`;
    `elapsed` is SQL giving seconds since the start (made non-decreasing in each game).
    """

    files: str
    game: str
    order: str
    starts: str
    zone: str
    elapsed: str
    events: tuple[RecordedEvent, ...]
    tables: tuple[RecordedTable, ...]
    scoring: Scoring


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """The feed: protocol, payload format, options of its adapter, and how records map to events.

    `format` is `event` (payloads are the envelope already) or `json` (then `payload` names the
    JSON members and their types, and `mapping` makes events of them).
    """

    protocol: str
    format: str
    heartbeat_us: int
    partitions: int
    key: str
    retention_us: int
    options: dict[str, Any]
    payload: tuple[tuple[str, str], ...]
    mapping: tuple[RecordedEvent, ...]
    recording: Recording | None


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a game in which the feed sends more: SQL over state columns, and the factor."""

    name: str
    when: str
    multiplier: float


@dataclass(frozen=True, slots=True)
class Load:
    """How much comes: per second at the peak, games at once, mix of kinds, phases."""

    peak_rate: int
    games_at_once: int
    updates_per_game: int
    tracking_share: float
    market_share: float
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class MadeGame:
    """How the simulator makes up a game of this sport.

    `points` are (points of one score, chance that a play scores it) of each side; `walk` are own
    fields that are drawn uniformly in their range for every play; `set_fields` are constants.
    """

    periods: int
    period_us: int
    plays: int
    game_us: int
    points: tuple[tuple[int, float], ...]
    draw: tuple[str, ...]
    pregame: tuple[tuple[str, float, float], ...]
    """Own fields of the opening market event: name, mean, standard deviation."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The season, and the weekly windows in which games are played."""

    zone: str
    season_from: str
    season_to: str
    windows: tuple[dict[str, Any], ...]
    game_length_us: int


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is asked, and who is woken."""

    team: str
    contact: str
    pager: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """One environment's values: what the logic digest leaves out."""

    environment: str
    source: str
    values: dict[str, Any]
