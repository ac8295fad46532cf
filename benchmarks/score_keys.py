"""Print what key numbers are worth: log likelihood of the final margin with them and without.

    PYTHONPATH=. python benchmarks/score_keys.py DATA

DATA is the folder of recorded games. Tables of half of the seasons are scored on the others, both
ways; the weights are those that are shipped, so only the tables are held out.
"""

import sys
from pathlib import Path

import polars as pl

from oddspipe.core.fitting.seasons import seasons_of
from oddspipe.core.plan.load import plan_for
from oddspipe.plugins import nba_fit, nfl_fit
from oddspipe.plugins.key_fit import key_tables, likelihood

FITS = {"nfl": (nfl_fit, nfl_fit.NflFitting()), "nba": (nba_fit, nba_fit.NbaFitting())}


def held_out(sport: str, data: Path) -> tuple[int, float, float]:
    module, fitting = FITS[sport]
    rows = fitting.ready(seasons_of(plan_for(sport), data, (), fitting.columns).rows)
    made = fitting.shipped()["parameters"]
    plain, weighed, count = 0.0, 0.0, 0
    halves = [rows.filter(pl.col("season") % 2 == half) for half in (0, 1)]
    for unseen, seen in (halves, halves[::-1]):
        here, there = (fitting.key_sample(part, made) for part in (unseen, seen))
        keys = here.keys(key_tables(there, module.KEY_KNOTS, module.KEY_MOST))
        plain += likelihood(here, None) * len(here.left)
        weighed += likelihood(here, keys) * len(here.left)
        count += len(here.left)
    return count, plain / count, weighed / count


def main(data: Path) -> None:
    for sport in FITS:
        count, plain, weighed = held_out(sport, data)
        print(f"{sport}: {count:,} rows, normal {plain:.4f}, weighed {weighed:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
