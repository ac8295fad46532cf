"""Fit the NBA model to recorded seasons, on regulation time.

The first 200 games of the first season, whose ratings start from nothing, are left out of the fit
and of its scores.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl

from oddspipe.core.api import Ends, GameStates
from oddspipe.plugins.curves import document
from oddspipe.plugins.forecast_fit import Came, Designs, forecasts
from oddspipe.plugins.key_fit import Sample, key_tables
from oddspipe.plugins.nba import NbaModel, NbaParameters
from oddspipe.plugins.nba_situation import (
    HALF_PERIODS,
    PERIODS,
    Situation,
    margin_features,
    total_features,
    win_features,
)
from oddspipe.plugins.weights import (
    Design,
    by_time,
)

KNOTS = {
    "game": (0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 720.0, 1440.0, 2880.0),
    "first_half": (0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 720.0, 1440.0),
}
LAST_PERIODS = {"game": PERIODS, "first_half": HALF_PERIODS}
WARM_UP = 200
EVERY = 3
"""A fit reads a row in three: neighbours are much the same."""
KEY_KNOTS = (0.0, 12.0, 45.0, 150.0, 480.0, 1440.0, 2880.0)
KEY_MOST = 12
KEY_EVERY = 97
RATING_GAIN = 0.04
"""How far a result moves each side's rating, as a share of what it was off. A rating that moves so
doubts its own number by the root of twice that share of the deviation of results: what a Kalman
filter with this steady gain has left."""
QUIET = ("substitution", "timeout", "replay_review")
"""Events that leave free throws to come as they were."""
THROWS_LEFT = {11: 1, 13: 2, 14: 1, 18: 1, 20: 1, 21: 2, 22: 1, 25: 1, 27: 2, 28: 1}
"""Action codes of a free throw after which others follow, and how many."""


class NbaFitting:
    """Fit `nba`: who wins, by how much, total, of the game and its first half; key numbers."""

    columns: ClassVar[tuple[str, ...]] = (
        "game_id", "game_date", "period", "period_seconds_remaining", "game_seconds_remaining",
        "event", "action_code", "team", "home_score", "away_score", "poss_home", "final_home",
        "final_away", "pre_margin", "pre_total",
    )  # fmt: skip
    least_games: ClassVar[int] = 50
    credit: ClassVar[str] = "Recorded games: NBA.com; see docs/models.md."

    def ready(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return events with time left, free throws to come, and the scores at half-time."""
        half, regulation = (
            rows.filter(pl.col("period") <= last)
            .group_by("game_id")
            .agg(**{f"{side}_{name}": pl.col(f"{side}_score").last() for side in ("home", "away")})
            for name, last in (("half", HALF_PERIODS), ("regulation", PERIODS))
        )
        games = rows.select("game_id", "season", "game_date").unique().sort("game_date", "game_id")
        first = games.filter(pl.col("season") == games["season"].min())["game_id"].head(WARM_UP)
        # A regulation that ended level: an overtime followed.
        level = (
            pl.when(pl.col("period").max().over("game_id") > PERIODS)
            .then(0)
            .otherwise(pl.col("final_home").cast(pl.Int64) - pl.col("final_away"))
        )
        return (
            rows.with_columns(throws=throws_to_come())
            .join(half, on="game_id", how="left", maintain_order="left")
            .join(regulation, on="game_id", how="left", maintain_order="left")
            .filter(
                (pl.col("period_seconds_remaining") > 0) & ~pl.col("game_id").is_in(first.to_list())
            )
            .with_columns(level=level.cast(pl.Float64))
        )

    def fit(self, rows: pl.DataFrame) -> Mapping[str, Any]:
        """Return the parameters of some games."""
        made = {scope: self._scope(rows, scope) for scope in KNOTS}
        return {**made, "keys": key_tables(self.key_sample(rows, made), KEY_KNOTS, KEY_MOST)}

    def key_sample(self, rows: pl.DataFrame, made: Mapping[str, Any]) -> Sample:
        """Return what key numbers are fitted to: some rows, priced by weights without any."""
        rows = rows.filter(pl.col("period") <= PERIODS).gather_every(KEY_EVERY)
        states = self.states(rows)
        answer = self.model({**made, "keys": None}).price(states)["game"]
        return Sample.priced(states, rows["level"].to_numpy(), answer)

    def model(self, parameters: Mapping[str, Any]) -> NbaModel:
        """Return the model with these parameters."""
        return NbaModel(NbaParameters(), parameters)

    def states(self, rows: pl.DataFrame) -> GameStates:
        """Return the rows as the states that a run gives to the model."""
        side = pl.when(pl.col("poss_home") == 1).then(1).when(pl.col("poss_home") == 0).then(2)
        later = pl.col("period") > HALF_PERIODS
        made = rows.select(
            "home_score", "away_score", "period", time_left="game_seconds_remaining",
            possession=side.otherwise(0),
            home_throws=pl.col("throws").clip(0), away_throws=(-pl.col("throws")).clip(0),
            home_half=pl.when(later).then("home_half"), away_half=pl.when(later).then("away_half"),
            spread_line="pre_margin", total_line="pre_total",
        )  # fmt: skip
        columns = {name: made[name].cast(pl.Float64).fill_null(np.nan) for name in made.columns}
        return GameStates({name: column.to_numpy() for name, column in columns.items()})

    def ends(self, rows: pl.DataFrame) -> Ends:
        """Return final points."""
        return Ends(*(rows[f"final_{side}"].cast(pl.Float64).to_numpy() for side in Ends._fields))

    def shipped(self) -> Mapping[str, Any]:
        """Return what comes with the model."""
        return document("nba_fitted.json")

    def _scope(self, rows: pl.DataFrame, scope: str) -> dict[str, Any]:
        """Fit the three forecasts of one scope."""
        last, knots = LAST_PERIODS[scope], KNOTS[scope]
        rows = rows.filter(pl.col("period") <= last).gather_every(EVERY)
        game, rows = by_time(rows, "game_seconds_remaining")
        states = self.states(rows)
        at = Situation.of(states)
        # The model adds overtimes to the points itself; who wins, and by how much, is theirs too.
        ends, points = ("final_home", "final_away"), ("home_regulation", "away_regulation")
        if scope == "first_half":
            at, ends = at.until_half(), ("home_half", "away_half")
            points = ends
        home, away = (rows[name].cast(pl.Float64).to_numpy() for name in ends)
        scored = sum(rows[name].cast(pl.Float64).to_numpy() for name in points)
        prior, line = states["spread_line"], states["total_line"]
        designs = Designs(
            *(
                Design.of(features, at.left, knots)
                for features in (
                    margin_features(at, prior), win_features(at, prior), total_features(at, line),
                )
            )
        )  # fmt: skip
        came = Came(game, at.left, home - away - at.lead, scored - at.points, home - away)
        return forecasts(designs, came, (knots, knots), _line_doubts(rows))


