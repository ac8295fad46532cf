"""Small types and enums that every floor shares; their numbers are part of the wire format."""

from enum import IntEnum, StrEnum
from typing import NewType

EpochMicros = NewType("EpochMicros", int)
"""Microseconds since 1970-01-01 00:00 UTC."""

Position = NewType("Position", int)
"""The place of a payload in its input: consecutive in a recording, the offset in Kafka."""

ABSENT = -(2**63)
"""The word that stands for "no value" in an integer column of state."""


class Kind(IntEnum):
    """What an event is; a sport's own kinds start at 16 and name one of these as `like`."""

    UNKNOWN = 0
    """No kind was sent; turned away."""
    PLAY = 1
    """Something happened in the game."""
    SCORE = 2
    """Points were scored."""
    CLOCK = 3
    """The game clock, nothing else."""
    TRACKING = 4
    """A measure of a player or the ball; folded and conflated, never refolded."""
    MARKET = 5
    """A pregame line or another market measure."""
    GAME_START = 6
    """The game begins."""
    GAME_END = 7
    """The game is over; nothing may follow."""
    CORRECTION = 8
    """Replaces an earlier event, by its event id."""
    DELETE = 9
    """Takes back an earlier event, by its event id."""
    HEARTBEAT = 10
    """The feed is alive and nothing happened; names no game."""
    TICK = 15
    """Time passed and nothing arrived; made by the ingest, recorded like any input."""


LOGGED_KINDS = frozenset(
    {Kind.PLAY, Kind.SCORE, Kind.GAME_START, Kind.GAME_END, Kind.CORRECTION, Kind.DELETE}
)
"""Kept per game and folded again when a correction or a late play comes."""

TIMER_KINDS = frozenset({Kind.HEARTBEAT, Kind.TICK})
"""Move time on; belong to no game, carry no sequence."""


class FieldType(StrEnum):
    """Type of an event field; its protobuf wire type follows from it."""

    UINT32 = "uint32"
    UINT64 = "uint64"
    INT32 = "int32"
    """Signed; ZigZag on the wire (protobuf `sint32`)."""
    INT64 = "int64"
    """Signed; plain varint on the wire (protobuf `int64`)."""
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    BOOL = "bool"
    ENUM = "enum"


class Market(StrEnum):
    """What is priced."""

    MONEYLINE = "moneyline"
    SPREAD = "spread"
    TOTAL = "total"
    TEAM_TOTAL_HOME = "team_total_home"
    TEAM_TOTAL_AWAY = "team_total_away"


class Side(StrEnum):
    """One outcome of a market."""

    HOME = "home"
    AWAY = "away"
    OVER = "over"
    UNDER = "under"


class Status(StrEnum):
    """State of a market: inactive → open ⇄ suspended → closed → settled | cancelled."""

    INACTIVE = "inactive"
    OPEN = "open"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    SETTLED = "settled"
    CANCELLED = "cancelled"


class LatePolicy(StrEnum):
    """What becomes of an event that comes after its gap was given up."""

    AMEND = "amend"
    DLQ = "dlq"
    DROP = "drop"


class Policy(StrEnum):
    """What becomes of an anomaly, beside that it is counted."""

    SUSPEND = "suspend"
    """The market, or all of the game's markets, are suspended."""
    DEAD_LETTER = "dead-letter"
    """The event behind it becomes a dead letter; what it did to a market is not published."""
    ALERT = "alert"
    """Nothing: the price goes out, and whoever is on call is told."""


class Guarantee(StrEnum):
    """What a sink promises about an output, weakest first."""

    AT_LEAST_ONCE = "at_least_once"
    EFFECTIVELY_ONCE = "effectively_once"
    """Writing it again changes nothing a reader can see."""
    EXACTLY_ONCE = "exactly_once"


class Stage(StrEnum):
    """What one process does of the work over Kafka."""

    ALL = "all"
    INGEST = "ingest"
    NORMALISE = "normalise"
    PRICE = "price"
    PUBLISH = "publish"
