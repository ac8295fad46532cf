"""Score the shipped models on recorded games: Brier and log loss of the home side's chance.

    python benchmarks/score_models.py DATA

DATA is the folder of recorded games (`nfl/`, `nba/`, `mlb/`). One forecast a recorded row; games
that ended level are left out; a moneyline is compared given that somebody wins.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from oddspipe.core.api import GameStates, Pmf
from oddspipe.plugins.mlb import MlbModel, MlbParameters
from oddspipe.plugins.nba import NbaModel, NbaParameters
from oddspipe.plugins.nfl import NflModel, NflParameters

STRIDE = 20_000


def home_chance(pmf: Pmf) -> np.ndarray:
    margins = pmf.first[:, None] + np.arange(pmf.mass.shape[1])
    won = np.where(margins > 0, pmf.mass, 0.0).sum(axis=1)
    lost = np.where(margins < 0, pmf.mass, 0.0).sum(axis=1)
    return won / (won + lost)


def show(name: str, chance: np.ndarray, won: np.ndarray) -> None:
    clipped = chance.clip(1e-4, 1 - 1e-4)
    brier = np.mean((chance - won) ** 2)
    loss = -np.mean(np.where(won, np.log(clipped), np.log(1 - clipped)))
    print(f"{name:<28} rows {len(won):>9,}  Brier {brier:.4f}  log loss {loss:.4f}")


def score(sport: str, model: object, frame: pl.DataFrame) -> None:
    columns = {
        name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        if name in frame.columns
        else np.full(frame.height, np.nan)
        for name in model.inputs
    }
    chance = []
    for start in range(0, frame.height, STRIDE):
        part = GameStates({name: col[start : start + STRIDE] for name, col in columns.items()})
        chance.append(home_chance(model.price(part)["game"].margin()))
    won = frame["won"].to_numpy()
    show(f"{sport} constant", np.full(len(won), won.mean()), won)
    show(f"{sport} model", np.concatenate(chance), won)


def nfl(data: Path) -> pl.DataFrame:
    names = ["home_score", "away_score", "game_seconds_remaining", "qtr", "posteam", "home_team",
             "yardline_100", "spread_line", "total_line", "result", "ref_row"]  # fmt: skip
    parts = [pl.read_parquet(file, columns=names) for file in sorted(data.glob("nfl/*.parquet"))]
    rows = pl.concat(parts).filter(pl.col("ref_row") & (pl.col("result") != 0))
    return rows.with_columns(
        time_left="game_seconds_remaining",
        period="qtr",
        possession=pl.when(pl.col("posteam") == pl.col("home_team")).then(1).otherwise(2),
        won=pl.col("result") > 0,
    )


def nba(data: Path) -> pl.DataFrame:
    names = ["home_score", "away_score", "game_seconds_remaining", "period", "poss_home",
             "pre_margin", "pre_total", "final_home", "final_away"]  # fmt: skip
    files = sorted(data.glob("nba/pbp_*.parquet"))
    rows = pl.concat([pl.read_parquet(file, columns=names) for file in files])
    return rows.filter(pl.col("game_seconds_remaining") > 0).with_columns(
        time_left="game_seconds_remaining",
        possession=pl.when(pl.col("poss_home") == 1).then(1).when(pl.col("poss_home") == 0).then(2),
        spread_line="pre_margin",
        total_line="pre_total",
        won=pl.col("final_home") > pl.col("final_away"),
    )


def mlb(data: Path) -> pl.DataFrame:
    files = [data / "mlb" / f"pbp_{season}.parquet" for season in (2015, 2016)]
    rows = pl.concat([pl.read_parquet(file) for file in files])
    return rows.filter(pl.col("home_final") != pl.col("away_final")).with_columns(
        period="inning",
        half=(pl.col("half") == "bottom").cast(pl.Int64),
        outs="outs_before",
        bases="bases_before",
        home_score="home_score_before",
        away_score="away_score_before",
        won=pl.col("home_final") > pl.col("away_final"),
    )


def main(data: Path) -> None:
    score("nfl", NflModel(NflParameters()), nfl(data))
    score("nba", NbaModel(NbaParameters()), nba(data))
    score("mlb", MlbModel(MlbParameters(extra_runner=False)), mlb(data))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
