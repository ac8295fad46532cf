"""Rate recorded MLB games by the games before them, and write one row a game.

    python benchmarks/rate_mlb.py DATA RATINGS.parquet

DATA is the folder that holds `mlb/games.parquet`. The file names in its metadata the version of the
fold and the hash of what it was made of.
"""

import hashlib
import sys
from pathlib import Path

import polars as pl

from oddspipe.plugins.mlb_rating import VERSION, rated


def main(data: Path, target: Path) -> None:
    source = data / "mlb" / "games.parquet"
    made = rated(pl.read_parquet(source))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    made.write_parquet(target, metadata={"version": VERSION, "sha256": digest})
    print(f"{made.height} games -> {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
