"""NBA: who wins and by how much, from score, clock, ball, free throws and the pregame rating.

Two forecasts that are fitted apart meet in one normal margin, as for the NFL: a probit of who
wins, with weights that change over the game, and a median margin. Total points are a third. The
first half has its own three. Weights, their scores on seasons that the fit has not seen and where
they come from stand in `nba_fitted.json`.

Source of the form: Stern (1994), A Brownian motion model for the progress of sports scores, JASA
89:1128; that leads shrink and deviations rise late: Deshpande & Jensen (2016), JQAS 12:51.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import (
    Fitting,
    GameStates,
    NormalScores,
    Overtime,
    ScoreDistribution,
    normal_cdf,
)
from oddspipe.plugins.curves import NEVER, Curve, KeyTables, Reals, Spread, Sum, fitted, known
from oddspipe.plugins.doubt import MOST, Doubts
from oddspipe.plugins.nba_situation import (
    HALF_PERIODS,
    HALF_S,
    PERIODS,
    REGULATION_S,
    Situation,
    margin_features,
    total_features,
    usual_deviation,
    win_features,
)

OVERTIME_S = 300.0
OVERTIME_MARGINS = (0.115, 0.075, 0.19, 0.14, 0.095, 0.115, 0.105, 0.04, 0.055, 0.035, 0.035)
"""Margin of games won in overtime, by points from 1: 199 games of 2021-24."""
OVERTIME_POINTS = (23.8, 9.7)
"""Mean and deviation of the points of both sides in overtime, further ones included."""
OVERTIME_PERIOD = (19.5, 6.5)
"""The same of one overtime period, in proportion to its time but for what fouls bring late."""
LATE_FOULS = (1.5, 15.0)
"""Points that the last seconds of an overtime period bring on top, and from when they shrink."""
CERTAIN = 6.0
"""A normal score of winning is no further from 0 than this: one game in a billion."""
HALF_BRIDGE = (14.1, 17.9)
"""Deviations of a game's margin and total, for a first half whose score was not seen."""


