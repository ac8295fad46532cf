"""When games are played, how much comes then, and how the simulator makes one up."""

from typing import Annotated, Literal

from pydantic import Field

from oddspipe.core.spec.fields import (
    Count,
    MonthDay,
    Name,
    Number,
    PositiveDuration,
    Rate,
    Share,
    Sql,
    TimeOfDay,
    Zone,
)
from oddspipe.core.spec.part import Part

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "daily"]


class SeasonSpec(Part):
    """First and last day of the season; it may run over New Year."""

    first: MonthDay = Field(alias="from")
    """First day."""
    last: MonthDay = Field(alias="to")
    """Last day."""


class WindowSpec(Part):
    """Games that start at the same time of the week."""

    day: Day
    """Day of the week, or `daily`."""
    kickoff: TimeOfDay
    """Local start."""
    games: Count
    """Games that start then."""
    weeks: Count | None = None
    """In how many weeks of the season; every week when left out."""


class ScheduleSpec(Part):
    """The season, and the weekly windows in which games are played."""

    zone: Zone
    """Time zone of every window."""
    season: SeasonSpec
    """When the season is."""
    game_length: PositiveDuration
    """From start to end, on average."""
    windows: tuple[WindowSpec, ...] = Field(min_length=1)
    """When games are played."""


class PhaseSpec(Part):
    """A stretch of a game in which the feed sends more."""

    name: Name
    """Name in charts and plans."""
    when: Sql
    """SQL over the columns of the game's state, derived ones included."""
    multiplier: Annotated[Number, Field(gt=0, le=100)]
    """Times the usual rate."""


class MixSpec(Part):
    """Shares of the events that are not plays; what they leave are clock events, if it has them.

    With neither, the simulator sends the games' own events only.
    """

    tracking: Share = 0.0
    """Share of tracking events."""
    market: Share = 0.0
    """Share of market events."""


class LoadSpec(Part):
    """How much comes at the peak."""

    peak_rate: Rate
    """Events a second at the busiest moment, all games together: what is planned for.

    In a simulated run it is reached when the phases of its games add up to most.
    """
    games_at_once: Count
    """Games at once at the peak."""
    updates_per_game: Count
    """Events of one game from start to end."""
    mix: MixSpec = MixSpec()
    """What they are made of."""
    phases: tuple[PhaseSpec, ...] = ()
    """When more comes: factors of a game's own rate, multiplied where several hold."""


class NormalSpec(Part):
    """A normal distribution to draw from."""

    mean: Number
    """Its centre."""
    sd: Annotated[Number, Field(ge=0)]
    """Its standard deviation."""


class MadeGameSpec(Part):
    """How the simulator makes up a game when there is no recording to build on."""

    periods: Count
    """Quarters, halves or innings."""
    period_length: PositiveDuration
    """Game clock of one period."""
    length: PositiveDuration
    """Wall clock of a game."""
    plays: Count
    """Plays of a game."""
    points: dict[Annotated[int, Field(ge=1, le=100)], Share] = Field(min_length=1)
    """Points of one score, and the chance that a play scores them for a given side."""
    draw: tuple[Name, ...] = ()
    """Own fields that are drawn uniformly from their range for every play."""
    pregame: dict[Name, NormalSpec] = Field(default_factory=dict)
    """Own fields of the market event before the game."""
