"""Odds as the messages that partners read: one JSON object a board."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import polars as pl

from oddspipe.core.adapters.odds_rows import MICROS, boards, prices
from oddspipe.core.odds import american_from_decimal, fraction_from_decimal
from oddspipe.core.ports.output import Output

SCHEMA: Final = "odds.v1"
FORMATS: Final = ("decimal", "american", "fractional")


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same in every message of a sport's stream.

    `expires_after_us` is added to the time of the price: after it, the price must not be used.
    """

    sport: str
    model: str
    model_version: str
    plan: str
    expires_after_us: int


def messages(
    output: Output, origin: Origin, formats: tuple[str, ...], *, from_number: int = 0
) -> bytes:
    """Encode messages `from_number` on as JSON, one a line, in the given price formats.

    The same board gives the same bytes: times are recorded times, numbers are rounded already, and
    keys have a fixed order. `published_at` is the recorded time of the price for the same reason.
    """
    heads = boards(output, from_number=from_number)
    if not len(heads):
        return b""
    rows = _priced(prices(output, from_number=from_number), formats)
    markets = (
        _markets(rows, formats)
        .group_by("board", maintain_order=True)
        .agg(
            markets=pl.struct("scope", "market", "line", "main", "status", "sides"),
            statuses=pl.col("status").unique(),
        )
    )
    whole = heads.with_row_index("board").with_columns(pl.col("board").cast(pl.Int64))
    frame = whole.join(markets, on="board", how="left", maintain_order="left")
    out = BytesIO()
    frame.select(_envelope(origin)).write_ndjson(out)
    return out.getvalue()


def _envelope(origin: Origin) -> list[pl.Expr]:
    as_of = _iso("as_of")
    return [
        pl.lit(SCHEMA).alias("schema"),
        pl.lit(f"{origin.sport}.odds").alias("stream"),
        pl.format("{}:{}:{}", pl.lit(origin.sport), "game_id", "odds_sequence").alias("id"),
        _type().alias("type"),
        pl.col("game_id").alias("game"),
        pl.col("odds_sequence").alias("seq"),
        pl.col("number"),
        _iso("event_time").alias("source_event_at"),
        _iso("oldest_ingest").alias("received_at"),
        as_of.alias("as_of"),
        as_of.alias("published_at"),
        _iso(pl.col("as_of") + origin.expires_after_us).alias("expires_at"),
        pl.struct(
            pl.lit(origin.model).alias("name"), pl.lit(origin.model_version).alias("version")
        ).alias("model"),
        pl.lit(origin.plan).alias("plan"),
        pl.struct(
            pl.col("cause_sequence").alias("seq"),
            pl.col("cause_kind").alias("kind"),
            pl.col("cause_number").alias("number"),
        ).alias("cause"),
        pl.col("reason"),
        pl.struct(
            pl.col("home_score").alias("home"), pl.col("away_score").alias("away"), "period"
        ).alias("score"),
        pl.col("markets").fill_null([]),
    ]


def _type() -> pl.Expr:
    """Say what a message is by the states of its markets.

    The first of a game is a snapshot; all suspended is a bet stop; all settled a settlement.
    """
    alone = pl.col("statuses").list.len() == 1
    only = pl.col("statuses").list.first()
    return (
        pl.when(alone & (only == "settled"))
        .then(pl.lit("settlement"))
        .when(alone & (only == "cancelled"))
        .then(pl.lit("cancellation"))
        .when(alone & (only == "suspended"))
        .then(pl.lit("suspend"))
        .when(pl.col("odds_sequence") == 1)
        .then(pl.lit("snapshot"))
        .otherwise(pl.lit("odds_change"))
    )


def _markets(rows: pl.DataFrame, formats: tuple[str, ...]) -> pl.DataFrame:
    """Gather the sides of each line; a line is where board, scope, market or line changes."""
    key = pl.struct("board", "scope", "market", "line")
    side = pl.struct("side", "fair", "push", "booked", *formats)
    return (
        rows.with_columns(of=key.rle_id())
        .group_by("of", maintain_order=True)
        .agg(
            pl.col("board", "scope", "market", "line", "main", "status").first(),
            sides=side,
        )
    )


def _priced(rows: pl.DataFrame, formats: tuple[str, ...]) -> pl.DataFrame:
    distinct = rows["decimal_milli"].unique()
    offered = pl.col("decimal_milli") > 0
    table = pl.DataFrame(
        {
            "decimal_milli": distinct,
            "decimal": distinct.to_numpy() / 1000,
            "american": american_from_decimal(distinct.to_numpy()),
            "fractional": pl.Series(
                [fraction_from_decimal(milli) if milli else "" for milli in distinct.to_list()],
                dtype=pl.String,
            ),
        }
    ).select(
        "decimal_milli", *(pl.when(offered).then(pl.col(name)).alias(name) for name in formats)
    )
    return (
        rows.drop("decimal")
        .rename({"is_main": "main", "p_fair": "fair", "p_push": "push", "p_booked": "booked"})
        .join(table, on="decimal_milli", how="left", maintain_order="left")
    )


def _iso(column: str | pl.Expr) -> pl.Expr:
    moment = pl.col(column) if isinstance(column, str) else column
    return moment.cast(MICROS).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
