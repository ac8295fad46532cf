"""What is priced, when, how, and what must hold before a price leaves."""

from typing import Annotated, Literal

from pydantic import Field

from oddspipe.core.names import Market, Policy
from oddspipe.core.spec.fields import (
    Flag,
    LineStep,
    Name,
    Number,
    PositiveDuration,
    Share,
    Sql,
    Whole,
)
from oddspipe.core.spec.part import Part

PriceFormat = Literal["decimal", "american", "fractional"]
MarginMethod = Literal["multiplicative", "power", "shin", "odds_ratio"]


class CadenceSpec(Part):
    """When a price is cut."""

    at_once: tuple[Name, ...] = (
        "play",
        "score",
        "correction",
        "delete",
        "game_start",
        "game_end",
    )
    """Kinds of events that are priced at once."""
    conflate: PositiveDuration = 20_000
    """Other kinds: at most one price of a game in this time."""


class MarginSpec(Part):
    """The house's share, and how it is laid on the sides of a market."""

    method: MarginMethod = "odds_ratio"
    """`multiplicative` scales all sides alike; the others load long shots more."""
    overround: Share = 0.045
    """Sum of the implied probabilities less one."""


class PriceSpec(Part):
    """Bounds of what is offered, as decimal odds."""

    floor: Annotated[Number, Field(gt=1, le=1000)] = 1.01
    """No price below this."""
    cap: Annotated[Number, Field(gt=1, le=10_000)] = 101.0
    """No price above this."""


AnyPolicy = Annotated[Policy, Field(strict=False)]
"""What becomes of an anomaly: `suspend`, `dead-letter` or `alert`."""


class GuardSpec(Part):
    """A condition under which a market is suspended instead of published."""

    name: Name
    """Its code: in the metric of anomalies, and as the reason `guard:<name>`."""
    policy: AnyPolicy = Policy.SUSPEND
    """`suspend` the market; `dead-letter` does so and keeps the event behind it as a dead letter;
    `alert` publishes the price and only counts."""
    suspend_when: Sql
    """SQL over a row of the board: `market`, `side`, `line`, `status`, `p_fair`, `p_low`, `p_high`,
    `p_booked`, `was_p_fair`, `at_once`, `is_main`, and state and derived columns of the game."""


class AnomaliesSpec(Part):
    """What becomes of the anomalies that every sport has a guard for."""

    impossible_price: Literal["suspend", "dead-letter"] = "suspend"
    """A probability that is NaN, below 0 or above 1, sides that do not add up, a missing line."""
    line_below_score: Literal["suspend", "dead-letter"] = "suspend"
    """A total whose line lies below the points that are scored already."""
    open_after_end: Literal["suspend", "dead-letter"] = "suspend"
    """A price for a market that is settled or closed; it stays as it is."""
    frozen_feed: Literal["suspend", "alert"] = "suspend"
    """A game that stands still for `odds.frozen_after` while its feed gives signs of life."""


class MarketSpec(Part):
    """One market; `{}` takes every default."""

    market: Annotated[Market, Field(strict=False)] | None = None
    """What is priced; the entry's own name when left out."""
    scope: Name = "game"
    """Part of the game that it settles on; one of those that the model declares."""
    step: LineStep | None = None
    """Distance of neighbouring lines in points; 0.5 for spreads and totals when left out."""
    whole: Flag = True
    """Whether whole lines, with a push, are offered beside half lines."""
    alternates: Annotated[Whole, Field(ge=0, le=50)] = 0
    """Lines on each side of the main one."""
    line: Number | None = None
    """A fixed main line (baseball's run line, 1.5); follows the price when left out."""
    margin: MarginSpec | None = None
    """Margin of this market; `odds.margin` when left out."""
    price: PriceSpec | None = None
    """Bounds of this market; `odds.price` when left out."""


class OddsSpec(Part):
    """Markets, margin, formats, cadence and guards."""

    markets: dict[Name, MarketSpec] = Field(min_length=1)
    """What is offered, by name: moneyline, spread, total, or a name of your own with `market`."""
    formats: tuple[PriceFormat, ...] = Field(default=("decimal",), min_length=1)
    """How prices are written."""
    cadence: CadenceSpec = CadenceSpec()
    """When prices are cut."""
    stale_after: PositiveDuration = 15_000_000
    """Without a sign of life for so long, the open markets of a game are suspended."""
    frozen_after: PositiveDuration | None = None
    """A game under way whose plays, score and clock stand still for so long is frozen, whatever
    else its feed sends; never when left out."""
    margin: MarginSpec = MarginSpec()
    """The house's share."""
    price: PriceSpec = PriceSpec()
    """Bounds of what is offered."""
    anomalies: AnomaliesSpec = AnomaliesSpec()
    """What becomes of what the guards find that are built in."""
    guards: tuple[GuardSpec, ...] = Field(default=(), max_length=50)
    """What suspends a market."""
