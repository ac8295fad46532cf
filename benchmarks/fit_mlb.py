"""Fit the MLB model on recorded seasons and write `plugins/mlb_fitted.json`.

    python benchmarks/fit_mlb.py DATA plugins/mlb_fitted.json

DATA is the folder that holds `mlb/pbp_2015.parquet` and `mlb/pbp_2016.parquet`.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from oddspipe.plugins.mlb_halves import INNINGS, half_runs, tilted

SEASONS = (2015, 2016)
NOTICE = (
    "The information used here was obtained free of charge from and is copyrighted by Retrosheet. "
    'Interested parties may contact Retrosheet at "www.retrosheet.org".'
)


def load(files: list[Path]) -> pl.DataFrame:
    """Read events, with states and what each brought."""
    return pl.concat([pl.read_parquet(file) for file in files]).with_columns(
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


def fit(rows: pl.DataFrame) -> dict[str, Any]:
    """Return what the model needs of some games."""
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
    games = rows.group_by("game_id").agg(pl.col("home_final", "away_final").first().cast(int))
    decided = games.filter(pl.col("home_final") != pl.col("away_final"))
    return {
        "walk_off_margin": [
            won_by.filter(pl.col("lead") == by)["count"].sum() for by in (1, 2, 3, 4)
        ],
        "home_chance": round(
            decided.select((pl.col("home_final") > pl.col("away_final")).mean()).item(), 4
        ),
        "total": round(
            games.select((pl.col("home_final") + pl.col("away_final")).mean()).item(), 3
        ),
        "inning_tilts": {half: inning_tilts(rows, half, counts[half]) for half in counts},
        "transitions": counts,
    }


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


def main(data: Path, target: Path) -> None:
    files = [data / "mlb" / f"pbp_{season}.parquet" for season in SEASONS]
    rows = load(files)
    document = {
        "notice": NOTICE,
        "made_by": "benchmarks/fit_mlb.py",
        "seasons": list(SEASONS),
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "games": rows["game_id"].n_unique(),
        "events": rows.height,
        "columns": "state = 8 * outs + bases (1 first, 2 second, 4 third); 24 = half over; "
        "[state, state after, runs, count]",
    } | fit(rows)
    text = json.dumps(document, indent=1)
    target.write_text(
        text.replace("[\n    ", "[").replace(",\n    ", ", ").replace("\n   ]", "]") + "\n"
    )
    print(f"{rows['game_id'].n_unique()} games, {rows.height} events -> {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