class NbaParameters(BaseModel):
    """How an NBA game unfolds where nothing is known of it; all else is fitted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home_edge: float = Field(
        2.5,
        ge=-20,
        le=20,
        description="Expected home margin where no line is known.",
        json_schema_extra={"unit": "points"},
    )
    total_mean: float = Field(
        228.0,
        gt=0,
        le=400,
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


@dataclass(frozen=True, slots=True)
class Prior:
    """What was expected before the game, and the deviation where it is a stand-in, else 0."""

    margin: Reals
    total: Reals
    margin_blind: Reals
    total_blind: Reals
    margin_known: np.ndarray
    total_known: np.ndarray

    @staticmethod
    def of(states: GameStates, usual: NbaParameters) -> "Prior":
        """Read the lines."""
        lines = (states["spread_line"], states["total_line"])
        margin, total = (
            known(line, stand_in)
            for line, stand_in in zip(lines, (usual.home_edge, usual.total_mean), strict=True)
        )
        blind = (np.where(np.isnan(line), usual.unknown_sd, 0.0) for line in lines)
        return Prior(margin, total, *blind, *(~np.isnan(line) for line in lines))


@dataclass(frozen=True, slots=True)
class Scope:
    """What is fitted for the end of the game or of its first half."""

    seconds: float
    win: Sum
    margin: Sum
    total: Sum
    margin_sd: Curve
    total_sd: Curve
    win_doubt: Doubts
    total_doubt: Doubts

    @staticmethod
    def of(seconds: float, made: Mapping[str, Any]) -> "Scope":
        """Read one scope of the fitted parameters."""
        knots = np.array(made["margin"]["knots"])
        win, margin, total = (Sum.of(made[name]) for name in ("win", "margin", "total"))
        margin_sd, total_sd = (
            Curve(knots, np.array(made[name])) for name in ("margin_sd", "total_sd")
        )
        doubts = (Doubts.of(made["doubt"][name]) for name in ("win", "total"))
        return Scope(seconds, win, margin, total, margin_sd, total_sd, *doubts)

    def margin_of(self, at: Situation, prior: Prior) -> Spread:
        """Return the margin at the end; what is not known of the sides widens it."""
        score = self.win(at.left, win_features(at, prior.margin)).clip(-CERTAIN, CERTAIN)
        further = self.margin(at.left, margin_features(at, prior.margin))
        usual = self.margin_sd(at.left)
        wider = np.sqrt(usual**2 + (prior.margin_blind * at.left / self.seconds) ** 2)
        return Spread.of(score * usual / wider, at.lead + further, wider)

    def total_of(self, at: Situation, prior: Prior) -> Spread:
        """Return the total at the end."""
        further = self.total(at.left, total_features(at, prior.total)).clip(0.0)
        blind = prior.total_blind * at.left / self.seconds
        return Spread(at.points + further, np.sqrt(self.total_sd(at.left) ** 2 + blind**2))

    def doubt_of(self, at: Situation, prior: Prior) -> tuple[Reals, Reals]:
        """Return the shares of the deviations of margin and total that are doubt of their means."""
        left, usual, over = at.left, self.margin_sd(at.left), _over(at)
        part = left / self.seconds
        slope = np.abs(self.win.terms["prior"](left)) / usual_deviation(left)
        # Who wins is counted in usual deviations.
        wider = np.hypot(usual, prior.margin_blind * part) / usual
        margin = self.win_doubt.share(left, slope, prior.margin_known, wider)
        terms = self.total.terms
        slope = np.abs(terms["line"](left) - at.gone * terms["pace"](left))
        wider = np.hypot(self.total_sd(left), prior.total_blind * part)
        total = self.total_doubt.share(left, slope, prior.total_known, wider)
        return np.where(over, 0.0, margin), np.where(over, 0.0, total)


class NbaModel:
    """Price NBA games from score, clock, possession, free throws and what was known before."""

    version: ClassVar[str] = "4"
    scopes: ClassVar[tuple[str, ...]] = ("game", "first_half")
    inputs: ClassVar[tuple[str, ...]] = (
        "home_score",
        "away_score",
        "time_left",
        "period",
        "possession",
        "home_throws",
        "away_throws",
        "home_half",
        "away_half",
        "spread_line",
        "total_line",
    )
    Parameters: ClassVar[type[BaseModel]] = NbaParameters

    def __init__(
        self,
        parameters: BaseModel,
        made: Mapping[str, Any] | None = None,
    ) -> None:
        """Take validated parameters, and fitted ones in place of those of the package.

        Args:
            parameters: Instance of `NbaParameters`.
            made: `parameters` of `nba_fitted.json`; `keys` may be None there, for no key numbers.
        """
        self._at = NbaParameters.model_validate(parameters.model_dump())
        made = made or fitted("nba_fitted.json")
        self._keys = KeyTables.of(made["keys"]) if made["keys"] else None
        self._game = Scope.of(REGULATION_S, made["game"])
        self._half = Scope.of(HALF_S, made["first_half"])

    @staticmethod
    def fitting() -> Fitting:
        """Return what fits it to recorded seasons."""
        from oddspipe.plugins.nba_fit import NbaFitting  # noqa: PLC0415 - a run fits nothing

        return NbaFitting()

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distributions of scores at the end of each scope, a row a state."""
        at, prior = Situation.of(states), Prior.of(states, self._at)
        period = known(states["period"], 1.0)
        margin, total = self._game.margin_of(at, prior), self._game.total_of(at, prior)
        extra = period > PERIODS
        if extra.any():
            share = at.left.clip(0.0, OVERTIME_S) / OVERTIME_S
            fouls = LATE_FOULS[0] * np.minimum(at.left / LATE_FOULS[1], 1.0)
            further = OVERTIME_PERIOD[0] * share + fouls
            total = Spread(
                np.where(extra, at.points + further, total.mean),
                np.where(extra, OVERTIME_PERIOD[1] * np.sqrt(share), total.deviation),
            )
        # A further overtime restarts the clock; nobody ever stays level.
        overtime = Overtime(
            home_share=self._overtime_chance(at, prior),
            tie_share=np.zeros(len(period)),
            margins=OVERTIME_MARGINS,
            points_mean=OVERTIME_POINTS[0],
            points_sd=OVERTIME_POINTS[1],
        )
        game = _scores(states, _until(at, margin, total), overtime)
        doubt, total_doubt = self._game.doubt_of(at, prior)
        game = replace(game, margin_doubt=doubt, total_doubt=np.where(extra, 0.0, total_doubt))
        if self._keys is not None:
            left = np.where(extra, NEVER, at.left)
            game = replace(game, keys=self._keys.at(left, at.lead, overtime.home_share))
        return {"game": game, "first_half": self._first_half(states, at, prior, period)}

    def _overtime_chance(self, at: Situation, prior: Prior) -> Reals:
        """Return the chance of home in an overtime that starts level."""
        nothing = np.zeros(len(at.lead))
        start = replace(at, left=nothing + OVERTIME_S, lead=nothing, ball=nothing, throws=nothing)
        spread = self._game.margin_of(start, prior)
        return normal_cdf(spread.mean / spread.deviation)

    def _first_half(
        self, states: GameStates, at: Situation, prior: Prior, period: Reals
    ) -> NormalScores:
        """Return the scores at half-time, of which nothing is left once it is over."""
        now = at.until_half()
        ends = _until(now, self._half.margin_of(now, prior), self._half.total_of(now, prior))
        gone = period > HALF_PERIODS
        scores = _scores(states, ends)
        if gone.any():
            scores = _half_score(states, at, scores, gone)
        # Whoever was there knows how a half ended that is over.
        seen = ~np.isnan(states["home_half"]) & ~np.isnan(states["away_half"])
        doubt, total_doubt = (
            np.where(gone, np.where(seen, 0.0, MOST), one)
            for one in self._half.doubt_of(now, prior)
        )
        return replace(scores, margin_doubt=doubt, total_doubt=total_doubt)


