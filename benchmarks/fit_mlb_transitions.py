"""Count base-out transitions of recorded MLB seasons into `plugins/mlb_transitions.json`.

    python benchmarks/fit_mlb_transitions.py DATA plugins/mlb_transitions.json

DATA is the folder that holds `mlb/pbp_2015.parquet` and `mlb/pbp_2016.parquet`.
"""

import hashlib
import json
import sys
from pathlib import Path

import polars as pl

SEASONS = (2015, 2016)
NOTICE = (
    "The information used here was obtained free of charge from and is copyrighted by Retrosheet. "
    'Interested parties may contact Retrosheet at "www.retrosheet.org".'
)


def main(data: Path, target: Path) -> None:
    files = [data / "mlb" / f"pbp_{season}.parquet" for season in SEASONS]
    rows = pl.concat([pl.read_parquet(file) for file in files]).with_columns(
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
    document = {
        "notice": NOTICE,
        "made_by": "benchmarks/fit_mlb_transitions.py",
        "seasons": list(SEASONS),
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "games": rows["game_id"].n_unique(),
        "events": rows.height,
        "columns": "state = 8 * outs + bases (1 first, 2 second, 4 third); 24 = half over; "
        "[state, state after, runs, count]",
        "walk_off_margin": [
            won_by.filter(pl.col("lead") == by)["count"].sum() for by in (1, 2, 3, 4)
        ],
        "transitions": {
            half: [list(row) for row in counted.filter(pl.col("half") == half).drop("half").rows()]
            for half in ("top", "bottom")
        },
    }
    text = json.dumps(document, indent=1)
    target.write_text(
        text.replace("[\n    ", "[").replace(",\n    ", ", ").replace("\n   ]", "]") + "\n"
    )
    print(f"{rows['game_id'].n_unique()} games, {rows.height} events -> {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
