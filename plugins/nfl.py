"""NFL: who wins and by how much, from score, clock, field position, ball and the pregame line.

Two forecasts that are fitted apart meet in one normal margin: a probit of who wins, with weights
that change over the game, and a median margin. Total points are a third. Weights, their scores on
seasons that the fit has not seen and where they come from stand in `nfl_fitted.json`.

Sources: Stern (1994), A Brownian motion model for the progress of sports scores, JASA 89:1128, for
the form; the worth of a drive is the expected next score of the half, as in Romer (2006), Do firms
maximize?, JPE 114:340.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import Fitting, GameStates, NormalScores, Overtime, ScoreDistribution
from oddspipe.plugins.curves import NEVER, Curve, KeyTables, Reals, Spread, Sum, fitted, known
from oddspipe.plugins.doubt import MOST, Doubts
from oddspipe.plugins.nfl_situation import (
    REGULATION_S,
    DriveWorth,
    Situation,
    margin_features,
    total_features,
    usual_deviation,
    win_features,
)

OVERTIME_S = 600.0
OVERTIME_MARGINS = (0.0, 0.005, 0.705, 0.0, 0.0, 0.29)
"""Margin of games won in overtime, by points from 1: 212 games of 2009-2022."""
OVERTIME_POINTS = (4.1, 1.9)
"""Mean and deviation of the points of both sides in overtime: 224 games of 2009-2022."""
OVERTIME_TIE = 0.054
"""Share of overtimes that stay level: 12 of 224."""
OVERTIME_SD = 4.0
"""Deviation of the margin that a whole overtime makes, by the shares above."""
CERTAIN = 6.0
"""A normal score of winning is no further from 0 than this: one game in a billion."""


class NflParameters(BaseModel):
    """How an NFL game unfolds where nothing is known of it; all else is fitted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_edge: float = Field(
        2.0,
        ge=-10,
        le=10,
        description="Expected home margin where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    total_mean: float = Field(
        45.0,
        gt=0,
        le=120,
        description="Expected total where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    unknown_sd: float = Field(
        6.0,
        ge=0,
        le=20,
        description="Extra deviation of margin and total where no pregame line is known.",
        json_schema_extra={"unit": "points"},
    )


