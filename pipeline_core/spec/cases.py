"""Tests inside a spec: events that are given, and what is expected of them."""

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from typing_extensions import override

from oddspipe.core.names import Market, Side, Status
from oddspipe.core.spec.fields import Duration, Name, Number, Text, Whole
from oddspipe.core.spec.part import Part

Plain = str | int | float | bool | None


class GivenEvent(Part):
    """An event that a test sends in; every other key is a field of the event.

    `kind: tick` only lets time pass, up to `at`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    kind: Name
    """Kind of the event."""
    at: Duration
    """Recorded time since the start of the test."""
    game_id: Text | None = None
    """The game; ticks and heartbeats name none."""
    sequence: Annotated[Whole, Field(ge=0)] | None = None
    """The provider's counter; the next one of the game when left out."""
    event_id: Text | None = None
    """The provider's id; made of game and sequence when left out."""
    revision: Annotated[Whole, Field(ge=0)] = 0
    """0, or the n-th correction of `event_id`."""


class ExpectedReject(Part):
    """A row that is turned away; what is left out is not compared."""

    reason: Text = Field(examples=["TEMPORAL_RULE", "LATE"])
    """Reason code."""
    game_id: Text | None = None
    """The game."""
    sequence: Annotated[Whole, Field(ge=0)] | None = None
    """Sequence of the row."""
    rule: Name | None = None
    """The rule that said no."""
    field: Name | None = None
    """The field at fault."""


class ExpectedPrice(Part):
    """The last price of one side at the end of a test; what is left out is not compared."""

    game_id: Text | None = None
    """The game; may be left out when the test has one."""
    market: Annotated[Market, Field(strict=False)]
    """The market."""
    side: Annotated[Side, Field(strict=False)]
    """The side."""
    scope: Name = "game"
    """The scope."""
    line: Number | None = None
    """The line; the main one when left out."""
    p_fair: Annotated[Number, Field(ge=0, le=1)] | None = None
    """Fair probability."""
    p_push: Annotated[Number, Field(ge=0, le=1)] | None = None
    """Probability of a push."""
    decimal: Annotated[Number, Field(ge=0)] | None = None
    """Decimal price."""
    status: Annotated[Status, Field(strict=False)] | None = None
    """Status of the market."""
    within: Annotated[Number, Field(ge=0)] = 0.001
    """Tolerance of `p_fair`, `p_push` and `decimal`."""


class Expected(Part):
    """What must come of a test's events; what is left out is not compared."""

    events: tuple[dict[str, Plain], ...] | None = None
    """All normalised events in order; of each, the fields that are named."""
    rejects: tuple[ExpectedReject, ...] | None = None
    """All rejects in order."""
    state: dict[Text, dict[Name, Plain]] = Field(default_factory=dict)
    """State and derived columns at the end, by game; those that are named."""
    prices: tuple[ExpectedPrice, ...] = ()
    """Prices at the end."""
    published: Annotated[Whole, Field(ge=0)] | None = None
    """How many odds messages were published."""
    duplicates: Annotated[Whole, Field(ge=0)] | None = None
    """How many duplicates were dropped."""


class CaseSpec(Part):
    """One test: run by `oddspipe test`."""

    name: Text
    """The fact that it proves."""
    given: tuple[GivenEvent, ...] = Field(min_length=1)
    """Events in the order in which they arrive."""
    expect: Expected
    """What must come of them."""

    @override
    def plain(self) -> dict[str, Any]:
        """Return only what was written: what is left out is not compared."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
