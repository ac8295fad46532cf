"""What an NFL game looks like to the model: features of a state, in regulation time.

The fit (`nfl_fit.py`) and the price use these same functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oddspipe.core.api import GameStates
from oddspipe.plugins.curves import Curve, Reals, known

REGULATION_S = 3600.0
HALF_S = 1800.0
YARDS = (0.0, 5.0, 10.0, 20.0, 35.0, 50.0, 65.0, 80.0, 90.0, 100.0)
"""Knots of the worth of field position, yards to the goal line."""
LATER_YARDS = (0.0, 10.0, 30.0, 50.0, 75.0, 100.0)
"""Knots of what later downs take from it."""
FADES_S = (180.0, 60.0, 20.0)
"""A half that ends leaves no time to score: three rates at which that tells."""
SETTLES_S = (120.0, 40.0)
"""Rates at which having ball and lead settles a game."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A state of regulation time, missing values filled; arrays of shape (rows,).

    Attributes:
        left: Seconds of regulation.
        ball: 1 home, -1 away, 0 nobody.
        lead: Home minus away.
        timeouts: Home's minus away's.
    """

    left: Reals
    ball: Reals
    lead: Reals
    points: Reals
    timeouts: Reals
    down: Reals
    distance: Reals
    yards: Reals

    @staticmethod
    def of(states: GameStates) -> "Situation":
        """Read a state; what is not known is as at the start of a game."""
        side = known(states["possession"], 0.0)
        home, away = known(states["home_score"], 0.0), known(states["away_score"], 0.0)
        timeouts = states["home_timeouts"] - states["away_timeouts"]
        return Situation(
            known(states["time_left"], REGULATION_S).clip(0.0, REGULATION_S),
            np.where(side == 1.0, 1.0, np.where(side == 2.0, -1.0, 0.0)),
            home - away,
            home + away,
            known(timeouts, 0.0),
            known(states["down"], 1.0).clip(1.0, 4.0),
            known(states["distance"], 10.0).clip(0.0, 25.0),
            known(states["yardline_100"], 75.0).clip(0.0, 100.0),
        )

    @property
    def half_left(self) -> Reals:
        """Seconds of the half."""
        return np.where(self.left > HALF_S, self.left - HALF_S, self.left)


def drive_features(at: Situation) -> dict[str, Reals]:
    """Return what the worth of a drive to the side that has the ball is made of."""
    features = {f"yards {knot:g}": hat(at.yards, YARDS, i) for i, knot in enumerate(YARDS)}
    for down in (2, 3, 4):
        here = at.down == down
        for i, knot in enumerate(LATER_YARDS):
            features[f"down {down} yards {knot:g}"] = here * hat(at.yards, LATER_YARDS, i)
    to_go = np.log1p(at.distance)
    for down in (1, 2, 3, 4):
        features[f"down {down} to go"] = (at.down == down) * to_go
    for fade in FADES_S:
        late = np.exp(-at.half_left / fade)
        features[f"late {fade:g}"], features[f"late {fade:g} yards"] = late, late * at.yards / 100
    return features


def hat(values: Reals, knots: tuple[float, ...], at: int) -> Reals:
    """Return 1 at a knot, 0 at the others, straight between them."""
    unit = np.zeros(len(knots))
    unit[at] = 1.0
    return np.interp(values, knots, unit)


@dataclass(frozen=True, slots=True)
class DriveWorth:
    """Expected points of the next score of the half, to the side that has the ball."""

    field: Curve
    later: Mapping[int, Curve]
    to_go: Mapping[int, float]
    late: tuple[tuple[float, float, float], ...]

    @staticmethod
    def of(weights: Mapping[str, Any]) -> "DriveWorth":
        """Gather the weights of `drive_features` into curves."""
        return DriveWorth(
            Curve(np.array(YARDS), np.array([weights[f"yards {knot:g}"] for knot in YARDS])),
            {
                down: Curve(
                    np.array(LATER_YARDS),
                    np.array([weights[f"down {down} yards {knot:g}"] for knot in LATER_YARDS]),
                )
                for down in (2, 3, 4)
            },
            {down: weights[f"down {down} to go"] for down in (1, 2, 3, 4)},
            tuple(
                (fade, weights[f"late {fade:g}"], weights[f"late {fade:g} yards"])
                for fade in FADES_S
            ),
        )

    def __call__(self, at: Situation) -> Reals:
        """Return the worth of each drive, in points."""
        worth = self.field(at.yards)
        for down, curve in self.later.items():
            worth += (at.down == down) * curve(at.yards)
        to_go = np.log1p(at.distance)
        worth += to_go * np.choose(at.down.astype(np.int64) - 1, list(self.to_go.values()))
        for fade, level, slope in self.late:
            worth += np.exp(-at.half_left / fade) * (level + slope * at.yards / 100)
        return worth


def usual_deviation(left: Reals) -> Reals:
    """Return a rough deviation of the margin, which scales the features of who wins."""
    share = left / REGULATION_S
    noise = 2.7 * np.minimum(left / 60.0, 1.0)
    return np.sqrt(13.2**2 * share * (1.0 + 0.35 * (1.0 - share)) + noise**2 + 0.05)


def margin_features(at: Situation, worth: Reals, prior: Reals) -> dict[str, Reals]:
    """Return what the further margin is made of."""
    return {
        "lead": at.lead,
        "prior": prior,
        "drive": worth * at.ball,
        "home": np.ones(len(prior)),
        "ball": at.ball,
        "timeouts": at.timeouts,
    }


def win_features(at: Situation, worth: Reals, prior: Reals) -> dict[str, Reals]:
    """Return what the score of who wins is made of: the same in deviations, and a lead kept."""
    scale = 1.0 / usual_deviation(at.left)
    features = {name: value * scale for name, value in margin_features(at, worth, prior).items()}
    holds = at.ball * np.abs(np.sign(at.lead)) * (np.sign(at.lead) == at.ball)
    for settles in SETTLES_S:
        features[f"holds {settles:g}"] = holds * np.exp(-at.left / settles)
        features[f"chases {settles:g}"] = (
            np.sign(at.lead) * (np.sign(at.lead) == -at.ball) * np.exp(-at.left / settles)
        )
    return features


def total_features(at: Situation, worth: Reals, prior: Reals, line: Reals) -> dict[str, Reals]:
    """Return what the further points of both sides are made of."""
    return {
        "line": line,
        "pace": at.points - line * (1.0 - at.left / REGULATION_S),
        "game": np.ones(len(line)),
        "drive": worth * np.abs(at.ball),
        "lead": np.abs(at.lead),
        "prior": np.abs(prior),
    }
