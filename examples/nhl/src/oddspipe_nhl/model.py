"""NHL: goals as Poisson counts, with power plays, empty nets, overtime and the shoot-out.

Until the last minutes both sides score independently, each at its own steady rate. Then the side
that trails by one or two takes its goalkeeper off: both sides score more, most of all the one that
leads, and rates depend on the score. That end is a Markov chain over the score, in steps of a few
seconds. A level game goes to overtime (three against three, the next goal wins), then to the
shoot-out; its winner is given one goal.

Sources: Asness and Brown (2018), Pulling the goalie: hockey and investment implications, for goals
in ten seconds at even strength (0.65 %), with the goalkeeper off (1.97 %) and into the empty net
(4.30 %). About 65 % of overtimes of 2015-16 ended before the shoot-out.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import GameStates, JointGrid, ScoreDistribution

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HOUR_S = 3600.0
"""Regulation time, and what rates are told for: three periods of twenty minutes."""
OVERTIME_S = 300.0
MOST = 18
"""Further goals of one side that are told apart; more have a chance below 1 in 10**8."""
STEPS = 12
"""Steps of the last minutes: ten seconds each at most, so two goals in one are rare."""
LEAST_GOALS = 0.3
"""However large a favourite is, the other side scores so many in an hour."""


class NhlParameters(BaseModel):
    """How an NHL game unfolds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_edge: float = Field(
        0.25,
        ge=-4,
        le=4,
        description="Expected home margin where no line is known.",
        json_schema_extra={"unit": "goals"},
    )
    total_mean: float = Field(
        6.1,
        gt=0,
        le=20,
        description="Expected total where no line is known.",
        json_schema_extra={"unit": "goals"},
    )
    late_goals: float = Field(
        0.54,
        ge=0,
        le=2,
        description="Goals of an average game that empty nets, overtime and shoot-out add.",
        json_schema_extra={"unit": "goals"},
    )
    power_play_goals: float = Field(
        7.0,
        ge=0,
        le=30,
        description="Goals in an hour of power play.",
        json_schema_extra={"unit": "goals"},
    )
    short_handed_goals: float = Field(
        0.8,
        ge=0,
        le=30,
        description="Goals in an hour of being short-handed.",
        json_schema_extra={"unit": "goals"},
    )
    pull_s: float = Field(
        120.0,
        ge=0,
        le=600,
        description="When a side that trails by one or two takes its goalkeeper off.",
        json_schema_extra={"unit": "seconds before the end"},
    )
    pulled_factor: float = Field(
        3.0, ge=1, le=10, description="How much more a side scores with its goalkeeper off."
    )
    empty_net_factor: float = Field(
        6.6, ge=1, le=20, description="How much more a side scores into an empty net."
    )
    overtime_goals: float = Field(
        12.6,
        ge=0,
        le=60,
        description="Goals of both sides in an hour of three against three.",
        json_schema_extra={"unit": "goals"},
    )
    shootout: bool = Field(
        default=True,
        description="Whether a shoot-out follows five minutes; in play-offs none does.",
    )


