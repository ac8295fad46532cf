"""The feed of a sport: where its events come from, and how they become events."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field

from oddspipe.core.spec.fields import (
    Count,
    Endpoint,
    Name,
    PositiveDuration,
    SecretRef,
    Size,
    Speed,
    Sql,
    Text,
    Whole,
    Zone,
)
from oddspipe.core.spec.part import Part

PayloadType = Literal["uint32", "uint64", "int32", "int64", "double", "string", "bool"]
"""Type of a member of a provider's JSON message."""


class RecordedEventSpec(Part):
    """How one record (a recording's row, a provider's message) becomes one event."""

    kind: Name
    """Kind of the event that is made; `heartbeat` for a message that only says "alive"."""
    where: Sql | None = None
    """Which records make such an event; every record when left out.

    Reads the columns of the record; of a recording also `first_row` and `last_row` of the game.
    """
    fields: dict[Name, Sql] = Field(default_factory=dict)
    """Event fields, each an SQL expression over the columns of the record."""
    prior: Literal["rating", "closing"] | None = None
    """What the event knows of the game before it: ratings, or the market's closing prices.

    `oddspipe backtest --prior` chooses among them.
    """


class RecordedTableSpec(Part):
    """A file with one row a game, whose columns stand in every row of the game's recording."""

    file: Text = Field(examples=["mlb/closing_odds.parquet"])
    """File below the data folder; where it is not there, its columns are NULL."""
    key: Text
    """Column of the file that names the game."""
    columns: dict[Text, PayloadType] = Field(min_length=1)
    """Columns that are taken, and their types."""
    rate: bool = False
    """The file holds finished games; the model's own ratings of them give the columns."""


class SegmentSpec(Part):
    """A part of the game that a back-test scores apart."""

    name: Text
    """What it is called."""
    where: Sql
    """SQL that says which rows are of it."""


class ClosingSpec(Part):
    """What the market said as it closed, each an SQL expression over the columns of a row."""

    home: Sql | None = None
    """Chance of the home side, without margin."""
    total: Sql | None = None
    """Total that was offered."""


class ScoringSpec(Part):
    """What a back-test compares with how the game ended."""

    where: Sql | None = None
    """Which rows are scored; every row of which there is a forecast when left out."""
    closing: ClosingSpec = ClosingSpec()
    """Closing prices; read for measuring only."""
    segments: tuple[SegmentSpec, ...] = ()
    """Parts of the game that are scored apart; a row is of the first that takes it."""


class RecordingSpec(Part):
    """Recorded games: where they lie, and how their rows become events."""

    files: Text = Field(examples=["nfl/*.parquet"])
    """Files below the data folder, as a pattern; Parquet or NDJSON."""
    game: Text
    """Column that names the game."""
    order: Text
    """Column that puts the rows of a game in order."""
    starts: Sql
    """SQL that gives the local start of the game as 'YYYY-MM-DD HH:MM'."""
    zone: Zone
    """Time zone of `starts`."""
    elapsed: Sql
    """SQL that gives seconds since the start; made non-decreasing in each game."""
    events: tuple[RecordedEventSpec, ...] = Field(min_length=1)
    """What each row becomes, in this order; one row may make several events."""
    tables: tuple[RecordedTableSpec, ...] = ()
    """Files with one row a game that are joined to the rows."""
    scoring: ScoringSpec = ScoringSpec()
    """What `oddspipe backtest` scores."""


class FeedSpec(Part):
    """What every feed says, whatever its protocol."""

    partitions: Count = 1
    """Partitions of the feed's topic and of every topic behind it."""
    key: Literal["game_id"] = "game_id"
    """What places an event on a partition; the events of one game must share one."""
    format: Literal["event", "json"] = "event"
    """`event`: payloads are the protobuf envelope already. `json`: see `payload` and `mapping`."""
    heartbeat: PositiveDuration = 5_000_000
    """The feed says that it is alive at least this often."""
    retention: PositiveDuration = 86_400_000_000
    """How far back the feed can be read again."""
    max_payload: Size = 65_536
    """A longer payload is a dead letter."""
    payload: dict[Text, PayloadType] = Field(default_factory=dict)
    """Members of the provider's JSON message and their types; `a.b` is member b of member a."""
    mapping: tuple[RecordedEventSpec, ...] = ()
    """What a JSON message becomes; expressions read the members that `payload` names."""
    recording: RecordingSpec | None = None
    """Recorded games for replay, tests and back-tests."""


class KafkaSecurity(Part):
    """How to log in to a Kafka cluster."""

    protocol: Literal["plaintext", "ssl", "sasl_ssl"] = "sasl_ssl"
    """What the connection is protected by."""
    mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"] | None
    ) = None
    """SASL mechanism; AWS_MSK_IAM is Amazon MSK by the process's own IAM role."""
    username: Endpoint | None = None
    """Name to log in with; of OAUTHBEARER the client id."""
    password: SecretRef | None = None
    """Password, by reference only; of OAUTHBEARER the client secret."""
    token_url: Endpoint | None = None
    """Where OAUTHBEARER gets its tokens: the endpoint of an OpenID Connect provider."""
    scope: Text | None = None
    """What an OAUTHBEARER token is asked for."""
    region: Text | None = None
    """Of AWS_MSK_IAM: where the cluster is, e.g. us-east-1."""
    ca: Text | None = None
    """File with the certificates of the brokers' authority; the system's when left out."""


class KafkaFeed(FeedSpec):
    """A Kafka topic of the provider."""

    protocol: Literal["kafka"]
    """A Kafka topic."""
    topic: Text = Field(examples=["nfl.feed.v1"])
    """Topic of the provider."""
    brokers: Endpoint | None = None
    """Bootstrap servers; the environment's own when left out."""
    group: Text | None = None
    """Consumer group; `oddspipe.<sport>` when left out."""
    security: KafkaSecurity | None = None
    """How to log in; the environment's own when left out."""


class WebSocketFeed(FeedSpec):
    """A WebSocket over which the provider pushes."""

    protocol: Literal["websocket"]
    """A WebSocket."""
    url: Endpoint = Field(examples=["wss://feed.example.com/nba"])
    """Address; a reference if it holds a token."""
    subscribe: dict[str, Any] | None = None
    """JSON message that is sent after every connect."""
    resume: Text | None = None
    """Member of the messages that a reconnect gives back, to go on from there."""
    spill: Size = 268_435_456
    """Room for what is pushed while nothing can be handed on; a push feed cannot be paused."""


class PubSubFeed(FeedSpec):
    """A Google Cloud Pub/Sub subscription that is pulled."""

    protocol: Literal["pubsub"]
    """A Pub/Sub subscription."""
    project: Endpoint
    """Google Cloud project."""
    subscription: Endpoint
    """Subscription; ordered by game, or not: events are put in order by their sequence."""
    spill: Size = 268_435_456
    """Room for what was received and is still to be published; the service keeps the rest."""


class ReplayFeed(FeedSpec):
    """Recorded games, over and over; `recording` says where."""

    protocol: Literal["replay"]
    """Recorded games."""
    speed: Speed = "max"
    """1 is real time; `max` as fast as it goes."""


class SimulatorFeed(FeedSpec):
    """Made-up games; `load` and `made_game` say how."""

    protocol: Literal["simulator"]
    """Made-up games."""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """The same seed makes the same games."""


Feed = Annotated[
    KafkaFeed | WebSocketFeed | PubSubFeed | ReplayFeed | SimulatorFeed, Discriminator("protocol")
]
"""One of the feeds, told apart by `protocol`."""
