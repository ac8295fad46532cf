"""Score the MLB model on recorded seasons, each by a fit on the other one.

    PYTHONPATH=. python benchmarks/score_mlb.py DATA

One forecast a recorded event, of the state before it; games that ended level are left out. The
intervals are a bootstrap over games. Closing prices are read for measuring only.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from oddspipe.core.api import GameStates, Pmf
from oddspipe.core.fitting.seasons import seasons_of
from oddspipe.core.plan.load import plan_for
from oddspipe.plugins.mlb import MlbModel
from oddspipe.plugins.mlb_fit import MlbFitting
from oddspipe.plugins.mlb_rating import rated

SEASONS = (2015, 2016)
STRIDE = 8_000
DRAWS = 500
PER_RUN = 0.095
"""Chance of one total near the middle: what a run moves the price of over by."""
PRIORS = {
    "state only": (),
    "ratings": ("rated_chance", "rated_total"),
    "closing prices": ("home_chance", "total_line"),
}
BUCKETS = {"1-3": (1, 3), "4-6": (4, 6), "7-8": (7, 8), "9": (9, 9), "10+": (10, 99)}


class Forecasts(NamedTuple):
    """What was forecast and what came, an entry a row."""

    game: np.ndarray
    inning: np.ndarray
    chance: dict[str, np.ndarray]
    came: dict[str, np.ndarray]
    mean: dict[str, np.ndarray]
    final: dict[str, np.ndarray]


def booked(american: pl.Series) -> np.ndarray:
    odds = american.cast(float).fill_null(np.nan).to_numpy()
    return np.where(odds > 0, 100.0, -odds) / (np.abs(odds) + 100.0)


def closing(data: Path) -> pl.DataFrame:
    """Read closing prices: the chance of home, and the total that is as likely over as under."""
    odds = pl.read_parquet(data / "mlb" / "closing_odds.parquet")
    home, away = booked(odds["home_ml_close"]), booked(odds["away_ml_close"])
    over, under = booked(odds["over_close_price"]), booked(odds["under_close_price"])
    line = odds["total_close"].cast(float).to_numpy()
    shift = np.nan_to_num(over / (over + under) - 0.5) / PER_RUN
    return pl.DataFrame(
        {
            "game_id": odds["game_id"],
            "home_chance": home / (home + away),
            "total_line": line + shift,
            "total_close": line,
        }
    )


def states(rows: pl.DataFrame, prior: tuple[str, ...]) -> dict[str, np.ndarray]:
    known = {name: rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in prior}
    return {**MlbFitting().states(rows).columns, **known}


def above(pmf: Pmf, line: np.ndarray) -> np.ndarray:
    """Return the chance of more than a line, given that it is not met."""
    numbers = pmf.first[:, None] + np.arange(pmf.mass.shape[1])
    over = np.where(numbers > line[:, None], pmf.mass, 0.0).sum(axis=1)
    under = np.where(numbers < line[:, None], pmf.mass, 0.0).sum(axis=1)
    return over / np.maximum(over + under, 1e-12)


def mean(pmf: Pmf) -> np.ndarray:
    return (pmf.mass * (pmf.first[:, None] + np.arange(pmf.mass.shape[1]))).sum(axis=1)


def forecast(model: MlbModel, rows: pl.DataFrame, prior: tuple[str, ...]) -> Forecasts:
    columns = states(rows, prior)
    close = rows["total_close"].fill_null(np.nan).to_numpy()
    chance, means = {"home": [], "home -1.5": [], "away -1.5": [], "over": []}, ([], [])
    for start in range(0, rows.height, STRIDE):
        part = slice(start, start + STRIDE)
        scores = model.price(GameStates({k: v[part] for k, v in columns.items()}))["game"]
        margin, total = scores.margin(), scores.total()
        flat = np.zeros(len(margin.first))
        chance["home"].append(above(margin, flat))
        chance["home -1.5"].append(above(margin, flat + 1.5))
        chance["away -1.5"].append(1.0 - above(margin, flat - 1.5))
        chance["over"].append(above(total, close[part]))
        means[0].append(mean(margin))
        means[1].append(mean(total))
    home, away = (rows[f"{side}_final"].cast(int).to_numpy() for side in ("home", "away"))
    margin, total = home - away, (home + away).astype(float)
    over = np.where((total == close) | np.isnan(close), np.nan, total > close)
    return Forecasts(
        rows["game_id"].to_numpy(),
        rows["inning"].to_numpy(),
        {name: np.concatenate(parts) for name, parts in chance.items()},
        {"home": margin > 0, "home -1.5": margin > 1, "away -1.5": margin < -1, "over": over},
        {"margin": np.concatenate(means[0]), "total": np.concatenate(means[1])},
        {"margin": margin, "total": total},
    )


def interval(game: np.ndarray, loss: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of a loss and its 95 % interval by a bootstrap over games."""
    _, of_game = np.unique(game, return_inverse=True)
    sums, rows = np.bincount(of_game, loss), np.bincount(of_game)
    drawn = np.random.default_rng(1).integers(0, len(sums), (DRAWS, len(sums)))
    means = sums[drawn].sum(axis=1) / rows[drawn].sum(axis=1)
    return loss.mean(), *np.quantile(means, [0.025, 0.975])


