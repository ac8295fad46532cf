"""How often a price lies in the interval that its model gives without the pregame line.

    PYTHONPATH=. python benchmarks/score_intervals.py DATA

Each recorded state is priced twice by the shipped model: as if nothing were known before the game,
and told what the recording knows (NFL and MLB the closing market, NBA a rolling rating). If doubt
is told rightly, nine in ten of the second prices lie in the interval (5-95 %) of the first; of the
NBA's more, as a rating knows less than a closing line. Ranges: a bootstrap over games (95 %).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks import score_mlb

from oddspipe.core.api import GameStates, OddsModel
from oddspipe.core.backtest.forecasts import above, below, doubt_of
from oddspipe.core.backtest.intervals import told
from oddspipe.core.backtest.scores import Games
from oddspipe.core.fitting.seasons import seasons_of
from oddspipe.core.plan.load import plan_for
from oddspipe.core.ports.registry import load_fitting
from oddspipe.ext.normal import between

STRIDE = 20_000
EVERY = {"nfl": 5, "nba": 17, "mlb": 5}
"""One row in so many is priced: neighbours are much the same."""
KNOWN = {
    "nfl": ("spread_line", "total_line"),
    "nba": ("spread_line", "total_line"),
    "mlb": ("home_chance", "total_line"),
}
PARTS = {"first quarter": (0.75, 1.01), "second": (0.5, 0.75), "third": (0.25, 0.5),
         "last": (-0.01, 0.25)}  # fmt: skip


def recorded(sport: str, data: Path) -> tuple[pl.DataFrame, OddsModel, dict[str, np.ndarray]]:
    """Return rows, the shipped model, and the states with all that is known before."""
    plan = plan_for(sport)
    fitting = load_fitting(plan.model.name)
    model = fitting.model(fitting.shipped()["parameters"])
    seasons = seasons_of(plan, data, score_mlb.SEASONS if sport == "mlb" else (), fitting.columns)
    rows = fitting.ready(seasons.rows)
    if sport == "mlb":
        rows = rows.join(score_mlb.closing(data), on="game_id", how="inner", maintain_order="left")
        rows = rows.drop_nulls(["home_chance", "total_line"])
    rows = rows.gather_every(EVERY[sport])
    states = dict(fitting.states(rows).columns)
    if sport == "mlb":
        states |= {name: rows[name].cast(pl.Float64).to_numpy() for name in KNOWN[sport]}
    return rows, model, states


def left_of(sport: str, states: dict[str, np.ndarray]) -> np.ndarray:
    """Return the share of regulation that is left."""
    if sport == "mlb":
        half = 2 * (states["period"] - 1) + states["half"]
        return 1.0 - np.minimum(half / 18.0, 1.0)
    late = states["period"] > 4
    return np.where(late, 0.0, states["time_left"] / {"nfl": 3600.0, "nba": 2880.0}[sport])


def chances(
    model: OddsModel, states: dict[str, np.ndarray], line: np.ndarray
) -> Iterator[tuple[np.ndarray, ...]]:
    """Give chance and both ends of home and of over a line, of some states at a time."""
    for start in range(0, len(line), STRIDE):
        part = slice(start, start + STRIDE)
        scores = model.price(GameStates({k: v[part] for k, v in states.items()}))["game"]
        doubt = doubt_of(scores, len(line[part]))
        made: list[np.ndarray] = []
        for pmf, at, share in (
            (scores.margin(), np.zeros(len(line[part])), doubt.margin),
            (scores.total(), line[part], doubt.total),
        ):
            over, under = above(pmf, at), below(pmf, at)
            chance = over / np.maximum(over + under, 1e-12)
            made += [chance, *between(chance, share)]
        yield tuple(made)


def main(data: Path) -> None:
    """Print a table a sport."""
    for sport, names in KNOWN.items():
        rows, model, states = recorded(sport, data)
        line = states["total_line"]
        blind = states | {name: np.full(len(line), np.nan) for name in names}
        first, second = (
            [np.concatenate(one) for one in zip(*chances(model, of, line), strict=True)]
            for of in (blind, states)
        )
        left = left_of(sport, states)
        print(f"\n{sport.upper()}, {rows['game_id'].n_unique():,} games, {len(line):,} states")
        for at, market in ((0, "home wins"), (3, "over the line")):
            _, low, high = first[at : at + 3]
            told_chance, told_low, told_high = second[at : at + 3]
            inside = ((low - 1e-6 <= told_chance) & (told_chance <= high + 1e-6)).astype(np.float64)
            for name, (least, most) in {"all": (-1.0, 2.0), **PARTS}.items():
                here = (left > least) & (left <= most)
                games = Games.of(rows["game_id"].filter(pl.Series(here)))
                print(
                    f"  {market:<14}{name:<14}{told(games.mean(inside[here])):<24}"
                    f"width {(high - low)[here].mean():.3f} blind, "
                    f"{(told_high - told_low)[here].mean():.3f} told"
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