def _until(at: Situation, margin: Spread, total: Spread) -> tuple[Spread, Spread]:
    """Return the forecasts, certain where nothing is left; at 0:00 free throws may be to come."""
    over = _over(at)
    sure = (
        Spread(np.where(over, now, to_come.mean), np.where(over, 0.0, to_come.deviation))
        for now, to_come in ((at.lead, margin), (at.points, total))
    )
    margin, total = sure
    return margin, total


def _over(at: Situation) -> np.ndarray:
    return np.asarray((at.left <= 0.0) & (at.throws == 0.0))


def _scores(
    states: GameStates, ends: tuple[Spread, Spread], overtime: Overtime | None = None
) -> NormalScores:
    margin, total = ends
    return NormalScores(
        known(states["home_score"], 0.0), known(states["away_score"], 0.0),
        margin.mean, margin.deviation, total.mean, total.deviation, overtime,
    )  # fmt: skip


def _half_score(
    states: GameStates, at: Situation, scores: NormalScores, gone: np.ndarray
) -> NormalScores:
    """Return the score of a half that is over: as it was seen, else a guess from that of now."""
    home, away = states["home_half"], states["away_half"]
    guess = gone & (np.isnan(home) | np.isnan(away))
    seen = gone & ~guess
    share = HALF_S / np.maximum(at.gone * REGULATION_S, HALF_S)
    spread = np.sqrt(share * (1.0 - share) * at.gone)
    home, away = known(home, 0.0), known(away, 0.0)
    # The score of now has the half's share of it, give or take.
    means = (
        np.where(guess, now * share, np.where(seen, half, to_come))
        for now, half, to_come in (
            (at.lead, home - away, scores.margin_mean),
            (at.points, home + away, scores.total_mean),
        )
    )
    deviations = (
        np.where(guess, bridge * spread, np.where(seen, 0.0, to_come))
        for bridge, to_come in zip(HALF_BRIDGE, (scores.margin_sd, scores.total_sd), strict=True)
    )
    (margin, total), (margin_sd, total_sd) = means, deviations
    return NormalScores(
        np.where(guess, 0.0, np.where(seen, home, scores.home_score)),
        np.where(guess, 0.0, np.where(seen, away, scores.away_score)),
        margin, margin_sd, total, total_sd,
    )  # fmt: skip
