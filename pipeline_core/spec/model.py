"""What a person writes about a sport, one class a part; the descriptions are the reference page."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from oddspipe.core.names import FieldType, LatePolicy, Policy
from oddspipe.core.spec.cases import CaseSpec
from oddspipe.core.spec.feed import Feed
from oddspipe.core.spec.fields import (
    Bound,
    Count,
    Flag,
    Name,
    Number,
    PositiveDuration,
    Share,
    Size,
    Sql,
    Text,
    Whole,
)
from oddspipe.core.spec.odds import AnyPolicy, OddsSpec
from oddspipe.core.spec.part import Part
from oddspipe.core.spec.season import LoadSpec, MadeGameSpec, ScheduleSpec
from oddspipe.core.spec.sinks import Sink

MAX_FIELD_NUMBER = 2**29 - 1


class OwnerSpec(Part):
    """Who is asked, and who is woken."""

    team: Text
    """Team that owns it."""
    contact: Text
    """Where to write to."""
    pager: Text
    """Whom to wake."""


class OwnKind(Part):
    """A kind of event of this sport's own."""

    name: Name
    """Its name."""
    number: Annotated[Whole, Field(ge=16, le=63)]
    """Its number on the wire; never changed, never used again."""
    like: Literal["play", "score", "clock", "tracking", "market"]
    """The fixed kind whose handling it shares."""


def _shape_of_kind(value: object) -> str:
    return "own" if isinstance(value, (dict, OwnKind)) else "fixed"


KindEntry = Annotated[
    Annotated[Name, Tag("fixed")] | Annotated[OwnKind, Tag("own")], Discriminator(_shape_of_kind)
]
"""A fixed kind by name, or a kind of the sport's own."""


class EventField(Part):
    """One field of the event: one of the envelope's, narrowed, or one of the sport's own."""

    number: Annotated[Whole, Field(ge=1, le=MAX_FIELD_NUMBER)] | None = None
    """Protobuf field number, from 16; only of own fields, never changed, never used again."""
    type: Annotated[FieldType, Field(strict=False)] | None = None
    """Type; only of own fields."""
    required: Flag | None = None
    """Whether an event without it is turned away."""
    range: Annotated[tuple[Bound, Bound], Field(examples=[[0, 150]])] | None = None
    """Lowest and highest value; others are turned away."""
    unit: Text | None = None
    """Unit, for people."""
    values: dict[Name, Annotated[Whole, Field(ge=0, le=2**31 - 1)]] | None = None
    """Names and numbers of an enum."""
    max_bytes: Annotated[Whole, Field(ge=1, le=65_536)] | None = None
    """Limit of a string or bytes value; 64 when left out."""
    description: Text | None = None
    """One sentence, for partners' documentation."""


class RetiredSpec(Part):
    """What is gone from the event: names and numbers that are never used again."""

    fields: dict[Name, Annotated[Whole, Field(ge=16, le=MAX_FIELD_NUMBER)]] = Field(
        default_factory=dict, examples=[{"down": 17}]
    )
    """Fields and their numbers."""
    kinds: dict[Name, Annotated[Whole, Field(ge=16, le=63)]] = Field(default_factory=dict)
    """Own kinds and their numbers."""
    values: dict[Name, dict[Name, Annotated[Whole, Field(ge=1, le=2**31 - 1)]]] = Field(
        default_factory=dict, examples=[{"play_type": {"lateral": 13}}]
    )
    """Values of enums and their numbers, by field."""


class EventSpec(Part):
    """What an event of this sport holds besides the envelope."""

    kinds: tuple[KindEntry, ...] = Field(min_length=1)
    """Kinds that the feed sends: fixed ones by name, own ones as a mapping."""
    fields: dict[Name, EventField] = Field(default_factory=dict)
    """Fields by name; own fields have numbers from 16 on."""
    retired: RetiredSpec = RetiredSpec()
    """What the event had once; readers of old events still know it."""


class RuleSpec(Part):
    """A condition that must hold; a row that fails becomes a dead letter."""

    name: Name
    """Its code: in the metric of anomalies, and as the reason of the dead letter."""
    check: Sql
    """SQL over the fields of the event and `was_<column>`, the state before it; NULL passes."""
    on: tuple[Name, ...] = ()
    """Kinds that it applies to; all when left out."""
    policy: AnyPolicy = Policy.DEAD_LETTER
    """`dead-letter` turns the event away; `suspend` takes it and suspends the game's markets until
    the next event that is priced at once; `alert` takes it and only counts."""


class DuplicatesSpec(Part):
    """Which events are the same one sent twice."""

    key: tuple[Name, ...] = ("game_id", "event_id", "revision")
    """What makes two events the same."""
    window: PositiveDuration = 30_000_000
    """How long an event is remembered."""


class OrderSpec(Part):
    """How the events of a game are put in sequence."""

    first_sequence: Literal[0, 1] = 1
    """Sequence of the first event of a game."""
    window: PositiveDuration = 2_000_000
    """How long an event waits for the one before it."""
    late: Annotated[LatePolicy, Field(strict=False)] = LatePolicy.AMEND
    """What becomes of an event that comes after its gap was given up."""
    max_held: Annotated[Whole, Field(ge=1, le=10_000_000)] = 100_000
    """Events of one game that may wait; with more the gap is given up at once."""
    max_gap: Annotated[Whole, Field(ge=1, le=2**40)] = 1_000_000
    """An event further ahead than this is turned away."""


