"""Outputs as frames with the columns of the tables; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.adapters.odds_rows import (
    MICROS,
    boards,
    games,
    joined_odds,
    joined_rollups,
    prices,
)
from oddspipe.core.batch.batch import AFTER_GAP, LATE_AMENDED, SPAN_LENGTH_BITS, Batch
from oddspipe.core.batch.layout import GAME_ID, INGEST_TIME, KIND, VALUE, Column, Layout
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


def gathered(
    outputs: Sequence[Output], layout: Layout, kinds: NDArray[np.int64], *, from_number: int = 0
) -> Output:
    """Return several outputs as one, of the events those of `kinds` from number `from_number` on.

    A frame costs 1 ms however few rows it has, so rows are gathered before frames are made.
    """
    parts: list[Batch] = []
    for output in outputs:
        batch = output.events
        rows = np.flatnonzero(np.isin(batch.words[KIND], kinds) & (batch.numbers >= from_number))
        if len(rows):
            parts.append(batch.take(rows))
            from_number = int(batch.numbers[rows[-1]]) + 1
    spans = [at for at, column in enumerate(layout.columns) if column.type is FieldType.BYTES]
    return replace(
        outputs[-1],
        events=_joined(parts, spans) if parts else _none(outputs[-1]),
        rollups=joined_rollups([output.rollups for output in outputs]),
        odds=joined_odds([output.odds for output in outputs]),
        shadow=joined_odds([output.shadow for output in outputs]),
    )


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
    words, present = np.ascontiguousarray(batch.words[:, rows]), batch.present[rows]
    everywhere = int(np.bitwise_and.reduce(present, initial=2**64 - 1))
    flags = batch.flags[rows]
    given = {
        "number": batch.numbers[rows],
        "late": (flags & LATE_AMENDED) != 0,
        "after_gap": (flags & AFTER_GAP) != 0,
    }
    shown: list[pl.Expr] = []
    for at, column in enumerate(layout.columns):
        given[column.name] = _raw(output, column, words[at])
        value = _shown(output, column, at)
        # The ingest time is given by the record, not by the payload.
        if not everywhere >> at & 1 and column.name != "ingest_time":
            given[f"{at}"] = (present >> np.uint64(at)) & np.uint64(1) == 1
            value = pl.when(pl.col(f"{at}")).then(value)
        shown.append(value.alias(column.name))
    # One evaluation for all columns: each costs 0.1 ms.
    return pl.DataFrame(given).select(pl.col("number").cast(pl.UInt64), *shown, "late", "after_gap")


def _raw(output: Output, column: Column, words: NDArray[np.int64]) -> Any:  # noqa: ANN401 - what a frame takes
    if column.type is FieldType.DOUBLE:
        return words.view(np.float64)
    if column.type is FieldType.UINT64:
        return words.view(np.uint64)
    if column.type is FieldType.BYTES:
        return pl.Series(_spans(output.events, words), dtype=pl.Binary)
    if column.type is FieldType.ENUM:
        numbers = np.array(sorted(number for _, number in column.values), np.int64)
        return np.searchsorted(numbers, words)
    return words


def _shown(output: Output, column: Column, at: int) -> pl.Expr:
    """Return a column as the table has it, of what `_raw` gave."""
    raw = pl.col(column.name)
    if column.name in {"event_time", "ingest_time"}:
        return raw.cast(MICROS)
    if column.type is FieldType.ENUM:
        names = [name for name, _ in sorted(column.values, key=lambda value: value[1])]
        return _word(pl.Series(names, dtype=pl.String), raw)
    if column.type is FieldType.STRING:
        return _word(pl.Series(list(output.strings.get(at, ())), dtype=pl.String), raw)
    if column.type in INTEGERS:
        return raw.cast(INTEGERS[column.type], strict=False)
    return raw


def _word(names: pl.Series, at: pl.Expr) -> pl.Expr:
    """Look up numbered words; a row without the field may hold any number."""
    return (
        pl.lit(names).gather(at.clip(0, len(names) - 1)) if len(names) else pl.lit(None, pl.String)
    )


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
    return pl.DataFrame(
        {
            "number": rollups.number[rows].astype(np.uint64),
            "game_id": games(output, rollups.game[rows]),
            "second": rollups.second[rows].astype(np.uint32),
            "count": rollups.count[rows].astype(np.uint64),
            "total": rollups.total[rows],
            "low": rollups.low[rows],
            "high": rollups.high[rows],
        }
    )


def tracking(output: Output, kinds: Sequence[int]) -> pl.DataFrame:
    """Return the events of `kinds` counted by game and by the second in which they were received.

    Rows are parts of a second, to be added up: another round may hold more of it.
    """
    batch = output.events
    rows = np.flatnonzero(np.isin(batch.words[KIND], kinds))
    valued = (batch.present[rows] >> np.uint64(VALUE) & np.uint64(1)).astype(np.bool_)
    value = pl.Series(batch.words[VALUE, rows].view(np.float64))
    counted = (
        pl.DataFrame(
            {
                "game": batch.words[GAME_ID, rows],
                "second": (batch.words[INGEST_TIME, rows] // 1_000_000).astype(np.uint32),
                "value": value,
                "valued": valued,
            }
        )
        .with_columns(value=pl.when("valued").then("value"))
        .group_by("game", "second", maintain_order=True)
        .agg(
            count=pl.len().cast(pl.UInt64),
            total=pl.col("value").sum(),
            low=pl.col("value").min(),
            high=pl.col("value").max(),
        )
    )
    named = games(output, counted["game"].to_numpy())
    return counted.select(pl.lit(named).alias("game_id"), "second", "count", "total", "low", "high")


@dataclass(frozen=True, slots=True)
class ShadowModel:
    """Whose prices those of a shadow are.

    `digest` is the SHA-256 of its name, version and parameters.
    """

    name: str
    version: str
    digest: str


def shadow_odds(
    output: Output, plan: str, model: ShadowModel, *, from_number: int = 0
) -> pl.DataFrame:
    """Return one row a price of the shadow, as `odds_history` does, with whose it is."""
    said = replace(output, odds=output.shadow)
    return odds_history(said, plan, from_number=from_number).with_columns(
        pl.lit(model.name).alias("model"),
        pl.lit(model.version).alias("model_version"),
        pl.lit(model.digest).alias("model_digest"),
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
        *("p_low", "p_high"),
    )
