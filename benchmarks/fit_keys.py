"""Fit how much likelier some final margins are than a normal curve says, and write the tables.

    PYTHONPATH=. python benchmarks/fit_keys.py nfl DATA plugins/nfl_keys.json
    PYTHONPATH=. python benchmarks/fit_keys.py nba DATA plugins/nba_keys.json

DATA is the folder of recorded games. Reads the forecasts of the fitted model, so run it after
`fit_nfl.py` or `fit_nba.py`. A margin at the end of regulation is weighed by its own size (key
numbers: 3, 7, 0) and by how far it is from the lead of now (nobody scores any more; one more field
goal), by iterative proportional fitting at knots of the time left; 40 rows of shrinkage keep rare
margins near 1.
"""

import hashlib
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from benchmarks import fit_nba, fit_nfl

from oddspipe.core.api import KeyNumbers, NormalScores
from oddspipe.plugins.nba import NbaModel, NbaParameters
from oddspipe.plugins.nfl import NflModel, NflParameters

KNOTS = {
    "nfl": (0.0, 45.0, 150.0, 420.0, 900.0, 1800.0, 3600.0),
    "nba": (0.0, 12.0, 45.0, 150.0, 480.0, 1440.0, 2880.0),
}
MOST = {"nfl": 29, "nba": 12}
"""The last entry of a table stands for all larger margins."""
TAIL = 6
EVERY = {"nfl": 29, "nba": 97}
TURNS, SHRINKAGE = 60, 40.0


class Sample(NamedTuple):
    """States whose regulation ended known; an entry a row."""

    season: np.ndarray
    left: np.ndarray
    lead: np.ndarray
    margin: np.ndarray
    scores: NormalScores
    home_share: np.ndarray

    def of(self, keep: np.ndarray) -> "Sample":
        """Return some rows."""
        fields = ("home_score", "away_score", "margin_mean", "margin_sd", "total_mean", "total_sd")
        scores = NormalScores(*(getattr(self.scores, name)[keep] for name in fields))
        return Sample(*(array[keep] for array in self[:4]), scores, self.home_share[keep])

    def keys(self, made: dict[str, Any]) -> KeyNumbers:
        """Return the weights that tables give to the rows."""
        tables = (np.array(made[name]) for name in ("knots", "size", "moved"))
        return KeyNumbers(self.left, self.lead, *tables, self.home_share)


def sample(sport: str, data: Path) -> Sample:
    """Return some rows of every game, with the model's normal margin."""
    if sport == "nfl":
        rows = fit_nfl.rows_of(data)
        late = pl.concat(
            [pl.read_parquet(file, columns=["game_id", "overtime"]).unique("game_id")
             for file in sorted(data.glob("nfl/*.parquet"))]
        )  # fmt: skip
        rows = rows.join(late, on="game_id", maintain_order="left").gather_every(EVERY[sport])
        level = pl.when(pl.col("overtime") == 1).then(0).otherwise(pl.col("result"))
        margin, states = rows.select(level.cast(pl.Float64)), fit_nfl.states_of(rows)
        model: Any = NflModel(NflParameters(), keys={})
        left = "game_seconds_remaining"
    else:
        rows = fit_nba.rows_of(data)
        last = pl.col("period").max().over("game_id") > fit_nba.PERIODS["game"]
        level = pl.when(last).then(0).otherwise(pl.col("final_home") - pl.col("final_away"))
        rows = rows.with_columns(level=level.cast(pl.Float64))
        rows = rows.filter(pl.col("period") <= fit_nba.PERIODS["game"]).gather_every(EVERY[sport])
        margin, states = rows.select("level"), fit_nba.states_of(rows)
        model = NbaModel(NbaParameters(), keys={})
        left = "game_seconds_remaining"
    scores = model.price(states)["game"]
    return Sample(
        rows["season"].to_numpy(),
        rows[left].cast(pl.Float64).to_numpy(),
        (rows["home_score"].cast(pl.Float64) - rows["away_score"].cast(pl.Float64)).to_numpy(),
        margin.to_series().to_numpy(),
        replace(scores, overtime=None),
        scores.overtime.home_share,
    )