class StateColumnSpec(Part):
    """One column of a game's state."""

    take: Literal["first", "last", "max", "min", "sum", "count"]
    """What is made of the events."""
    of: Name | None = None
    """Field of the event; none for `count`."""
    on: tuple[Name, ...] = ()
    """Kinds of events that are folded in; all when left out."""
    where: Sql | None = None
    """Further condition on the event."""
    default: Number | None = None
    """Value before any event; absent (NULL) when left out."""


class StateSpec(Part):
    """What is known of a game: columns folded from its events, and columns computed of them."""

    columns: dict[Name, StateColumnSpec] = Field(min_length=1)
    """Columns by name."""
    derive: dict[Name, Sql] = Field(default_factory=dict)
    """Columns computed of state columns and of derived columns above them, as SQL."""


class ShadowSpec(Part):
    """A second model that prices the same states: it is recorded, never published."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
    """Entry point of group `oddspipe.models`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters; typed by the plug-in."""
    isolation: Literal["thread", "process"] = "thread"
    """`process` runs it in a process of its own."""
    deadline: PositiveDuration = 1_000_000
    """Longest time for one batch; what takes longer is a failure. The published odds wait so long
    at most, three times at most: then it is off."""
    memory: Size = 536_870_912
    """What it may take beyond what it takes when it is loaded; with `isolation: process`."""
    failures: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100
    """Prices that may fail since the start; then it is off until the next start."""


class ModelSpec(Part):
    """The odds model: a plug-in, and its parameters."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
    """Entry point of group `oddspipe.models`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters; typed by the plug-in."""
    isolation: Literal["thread", "process"] = "thread"
    """`process` runs it in a process of its own: it may crash, or take what memory it likes, and
    only the games of that batch are suspended."""
    deadline: PositiveDuration = 2_000_000
    """Longest time for one batch; the games of one that takes longer are suspended."""
    memory: Size = 536_870_912
    """What it may take beyond what it takes when it is loaded; with `isolation: process`."""
    shadow: ShadowSpec | None = None
    """Another model to compare with it on the same states."""


class RecoverySpec(Part):
    """How often a run can be taken up again from."""

    snapshot_every: PositiveDuration = 5_000_000
    """Time between two snapshots of the state."""


class BreakerSpec(Part):
    """When a sport stops taking messages: a feed that changed shall not be written off."""

    max_rate: Share = 0.25
    """More of the messages than this become dead letters before they are put in order; `100%` never
    stops."""
    window: PositiveDuration = 10_000_000
    """Time over which the share is taken, by the recorded time of the messages."""
    min_messages: Annotated[Whole, Field(ge=1, le=10_000_000)] = 100
    """With fewer messages in the window the share says nothing."""
    pause: PositiveDuration = 30_000_000
    """How long nothing is taken before the next messages are tried."""
    probe: Annotated[Whole, Field(ge=1, le=10_000_000)] = 100
    """How many messages are tried then; the sport goes on when no more of them than `max_rate`
    become dead letters."""


class DeadLettersSpec(Part):
    """What is done about messages that are turned away."""

    breaker: BreakerSpec = BreakerSpec()
    """When the sport stops taking messages."""


class AlertsSpec(Part):
    """When somebody is woken."""

    lag: PositiveDuration = 10_000_000
    """Input waits longer than this."""
    reject_share: Share = 0.01
    """More of the events than this are turned away."""
    silent_game: PositiveDuration = 30_000_000
    """A game in play sends nothing for so long."""


class SportSpec(Part):
    """One sport: feed, events, rules, state, model, odds, sinks, schedule, load and tests."""

    extends: Text | None = None
    """File that this one takes over from: mappings merge key by key, a list replaces the list.

    A path beside this file, or `package:file` of an installed package, as in
    `oddspipe.sports:shared/defaults.yaml`.
    """
    schema_version: Count = 1
    """Version of the event's schema."""
    sport: Annotated[Name, Field(max_length=32)]
    """Short name; part of topics, tables and metrics."""
    title: Text
    """Name for people."""
    owner: OwnerSpec
    """Who is asked, and who is woken."""
    feed: Feed
    """Where events come from."""
    event: EventSpec
    """What an event holds."""
    rules: tuple[RuleSpec, ...] = ()
    """What must hold of an event."""
    duplicates: DuplicatesSpec = DuplicatesSpec()
    """Which events are the same one sent twice."""
    dead_letters: DeadLettersSpec = DeadLettersSpec()
    """What is done about messages that are turned away."""
    order: OrderSpec = OrderSpec()
    """How the events of a game are put in sequence."""
    state: StateSpec
    """What is known of a game."""
    model: ModelSpec
    """Which model prices it."""
    odds: OddsSpec
    """What is priced, when and how."""
    sinks: dict[Name, Sink] = Field(min_length=1)
    """Where outputs are written, by name."""
    recovery: RecoverySpec = RecoverySpec()
    """How a run is taken up again."""
    schedule: ScheduleSpec
    """When games are played."""
    load: LoadSpec
    """How much comes."""
    made_game: MadeGameSpec
    """How the simulator makes up a game."""
    alerts: AlertsSpec = AlertsSpec()
    """When somebody is woken."""
    tests: tuple[CaseSpec, ...] = ()
    """Tests, run by `oddspipe test`."""
