"""The tables of one sport, as SQL."""

from typing import Final

from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.names import FieldType

ALWAYS: Final = ("event_id", "revision", "game_id", "sequence", "event_time", "ingest_time", "kind")
"""Envelope columns that every stored event has; the others may be NULL."""
TYPES: Final = {
    FieldType.UINT32: "UInt32",
    FieldType.UINT64: "UInt64",
    FieldType.INT32: "Int32",
    FieldType.INT64: "Int64",
    FieldType.DOUBLE: "Float64",
    FieldType.BYTES: "String",
    FieldType.BOOL: "Bool",
}
WINDOW: Final = 10_000
"""Blocks of a table whose tokens are remembered: hours of rounds, should a writer wake so late."""
SHADOW: Final = "shadow_odds"
"""What a second model says of the rows of the history, by the same numbers and sequences."""
TIME: Final = "DateTime64(6, 'UTC')"
WORD: Final = "LowCardinality(String)"


def table(sport: str, what: str) -> str:
    """Return the name of a table: `nfl_events`."""
    return f"{sport}_{what}"


def statements(
    sport: str, layout: Layout, *, keep_days: int | None = None, shadow: bool = False
) -> list[str]:
    """Return the statements that make the tables where they are not there yet.

    History is ordered down to the message and never replaced. There is no PARTITION BY: a block
    then becomes one part, there wholly or not at all, which is what resuming by the largest number
    rests on. `keep_days` drops rows by event time; leave it out where old games are replayed.
    `shadow` adds the table of a model that is compared with the published one.
    """
    return [
        _create(
            table(sport, "events"), _events(layout), "(game_id, number)", "event_time", keep_days
        ),
        _create(
            table(sport, "tracking_by_second"), _BY_SECOND, "(game_id, second)", "second", keep_days
        ),
        _history(sport, keep_days),
        _added(sport),
        _latest(sport),
        *((_shadow(sport, keep_days),) if shadow else ()),
    ]


def history_statements(
    sport: str, *, keep_days: int | None = None, shadow: bool = False
) -> list[str]:
    """Return the statements of the history of odds alone: it remembers the tokens of inserts."""
    window = f", non_replicated_deduplication_window = {WINDOW}"
    made = [_history(sport, keep_days) + window, _latest(sport)]
    return [*made, _shadow(sport, keep_days) + window] if shadow else made


def event_statements(sport: str, layout: Layout, *, keep_days: int | None = None) -> list[str]:
    """Return the statements of the tables that events are brought to over Kafka.

    They remember the tokens of inserts. A second comes in parts, which are added up as the table
    is merged: ask for `sum(count)`, `sum(total)`, `min(low)`, `max(high)`.
    """
    events, seconds = table(sport, "events"), table(sport, "tracking_by_second")
    window = f", non_replicated_deduplication_window = {WINDOW}"
    by_second = _create(seconds, _PARTS_OF_SECOND, "(game_id, second)", "second", keep_days)
    return [
        _create(events, _events(layout), "(game_id, number)", "event_time", keep_days) + window,
        by_second.replace("ENGINE = MergeTree", "ENGINE = AggregatingMergeTree") + window,
    ]


def _history(sport: str, keep_days: int | None) -> str:
    order = "(game_id, scope, market, odds_sequence, side)"
    return _create(table(sport, "odds_history"), _HISTORY, order, "event_time", keep_days)


def _shadow(sport: str, keep_days: int | None) -> str:
    order = "(game_id, scope, market, odds_sequence, side)"
    columns = [*_HISTORY, *_WHOSE]
    return _create(table(sport, SHADOW), columns, order, "event_time", keep_days)


def _added(sport: str) -> str:
    """Give a history of an earlier version the columns that it lacks."""
    columns = ", ".join(f"ADD COLUMN IF NOT EXISTS `{name}` {kind}" for name, kind in _ADDED)
    return f"ALTER TABLE {table(sport, 'odds_history')} {columns}"


def _create(
    name: str, columns: list[tuple[str, str]], order: str, time: str, keep_days: int | None
) -> str:
    body = ",\n    ".join(f"`{column}` {kind}" for column, kind in columns)
    keep = f"\nTTL toDateTime({time}) + INTERVAL {keep_days} DAY" if keep_days else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n) ENGINE = MergeTree\n"
        f"ORDER BY {order}{keep}\n"
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )


def _latest(sport: str) -> str:
    """A market in a message replaces that market: the latest is that of its largest sequence.

    A view keeps the columns that its table had: it is made anew, for those that were added since.
    """
    history = table(sport, "odds_history")
    key = "game_id, scope, market"
    newest = f"SELECT {key}, max(odds_sequence) FROM {history} GROUP BY {key}"  # noqa: S608  # our names
    return (
        f"CREATE OR REPLACE VIEW {table(sport, 'odds_latest')} AS\n"
        f"SELECT * FROM {history}\nWHERE ({key}, odds_sequence) IN ({newest})"
    )


def _events(layout: Layout) -> list[tuple[str, str]]:
    return [
        ("number", "UInt64"),
        *((column.name, _type(column)) for column in layout.columns),
        ("late", "Bool"),
        ("after_gap", "Bool"),
    ]


def _type(column: Column) -> str:
    if column.name in {"event_time", "ingest_time"}:
        return TIME
    null = column.name not in ALWAYS
    if column.type in {FieldType.STRING, FieldType.ENUM}:
        return "LowCardinality(Nullable(String))" if null else WORD
    return f"Nullable({TYPES[column.type]})" if null else TYPES[column.type]


_BY_SECOND: Final = [
    ("number", "UInt64"),
    ("game_id", WORD),
    ("second", "DateTime('UTC')"),
    ("count", "UInt64"),
    ("total", "Float64"),
    ("low", "Float64"),
    ("high", "Float64"),
]
_PARTS_OF_SECOND: Final = [
    ("game_id", WORD),
    ("second", "DateTime('UTC')"),
    ("count", "SimpleAggregateFunction(sum, UInt64)"),
    ("total", "SimpleAggregateFunction(sum, Float64)"),
    ("low", "SimpleAggregateFunction(min, Nullable(Float64))"),
    ("high", "SimpleAggregateFunction(max, Nullable(Float64))"),
]
_ADDED: Final = [("p_low", "Nullable(Float64)"), ("p_high", "Nullable(Float64)")]
"""Columns that tables of an earlier version do not have; they come last there, so here too."""
_HISTORY: Final = [
    ("number", "UInt64"),
    ("game_id", WORD),
    ("odds_sequence", "UInt64"),
    ("cause_sequence", "UInt64"),
    ("cause_kind", "UInt32"),
    ("cause_number", "UInt64"),
    ("event_time", TIME),
    ("as_of", TIME),
    ("oldest_ingest", TIME),
    ("reason", WORD),
    ("home_score", "Int64"),
    ("away_score", "Int64"),
    ("period", "Int64"),
    ("scope", WORD),
    ("market", WORD),
    ("line", "Nullable(Float64)"),
    ("is_main", "Bool"),
    ("side", WORD),
    ("status", WORD),
    ("p_fair", "Float64"),
    ("p_push", "Float64"),
    ("p_booked", "Float64"),
    ("decimal", "Nullable(Float64)"),
    ("plan", WORD),
    *_ADDED,
]
_WHOSE: Final = [("model", WORD), ("model_version", WORD), ("model_digest", WORD)]
