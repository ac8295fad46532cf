"""What a model said of every state that it was asked about, in numbers that can be scored."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.backtest.recorded import Recorded
from oddspipe.core.names import Market
from oddspipe.core.parts import MarketPlan
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.model import Doubt, Doubted, GameStates, Pmf, ScoreDistribution
from oddspipe.core.stages.isolate import Columns, Prices
from oddspipe.core.stages.markets import make_boards
from oddspipe.ext import _fold_state as s
from oddspipe.ext.normal import between

SCOPE = "game"
CHUNK = 8192
"""States whose distributions are in memory at once."""

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


class Forecasts:
    """Asks the model again for what the price stage asked it, and keeps what is scored.

    The answer is the same to the bit: a model is a pure function of the states.
    """

    def __init__(self, plan: Plan, model: Prices, recorded: Recorded) -> None:
        """Take the model, and what is known of the games' ends."""
        self._model = model
        self._recorded = recorded
        total = [m for m in plan.odds.markets if m.market is Market.TOTAL and m.scope == SCOPE]
        self._total: tuple[MarketPlan, ...] = tuple(total[:1])
        self._parts: list[dict[str, Reals | Whole]] = []
        self._names: Callable[[], Sequence[str]] = tuple

    def __call__(self, cuts: Whole, of_cut: Whole, states: Columns) -> None:
        """Take the cuts of one step and their states."""
        rows = np.flatnonzero(cuts[:, s.CUT_MODE] == s.PRICED)
        wanted, place = np.unique(of_cut[rows], return_inverse=True)
        game = np.zeros(len(next(iter(states.values()))), np.int64)
        game[of_cut] = cuts[:, s.CUT_GAME]
        made = [self._said(states, part, game[part]) for part in _chunks(wanted)]
        if not made:
            return
        columns = {name: np.concatenate([one[name] for one in made]) for name in made[0]}
        self._parts.append(
            {
                "game": cuts[rows, s.CUT_GAME],
                "event_sequence": cuts[rows, s.CUT_SEQUENCE],
                **{name: values[place] for name, values in columns.items()},
            }
        )

    def knows(self, names: Callable[[], Sequence[str]]) -> None:
        """Take what gives the names of games by their numbers, as far as they are known."""
        self._names = names

    def frame(self) -> pl.DataFrame:
        """Return one row a priced event: the last forecast made of it."""
        parts = [pl.DataFrame(part) for part in self._parts if len(part["game"])]
        if not parts:
            return pl.DataFrame()
        frame = pl.concat(parts)
        names = pl.Series(self._names(), dtype=pl.String)
        return (
            frame.with_columns(game_id=names.gather(frame["game"]))
            .drop("game")
            .unique(["game_id", "event_sequence"], keep="last", maintain_order=True)
        )

    def _said(self, states: Columns, rows: Whole, game: Whole) -> dict[str, Reals]:
        """Return what the model says of some states, an entry a state."""
        answer = self._model.price(GameStates({name: c[rows] for name, c in states.items()}))
        margin, total = answer[SCOPE].margin(), answer[SCOPE].total()
        home, away, closing = self._known(game)
        level = np.zeros(len(rows))
        home_wins, away_wins = above(margin, level), below(margin, level)
        over, under = above(total, closing), below(total, closing)
        main, over_main = self._main(answer)
        over_close = np.where(np.isnan(closing), np.nan, _first_of_two(over, under))
        doubt = doubt_of(answer[SCOPE], len(rows))
        home_ends = between(_first_of_two(home_wins, away_wins), doubt.margin)
        over_ends = between(over_close, doubt.total)
        return {
            "p_home": home_wins,
            "p_tie": (1.0 - home_wins - away_wins).clip(0.0),
            "margin_mean": mean(margin),
            "margin_median": median(margin),
            "margin_crps": crps(margin, home - away),
            "total_mean": mean(total),
            "total_median": median(total),
            "total_crps": crps(total, home + away),
            "main_total": main,
            "p_over_main": over_main,
            "p_over_close": over_close,
            "p_home_low": home_ends[0],
            "p_home_high": home_ends[1],
            "p_over_close_low": over_ends[0],
            "p_over_close_high": over_ends[1],
            "p_home_minus_1_5": above(margin, level + 1.5),
            "p_away_minus_1_5": below(margin, level - 1.5),
        }

    def _known(self, game: Whole) -> tuple[Reals, Reals, Reals]:
        """Return final points of both sides and the closing total of each row's game."""
        names, recorded = self._names(), self._recorded
        numbers, place = np.unique(game, return_inverse=True)
        told = np.array(
            [
                (
                    *recorded.finals.get(names[number], (np.nan, np.nan)),
                    recorded.closing_totals.get(names[number], np.nan),
                )
                for number in numbers.tolist()
            ]
        )
        home, away, closing = told[place].T
        return home, away, closing

    def _main(self, answer: Mapping[str, ScoreDistribution]) -> tuple[Reals, Reals]:
        """Return the main total that is offered, and the fair chance of over given no push."""
        if not self._total:
            nothing = np.full(len(answer[SCOPE].margin().first), np.nan)
            return nothing, nothing
        boards = make_boards(answer, self._total)
        at = int(np.flatnonzero(boards.slots.is_main)[0])
        return boards.line[:, at], boards.p_fair[:, at]


