"""What published prices would have earned, and how they stood against the closing market."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.backtest.scores import Games, Value, home_chance, log_loss

Reals = NDArray[np.float64]


def hold(odds: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Any]:
    """Return the share of stakes that the book keeps when every price is bet once, by market.

    Each open price of a main line is a bet of one unit, so that long-odds sides weigh as much as
    short ones; quarter lines are half a bet on each line beside them.
    """
    ends = rows.select("game_id", "home", "away").drop_nulls().unique("game_id")
    bets = odds.drop_nulls("decimal").join(ends, on="game_id")
    made = {}
    for name in bets["market"].unique().sort().to_list():
        here = bets.filter(pl.col("market") == name)
        won = _paid(here)
        games = Games.of(here["game_id"])
        both = here.group_by("game_id", "odds_sequence", "line").agg(
            (1.0 / pl.col("decimal")).sum().alias("booked"), pl.len()
        )
        booked = both.filter(pl.col("len") == 2)["booked"]
        made[name] = {
            "bets": here.height,
            "booked": float(booked.mean() or np.nan),  # type: ignore[arg-type]
            "hold": games.mean(1.0 - won),
        }
    return made


def _paid(bets: pl.DataFrame) -> Reals:
    """Return what each bet of one unit pays back."""
    margin = (bets["home"] - bets["away"]).to_numpy()
    total = (bets["home"] + bets["away"]).to_numpy()
    side = bets["side"].to_numpy()
    line = bets["line"].fill_null(0.0).to_numpy()
    is_total = np.isin(side, ["over", "under"])
    sign = np.where(np.isin(side, ["home", "over"]), 1.0, -1.0)
    decimal = bets["decimal"].to_numpy()
    quarter = np.where(np.round(line * 4) % 2 != 0, 0.25, 0.0)
    paid = np.zeros(len(line))
    for half in (-quarter, quarter):
        by = np.where(is_total, total - (line + half), margin + (line + half)) * sign
        paid += 0.5 * np.where(by > 0, decimal, np.where(by == 0, 1.0, 0.0))
    return paid


def closing_value(odds: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Any] | None:
    """Return what a customer expects of our first prices of each game, by the closing market.

    `pick` is of a customer who takes the better side of each game; above 0 our price gave away
    something. None where the recording has no closing chance.
    """
    first = (
        rows.drop_nulls("closing_home")
        .group_by("game_id", maintain_order=True)
        .agg(pl.col("event_sequence", "closing_home").first())
    )
    # What is known before the game has all been told by its first row.
    offered = odds.filter(pl.col("market") == "moneyline").join(first, on="game_id")
    offered = offered.filter(pl.col("cause_sequence") >= pl.col("event_sequence")).drop_nulls(
        "decimal"
    )
    last = offered.filter(pl.col("odds_sequence") == pl.col("odds_sequence").min().over("game_id"))
    if last.is_empty():
        return None
    chance = (
        pl.when(pl.col("side") == "home")
        .then("closing_home")
        .otherwise(1.0 - pl.col("closing_home"))
    )
    valued = last.with_columns(value=chance * pl.col("decimal") - 1.0)
    best = valued.group_by("game_id").agg(pl.col("value").max())
    return {
        "games": best.height,
        "both_sides": Games.of(valued["game_id"]).mean(valued["value"].to_numpy()),
        "pick": Games.of(best["game_id"]).mean(best["value"].to_numpy()),
    }


def paired(rows: pl.DataFrame, other: pl.Series) -> dict[str, Any]:
    """Compare the chance of home with another forecast of the same rows; below 0 ours is better.

    Args:
        rows: Decided games only.
        other: The other chance of home, given that the game is not left level.
    """
    mine, theirs = home_chance(rows), other.to_numpy().clip(0.0, 1.0)
    won = (rows["home"] > rows["away"]).cast(pl.Float64).to_numpy()
    games = Games.of(rows["game_id"])

    def both(ours: Reals, his: Reals) -> dict[str, Value]:
        return {
            "ours": games.mean(ours),
            "other": games.mean(his),
            "difference": games.mean(ours - his),
        }

    return {
        "rows": rows.height,
        "games": games.drawn.shape[1],
        "brier": both((mine - won) ** 2, (theirs - won) ** 2),
        "log_loss": both(log_loss(mine, won), log_loss(theirs, won)),
    }
