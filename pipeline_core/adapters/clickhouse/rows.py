"""Outputs as frames with the columns of the tables; pure."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.adapters.odds_rows import MICROS, boards, prices
from oddspipe.core.batch.batch import AFTER_GAP, LATE_AMENDED, SPAN_LENGTH_BITS, Batch
from oddspipe.core.batch.layout import KIND, Column, Layout
from oddspipe.core.names import TIMER_KINDS, FieldType, Kind
from oddspipe.core.parts import KindPlan
from oddspipe.core.ports.output import Output

INTEGERS = {
    FieldType.UINT32: pl.UInt32,
    FieldType.UINT64: pl.UInt64,
    FieldType.INT32: pl.Int32,
    FieldType.INT64: pl.Int64,
    FieldType.BOOL: pl.Boolean,
}
STORED_AS = {
    Kind.TRACKING: "tracking",
    Kind.CLOCK: "tracking",
    Kind.MARKET: "market",
}
"""Which entry of `store` speaks for a kind; the others are plays."""


def stored_kinds(kinds: tuple[KindPlan, ...], store: dict[str, str]) -> NDArray[np.int64]:
    """Return the numbers of the kinds whose events are stored one by one.

    `store` says `raw`, `by_second` or `none` for a kind by its name, else for tracking, market and
    play; what is left out is stored by second if it is tracking, else raw. Timers never are.
    """
    return np.array(
        [
            kind.number
            for kind in kinds
            if kind.like not in TIMER_KINDS and _how(kind, store) == "raw"
        ],
        np.int64,
    )


def _how(kind: KindPlan, store: dict[str, str]) -> str:
    entry = STORED_AS.get(Kind(kind.like), "play")
    usual = store.get(entry, "by_second" if entry == "tracking" else "raw")
    return store.get(kind.name, usual)


def chosen(
    outputs: Sequence[Output], layout: Layout, kinds: NDArray[np.int64], *, from_number: int = 0
) -> Output:
    """Return one output with the events of `kinds` in several, from number `from_number` on.

    A frame costs 5 ms however few rows it has, so rows are gathered before frames are made.
    """
    parts: list[Batch] = []
    for output in outputs:
        batch = output.events
        rows = np.flatnonzero(np.isin(batch.words[KIND], kinds) & (batch.numbers >= from_number))
        if len(rows):
            parts.append(batch.take(rows))
            from_number = int(batch.numbers[rows[-1]]) + 1
    spans = [at for at, column in enumerate(layout.columns) if column.type is FieldType.BYTES]
    return replace(outputs[-1], events=_joined(parts, spans) if parts else _none(outputs[-1]))


def _joined(parts: list[Batch], spans: list[int]) -> Batch:
    """Lay batches one after another; spans of bytes columns move with their payloads."""
    cut, base = [], 0
    for part in parts:
        low, high = int(part.starts.min()), int(part.ends.max())
        by = base - low
        for column in spans:
            there = (part.present >> np.uint64(column) & np.uint64(1)).astype(np.int64)
            part.words[column] += (by << SPAN_LENGTH_BITS) * there
        part.starts, part.ends = part.starts + by, part.ends + by
        cut.append(part.data[low:high])
        base += high - low
    return Batch(
        np.concatenate([part.words for part in parts], axis=1),
        np.concatenate([part.present for part in parts]),
        np.concatenate([part.keys for part in parts], axis=1),
        np.concatenate([part.flags for part in parts]),
        np.concatenate([part.positions for part in parts]),
        np.concatenate(cut),
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.ends for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        parts[-1].until_us,
    )


def _none(output: Output) -> Batch:
    return output.events.take(np.empty(0, np.int64))


def events(
    output: Output, layout: Layout, kinds: NDArray[np.int64], *, from_number: int = 0
) -> pl.DataFrame:
    """Return the events of `kinds`, from number `from_number` on."""
    batch = output.events
    rows = np.flatnonzero(np.isin(batch.words[KIND], kinds) & (batch.numbers >= from_number))
    number = pl.Series("number", batch.numbers[rows]).cast(pl.UInt64)
    columns = [
        _column(output, column, at, rows).alias(column.name)
        for at, column in enumerate(layout.columns)
    ]
    flags = batch.flags[rows]
    late = pl.Series("late", (flags & LATE_AMENDED) != 0)
    after_gap = pl.Series("after_gap", (flags & AFTER_GAP) != 0)
    return pl.DataFrame([number, *columns, late, after_gap])


def _column(output: Output, column: Column, at: int, rows: NDArray[np.int64]) -> pl.Series:
    batch = output.events
    words = np.ascontiguousarray(batch.words[at, rows])
    if column.name == "ingest_time":  # given by the record, not by the payload
        return pl.Series(words).cast(MICROS)
    values = _values(output, column, at, words)
    absent = (batch.present[rows] >> np.uint64(at)) & np.uint64(1) == 0
    if not absent.any():
        return values
    shown = pl.DataFrame({"value": values, "absent": absent})
    return shown.select(pl.when(~pl.col("absent")).then(pl.col("value"))).to_series()


def _values(output: Output, column: Column, at: int, words: NDArray[np.int64]) -> pl.Series:
    if column.name == "event_time":
        return pl.Series(words).cast(MICROS)
    if column.type is FieldType.DOUBLE:
        return pl.Series(words.view(np.float64))
    if column.type is FieldType.STRING:
        return _words(pl.Series(list(output.strings.get(at, ())), dtype=pl.String), words)
    if column.type is FieldType.BYTES:
        return pl.Series(_spans(output.events, words), dtype=pl.Binary)
    if column.type is FieldType.ENUM:
        names = {number: name for name, number in column.values}
        return pl.Series(words).replace_strict(names, default=None, return_dtype=pl.String)
    whole = words.view(np.uint64) if column.type is FieldType.UINT64 else words
    return pl.Series(whole).cast(INTEGERS[column.type], strict=False)


def _words(names: pl.Series, words: NDArray[np.int64]) -> pl.Series:
    """Look up interned words; a row without the field may hold any number."""
    if not len(names) or not len(words):
        return pl.Series([None] * len(words), dtype=pl.String)
    return names.gather(np.clip(words, 0, len(names) - 1))


def _spans(batch: Batch, words: NDArray[np.int64]) -> list[bytes]:
    raw = memoryview(batch.data.data) if len(batch.data) else memoryview(b"")
    starts = words >> SPAN_LENGTH_BITS
    ends = starts + (words & ((1 << SPAN_LENGTH_BITS) - 1))
    return [
        bytes(raw[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def by_second(output: Output, *, from_number: int = 0) -> pl.DataFrame:
    """Return tracking events counted by game and second, from number `from_number` on."""
    rollups = output.rollups
    rows = np.flatnonzero(rollups.number >= from_number)
    names = pl.Series(list(output.games), dtype=pl.String)
    return pl.DataFrame(
        {
            "number": rollups.number[rows].astype(np.uint64),
            "game_id": _words(names, rollups.game[rows]),
            "second": rollups.second[rows].astype(np.uint32),
            "count": rollups.count[rows].astype(np.uint64),
            "total": rollups.total[rows],
            "low": rollups.low[rows],
            "high": rollups.high[rows],
        }
    )


def odds_history(output: Output, plan: str, *, from_number: int = 0) -> pl.DataFrame:
    """Return one row a price, with what caused it, from message `from_number` on."""
    rows = prices(output, from_number=from_number)
    heads = boards(output, from_number=from_number).select(pl.all().gather(rows["board"]))
    return pl.concat([heads, rows], how="horizontal").select(
        pl.col("number").cast(pl.UInt64),
        "game_id",
        pl.col("odds_sequence", "cause_sequence").cast(pl.UInt64),
        pl.col("cause_kind").cast(pl.UInt32),
        pl.col("cause_number").cast(pl.UInt64),
        pl.col("event_time", "as_of", "oldest_ingest").cast(MICROS),
        *("reason", "home_score", "away_score", "period", "scope", "market", "line", "is_main"),
        *("side", "status", "p_fair", "p_push", "p_booked"),
        "decimal",
        pl.lit(plan).alias("plan"),
    )
