"""What an NBA game looks like to the model: features of a state, of a scope of the game.

The fit (`nba_fit.py`) and the price use these same functions.
"""

from dataclasses import dataclass

import numpy as np

from oddspipe.core.api import GameStates
from oddspipe.plugins.curves import Reals, known

REGULATION_S = 2880.0
HALF_S = 1440.0
PERIODS, HALF_PERIODS = 4, 2
DECIDED = 20.0
"""A lead of more than this is as good as this: the sides play it out."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A state, missing values filled; arrays of shape (rows,).

    Attributes:
        left: Seconds of the scope, or of the overtime period that is on.
        gone: Share of regulation time that is gone.
        ball: 1 home, -1 away, 0 nobody or free throws are being shot.
        lead: Home minus away.
        throws: Free throws that are still to come, home's less away's.
    """

    left: Reals
    gone: Reals
    ball: Reals
    lead: Reals
    points: Reals
    throws: Reals

    @staticmethod
    def of(states: GameStates) -> "Situation":
        """Read a state; what is not known is as at the start of a game."""
        home, away = known(states["home_score"], 0.0), known(states["away_score"], 0.0)
        left = known(states["time_left"], REGULATION_S).clip(0.0, REGULATION_S)
        late = known(states["period"], 1.0) > PERIODS
        throws = known(states["home_throws"], 0.0) - known(states["away_throws"], 0.0)
        side = known(states["possession"], 0.0)
        ball = np.where(side == 1.0, 1.0, np.where(side == 2.0, -1.0, 0.0))
        return Situation(
            left,
            np.where(late, 1.0, 1.0 - left / REGULATION_S),
            np.where(throws == 0.0, ball, 0.0),
            home - away,
            home + away,
            throws,
        )

    def until_half(self) -> "Situation":
        """Return the same with the time that is left of the first half."""
        left = (self.left - HALF_S).clip(0.0)
        return Situation(left, self.gone, self.ball, self.lead, self.points, self.throws)


def usual_deviation(left: Reals) -> Reals:
    """Return a rough deviation of the margin, which scales the features of who wins."""
    share = left / REGULATION_S
    noise = np.minimum(left / 30.0, 1.0)
    usual: Reals = np.sqrt(13.3**2 * share * (1.0 + 0.55 * (1.0 - share)) + noise**2 + 0.05)
    return usual


def margin_features(at: Situation, prior: Reals) -> dict[str, Reals]:
    """Return what the further margin is made of; the prior holds what home is worth."""
    return {
        "lead": at.lead,
        "prior": prior,
        "ball": at.ball,
        "throws": at.throws,
        "shooting": np.sign(at.throws),
    }


def win_features(at: Situation, prior: Reals) -> dict[str, Reals]:
    """Return what the score of who wins is made of: the same in deviations."""
    scale = 1.0 / usual_deviation(at.left)
    return {name: value * scale for name, value in margin_features(at, prior).items()}


def total_features(at: Situation, line: Reals) -> dict[str, Reals]:
    """Return what the further points of both sides are made of."""
    return {
        "line": line,
        "pace": at.points - line * at.gone,
        "game": np.ones(len(line)),
        "lead": np.minimum(np.abs(at.lead), DECIDED),
        "throws": np.abs(at.throws),
    }
