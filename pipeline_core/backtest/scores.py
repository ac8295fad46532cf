"""Scores of forecasts, each with an interval by a bootstrap over games.

Rows of one game are far from independent, so that what is drawn are games. Sources: Brier (1950),
Verification of forecasts expressed in terms of probability; Gneiting & Raftery (2007), Strictly
proper scoring rules, JASA 102:359; Efron & Tibshirani (1993), An introduction to the bootstrap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

DRAWS: Final = 1000
BINS: Final = 10
CLIP: Final = 1e-4
"""A chance is no nearer to 0 or 1 than this in a log loss."""
JUMPS: Final = (0.1, 0.25)
_WORST = 5

Reals = NDArray[np.float64]
Value = dict[str, float]


@dataclass(frozen=True)
class Games:
    """Which game each row is of, and which games each draw of the bootstrap takes.

    Attributes:
        of_row: Number of the game, shape (rows,).
        drawn: How often each draw takes each game, shape (draws, games).
    """

    of_row: NDArray[np.int64]
    drawn: Reals

    @staticmethod
    def of(games: pl.Series) -> "Games":
        """Number the games and draw; the same games give the same draws."""
        numbers = games.rank("dense").to_numpy().astype(np.int64) - 1
        count = int(numbers.max()) + 1 if len(numbers) else 0
        rng = np.random.default_rng(1)  # the same games, the same interval
        drawn = rng.multinomial(count, np.full(count, 1.0 / max(count, 1)), DRAWS)
        return Games(numbers, drawn.astype(np.float64))

    def sums(self, values: Reals) -> Reals:
        """Return the sum of each game."""
        return np.bincount(self.of_row, values, self.drawn.shape[1]).astype(np.float64)

    def mean(self, values: Reals) -> Value:
        """Return a mean over rows and its 95 % interval."""
        sums, rows = self.sums(values), self.sums(np.ones(len(values)))
        drawn = (self.drawn @ sums) / np.maximum(self.drawn @ rows, 1e-12)
        return _value(float(values.mean()), drawn)


def _value(value: float, drawn: Reals) -> Value:
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return {"value": value, "low": low, "high": high}


def log_loss(chance: Reals, came: Reals) -> Reals:
    """Return the log loss of each forecast."""
    inside = chance.clip(CLIP, 1.0 - CLIP)
    loss: Reals = -np.log(np.where(came > 0.5, inside, 1.0 - inside))
    return loss


def tenth(chance: Reals) -> NDArray[np.int64]:
    """Return which tenth from 0 to 1 each forecast is of."""
    return np.minimum((chance * BINS).astype(np.int64), BINS - 1)


def calibration_error(games: Games, chance: Reals, came: Reals) -> Value:
    """Return by how much forecasts are off in a tenth, on the average over rows."""
    bins = tenth(chance)
    off = np.array([games.sums(np.where(bins == k, chance - came, 0.0)) for k in range(BINS)])
    rows = games.sums(np.ones(len(chance)))
    value = float(np.abs(off.sum(axis=1)).sum() / rows.sum())
    drawn = np.abs(games.drawn @ off.T).sum(axis=1) / np.maximum(games.drawn @ rows, 1e-12)
    return _value(value, drawn)


def reliability(games: Games, chance: Reals, came: Reals) -> list[dict[str, Any]]:
    """Return what came of the forecasts of each tenth."""
    bins = tenth(chance)
    made = []
    for k in range(BINS):
        here = bins == k
        if not here.any():
            continue
        sums = games.sums(np.where(here, came, 0.0))
        rows = games.sums(here.astype(np.float64))
        drawn = (games.drawn @ sums) / np.maximum(games.drawn @ rows, 1e-12)
        made.append(
            {
                "rows": int(here.sum()),
                "forecast": float(chance[here].mean()),
                "came": _value(float(came[here].mean()), drawn),
            }
        )
    return made


def of_chance(game: pl.Series, chance: Reals, came: Reals) -> dict[str, Any]:
    """Return the scores of a chance that came true (1) or not (0)."""
    games = Games.of(game)
    return {
        "rows": len(chance),
        "games": games.drawn.shape[1],
        "brier": games.mean((chance - came) ** 2),
        "log_loss": games.mean(log_loss(chance, came)),
        "ece": calibration_error(games, chance, came),
    }


def of_number(rows: pl.DataFrame, what: str, came: Reals) -> dict[str, Any]:
    """Return the scores of forecasts of a margin or a total."""
    games = Games.of(rows["game_id"])
    middle, mean = (rows[f"{what}_{kind}"].to_numpy() for kind in ("median", "mean"))
    return {
        "mae": games.mean(np.abs(middle - came)),
        "bias": games.mean(mean - came),
        "crps": games.mean(rows[f"{what}_crps"].to_numpy()),
    }


def home_chance(rows: pl.DataFrame) -> Reals:
    """Return the chance of home, given that the game is not left level."""
    home, tie = rows["p_home"].to_numpy(), rows["p_tie"].to_numpy()
    sure = 1.0 - tie
    return np.where(sure > 1e-9, home / np.maximum(sure, 1e-9), 0.5).clip(0.0, 1.0)


def scored(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are scored: chosen by the spec, with a forecast and a known end."""
    return rows.filter(pl.col("scored") & pl.all_horizontal(
        pl.col("p_home", "home", "away").is_not_null()))  # fmt: skip


