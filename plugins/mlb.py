"""MLB: half-innings as a Markov chain of base-out states, both sides of unknown strength.

Each side's strength is normal before the game, round what a market or ratings say of it, and is
learnt from the runs so far. The end of a game knows the bottom half that is not played, the
walk-off, and extra innings with or without a runner on second base.

The transition counts are Retrosheet's; `mlb_fitted.json` holds them with their notice.
Sources: Lindsey (1961, 1963); Bukiet, Harold and Palacios (1997), A Markov chain approach to
baseball, Operations Research 45:14; Woolner (2005-06) for win expectancy by run environment.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import Doubt, Fitting, GameStates, ScoreDistribution, blend
from oddspipe.plugins import mlb_prior, mlb_rating
from oddspipe.plugins.curves import fitted
from oddspipe.plugins.doubt import MOST as MOST_DOUBT
from oddspipe.plugins.mlb_halves import (
    ENTRIES,
    MOST,
    NODES,
    NOTHING,
    PART,
    SPACING,
    STATES,
    Side,
    entry,
    make_extras,
    make_side,
    pair,
)
from oddspipe.plugins.mlb_prior import Opening, Solver, make_solver
from oddspipe.plugins.mlb_scores import (
    BaseballScores,
    Chances,
    Priors,
    doubt_of,
    knowable,
    spread_by_strength,
)
from oddspipe.plugins.mlb_situation import (
    DONE,
    FIRST_FIVE,
    Situation,
    first_five_to_come,
    situation_of,
    to_come,
    whole,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NODE_ENTRIES = np.arange(len(NODES)) * ENTRIES
_NOTHING_MORE = np.zeros((4, PART))
_NOTHING_MORE[0, PART // 2] = 1.0
_NOTHING_MORE[1:, 0] = 1.0
KNOWABLE = (0.087, 0.0735, 0.013)
"""Deviation of a side's strength, as closing prices tell it, round that of a game of which nothing
is known, round ratings, and between two closing prices of one market (moneyline and run line; the
total and the prices of over and under): 4,843 games of 2015 and 2016."""
_NO_WEIGHT = 1e-9
"""Weights of strengths below this share count as 0."""


class MlbParameters(BaseModel):
    """How an MLB game unfolds, and how well its sides are known before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extra_runner: bool = Field(
        default=True,
        description="Whether extra innings start with a runner on second base, where a game does "
        "not say.",
    )
    home_chance: float = Field(
        0.536, ge=0.2, le=0.8, description="Chance of home before a game of which nothing is known."
    )
    total: float = Field(
        8.728, ge=5, le=15, description="Mean total of a game of which nothing is known."
    )
    spread_blind: float = Field(
        0.20, ge=0.1, le=0.3, description="Deviation of a side's strength if nothing is known."
    )
    spread_rated: float = Field(
        0.16, ge=0.1, le=0.3, description="The same round what ratings say before the game."
    )
    spread_market: float = Field(
        0.13, ge=0.1, le=0.3, description="The same round what the market says before the game."
    )


