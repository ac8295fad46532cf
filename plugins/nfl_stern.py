"""NFL, simply: the lead as Brownian motion round the pregame line, with the ball worth points.

A baseline to hold others against; `nfl` is the model that the sport uses.

Source: Stern (1994), A Brownian motion model for the progress of sports scores, JASA 89:1128.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import GameStates, NormalScores, Overtime, ScoreDistribution

REGULATION_S = 3600.0
SETTLES_S = 60.0
"""The noise of the last drives fades out over the last minute."""

OVERTIME_MARGINS = (0.0, 0.005, 0.705, 0.0, 0.0, 0.29)
"""Margin of games won in overtime, by points from 1: 212 games of 2009-2022."""
OVERTIME_POINTS = (4.1, 1.9)
"""Mean and deviation of the points of both sides in overtime: 224 games of 2009-2022."""
OVERTIME_TIE = 0.054
"""Share of overtimes that stay level: 12 of 224."""


class NflSternParameters(BaseModel):
    """How an NFL game unfolds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_edge: float = Field(
        2.0,
        ge=-10,
        le=10,
        description="Expected home margin where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    margin_sd: float = Field(
        13.2,
        gt=0,
        le=40,
        description="Deviation of the final margin at kickoff.",
        json_schema_extra={"unit": "points"},
    )
    total_mean: float = Field(
        45.0,
        gt=0,
        le=120,
        description="Expected total where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    total_sd: float = Field(
        13.3,
        gt=0,
        le=40,
        description="Deviation of the final total at kickoff.",
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
        0.35, ge=0, le=3, description="How much faster variance accrues late in the game."
    )
    ball_share: float = Field(
        0.9, ge=0, le=1.5, description="Share of the drive's expected points that counts."
    )
    noise_floor: float = Field(
        2.7,
        ge=0,
        le=10,
        description="Deviation that a drive in the last minutes keeps.",
        json_schema_extra={"unit": "points"},
    )


class NflSternModel:
    """Price NFL games from score, clock, possession, field position and the pregame line."""

    version: ClassVar[str] = "1"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = (
        "home_score",
        "away_score",
        "time_left",
        "period",
        "possession",
        "yardline_100",
        "spread_line",
        "total_line",
    )
    Parameters: ClassVar[type[BaseModel]] = NflSternParameters

    def __init__(self, parameters: BaseModel) -> None:
        """Take validated parameters."""
        self._at = NflSternParameters.model_validate(parameters.model_dump())

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        at = self._at
        home, away = _known(states["home_score"], 0.0), _known(states["away_score"], 0.0)
        left = _known(states["time_left"], REGULATION_S).clip(0.0, REGULATION_S)
        extra = _known(states["period"], 1.0) > 4
        share = left / REGULATION_S
        prior = _known(states["spread_line"], at.home_edge)
        unknown = at.unknown_sd * share
        settle = np.minimum(left / SETTLES_S, 1.0)
        noise = (at.noise_floor * settle) ** 2
        lead = home - away
        growth = share * (1.0 + at.late_growth * (1.0 - share))
        ball = at.ball_share * _drive_points(states) * settle
        blind_margin = np.where(np.isnan(states["spread_line"]), unknown * unknown, 0.0)
        blind_total = np.where(np.isnan(states["total_line"]), unknown * unknown, 0.0)
        margin_sd = np.sqrt(at.margin_sd**2 * growth + noise + blind_margin)
        total_sd = np.sqrt(at.total_sd**2 * growth + noise + blind_total)
        total = home + away + _known(states["total_line"], at.total_mean) * share
        # An overtime pulls the favourite's chance to 1/2: little time is left to be better.
        overtime = Overtime(
            home_share=(0.5 + 0.01 * prior).clip(0.3, 0.7),
            tie_share=np.where(extra, 1.0, OVERTIME_TIE),
            margins=OVERTIME_MARGINS,
            points_mean=OVERTIME_POINTS[0],
            points_sd=OVERTIME_POINTS[1],
        )
        margin = lead + prior * share + ball
        scores = NormalScores(home, away, margin, margin_sd, total, total_sd, overtime)
        return {"game": scores}


def _drive_points(states: GameStates) -> NDArray[np.float64]:
    """Return the points that the ball is worth to home: a straight line in field position."""
    # Least squares of the published expected points on scrimmage downs, 2009-2022.
    side = _known(states["possession"], 0.0)
    sign = np.where(side == 1.0, 1.0, np.where(side == 2.0, -1.0, 0.0))
    return sign * (5.15 - 0.0636 * _known(states["yardline_100"], 75.0).clip(0.0, 100.0))


def _known(values: NDArray[np.float64], default: float) -> NDArray[np.float64]:
    return np.where(np.isnan(values), default, values)
