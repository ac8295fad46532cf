"""Fit the MLB model to recorded seasons: counts of what happened in each base-out state."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl

from oddspipe.core.api import Ends, GameStates, UsageError
from oddspipe.plugins.curves import document
from oddspipe.plugins.mlb import MlbModel, MlbParameters
from oddspipe.plugins.mlb_halves import INNINGS, STATES, half_runs, tilted

RUNNER_SINCE = 2020
"""From this season on extra innings start with a runner on second."""


class MlbFitting:
    """Fit `mlb`: transitions, walk-off margins, tilts of innings, and the level of the league.

    `transitions` are rows of state, state after, runs and count, where a state is 8 times the outs
    plus the bases (1 first, 2 second, 4 third) and 24 is the end of the half. What is scored is the
    model by its state alone: neither ratings nor closing prices.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "game_id", "inning", "half", "outs_before", "outs_after", "bases_before", "bases_after",
        "away_score_before", "home_score_before", "away_score_after", "home_score_after",
        "away_final", "home_final", "game_end", "sched_innings",
    )  # fmt: skip
    least_games: ClassVar[int] = 50
    credit: ClassVar[str] = (
        "The information used here was obtained free of charge from and is copyrighted by "
        'Retrosheet. Interested parties may contact Retrosheet at "www.retrosheet.org".'
    )

    def ready(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return events, with states and what each brought."""
        return rows.with_columns(
            state=pl.col("outs_before").cast(int) * 8 + pl.col("bases_before"),
            after=pl.when(pl.col("outs_after") == 3)
            .then(24)
            .otherwise(pl.col("outs_after").cast(int) * 8 + pl.col("bases_after")),
            runs=pl.col("away_score_after").cast(int)
            + pl.col("home_score_after")
            - pl.col("away_score_before")
            - pl.col("home_score_before"),
            lead=pl.col("home_score_after").cast(int) - pl.col("away_score_after"),
        )

    def fit(self, rows: pl.DataFrame) -> Mapping[str, Any]:
        """Return the parameters of some games."""
        walk_off = (
            (pl.col("half") == "bottom") & pl.col("game_end") & (pl.col("outs_after") < 3)
            & (pl.col("inning") >= pl.col("sched_innings")) & (pl.col("lead") > 0)
        )  # fmt: skip
        won_by = rows.filter(walk_off)["lead"].value_counts().sort("lead")
        # A half that a walk-off cuts short says nothing of the transition that ended it.
        counted = (
            rows.filter(~walk_off)
            .group_by("half", "state", "after", "runs")
            .len()
            .sort("half", "state", "after", "runs")
        )
        counts = {
            half: [list(row) for row in counted.filter(pl.col("half") == half).drop("half").rows()]
            for half in ("top", "bottom")
        }
        _see_that_all_is_there(counts)
        games = rows.group_by("game_id").agg(pl.col("home_final", "away_final").first().cast(int))
        decided = games.filter(pl.col("home_final") != pl.col("away_final"))
        home = decided.select((pl.col("home_final") > pl.col("away_final")).mean()).item()
        total = games.select((pl.col("home_final") + pl.col("away_final")).mean()).item()
        return {
            "walk_off_margin": [
                int(won_by.filter(pl.col("lead") == by)["count"].sum()) for by in (1, 2, 3, 4)
            ],
            "home_chance": round(home, 4),
            "total": round(total, 3),
            "inning_tilts": {half: inning_tilts(rows, half, counts[half]) for half in counts},
            "transitions": counts,
        }

    def model(self, parameters: Mapping[str, Any]) -> MlbModel:
        """Return the model with these parameters, the level of the league among them."""
        level = {name: parameters[name] for name in ("home_chance", "total")}
        return MlbModel(MlbParameters(**level), parameters)

    def states(self, rows: pl.DataFrame) -> GameStates:
        """Return the rows as the states that a run gives to the model where nothing is known."""
        named = {
            "period": "inning", "outs": "outs_before", "bases": "bases_before",
            "home_score": "home_score_before", "away_score": "away_score_before",
            "sched_innings": "sched_innings",
        }  # fmt: skip
        columns = {name: np.full(rows.height, np.nan) for name in MlbModel.inputs}
        for name, source in named.items():
            columns[name] = rows[source].cast(pl.Float64).fill_null(np.nan).to_numpy()
        columns["half"] = (rows["half"] == "bottom").cast(pl.Float64).to_numpy()
        columns["extra_runner"] = (rows["season"] >= RUNNER_SINCE).cast(pl.Float64).to_numpy()
        return GameStates(columns)

    def ends(self, rows: pl.DataFrame) -> Ends:
        """Return final runs."""
        return Ends(*(rows[f"{side}_final"].cast(pl.Float64).to_numpy() for side in Ends._fields))

    def shipped(self) -> Mapping[str, Any]:
        """Return what comes with the model."""
        return document("mlb_fitted.json")


def _see_that_all_is_there(counts: Mapping[str, list[list[int]]]) -> None:
    for half, rows in counts.items():
        if unseen := sorted(set(range(STATES)) - {row[0] for row in rows}):
            told = ", ".join(f"{at // 8} out and bases {at % 8}" for at in unseen)
            raise UsageError(
                f"no event of the {half} halves began with {told}",
                hint="Fit more games: what follows each of the 24 base-out states is counted.",
            )


def inning_tilts(rows: pl.DataFrame, half: str, counts: list[list[int]]) -> list[float]:
    """Return how an inning differs from all together, as a tilt of what its halves bring.

    The last scheduled bottom is left out (walk-offs cut it, and it is played by who is behind):
    it has the tilt of the eighth.
    """
    last = INNINGS if half == "top" else INNINGS - 1
    halves = (
        rows.filter((pl.col("half") == half) & (pl.col("inning") <= last))
        .group_by("game_id", "inning")
        .agg(pl.col("runs").sum())
        .group_by("inning")
        .agg(pl.col("runs").mean())
        .sort("inning")
    )
    plain = half_runs(counts)[0]
    grid = np.linspace(-0.4, 0.4, 801)
    means = np.array([tilted(plain, theta) @ np.arange(len(plain)) for theta in grid])
    tilts = [round(float(np.interp(mean, means, grid)), 3) for mean in halves["runs"].to_list()]
    return tilts + tilts[-1:] * (INNINGS - last)
