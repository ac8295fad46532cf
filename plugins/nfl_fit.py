"""Fit the NFL model to recorded seasons, on scrimmage downs of regulation.

The columns `ep epa wpa home_wp vegas_home_wp` of the recordings are never read.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl

from oddspipe.core.api import Ends, GameStates
from oddspipe.plugins.curves import Reals, document
from oddspipe.plugins.forecast_fit import Came, Designs, forecasts
from oddspipe.plugins.key_fit import Sample, key_tables
from oddspipe.plugins.nfl import NflModel, NflParameters
from oddspipe.plugins.nfl_situation import (
    Situation,
    drive_features,
    margin_features,
    total_features,
    win_features,
)
from oddspipe.plugins.weights import (
    Design,
    Parts,
    by_time,
    least_squares,
)

MARGIN_KNOTS = (0.0, 20.0, 60.0, 120.0, 240.0, 420.0, 660.0, 900.0, 1350.0, 1800.0, 2700.0, 3600.0)
WIN_KNOTS = (0.0, 30.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
ONE = dict.fromkeys(("holds 120", "holds 40", "chases 120", "chases 40"), 1)
FEW = {**ONE, "timeouts": 4}
KEY_KNOTS = (0.0, 45.0, 150.0, 420.0, 900.0, 1800.0, 3600.0)
KEY_MOST = 29
KEY_EVERY = 29
"""Key numbers are fitted to a row in so many: neighbours are much the same."""

LINE_DOUBT = {"margin": 0.67, "total": 0.37}
"""How far two closing prices of one market are apart, in points: the spread and the moneyline, and
the total and the prices of over and under; 3,677 games of 2009-2022."""


class NflFitting:
    """Fit `nfl`: worth of a drive, who wins, by how much, total, and key numbers."""

    columns: ClassVar[tuple[str, ...]] = (
        "game_id", "seq", "home_team", "posteam", "result", "total", "qtr",
        "game_seconds_remaining", "down", "ydstogo", "yardline_100", "home_score", "away_score",
        "home_score_post", "away_score_post", "home_timeouts", "away_timeouts", "spread_line",
        "total_line", "ref_row", "overtime",
    )  # fmt: skip
    least_games: ClassVar[int] = 50
    credit: ClassVar[str] = "Recorded games: NFL GameCenter and nflverse; see docs/models.md."

    def ready(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return downs, with the next score of the half (7, 3 or 2; home's positive)."""
        net = (pl.col("home_score_post") - pl.col("away_score_post")) - (
            pl.col("home_score") - pl.col("away_score")
        )
        worth = pl.when(net.abs() >= 6).then(7 * net.sign()).when(net.abs() > 1).then(net)
        rows = rows.sort("game_id", "seq").with_columns(scored=worth.cast(pl.Float64))
        # The model adds overtimes itself: what it is fitted to is the points of regulation.
        level = pl.col("home_score_post", "away_score_post").filter(pl.col("qtr") <= 4).last()
        points = pl.sum_horizontal(level.over("game_id"))
        ended = pl.when(pl.col("overtime") == 1).then(points).otherwise(pl.col("total"))
        rows = rows.with_columns(regulation=ended.cast(pl.Float64))
        half = ["game_id", pl.col("qtr") > 2]
        rows = rows.with_columns(next=pl.col("scored").fill_null(strategy="backward").over(half))
        return rows.with_columns(pl.col("next").fill_null(0.0)).filter(
            pl.col("ref_row")
            & pl.col("down").is_not_null()
            & (pl.col("game_seconds_remaining") > 0)
        )

    def fit(self, rows: pl.DataFrame) -> Mapping[str, Any]:
        """Return the parameters of some downs."""
        made = _weights(rows)
        return {**made, "keys": key_tables(self.key_sample(rows, made), KEY_KNOTS, KEY_MOST)}

    def key_sample(self, rows: pl.DataFrame, made: Mapping[str, Any]) -> Sample:
        """Return what key numbers are fitted to: some rows, priced by weights without any."""
        rows = rows.gather_every(KEY_EVERY)
        level = pl.when(pl.col("overtime") == 1).then(0).otherwise(pl.col("result"))
        states = self.states(rows)
        answer = self.model({**made, "keys": None}).price(states)["game"]
        ended = rows.select(level.cast(pl.Float64)).to_series().to_numpy()
        return Sample.priced(states, ended, answer)

    def model(self, parameters: Mapping[str, Any]) -> NflModel:
        """Return the model with these parameters."""
        return NflModel(NflParameters(), parameters)

    def states(self, rows: pl.DataFrame) -> GameStates:
        """Return the rows as the states that a run gives to the model."""
        home = pl.col("posteam") == pl.col("home_team")
        made = rows.select(
            "home_score", "away_score", "down", "yardline_100", "home_timeouts", "away_timeouts",
            "spread_line", "total_line", time_left="game_seconds_remaining", period="qtr",
            distance="ydstogo", possession=pl.when(home).then(1).otherwise(2),
        )  # fmt: skip
        columns = {name: made[name].cast(pl.Float64).fill_null(np.nan) for name in made.columns}
        return GameStates({name: column.to_numpy() for name, column in columns.items()})

    def ends(self, rows: pl.DataFrame) -> Ends:
        """Return final points."""
        total, result = (rows[name].cast(pl.Float64).to_numpy() for name in ("total", "result"))
        return Ends((total + result) / 2, (total - result) / 2)

    def shipped(self) -> Mapping[str, Any]:
        """Return what comes with the model."""
        return document("nfl_fitted.json")


def _weights(rows: pl.DataFrame) -> dict[str, Any]:
    """Return all parameters but the key numbers."""
    game, rows = by_time(rows, "game_seconds_remaining")
    states = NflFitting().states(rows)
    at = Situation.of(states)
    result, regulation, following = (
        rows[name].cast(pl.Float64).to_numpy() for name in ("result", "regulation", "next")
    )
    drive = drive_features(at)
    drives = Parts.of(np.array(list(drive.values())))
    worths = least_squares(drives, following * at.ball, 10.0)
    designs = _designs(at, drives.sums(worths, rows.height), states)
    came = Came(game, at.left, result - at.lead, regulation - at.points, result)
    lines = rows.unique("game_id").select("spread_line", "total_line").cast(pl.Float64)
    spreads = [float(np.nanstd(one.drop_nulls().to_numpy())) for one in lines]
    known = list(zip(LINE_DOUBT.values(), spreads, strict=True))
    return {
        "drive": dict(zip(drive, np.round(worths, 5).tolist(), strict=True)),
        **forecasts(designs, came, (WIN_KNOTS, MARGIN_KNOTS), known),
    }


def _designs(at: Situation, worth: Reals, states: GameStates) -> Designs:
    prior, line = states["spread_line"], states["total_line"]
    return Designs(
        Design.of(margin_features(at, worth, prior), at.left, MARGIN_KNOTS),
        Design.of(win_features(at, worth, prior), at.left, WIN_KNOTS, FEW),
        Design.of(total_features(at, worth, prior, line), at.left, MARGIN_KNOTS),
    )
