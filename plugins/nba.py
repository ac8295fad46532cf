"""NBA: the lead as Brownian motion round the pregame line, faster late in the game.

Source: Stern (1994), A Brownian motion model for the progress of sports scores, JASA 89:1128.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import GameStates, NormalScores, Overtime, ScoreDistribution

REGULATION_S = 2880.0
OVERTIME_S = 300.0
SETTLES_S = 24.0
"""The noise of the last possession fades out over one shot clock."""

OVERTIME_MARGINS = (0.115, 0.075, 0.19, 0.14, 0.095, 0.115, 0.105, 0.04, 0.055, 0.035, 0.035)
"""Margin of games won in overtime, by points from 1: 199 games of 2021-24."""
OVERTIME_POINTS = (23.8, 9.7)
"""Mean and deviation of the points of both sides in overtime, further ones included."""


class NbaParameters(BaseModel):
    """How an NBA game unfolds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_edge: float = Field(
        2.5,
        ge=-20,
        le=20,
        description="Expected home margin where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    margin_sd: float = Field(
        13.5,
        gt=0,
        le=40,
        description="Deviation of the final margin at tip-off.",
        json_schema_extra={"unit": "points"},
    )
    total_mean: float = Field(
        228.0,
        gt=0,
        le=400,
        description="Expected total where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    total_sd: float = Field(
        18.5,
        gt=0,
        le=60,
        description="Deviation of the final total at tip-off.",
        json_schema_extra={"unit": "points"},
    )
    unknown_sd: float = Field(
        6.0,
        ge=0,
        le=20,
        description="Extra deviation where no pregame line is known.",
        json_schema_extra={"unit": "points"},
    )
    late_growth: float = Field(
        0.9, ge=0, le=3, description="How much faster variance accrues late in the game."
    )
    ball_points: float = Field(
        0.4,
        ge=0,
        le=2,
        description="What having the ball is worth.",
        json_schema_extra={"unit": "points"},
    )
    noise_floor: float = Field(
        1.1,
        ge=0,
        le=10,
        description="Deviation that the last possessions keep.",
        json_schema_extra={"unit": "points"},
    )


class NbaModel:
    """Price NBA games from score, clock, possession and the pregame line."""

    version: ClassVar[str] = "1"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = (
        "home_score",
        "away_score",
        "time_left",
        "period",
        "possession",
        "spread_line",
        "total_line",
    )
    Parameters: ClassVar[type[BaseModel]] = NbaParameters

    def __init__(self, parameters: BaseModel) -> None:
        """Take validated parameters."""
        self._at = NbaParameters.model_validate(parameters.model_dump())

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        at = self._at
        home, away = _known(states["home_score"], 0.0), _known(states["away_score"], 0.0)
        left = _known(states["time_left"], REGULATION_S).clip(0.0, REGULATION_S)
        share = left / REGULATION_S
        prior = _known(states["spread_line"], at.home_edge)
        unknown = at.unknown_sd * share
        settle = np.minimum(left / SETTLES_S, 1.0)
        noise = (at.noise_floor * settle) ** 2
        growth = share * (1.0 + at.late_growth * (1.0 - share))
        side = _known(states["possession"], 0.0)
        ball = np.where(side == 1.0, 1.0, np.where(side == 2.0, -1.0, 0.0)) * at.ball_points
        blind_margin = np.where(np.isnan(states["spread_line"]), unknown * unknown, 0.0)
        blind_total = np.where(np.isnan(states["total_line"]), unknown * unknown, 0.0)
        margin_sd = np.sqrt(at.margin_sd**2 * growth + noise + blind_margin)
        total_sd = np.sqrt(at.total_sd**2 * share + noise + blind_total)
        margin = home - away + prior * share + ball * settle
        total = home + away + _known(states["total_line"], at.total_mean) * share
        # A further overtime restarts the clock; nobody ever stays level.
        edge = 0.4 * prior * (OVERTIME_S / REGULATION_S) / at.margin_sd
        overtime = Overtime(
            home_share=(0.5 + edge / np.sqrt(OVERTIME_S / REGULATION_S)).clip(0.2, 0.8),
            tie_share=np.zeros(len(home)),
            margins=OVERTIME_MARGINS,
            points_mean=OVERTIME_POINTS[0],
            points_sd=OVERTIME_POINTS[1],
        )
        scores = NormalScores(home, away, margin, margin_sd, total, total_sd, overtime)
        return {"game": scores}


def _known(values: NDArray[np.float64], default: float) -> NDArray[np.float64]:
    return np.where(np.isnan(values), default, values)