class NhlModel:
    """Price NHL games from score, time left, power play and the pregame line."""

    version: ClassVar[str] = "1"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = (
        "home_score",
        "away_score",
        "period",
        "time_left",
        "power_play",
        "penalty_left",
        "spread_line",
        "total_line",
    )
    Parameters: ClassVar[type[BaseModel]] = NhlParameters

    def __init__(self, parameters: BaseModel) -> None:
        """Take validated parameters."""
        self._at = NhlParameters.model_validate(parameters.model_dump())

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        at = self._at
        home_score, away_score = _whole(states["home_score"]), _whole(states["away_score"])
        period = _whole(_known(states["period"], 1.0))
        left = _known(states["time_left"], HOUR_S).clip(0.0, HOUR_S)
        regulation = np.where(period > 3, 0.0, left)
        home, away = self._rates(states)
        more_home, more_away = self._power_play(states, home, away, regulation)
        open_s = np.maximum(regulation - at.pull_s, 0.0)
        grid = np.zeros((len(left), MOST + 1, MOST + 1))
        grid[:, :MOST, :MOST] = (
            _poisson(np.maximum(home * open_s + more_home, 0.0))[:, :, None]
            * _poisson(np.maximum(away * open_s + more_away, 0.0))[:, None, :]
        )
        lead = home_score - away_score
        self._play_end(grid, lead, (home, away), np.minimum(regulation, at.pull_s))
        _decide(grid, lead, self._home_share(period, left, home / (home + away)))
        return {"game": JointGrid(home_score, away_score, grid)}

    def _rates(self, states: GameStates) -> tuple[FloatArray, FloatArray]:
        """Return the goals of each side in a second, with both goalkeepers on."""
        total = _known(states["total_line"], self._at.total_mean) - self._at.late_goals
        edge = _known(states["spread_line"], self._at.home_edge)
        home = np.maximum(0.5 * (total + edge), LEAST_GOALS)
        return home / HOUR_S, np.maximum(0.5 * (total - edge), LEAST_GOALS) / HOUR_S

    def _power_play(
        self, states: GameStates, home: FloatArray, away: FloatArray, left: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return the goals that a power play adds for each side, or takes from it."""
        seconds = np.minimum(_known(states["penalty_left"], 0.0).clip(0.0, 600.0), left)
        side = _known(states["power_play"], 0.0)
        up, down = self._at.power_play_goals / HOUR_S, self._at.short_handed_goals / HOUR_S

        def more(own: float, rate: FloatArray) -> FloatArray:
            now = np.where(side == own, up, np.where(side == 0.0, rate, down))
            return (now - rate) * seconds

        return more(1.0, home), more(2.0, away)

    def _play_end(
        self,
        grid: FloatArray,
        lead: IntArray,
        rates: tuple[FloatArray, FloatArray],
        seconds: FloatArray,
    ) -> None:
        """Play the last minutes, in place: who trails by one or two has an empty net."""
        goals = np.arange(MOST + 1)
        now = lead[:, None, None] + goals[:, None] - goals[None, :]
        home_off, away_off = (now == -1) | (now == -2), (now == 1) | (now == 2)
        step = (seconds / STEPS)[:, None, None]

        def chance(
            rate: FloatArray, own: NDArray[np.bool_], other: NDArray[np.bool_]
        ) -> FloatArray:
            factor = np.where(
                own, self._at.pulled_factor, np.where(other, self._at.empty_net_factor, 1.0)
            )
            scores: FloatArray = -np.expm1(-rate[:, None, None] * factor * step)
            return scores

        home = chance(rates[0], home_off, away_off)
        away = chance(rates[1], away_off, home_off)
        home[:, MOST], away[:, :, MOST] = 0.0, 0.0
        for _ in range(STEPS):
            by_home, by_away = grid * home, grid * away
            grid -= by_home + by_away
            grid[:, 1:] += by_home[:, :-1]
            grid[:, :, 1:] += by_away[:, :, :-1]

    def _home_share(self, period: IntArray, left: FloatArray, share: FloatArray) -> FloatArray:
        """Return the chance that home wins a game that is level after regulation."""
        if not self._at.shootout:
            return share
        played = np.where(period > 3, left.clip(0.0, OVERTIME_S), OVERTIME_S)
        played = np.where(period > 4, 0.0, played)
        goal = -np.expm1(-self._at.overtime_goals / HOUR_S * played)
        home_share: FloatArray = goal * share + (1.0 - goal) * 0.5
        return home_share


def _poisson(mean: FloatArray) -> FloatArray:
    """Return the chance of 0, 1 … MOST - 1 goals; shape (rows, MOST), rows add up to 1."""
    mass = np.empty((len(mean), MOST))
    mass[:, 0] = np.exp(-mean)
    for goals in range(1, MOST):
        mass[:, goals] = mass[:, goals - 1] * mean / goals
    return mass / mass.sum(axis=1, keepdims=True)


def _decide(grid: FloatArray, lead: IntArray, home_share: FloatArray) -> None:
    """Give the winner of a level game one more goal, in place."""
    row = np.arange(len(lead))
    for home in range(MOST):
        away = home + lead
        level = (away >= 0) & (away < MOST)
        at = away.clip(0, MOST - 1)
        mass = np.where(level, grid[row, home, at], 0.0)
        grid[row, home, at] -= mass
        grid[row, home + 1, at] += mass * home_share
        grid[row, home, at + 1] += mass * (1.0 - home_share)


def _known(values: FloatArray, default: float) -> FloatArray:
    return np.where(np.isnan(values), default, values)


def _whole(values: FloatArray) -> IntArray:
    return _known(values, 0.0).astype(np.int64)
