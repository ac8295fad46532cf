"""The columns of a sport's events, as the batch, the decoder and SQL see them."""

from dataclasses import dataclass
from functools import cached_property

from oddspipe.core.names import FieldType

# The envelope's columns, by position in `Layout.columns`; protobuf number is position + 1.
EVENT_ID, REVISION, GAME_ID, SEQUENCE, EVENT_TIME, INGEST_TIME, KIND = range(7)
PERIOD, CLOCK, HOME_SCORE, AWAY_SCORE, PLAYER_ID, VALUE, TRACE, SCHEMA_VERSION = range(7, 15)
ENVELOPE_COLUMNS = 15
FIRST_OWN_NUMBER = 16
STANDING_NUMBER = 2047
"""Protobuf number of what the normalised topic adds to an event; see `batch/normalised.py`."""
MAX_COLUMNS = 64
"""A row says with one bit a column which of them it carries."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of the event.

    Attributes:
        name: Name in SQL, protobuf and the odds' cause.
        number: Protobuf field number.
        type: Type; decides the wire type and how a word is read.
        required: Absence is a reject.
        low, high: Inclusive range in the column's own type; None is unbounded.
        unit: For people: "yards", "ms".
        values: Names and numbers of an enum, else empty.
        max_bytes: Limit of a string or bytes value; 0 for other types.
        description: One sentence.
    """

    name: str
    number: int
    type: FieldType
    required: bool = False
    low: int | float | None = None
    high: int | float | None = None
    unit: str = ""
    values: tuple[tuple[str, int], ...] = ()
    max_bytes: int = 0
    description: str = ""

    @property
    def is_double(self) -> bool:
        """Say whether the word holds the bits of a double."""
        return self.type is FieldType.DOUBLE


@dataclass(frozen=True)
class Layout:
    """Columns in the order of a batch's words: the envelope's 15, then the sport's own."""

    columns: tuple[Column, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Return the position of each column by name."""
        return {column.name: at for at, column in enumerate(self.columns)}

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.columns)


def envelope(kinds: tuple[tuple[str, int], ...]) -> tuple[Column, ...]:
    """Return the 15 fixed columns; `kinds` are the names and numbers that the spec admits.

    Only `ingest_time` and `kind` are required of every row; that events other than heartbeats and
    ticks also need `event_id`, `game_id` and `sequence` is checked by the decoder.
    """
    return (
        Column("event_id", 1, FieldType.BYTES, max_bytes=64, description="The provider's id."),
        Column("revision", 2, FieldType.UINT32, description="0, or the n-th correction."),
        Column("game_id", 3, FieldType.STRING, max_bytes=64, description="The game."),
        Column("sequence", 4, FieldType.UINT64, description="The provider's counter in the game."),
        Column("event_time", 5, FieldType.INT64, unit="us", description="When it happened, UTC."),
        Column("ingest_time", 6, FieldType.INT64, unit="us", description="When it was received."),
        Column("kind", 7, FieldType.ENUM, required=True, values=kinds, description="What it is."),
        Column("period", 8, FieldType.UINT32, description="Quarter, half or inning."),
        Column("clock", 9, FieldType.UINT32, unit="ms", description="Time left in the period."),
        Column("home_score", 10, FieldType.UINT32, description="Points of the home side."),
        Column("away_score", 11, FieldType.UINT32, description="Points of the away side."),
        Column("player_id", 12, FieldType.STRING, max_bytes=64, description="The player."),
        Column("value", 13, FieldType.DOUBLE, description="A tracking or market measure."),
        Column("trace", 14, FieldType.BYTES, max_bytes=64, description="W3C trace context."),
        Column("schema_version", 15, FieldType.UINT32, description="Version of the sender."),
    )
