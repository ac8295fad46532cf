"""Rate recorded MLB games by the games before them, and write one row a game.

    python benchmarks/rate_mlb.py DATA RATINGS.parquet

DATA is the folder that holds `mlb/games.parquet`. The file names in its metadata the version of the
fold and the hash of what it was made of.
"""

import hashlib
import sys
from pathlib import Path

import polars as pl

from oddspipe.plugins.mlb_rating import VERSION, FinishedGame, Rating, rate


def ratings(games: pl.DataFrame) -> pl.DataFrame:
    """Rate games, one row each, in the order of their days."""
    finished = games.with_columns(pl.col("date").cast(pl.String).alias("day"))
    rows = finished.select(FinishedGame._fields).with_columns(
        pl.col("season", "home_final", "away_final").cast(pl.Int64)
    )
    rated = list(rate(FinishedGame(*row) for row in rows.iter_rows()))
    return pl.DataFrame(rated, schema=list(Rating._fields), orient="row")


def main(data: Path, target: Path) -> None:
    source = data / "mlb" / "games.parquet"
    made = ratings(pl.read_parquet(source))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    made.write_parquet(target, metadata={"version": VERSION, "sha256": digest})
    print(f"{made.height} games -> {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
