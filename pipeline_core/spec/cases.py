"""Tests inside a spec: what is given, and what is expected of it."""

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Discriminator, Field, Tag
from typing_extensions import override

from oddspipe.core.names import Market, Side, Status
from oddspipe.core.spec.fields import Duration, Name, Number, PositiveDuration, Text, Whole
from oddspipe.core.spec.part import Part

Plain = str | int | float | bool | None


class Given(Part):
    """One entry of a test: an event, a provider's record, bytes, or time that passes."""


class GivenEvent(Given):
    """An event that a test sends in; every other key is a field of the event.

    `kind: tick` only lets time pass, up to `at`; `kind: heartbeat` is the feed saying that it is
    alive.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    kind: Name
    """Kind of the event."""
    at: Duration | None = None
    """Recorded time since the start of the test; that of the entry above when left out."""
    game_id: Text | None = None
    """The game; ticks and heartbeats name none."""
    sequence: Annotated[Whole, Field(ge=0)] | None = None
    """The provider's counter; the next one of the game when left out."""
    event_id: Text | None = None
    """The provider's id; game and sequence (`A-3`) when left out."""
    revision: Annotated[Whole, Field(ge=0)] = 0
    """0, or the n-th correction of `event_id`."""


class GivenTime(Given):
    """Time that passes while nothing arrives: ticks, as a run makes them."""

    advance: PositiveDuration
    """How long."""


class GivenRecord(Given):
    """A provider's message, which `feed.mapping` makes an event of."""

    record: dict[str, Any]
    """The JSON message."""
    at: Duration | None = None
    """Recorded time since the start of the test; that of the entry above when left out."""


class GivenBytes(Given):
    """A payload as it came over the wire, sound or not."""

    hex: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2}\s*)*$", examples=["0a 03 41"])]
    """Its bytes, two hexadecimal digits each."""
    at: Duration | None = None
    """Recorded time since the start of the test; that of the entry above when left out."""


_TAGS: dict[type[Given], str] = {
    GivenTime: "an advance",
    GivenRecord: "a record",
    GivenBytes: "a payload",
}
_KEYS = {"advance": "an advance", "record": "a record", "hex": "a payload"}


def _entry(value: object) -> str:
    """Tell entries apart by the key that only one of them has; else it is an event."""
    if isinstance(value, Given):
        return _TAGS.get(type(value), "an event")
    keys = value if isinstance(value, dict) and "kind" not in value else {}
    return next((tag for key, tag in _KEYS.items() if key in keys), "an event")


GivenEntry = Annotated[
    Annotated[GivenEvent, Tag("an event")]
    | Annotated[GivenTime, Tag("an advance")]
    | Annotated[GivenRecord, Tag("a record")]
    | Annotated[GivenBytes, Tag("a payload")],
    Discriminator(_entry),
]
"""One entry of `given`, known by the key that it has: kind, advance, record or hex."""


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
    """Decimal price; 0 where none is offered."""
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
    reasons: tuple[Text, ...] | None = Field(
        default=None, examples=[["play", "score", "stale_input", "guard:total_below_score"]]
    )
    """Why each odds message went out, in order."""
    suspended: dict[Text, tuple[Name, ...]] = Field(
        default_factory=dict, examples=[{"A": ["moneyline", "total"]}]
    )
    """All markets that are suspended at the end, by game, as `odds.markets` names them."""
    duplicates: Annotated[Whole, Field(ge=0)] | None = None
    """How many duplicates were dropped."""
    dropped: Annotated[Whole, Field(ge=0)] | None = None
    """How many late events were dropped, under `order.late: drop`."""
    held: Annotated[Whole, Field(ge=0)] | None = None
    """How many events still wait for a gap to fill at the end."""
    anomalies: dict[Name, Annotated[Whole, Field(ge=0)]] = Field(
        default_factory=dict, examples=[{"clock_runs_back": 1}]
    )
    """How many anomalies began, by code; of those that are named."""


class CaseSpec(Part):
    """One test: run by `oddspipe test`."""

    name: Text
    """The fact that it proves."""
    given: tuple[GivenEntry, ...] = Field(min_length=1)
    """What arrives, in order."""
    expect: Expected
    """What must come of it."""

    @override
    def plain(self) -> dict[str, Any]:
        """Return only what was written: what is left out is not compared."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
