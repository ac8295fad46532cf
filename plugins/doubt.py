"""How much a forecast doubts itself: what the sides are worth, and the error of its weights.

What is in doubt is what somebody better informed could know before the result is there: where no
line is known, all that lines differ by; where one is, how far two prices of one market are apart.
To that comes the error of fitted weights, by games drawn anew. What nobody can know, the play that
follows, is no doubt: it is in the price itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddspipe.plugins.curves import Curve, Reals
from oddspipe.plugins.weights import Design, Parts, least_squares

MOST = 0.95
"""The share of a deviation that is doubt is never more than this."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """Doubts of one forecast.

    Attributes:
        line: Deviation of what is expected before the game where a line is known, in points.
        blind: The same where none is.
        error: Deviation of what the weights make, by the time that is left: of who wins in normal
            scores, of a number in points.
    """

    line: float
    blind: float
    error: Curve

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Doubts":
        """Read what `doubts` gave."""
        error = Curve(np.array(document["knots"]), np.array(document["error"]))
        return Doubts(document["line"], document["blind"], error)

    def share(self, left: Reals, slope: Reals, known: NDArray[np.bool_], deviation: Reals) -> Reals:
        """Return the share of a deviation that is doubt, a row each.

        Args:
            left: Time that is left.
            slope: What a point more before the game is worth now, in the unit of `error`.
            known: Whether a line is known.
            deviation: The deviation, in that unit.
        """
        before = np.where(known, self.line, self.blind) * slope
        share = np.hypot(before, self.error(left)) / np.maximum(deviation, 1e-9)
        return np.where(deviation > 0.0, np.minimum(share, MOST), 0.0)


def doubts(line: float, spread: float, knots: Sequence[float], error: Reals) -> dict[str, Any]:
    """Return what is kept of a forecast's doubts; `spread` is the deviation of lines."""
    return {
        "line": round(line, 3),
        "blind": round(float(np.hypot(line, spread)), 3),
        "knots": list(knots),
        "error": [round(one, 4) for one in error.tolist()],
    }


def weight_error(  # noqa: PLR0913, PLR0917 - a fit, seen again
    parts: Parts, pull: Reals, bend: Reals, ridge: float, game: NDArray[np.int64], left: Reals,
    knots: Sequence[float],
) -> Reals:  # fmt: skip
    """Return at each knot the deviation of what fitted weights make, had other games been played.

    Rows of a game share its result, so that what is drawn anew are games.

    Args:
        parts: Features by row.
        pull: Slope of each row's log likelihood by its sum of features.
        bend: How fast that falls.
        ridge: What the fit added.
        game: Number of each row's game, from 0.
        left: Time that is left at each row.
        knots: Of the result.

    Source: Liang & Zeger (1986), Longitudinal data analysis using generalized linear models,
    Biometrika 73:13.
    """
    games = int(game.max()) + 1
    pulls = np.zeros((parts.size, games))
    for part, has, values in parts.chunks:
        here, place = np.unique(game[part], return_inverse=True)
        for at, feature in zip(has.tolist(), values * pull[part], strict=True):
            pulls[at, here] += np.bincount(place, feature, len(here))
    inverse = np.linalg.inv(parts.gram(bend) + ridge * np.eye(parts.size))
    spread = inverse @ (pulls @ pulls.T) @ inverse
    variance = parts.squares(spread, len(left))
    hats = Parts.of(Design.of({"": np.ones(len(left))}, left, knots).matrix)
    # By the bend, as the fit weighs rows: a row whose result is certain says nothing of the others.
    return np.sqrt(np.maximum(least_squares(hats, variance, 1e-6, bend), 0.0))