class NflModel:
    """Price NFL games from score, clock, possession, field position and the pregame line."""

    version: ClassVar[str] = "4"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = (
        "home_score",
        "away_score",
        "time_left",
        "period",
        "possession",
        "down",
        "distance",
        "yardline_100",
        "home_timeouts",
        "away_timeouts",
        "spread_line",
        "total_line",
    )
    Parameters: ClassVar[type[BaseModel]] = NflParameters

    def __init__(
        self,
        parameters: BaseModel,
        made: Mapping[str, Any] | None = None,
    ) -> None:
        """Take validated parameters, and fitted ones in place of those of the package.

        Args:
            parameters: Instance of `NflParameters`.
            made: `parameters` of `nfl_fitted.json`; `keys` may be None there, for no key numbers.
        """
        self._at = NflParameters.model_validate(parameters.model_dump())
        made = made or fitted("nfl_fitted.json")
        self._keys = KeyTables.of(made["keys"]) if made["keys"] else None
        self._worth = DriveWorth.of(made["drive"])
        self._win, self._margin = Sum.of(made["win"]), Sum.of(made["margin"])
        self._total = Sum.of(made["total"])
        self._margin_sd, self._total_sd = (
            Curve(np.array(made[of]["knots"]), np.array(made[name]))
            for of, name in (("margin", "margin_sd"), ("total", "total_sd"))
        )
        self._win_doubt, self._total_doubt = (Doubts.of(made["doubt"][n]) for n in ("win", "total"))

    @staticmethod
    def fitting() -> Fitting:
        """Return what fits it to recorded seasons."""
        from oddspipe.plugins.nfl_fit import NflFitting  # noqa: PLC0415 - a run fits nothing

        return NflFitting()

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        situation = Situation.of(states)
        home, away = known(states["home_score"], 0.0), known(states["away_score"], 0.0)
        extra = known(states["period"], 1.0) > 4
        prior = known(states["spread_line"], self._at.home_edge)
        blind_margin = np.where(np.isnan(states["spread_line"]), self._at.unknown_sd, 0.0)
        blind_total = np.where(np.isnan(states["total_line"]), self._at.unknown_sd, 0.0)
        margin = self._margin_of(situation, prior, blind_margin)
        total, total_sd = self._total_of(situation, prior, states["total_line"], blind_total)
        if extra.any():
            late = _in_overtime(situation, prior)
            margin = Spread(
                np.where(extra, late.mean, margin.mean),
                np.where(extra, late.deviation, margin.deviation),
            )
            share = situation.left.clip(0.0, OVERTIME_S) / OVERTIME_S
            total = np.where(extra, home + away + OVERTIME_POINTS[0] * share, total)
            total_sd = np.where(extra, OVERTIME_POINTS[1] * np.sqrt(share), total_sd)
        # An overtime pulls the favourite's chance to 1/2: little time is left to be better.
        overtime = Overtime(
            home_share=(0.5 + 0.01 * prior).clip(0.3, 0.7),
            tie_share=np.where(extra, 1.0, OVERTIME_TIE),
            margins=OVERTIME_MARGINS,
            points_mean=OVERTIME_POINTS[0],
            points_sd=OVERTIME_POINTS[1],
        )
        over = situation.left <= 0.0
        deviations = (np.where(over, 0.0, one) for one in (margin.deviation, total_sd))
        means = (
            np.where(over, of, one)
            for of, one in ((situation.lead, margin.mean), (situation.points, total))
        )
        (margin_sd, whole_sd), (margin_mean, whole) = deviations, means
        keys = None
        if self._keys is not None:
            left = np.where(extra, NEVER, situation.left)
            keys = self._keys.at(left, situation.lead, overtime.home_share)
        doubt = self._doubt_of(situation, states, blind_margin, total_sd)
        scores = NormalScores(
            home, away, margin_mean, margin_sd, whole, whole_sd, overtime, keys, *doubt
        )
        return {"game": scores}

    def _doubt_of(
        self, at: Situation, states: GameStates, blind: Reals, total_sd: Reals
    ) -> tuple[Reals, Reals]:
        """Return the shares of the deviations of margin and total that are doubt of their means."""
        left, usual = at.left, self._margin_sd(at.left)
        spread, line = (~np.isnan(states[name]) for name in ("spread_line", "total_line"))
        slope = np.abs(self._win.terms["prior"](left)) / usual_deviation(left)
        # Who wins is counted in usual deviations.
        wider = np.hypot(usual, blind * left / REGULATION_S) / usual
        margin = self._win_doubt.share(left, slope, spread, wider)
        terms = self._total.terms
        slope = np.abs(terms["line"](left) - (1.0 - left / REGULATION_S) * terms["pace"](left))
        total = self._total_doubt.share(left, slope, line, total_sd)
        extra = known(states["period"], 1.0) > 4
        if extra.any():
            before = np.where(spread, self._win_doubt.line, self._win_doubt.blind)
            share = np.sqrt(left.clip(0.0, OVERTIME_S) / OVERTIME_S)
            late = before * share * OVERTIME_S / REGULATION_S / OVERTIME_SD
            margin = np.where(extra, np.minimum(late, MOST), margin)
            total = np.where(extra, 0.0, total)
        over = left <= 0.0
        return np.where(over, 0.0, margin), np.where(over, 0.0, total)

    def _margin_of(self, situation: Situation, prior: Reals, blind: Reals) -> Spread:
        """Return the final margin of regulation; what is not known of the sides widens it."""
        left, worth = situation.left, self._worth(situation)
        score = self._win(left, win_features(situation, worth, prior)).clip(-CERTAIN, CERTAIN)
        further = self._margin(left, margin_features(situation, worth, prior))
        usual = self._margin_sd(left)
        wider = np.sqrt(usual**2 + (blind * left / REGULATION_S) ** 2)
        return Spread.of(score * usual / wider, situation.lead + further, wider)

    def _total_of(
        self, situation: Situation, prior: Reals, line: Reals, blind: Reals
    ) -> tuple[Reals, Reals]:
        left = situation.left
        features = total_features(
            situation, self._worth(situation), prior, known(line, self._at.total_mean)
        )
        further = self._total(left, features)
        wider = np.sqrt(self._total_sd(left) ** 2 + (blind * left / REGULATION_S) ** 2)
        return situation.points + further, wider


def _in_overtime(situation: Situation, prior: Reals) -> Spread:
    """Return the margin of a game in overtime."""
    share = situation.left.clip(0.0, OVERTIME_S) / OVERTIME_S
    mean = situation.lead + prior * share * OVERTIME_S / REGULATION_S
    return Spread(mean, OVERTIME_SD * np.sqrt(share))