def doubt_of(scores: ScoreDistribution, rows: int) -> Doubt:
    """Return how far a distribution doubts itself, NaN where it does not say."""
    said = scores.doubt() if isinstance(scores, Doubted) else None
    return said or Doubt(*np.full((4, rows), np.nan))


def _first_of_two(first: Reals, second: Reals) -> Reals:
    return first / np.maximum(first + second, 1e-12)


def _chunks(rows: Whole) -> list[Whole]:
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _numbers(pmf: Pmf) -> Whole:
    return pmf.first[:, None] + np.arange(pmf.mass.shape[1])


def above(pmf: Pmf, line: Reals) -> Reals:
    """Return the chance of more than a line, a row each."""
    chance: Reals = np.where(_numbers(pmf) > line[:, None], pmf.mass, 0.0).sum(axis=1)
    return chance


def below(pmf: Pmf, line: Reals) -> Reals:
    """Return the chance of less than a line, a row each."""
    chance: Reals = np.where(_numbers(pmf) < line[:, None], pmf.mass, 0.0).sum(axis=1)
    return chance


def mean(pmf: Pmf) -> Reals:
    """Return the mean of each row."""
    middle: Reals = (pmf.mass * _numbers(pmf)).sum(axis=1)
    return middle


def median(pmf: Pmf) -> Reals:
    """Return the median of each row, each number spread evenly over the unit round it."""
    so_far = np.cumsum(pmf.mass, axis=1)
    at = (so_far < 0.5).sum(axis=1).clip(max=pmf.mass.shape[1] - 1)
    row = np.arange(len(at))
    here = pmf.mass[row, at]
    before = so_far[row, at] - here
    inside = ((0.5 - before) / np.maximum(here, 1e-12)).clip(0.0, 1.0)
    middle: Reals = pmf.first + at - 0.5 + np.where(here > 1.0 - 1e-9, 0.5, inside)
    return middle


def crps(pmf: Pmf, came: Reals) -> Reals:
    """Return the continuous ranked probability score of each row, in points; NaN if unknown.

    Source: Gneiting & Raftery (2007), Strictly proper scoring rules, JASA 102:359.
    """
    numbers = _numbers(pmf)
    below_it = np.cumsum(pmf.mass, axis=1)
    inside = ((below_it - (numbers >= came[:, None])) ** 2).sum(axis=1)
    # What came may lie outside the numbers that have any mass.
    outside = np.maximum(pmf.first - came, 0.0) + np.maximum(came - numbers[:, -1] - 1.0, 0.0)
    return np.where(np.isnan(came), np.nan, inside + outside)