class MlbModel:
    """Price MLB games from inning, outs, bases, score and what was known before."""

    version: ClassVar[str] = "3"
    rate_version: ClassVar[str] = mlb_rating.VERSION
    scopes: ClassVar[tuple[str, ...]] = ("game", "first_five")
    inputs: ClassVar[tuple[str, ...]] = (
        "period",
        "half",
        "outs",
        "bases",
        "home_score",
        "away_score",
        "home_first_five",
        "away_first_five",
        "sched_innings",
        "extra_runner",
        "home_chance",
        "run_line",
        "total_line",
        "rated_chance",
        "rated_total",
    )
    Parameters: ClassVar[type[BaseModel]] = MlbParameters

    def __init__(self, parameters: BaseModel, made: Mapping[str, Any] | None = None) -> None:
        """Build every table once; nothing is rebuilt when a prior moves.

        Args:
            parameters: Instance of `MlbParameters`.
            made: `parameters` of `mlb_fitted.json`; those that are shipped if left out.
        """
        at = MlbParameters.model_validate(parameters.model_dump())
        document = made or fitted("mlb_fitted.json")
        self._extra_runner = at.extra_runner
        self._away, self._home = (
            make_side(document["transitions"][half], document["inning_tilts"][half])
            for half in ("top", "bottom")
        )
        margins = np.array(document["walk_off_margin"], np.float64)
        self._walk_off = margins / margins.sum()
        self._extras = make_extras(self._away, self._home, self._walk_off)
        self._spreads = np.array([at.spread_blind, at.spread_rated, at.spread_market])
        self._solver: Solver = make_solver(
            self._opening,
            (at.spread_blind, at.spread_rated, at.spread_market),
            at.home_chance,
            at.total,
        )

    @staticmethod
    def fitting() -> Fitting:
        """Return what fits it to recorded seasons."""
        from oddspipe.plugins.mlb_fit import MlbFitting  # noqa: PLC0415 - a run fits nothing

        return MlbFitting()

    @staticmethod
    def rate(games: pl.DataFrame) -> pl.DataFrame:
        """Return `game_id`, `rated_chance` and `rated_total` of games, by those of earlier days.

        Args:
            games: Finished games: `game_id season date home_team away_team home_final away_final`.
        """
        return mlb_rating.rated(games)

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        now = situation_of(states, extra_runner=self._extra_runner)
        away_mean, home_mean, spread = self._strengths(states, now.last)
        away, home = self._weights(now, away_mean, home_mean, self._spreads[spread])
        variance = self._spreads**2
        priors = Priors(variance[spread], variance[2], np.array(KNOWABLE)[spread])
        known = np.stack([knowable(weights, priors) for weights in (away, home)])
        return {
            "game": BaseballScores(
                lambda: self._game(now, away, home),
                lambda: self._doubt(to_come(now), away, home, known * _again(now)),
            ),
            "first_five": BaseballScores(
                lambda: self._first_five(states, now, away, home),
                lambda: self._first_five_doubt(states, now, away, home, known),
            ),
        }

    def _doubt(
        self, entries: tuple[IntArray, IntArray], away: FloatArray, home: FloatArray,
        known: FloatArray,
    ) -> Doubt:  # fmt: skip
        """Return how much of what is to come is doubt about the strengths."""
        visitors, hosts = entries
        return doubt_of(
            spread_by_strength(self._away, visitors, away),
            spread_by_strength(self._home, hosts, home),
            known,
        )

    def _first_five_doubt(
        self, states: GameStates, now: Situation, away: FloatArray, home: FloatArray,
        known: FloatArray,
    ) -> Doubt:  # fmt: skip
        """Return the same of five innings; whoever saw them knows how they ended."""
        entries, over = first_five_to_come(now)
        unseen = over & (np.isnan(states["away_first_five"]) | np.isnan(states["home_first_five"]))
        made = self._doubt(entries, away, home, known)
        return Doubt(
            *(
                np.where(unseen, MOST_DOUBT, np.where(over, 0.0, one))
                for one in (made.margin, made.total, made.home, made.away)
            )
        )

    def _strengths(
        self, states: GameStates, last: IntArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return the mean strength of each side before the game, and which spread is round it."""
        chance, margin, line, total = (
            states[name] for name in ("home_chance", "run_line", "total_line", "rated_total")
        )
        rated = states["rated_chance"]
        market = ~np.isnan(line) & ~(np.isnan(chance) & np.isnan(margin))
        nothing = np.isnan([chance, margin, line, total, rated]).all(axis=0)
        spread = np.where(market, 2, np.where(nothing, 0, 1))
        known = Opening(
            np.where(np.isnan(chance) & np.isnan(margin), rated, chance), margin, line, total
        )
        return *self._solver.strengths(known, spread, last), spread

    def _weights(
        self, now: Situation, away_mean: FloatArray, home_mean: FloatArray, deviation: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return what each strength of either side weighs by now, shape (rows, nodes)."""
        batting = now.state, np.full_like(now.state, NOTHING)
        out = []
        for side, mean, runs, at_bat in (
            (self._away, away_mean, now.away_score, now.top),
            (self._home, home_mean, now.home_score, ~now.top),
        ):
            # Halves that the side has begun: home has not begun that of a top.
            begun = now.inning + now.extra - (now.top if side is self._home else 0)
            extra = (begun - now.last).clip(0)
            state = np.where(at_bat, *batting)
            prior = (NODES - mean[:, None]) / deviation[:, None]
            log = runs[:, None] * NODES - 0.5 * prior * prior
            log += side.state_weight[now.inning * (STATES + 1) + state]
            log += side.begun_weight[np.minimum(begun, now.last)]
            log += extra[:, None] * side.extra_weight[now.start, now.last]
            out.append(_normalised(log))
        return out[0], out[1]

    def _game(self, now: Situation, away: FloatArray, home: FloatArray) -> Chances:
        """Return what may happen up to the end of the game, by weights of the strengths."""
        last, top = now.last, now.top
        visitors, hosts = to_come(now)
        batting = np.where(top, NOTHING, now.state)
        done = (now.extra > 0) | now.finished
        before = np.where(done, DONE, entry(now.inning - top, batting, last - 1))
        sides = np.stack(
            [
                _mixed(self._away, visitors, away),
                _mixed(self._home, before, home),
                _mixed(self._home, hosts, home),
            ]
        )
        extras = self._after_a_tie(now, away, home)
        return Chances(sides, extras, self._walk_off, now.home_score, now.away_score)

    def _after_a_tie(self, now: Situation, away: FloatArray, home: FloatArray) -> FloatArray:
        """Return what extra innings bring, between the strengths next to the mean ones."""
        (low_away, up_away), (low_home, up_home) = _between(away), _between(home)
        corners = [(one, other) for one in (0, 1) for other in (0, 1)]
        at = [pair(now.start, now.last, low_away + one, low_home + other) for one, other in corners]
        share = [
            (up_away if one else 1.0 - up_away) * (up_home if other else 1.0 - up_home)
            for one, other in corners
        ]
        return blend(self._extras, np.stack(at, axis=1), np.stack(share, axis=1))

    def _first_five(
        self, states: GameStates, now: Situation, away: FloatArray, home: FloatArray
    ) -> Chances:
        """Return what may happen up to the end of five innings."""
        begun = now.inning + now.extra
        (visitors, hosts), over = first_five_to_come(now)
        away_more, home_more = _mixed(self._away, visitors, away), _mixed(self._home, hosts, home)
        away_then, home_then = states["away_first_five"], states["home_first_five"]
        unknown = over & (np.isnan(away_then) | np.isnan(home_then))
        known = over & ~unknown
        away_score = np.where(known, whole(away_then, 0), now.away_score)
        home_score = np.where(known, whole(home_then, 0), now.home_score)
        if unknown.any():
            # Who joins later does not know when the runs came: each is as likely in any inning.
            played = np.maximum(begun - now.top, FIRST_FIVE)
            away_more[unknown] = _share(now.away_score[unknown], FIRST_FIVE / begun[unknown])
            home_more[unknown] = _share(now.home_score[unknown], FIRST_FIVE / played[unknown])
            away_score, home_score = (np.where(unknown, 0, s) for s in (away_score, home_score))
        sides = np.stack([away_more, home_more, home_more])
        none = np.tile(_NOTHING_MORE.ravel(), (len(away), 1))
        return Chances(sides, none, self._walk_off, home_score, away_score)

    def _opening(
        self, away: FloatArray, home: FloatArray, deviation: FloatArray, innings: IntArray
    ) -> Opening:
        """Price the start of games for the solver."""
        none = np.zeros_like(innings)
        now = Situation(
            innings, none + 1, none, none == 0, none, none + int(self._extra_runner),
            none > 0, none, none,
        )  # fmt: skip
        weights = self._weights(now, away, home, deviation)
        scores = BaseballScores(lambda: self._game(now, *weights))
        return mlb_prior.opening(scores.margin(), scores.total())


def _again(now: Situation) -> FloatArray:
    """Return by how much more strengths tell in a level last inning: about half go on after it."""
    level = (now.home_score == now.away_score) & (now.inning == now.last)
    return np.where(level, np.sqrt(2.0), 1.0)


def _normalised(log: FloatArray) -> FloatArray:
    """Return weights that add up to 1 in each row, 0 where they would not matter."""
    weights = np.exp(log - log.max(axis=1, keepdims=True))
    weights[weights < _NO_WEIGHT] = 0.0
    result: FloatArray = weights / np.cumsum(weights, axis=1)[:, -1:]
    return result


def _mixed(side: Side, entries: IntArray, weights: FloatArray) -> FloatArray:
    """Return the runs of each row's entry, mixed over the strengths."""
    return blend(side.further, entries[:, None] + _NODE_ENTRIES, weights)


def _between(weights: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the node below the mean strength, and how far the mean is from it to the next."""
    mean = np.zeros(len(weights))
    for node, theta in enumerate(NODES):
        mean += weights[:, node] * theta
    place = ((mean - NODES[0]) / SPACING).clip(0.0, len(NODES) - 1.001)
    low = place.astype(np.int64)
    return low, place - low


def _share(runs: IntArray, chance: FloatArray) -> FloatArray:
    """Return how many of the runs came early, if each did with this chance: binomial."""
    out = np.zeros((len(runs), MOST + 1))
    inside = np.minimum(chance, 0.999_999)
    most = np.minimum(runs, MOST)
    out[:, 0] = (1.0 - inside) ** most
    for run in range(MOST):
        out[:, run + 1] = (
            out[:, run] * ((most - run).clip(0) / (run + 1)) * (inside / (1.0 - inside))
        )
    result: FloatArray = out / np.cumsum(out, axis=1)[:, -1:]
    return result