def fit(sport: str, at: Sample) -> dict[str, Any]:
    """Return the tables, of logarithms, fitted on some rows."""
    knots, most = np.array(KNOTS[sport]), MOST[sport]
    near = np.stack([np.interp(at.left, knots, unit) for unit in np.eye(len(knots))])
    plain = at.scores.margin()
    numbers = plain.first[:, None] + np.arange(plain.mass.shape[1])
    size = np.minimum(np.abs(numbers), most).astype(np.int64)
    moved = np.minimum(np.abs(numbers - at.lead[:, None]), most).astype(np.int64)
    came = (at.margin, at.margin - at.lead)
    tables = [np.zeros((len(knots), most + 1)) for _ in range(2)]
    observed = [
        np.stack([np.bincount(np.minimum(np.abs(each), most).astype(np.int64), row, most + 1)
                  for row in near])
        for each in came
    ]  # fmt: skip
    flat = [np.arange(len(at.left))[:, None] * (most + 1) + index for index in (size, moved)]
    for _ in range(TURNS):
        for which in (0, 1):
            keys = at.keys({"knots": knots, "size": tables[0], "moved": tables[1]})
            mass = keys.weigh(at.scores.margin()).mass
            sums = np.bincount(flat[which].ravel(), mass.ravel(), len(at.left) * (most + 1))
            expected = near @ sums.reshape(len(at.left), most + 1)
            step = np.log((observed[which] + SHRINKAGE) / (expected + SHRINKAGE))
            # What is fitted is where margins lie, not how far they reach: no step on the average,
            # and the large margins together weigh as those before them do.
            near_ones = expected[:, :most]
            step -= (step[:, :most] * near_ones).sum(axis=1, keepdims=True) / near_ones.sum(
                axis=1, keepdims=True
            )
            tables[which] += 0.7 * step
            tables[which][:, most] = tables[which][:, most - TAIL : most].mean(axis=1)
    return {
        "knots": knots.tolist(),
        "size": np.round(tables[0], 4).tolist(),
        "moved": np.round(tables[1], 4).tolist(),
    }


def likelihood(at: Sample, keys: KeyNumbers | None) -> float:
    """Return the mean log likelihood of the margins that came."""
    pmf = at.scores.margin()
    if keys is not None:
        pmf = keys.weigh(pmf)
    column = (at.margin - pmf.first).astype(np.int64)
    inside = (column >= 0) & (column < pmf.mass.shape[1])
    mass = np.where(
        inside, pmf.mass[np.arange(len(column)), column.clip(0, pmf.mass.shape[1] - 1)], 0.0
    )
    return float(np.log(mass.clip(1e-6)).mean())


def held_out(sport: str, at: Sample) -> dict[str, float]:
    """Return the likelihood of half of the seasons by a fit on the others, both ways."""
    plain, weighed, rows = 0.0, 0.0, 0
    for half in (0, 1):
        here = at.season % 2 == half
        unseen = at.of(here)
        keys = unseen.keys(fit(sport, at.of(~here)))
        plain += likelihood(unseen, None) * here.sum()
        weighed += likelihood(unseen, keys) * here.sum()
        rows += int(here.sum())
    return {
        "log_likelihood_normal": round(plain / rows, 4),
        "log_likelihood": round(weighed / rows, 4),
    }


def main(sport: str, data: Path, out: Path) -> None:
    at = sample(sport, data)
    scores = held_out(sport, at)
    print(len(at.left), "rows", scores)
    digest = hashlib.sha256()
    for file in sorted(data.glob(f"{sport}/pbp_*.parquet")):
        digest.update(file.read_bytes())
    document = {
        "provenance": {
            "data_sha256": digest.hexdigest(),
            "fitted": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - a script
            "seasons": f"{at.season.min()}-{at.season.max()}",
            "rows": len(at.left),
            "held_out": scores,
        },
        **fit(sport, at),
    }
    out.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
