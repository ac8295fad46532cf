"""Prices of recorded baseball games neither rise nor fall on average, where the games are there."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from oddspipe.core.api import GameStates
from oddspipe.plugins.mlb import MlbModel, MlbParameters

RECORDED = Path(__file__).parents[2] / "../shared/data/mlb/pbp_2016.parquet"


@pytest.mark.skipif(not RECORDED.exists(), reason="recorded games are not here")
def test_the_chance_of_home_moves_by_nothing_on_average():
    rows = pl.read_parquet(RECORDED).filter(pl.col("home_final") != pl.col("away_final"))
    rows = rows.filter(pl.col("game_id").is_in(rows["game_id"].unique().sort()[::4].implode()))
    model = MlbModel(MlbParameters(extra_runner=False))
    columns = {name: np.full(rows.height, np.nan) for name in model.inputs}
    for name, source in {
        "period": "inning", "outs": "outs_before", "bases": "bases_before",
        "home_score": "home_score_before", "away_score": "away_score_before",
    }.items():  # fmt: skip
        columns[name] = rows[source].cast(pl.Float64).to_numpy()
    columns["half"] = (rows["half"] == "bottom").cast(pl.Float64).to_numpy()

    margin = model.price(GameStates(columns))["game"].margin()

    wins = margin.first[:, None] + np.arange(margin.mass.shape[1]) > 0
    chance = np.where(wins, margin.mass, 0.0).sum(axis=1)
    won = (rows["home_final"] > rows["away_final"]).to_numpy()
    _, game = np.unique(rows["game_id"].to_numpy(), return_inverse=True)
    following = np.append(np.where(game[1:] == game[:-1], chance[1:], won[:-1]), won[-1])
    moved = np.bincount(game, following - chance)
    assert len(moved) > 500
    assert abs(moved.mean()) < 3 * moved.std() / np.sqrt(len(moved))