def scores(rows: pl.DataFrame) -> dict[str, Any]:
    """Return every score of the forecasts of `rows`; see docs/backtest.md."""
    chosen = scored(rows)
    margin = (chosen["home"] - chosen["away"]).to_numpy()
    total = (chosen["home"] + chosen["away"]).to_numpy()
    decided = chosen.filter(pl.col("home") != pl.col("away"))
    chance = home_chance(decided)
    won = (decided["home"] > decided["away"]).cast(pl.Float64).to_numpy()
    return {
        "home_wins": {
            **of_chance(decided["game_id"], chance, won),
            "sharpness": float(np.mean(chance * (1.0 - chance))),
            "reliability": reliability(Games.of(decided["game_id"]), chance, won),
            "segments": _segments(decided, chance, won),
        },
        "margin": of_number(chosen, "margin", margin),
        "total": of_number(chosen, "total", total),
        "markets": _markets(chosen, margin, total),
        "path": path(rows),
    }


def _segments(rows: pl.DataFrame, chance: Reals, won: Reals) -> list[dict[str, Any]]:
    names = rows["segment"].to_numpy()
    made = []
    for name in rows["segment"].unique(maintain_order=True).drop_nulls().to_list():
        here = names == name
        made.append({"name": name, **of_chance(rows["game_id"].filter(pl.Series(here)),
                                               chance[here], won[here])})  # fmt: skip
    return made


def _markets(rows: pl.DataFrame, margin: Reals, total: Reals) -> dict[str, Any]:
    """Score the lines whose chances stand in the rows; a push is left out."""
    asked: Mapping[str, tuple[Reals, Reals]] = {
        "over closing total": _against(rows, "p_over_close", total, "closing_total"),
        "over main total": _against(rows, "p_over_main", total, "main_total"),
        "home -1.5": (rows["p_home_minus_1_5"].to_numpy(), (margin > 1.5).astype(np.float64)),
        "away -1.5": (rows["p_away_minus_1_5"].to_numpy(), (margin < -1.5).astype(np.float64)),
    }
    made = {}
    for name, (chance, came) in asked.items():
        here = ~np.isnan(chance) & ~np.isnan(came)
        if here.any():
            games = rows["game_id"].filter(pl.Series(here))
            made[name] = of_chance(games, chance[here], came[here])
    return made


def _against(rows: pl.DataFrame, chance: str, total: Reals, line: str) -> tuple[Reals, Reals]:
    lines = rows[line].cast(pl.Float64).fill_null(np.nan).to_numpy()
    open_ = ~np.isnan(lines) & (lines != total)
    return rows[chance].to_numpy(), np.where(open_, (total > lines) * 1.0, np.nan)


def path(rows: pl.DataFrame) -> dict[str, Any]:
    """Return how the chance of home moves from row to row, and to the end of the game.

    A fair forecast is a martingale: it drifts nowhere, and the squares of its steps add up to
    p (1 - p) of where it began (Augenblick & Rabin 2021, Belief movement, QJE 136:933).
    """
    there = pl.all_horizontal(pl.col("p_home", "home", "away").is_not_null())
    rows = rows.filter(there & (pl.col("home") != pl.col("away")))
    if rows.is_empty():
        return {}
    chance = home_chance(rows)
    won = (rows["home"] > rows["away"]).cast(pl.Float64).to_numpy()
    frame = rows.select("game_id", "sequence", "segment").with_columns(
        chance=pl.Series(chance), won=pl.Series(won)
    )
    following = pl.col("chance").shift(-1).over("game_id").fill_null(pl.col("won"))
    frame = frame.with_columns(step=following - pl.col("chance"))
    games = Games.of(frame["game_id"])
    step = frame["step"].to_numpy()
    first = frame.group_by("game_id", maintain_order=True).first()["chance"].to_numpy()
    moved, expected = games.sums(step**2), np.zeros(games.drawn.shape[1])
    order = frame.group_by("game_id", maintain_order=True).first()["game_id"].rank("dense")
    expected[order.to_numpy().astype(np.int64) - 1] = first * (1.0 - first)
    drawn = (games.drawn @ moved) / np.maximum(games.drawn @ expected, 1e-12)
    worst = frame.with_columns(size=pl.col("step").abs()).top_k(_WORST, by="size")
    return {
        "drift": games.mean(step),
        "movement": _value(float(moved.sum() / expected.sum()), drawn),
        "jumps": {f"{size:g}": float((np.abs(step) > size).mean()) for size in JUMPS},
        "largest": worst.select("game_id", "sequence", "chance", "step").to_dicts(),
    }
