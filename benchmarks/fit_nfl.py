"""Fit the NFL model and write its parameters.

    python benchmarks/fit_nfl.py DATA plugins/nfl_fitted.json

DATA is the folder of recorded games. Fitted on scrimmage downs of regulation. The scores that are
kept with the parameters are of forecasts of each season by a fit on all the others. The columns
`ep epa wpa home_wp vegas_home_wp` are never read.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.fitting import (
    Design,
    least_absolute,
    least_squares,
    probit,
    spread_of,
    win_scores,
)

from oddspipe.core.api import GameStates, normal_cdf
from oddspipe.plugins.curves import Curve, Spread
from oddspipe.plugins.nfl_situation import (
    Situation,
    drive_features,
    margin_features,
    total_features,
    win_features,
)

MARGIN_KNOTS = (0.0, 20.0, 60.0, 120.0, 240.0, 420.0, 660.0, 900.0, 1350.0, 1800.0, 2700.0, 3600.0)
WIN_KNOTS = (0.0, 30.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
ONE = dict.fromkeys(("holds 120", "holds 40", "chases 120", "chases 40"), 1)
FEW = {**ONE, "timeouts": 4}
COLUMNS = [
    "game_id", "season", "seq", "home_team", "posteam", "result", "total", "qtr",
    "game_seconds_remaining", "down", "ydstogo", "yardline_100", "home_score", "away_score",
    "home_score_post", "away_score_post", "home_timeouts", "away_timeouts", "spread_line",
    "total_line", "ref_row", "overtime",
]  # fmt: skip


def rows_of(data: Path) -> pl.DataFrame:
    """Return the rows to fit on, with the next score of the half (7, 3 or 2; home's positive)."""
    parts = [pl.read_parquet(file, columns=COLUMNS) for file in sorted(data.glob("nfl/*.parquet"))]
    net = (pl.col("home_score_post") - pl.col("away_score_post")) - (
        pl.col("home_score") - pl.col("away_score")
    )
    worth = pl.when(net.abs() >= 6).then(7 * net.sign()).when(net.abs() > 1).then(net)
    rows = pl.concat(parts).sort("game_id", "seq").with_columns(scored=worth.cast(pl.Float64))
    # The model adds overtimes itself: what it is fitted to is the points of regulation.
    level = pl.col("home_score_post", "away_score_post").filter(pl.col("qtr") <= 4).last()
    points = pl.sum_horizontal(level.over("game_id"))
    ended = pl.when(pl.col("overtime") == 1).then(points).otherwise(pl.col("total"))
    rows = rows.with_columns(regulation=ended.cast(pl.Float64))
    half = ["game_id", pl.col("qtr") > 2]
    rows = rows.with_columns(next=pl.col("scored").fill_null(strategy="backward").over(half))
    return rows.with_columns(pl.col("next").fill_null(0.0)).filter(
        pl.col("ref_row") & pl.col("down").is_not_null() & (pl.col("game_seconds_remaining") > 0)
    )


def states_of(rows: pl.DataFrame) -> GameStates:
    """Return the rows as the states that a run gives to the model."""
    home = pl.col("posteam") == pl.col("home_team")
    made = rows.select(
        "home_score", "away_score", "down", "yardline_100", "home_timeouts", "away_timeouts",
        "spread_line", "total_line", time_left="game_seconds_remaining", period="qtr",
        distance="ydstogo", possession=pl.when(home).then(1).otherwise(2),
    )  # fmt: skip
    return GameStates(
        {name: made[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in made.columns}
    )


class Fit:
    """Rows, designs and what they are to say."""

    def __init__(self, rows: pl.DataFrame) -> None:
        states = states_of(rows)
        self.at = at = Situation.of(states)
        self.season = rows["season"].to_numpy()
        self.result = rows["result"].cast(pl.Float64).to_numpy()
        self.total = rows["total"].cast(pl.Float64).to_numpy()
        self.regulation = rows["regulation"].to_numpy()
        self.decided = self.result != 0
        self.won = (self.result > 0).astype(np.float64)
        self.prior, self.line = states["spread_line"], states["total_line"]
        self.drive = drive_features(at)
        self.drive_matrix = np.array(list(self.drive.values()))
        self.next = rows["next"].to_numpy() * at.ball

    def on(self, keep: np.ndarray) -> dict:
        """Fit on some rows; return the parameters."""
        worths = least_squares(self.drive_matrix[:, keep], self.next[keep], 10.0)
        worth = worths @ self.drive_matrix
        margin, win, total = self.designs(worth)
        further = self.result - self.at.lead
        margins = least_absolute(margin.matrix[:, keep], further[keep], 5.0)
        scored = self.regulation - self.at.points
        totals = least_absolute(total.matrix[:, keep], scored[keep], 5.0)
        decided = keep & self.decided
        wins = probit(win.matrix[:, decided], self.won[decided], 3.0)
        off = further - margins @ margin.matrix
        over = scored - totals @ total.matrix
        return {
            "drive": dict(zip(self.drive, np.round(worths, 5).tolist(), strict=True)),
            "win": {"knots": WIN_KNOTS, "terms": win.weights(wins)},
            "margin": {"knots": MARGIN_KNOTS, "terms": margin.weights(margins)},
            "total": {"knots": MARGIN_KNOTS, "terms": total.weights(totals)},
            "margin_sd": spread_of(self.at.left[keep], off[keep], MARGIN_KNOTS),
            "total_sd": spread_of(self.at.left[keep], over[keep], MARGIN_KNOTS),
            "solved": (worths, margins, wins, totals),
        }

    def designs(self, worth: np.ndarray) -> tuple[Design, Design, Design]:
        at, prior = self.at, self.prior
        return (
            Design.of(margin_features(at, worth, prior), at.left, MARGIN_KNOTS),
            Design.of(win_features(at, worth, prior), at.left, WIN_KNOTS, FEW),
            Design.of(total_features(at, worth, prior, self.line), at.left, MARGIN_KNOTS),
        )

    def held_out(self) -> dict:
        """Return the scores of each season by a fit on the others."""
        chance, margin, total = (np.zeros(len(self.won)) for _ in range(3))
        for season in np.unique(self.season):
            here = self.season == season
            made = self.on(~here)
            worths, margins, wins, totals = made["solved"]
            designs = self.designs(worths @ self.drive_matrix)
            middle = self.at.lead + margins @ designs[0].matrix
            score = (wins @ designs[1].matrix).clip(-6.0, 6.0)
            usual = Curve(np.array(MARGIN_KNOTS), np.array(made["margin_sd"]))(self.at.left)
            spread = Spread.of(score, middle, usual)
            chance[here] = normal_cdf(spread.mean / spread.deviation)[here]
            margin[here] = spread.mean[here]
            total[here] = (self.at.points + totals @ designs[2].matrix)[here]
            print(f"  {season}", file=sys.stderr)
        scores = win_scores(chance[self.decided], self.won[self.decided])
        return {
            **scores,
            "mae_margin": round(float(np.abs(margin - self.result).mean()), 4),
            "mae_total": round(float(np.abs(total - self.total).mean()), 4),
        }


def main(data: Path, out: Path) -> None:
    rows = rows_of(data)
    fit = Fit(rows)
    scores = fit.held_out()
    print(scores)
    made = fit.on(np.ones(rows.height, np.bool_))
    del made["solved"]
    digest = hashlib.sha256()
    for file in sorted(data.glob("nfl/*.parquet")):
        digest.update(file.read_bytes())
    document = {
        "provenance": {
            "data_sha256": digest.hexdigest(),
            "fitted": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a script
            "seasons": f"{fit.season.min()}-{fit.season.max()}",
            "rows": rows.height,
            "held_out": scores,
            "credit": "Recorded games: NFL GameCenter and nflverse; see docs/models.md.",
        },
        **made,
    }
    out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