def _line_doubts(rows: pl.DataFrame) -> list[tuple[float, float]]:
    """Return what ratings of margin and total doubt of themselves, and how far they differ."""
    games = rows.unique("game_id").select(
        "pre_margin", "pre_total",
        margin=pl.col("final_home").cast(pl.Float64) - pl.col("final_away"),
        total=pl.col("final_home").cast(pl.Float64) + pl.col("final_away"),
    ).drop_nulls()  # fmt: skip
    found = []
    for line, came in (("pre_margin", "margin"), ("pre_total", "total")):
        said, ended = (games[name].cast(pl.Float64).to_numpy() for name in (line, came))
        doubt = float(np.sqrt(2.0 * RATING_GAIN) * np.std(ended - said))
        found.append((doubt, float(np.std(said))))
    return found


def throws_to_come() -> pl.Expr:
    """Return free throws still to come after each event, home's less away's."""
    home = pl.col("team") == "home"
    # After a shot that went in and a foul the ball is the fouler's: one throw, else two.
    fouled = pl.when((pl.col("poss_home") == 1) == home).then(1).otherwise(2)
    shooting_foul = (pl.col("event") == "foul") & (pl.col("action_code") == 2)
    left = pl.col("action_code").replace_strict(THROWS_LEFT, default=0)
    return (
        pl.when(pl.col("event").is_in(QUIET))
        .then(None)
        .when(shooting_foul & pl.col("team").is_not_null())
        .then(pl.when(home).then(-fouled).otherwise(fouled))
        .when(pl.col("event") == "free_throw")
        .then(pl.when(home).then(left).otherwise(-left))
        .otherwise(0)
        .forward_fill()
        .over("game_id")
        .fill_null(0)
        .cast(pl.Float64)
    )