def calibration_error(chance: np.ndarray, came: np.ndarray) -> float:
    bins = np.minimum((chance * 10).astype(int), 9)
    return sum(abs((chance - came)[bins == one].sum()) for one in range(10)) / len(chance)


def show(name: str, made: Forecasts) -> None:
    chance, won = made.chance["home"], made.came["home"]
    inside = chance.clip(1e-4, 1 - 1e-4)
    loss = -np.where(won, np.log(inside), np.log(1 - inside))
    print(f"\n{name}: {len(chance):,} events")
    for label, values in (("Brier", (chance - won) ** 2), ("log loss", loss)):
        print(
            "  home wins   {:<9}{:.5f} ({:.5f} to {:.5f})".format(
                label, *interval(made.game, values)
            )
        )
    print(f"  home wins   ECE      {calibration_error(chance, won):.4f}")
    for label, (first, last) in BUCKETS.items():
        rows = (made.inning >= first) & (made.inning <= last)
        print(f"  innings {label:<4}Brier    {np.mean((chance - won)[rows] ** 2):.5f}")
    for market in ("over", "home -1.5", "away -1.5"):
        known = ~np.isnan(made.came[market].astype(float))
        p, came = made.chance[market][known], made.came[market][known].astype(float)
        values = interval(made.game[known], (p - came) ** 2)
        print("  {:<12}Brier    {:.5f} ({:.5f} to {:.5f})  ECE {:.4f}".format(
            market, *values, calibration_error(p, came)))  # fmt: skip
    for what in ("margin", "total"):
        off = made.mean[what] - made.final[what]
        print(f"  {what:<12}bias     {off.mean():+.3f}  MAE of the mean {np.abs(off).mean():.3f}")
    # From one event to the next, and from the last one to how the game ended: 0 on average.
    following = np.where(made.game[1:] == made.game[:-1], chance[1:], won[:-1])
    step = np.append(following, won[-1]) - chance
    drift, low, high = interval(made.game, step)
    print(f"  drift an event {drift:+.6f} ({low:+.6f} to {high:+.6f})")


def held_out(data: Path) -> dict[str, Forecasts]:
    """Return the forecasts of both seasons by each prior, each season by a fit on the other."""
    fitting, plan = MlbFitting(), plan_for("mlb")
    events = {
        season: fitting.ready(seasons_of(plan, data, [season], fitting.columns).rows)
        for season in SEASONS
    }
    fitted = {season: fitting.fit(rows) for season, rows in events.items()}
    games = pl.read_parquet(data / "mlb" / "games.parquet").filter(pl.col("season").is_in(SEASONS))
    known = rated(games).join(closing(data), on="game_id", how="left")
    made: dict[str, list[Forecasts]] = {name: [] for name in PRIORS}
    for season, other in zip(SEASONS, SEASONS[::-1], strict=True):
        model = fitting.model(fitted[other])
        rows = (
            events[season]
            .filter(pl.col("home_final") != pl.col("away_final"))
            .join(known, on="game_id", how="left", maintain_order="left")
        )
        for name, prior in PRIORS.items():
            made[name].append(forecast(model, rows, prior))
    return {name: join(parts) for name, parts in made.items()}


def join(parts: list[Forecasts]) -> Forecasts:
    joined = [
        {k: np.concatenate([part[at][k] for part in parts]) for k in parts[0][at]}
        for at in range(2, 6)
    ]
    game, inning = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    return Forecasts(game, inning, *joined)


def main(data: Path) -> None:
    for name, made in held_out(data).items():
        show(name, made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
