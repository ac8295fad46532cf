"""Fit the NBA model and write its parameters.

    python benchmarks/fit_nba.py DATA plugins/nba_fitted.json

DATA is the folder of recorded games. Fitted on regulation time. The first 200 games of the first
season, whose ratings start from nothing, are left out of the fit and of the scores, which are of
forecasts of each season by a fit on the others, one an event with time left of its period.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.fitting import Design, least_absolute, probit, spread_of, win_scores

from oddspipe.core.api import GameStates, Pmf
from oddspipe.plugins.nba import NbaModel, NbaParameters
from oddspipe.plugins.nba_situation import (
    Situation,
    margin_features,
    total_features,
    win_features,
)

KNOTS = {
    "game": (0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 720.0, 1440.0, 2880.0),
    "first_half": (0.0, 10.0, 30.0, 60.0, 120.0, 300.0, 720.0, 1440.0),
}
PERIODS = {"game": 4, "first_half": 2}
WARM_UP = 200
EVERY = 3
"""A fit reads a row in three: neighbours are much the same."""
STRIDE = 50_000
QUIET = ("substitution", "timeout", "replay_review")
"""Events that leave free throws to come as they were."""
THROWS_LEFT = {11: 1, 13: 2, 14: 1, 18: 1, 20: 1, 21: 2, 22: 1, 25: 1, 27: 2, 28: 1}
"""Action codes of a free throw after which others follow, and how many."""


def rows_of(data: Path) -> pl.DataFrame:
    """Return events with time left, free throws to come, and the scores at half-time."""
    rows = pl.concat([pl.read_parquet(file) for file in sorted(data.glob("nba/pbp_*.parquet"))])
    half, regulation = (
        rows.filter(pl.col("period") <= last)
        .group_by("game_id")
        .agg(**{f"{side}_{name}": pl.col(f"{side}_score").last() for side in ("home", "away")})
        for name, last in (("half", PERIODS["first_half"]), ("regulation", PERIODS["game"]))
    )
    games = rows.select("game_id", "season", "game_date").unique().sort("game_date", "game_id")
    first = games.filter(pl.col("season") == games["season"].min())["game_id"].head(WARM_UP)
    return (
        rows.with_columns(throws=throws_to_come())
        .join(half, on="game_id", how="left", maintain_order="left")
        .join(regulation, on="game_id", how="left", maintain_order="left")
        .filter(
            (pl.col("period_seconds_remaining") > 0) & ~pl.col("game_id").is_in(first.to_list())
        )
    )


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


def states_of(rows: pl.DataFrame) -> GameStates:
    """Return the rows as the states that a run gives to the model."""
    side = pl.when(pl.col("poss_home") == 1).then(1).when(pl.col("poss_home") == 0).then(2)
    later = pl.col("period") > PERIODS["first_half"]
    made = rows.select(
        "home_score", "away_score", "period", time_left="game_seconds_remaining",
        possession=side.otherwise(0),
        home_throws=pl.col("throws").clip(0), away_throws=(-pl.col("throws")).clip(0),
        home_half=pl.when(later).then("home_half"), away_half=pl.when(later).then("away_half"),
        spread_line="pre_margin", total_line="pre_total",
    )  # fmt: skip
    return GameStates(
        {name: made[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in made.columns}
    )


def fit_scope(rows: pl.DataFrame, scope: str) -> dict[str, Any]:
    """Fit the three forecasts of one scope."""
    last, knots = PERIODS[scope], KNOTS[scope]
    rows = rows.filter(pl.col("period") <= last).gather_every(EVERY)
    states = states_of(rows)
    at = Situation.of(states)
    # The model adds overtimes to the points itself; who wins, and by how much, is theirs as well.
    ends, points = ("final_home", "final_away"), ("home_regulation", "away_regulation")
    if scope == "first_half":
        at, ends, points = at.until_half(), ("home_half", "away_half"), ("home_half", "away_half")
    home, away = (rows[name].cast(pl.Float64).to_numpy() for name in ends)
    scored = sum(rows[name].cast(pl.Float64).to_numpy() for name in points)
    prior, line = states["spread_line"], states["total_line"]
    margin, win, total = (
        Design.of(features, at.left, knots)
        for features in (
            margin_features(at, prior), win_features(at, prior), total_features(at, line),
        )
    )  # fmt: skip
    decided = home != away
    margins = least_absolute(margin.matrix, home - away - at.lead, 5.0)
    totals = least_absolute(total.matrix, scored - at.points, 5.0)
    wins = probit(win.matrix[:, decided], (home > away)[decided].astype(np.float64), 3.0)
    off = home - away - at.lead - margins @ margin.matrix
    over = scored - at.points - totals @ total.matrix
    return {
        "win": {"knots": knots, "terms": win.weights(wins)},
        "margin": {"knots": knots, "terms": margin.weights(margins)},
        "total": {"knots": knots, "terms": total.weights(totals)},
        "margin_sd": spread_of(at.left, off, knots),
        "total_sd": spread_of(at.left, over, knots),
    }


def fit(rows: pl.DataFrame) -> dict[str, Any]:
    """Return what the model needs, from some games."""
    return {scope: fit_scope(rows, scope) for scope in KNOTS}


def median(pmf: Pmf) -> np.ndarray:
    """Return the middle number of each row."""
    return pmf.first + (np.cumsum(pmf.mass, axis=1) < 0.5).sum(axis=1)


def forecasts(model: NbaModel, rows: pl.DataFrame) -> tuple[np.ndarray, ...]:
    """Return the chance of home, and the median margin and total, of the model as it is priced."""
    parts = []
    for start in range(0, rows.height, STRIDE):
        scores = model.price(states_of(rows.slice(start, STRIDE)))["game"]
        margin = scores.margin()
        numbers = margin.first[:, None] + np.arange(margin.mass.shape[1])
        chance = np.where(numbers > 0, margin.mass, 0.0).sum(axis=1)
        parts.append((chance, median(margin), median(scores.total())))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def held_out(rows: pl.DataFrame) -> dict[str, float]:
    """Return the scores of each season by a fit on the others."""
    made = []
    for season in rows["season"].unique().sort():
        model = NbaModel(NbaParameters(), fit(rows.filter(pl.col("season") != season)))
        made.append(forecasts(model, rows.filter(pl.col("season") == season)))
        print(f"  {season}", file=sys.stderr)
    chance, margin, total = (np.concatenate(column) for column in zip(*made, strict=True))
    rows = rows.sort("season", maintain_order=True)
    home, away = (rows[f"final_{side}"].cast(pl.Float64).to_numpy() for side in ("home", "away"))
    return {
        **win_scores(chance, (home > away).astype(np.float64)),
        "mae_margin": round(float(np.abs(margin - (home - away)).mean()), 4),
        "mae_total": round(float(np.abs(total - (home + away)).mean()), 4),
    }


def main(data: Path, out: Path) -> None:
    rows = rows_of(data)
    scores = held_out(rows)
    print(scores)
    digest = hashlib.sha256()
    for file in sorted(data.glob("nba/pbp_*.parquet")):
        digest.update(file.read_bytes())
    document = {
        "provenance": {
            "data_sha256": digest.hexdigest(),
            "fitted": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a script
            "seasons": f"{rows['season'].min()}-{rows['season'].max()}",
            "rows": rows.height,
            "held_out": scores,
            "credit": "Recorded games: NBA.com; see docs/models.md.",
        },
        **fit(rows),
    }
    out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
