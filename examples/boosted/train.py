"""Train the boosted trees: `python train.py EVENTS.ndjson`, events of `oddspipe odds query`.

Writes margin.json and total.json in XGBoost's own format beside the model, and provenance.json: the
SHA-256 of the events, how many games and plays, the settings, and the error on games that were
left out, beside that of a guess without trees.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import xgboost
from oddspipe_boosted.model import FEATURES, REGULATION_S, features

OUT = Path(__file__).parent / "src" / "oddspipe_boosted"
SETTINGS = {
    "objective": "reg:squarederror",
    "max_depth": 2,
    "eta": 0.05,
    "min_child_weight": 500.0,
    "lambda": 100.0,
    "nthread": 1,
    "seed": 1,
}
TREES = 40
"""Few and small: plays of one game say much the same, so forty games are few, too."""
MONOTONE = {"margin": (1, 0, 1, 0), "total": (0, 0, 0, 1)}
"""A point more of lead must never cost home a chance, whatever a few games seem to say."""
LEAST_SHARE = 0.02
"""What comes in the last 72 seconds is noise, divided by hardly any time."""


def plays_of(path: Path) -> pl.DataFrame:
    """Return the states at the plays, and what was still to come, per game of sixty minutes."""
    events = pl.read_ndjson(path, infer_schema_length=None).sort("game_id", "sequence")
    lines = ("home_score", "away_score", "spread_line", "total_line")
    events = events.with_columns(pl.col(lines).forward_fill().over("game_id"))
    final = events.filter(pl.col("kind") == "game_end").select(
        "game_id", home_final="home_score", away_final="away_score"
    )
    left = (4 - pl.col("period")) * 900.0 + pl.col("clock") / 1000.0
    plays = events.filter((pl.col("kind") == "play") & (pl.col("period") <= 4)).join(
        final, on="game_id", maintain_order="left"
    )
    return (
        plays.select(
            "game_id",
            "spread_line",
            "total_line",
            lead=(pl.col("home_score") - pl.col("away_score")).cast(pl.Float64),
            share=left / REGULATION_S,
            margin=pl.col("home_final") - pl.col("away_final"),
            points=pl.col("home_final") + pl.col("away_final"),
            scored=pl.col("home_score") + pl.col("away_score"),
        )
        .filter(pl.col("share") >= LEAST_SHARE)
        .with_columns(
            to_margin=(pl.col("margin") - pl.col("lead")) / pl.col("share"),
            to_total=(pl.col("points") - pl.col("scored")) / pl.col("share"),
        )
    )


def trees_of(plays: pl.DataFrame, name: str) -> xgboost.Booster:
    """Return a regression; a rate is the noisier, the less time it was measured over."""
    shown = features(*(plays[one].to_numpy() for one in FEATURES))
    known = xgboost.DMatrix(
        shown, plays[f"to_{name}"].to_numpy(), weight=plays["share"].to_numpy(), nthread=1
    )
    return xgboost.train({**SETTINGS, "monotone_constraints": MONOTONE[name]}, known, TREES)


def errors(plays: pl.DataFrame, others: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean absolute error of trees fitted to `plays` on `others`, and of a mean."""
    found = {}
    for name in MONOTONE:
        trees = trees_of(plays, name)
        shown = features(*(others[one].to_numpy() for one in FEATURES))
        truth, share = (others[one].to_numpy() for one in (f"to_{name}", "share"))
        told = trees.inplace_predict(shown, missing=np.nan)
        mean = np.average(plays[f"to_{name}"].to_numpy(), weights=plays["share"].to_numpy())
        found[name] = {
            "trees": round(float(np.abs((told - truth) * share).mean()), 3),
            "mean": round(float(np.abs((mean - truth) * share).mean()), 3),
        }
    return found


def main() -> None:
    """Train on all games; score on each fifth of them by trees that were fitted to the others."""
    path = Path(sys.argv[1])
    plays = plays_of(path)
    games = plays["game_id"].unique(maintain_order=True)
    fold = pl.Series(np.arange(len(games)) % 5)
    of_play = plays.join(
        pl.DataFrame({"game_id": games, "fold": fold}), on="game_id", maintain_order="left"
    )["fold"]
    held_out = [
        errors(plays.filter(of_play != one), plays.filter(of_play == one)) for one in range(5)
    ]
    for name in MONOTONE:
        trees_of(plays, name).save_model(OUT / f"{name}.json")
    told = {
        "events": hashlib.sha256(path.read_bytes()).hexdigest(),
        "games": len(games),
        "plays": len(plays),
        "xgboost": xgboost.__version__,
        "settings": SETTINGS,
        "trees": TREES,
        "error_on_games_left_out": {
            name: {
                of: round(float(np.mean([one[name][of] for one in held_out])), 3)
                for of in ("trees", "mean")
            }
            for name in MONOTONE
        },
    }
    (OUT / "provenance.json").write_text(json.dumps(told, indent=2) + "\n")
    json.dump(told["error_on_games_left_out"], sys.stdout)
    sys.stdout.write(f"\n{len(games)} games, {len(plays)} plays\n")


if __name__ == "__main__":
    main()
