"""Fit the three forecasts that a state is priced by: margin, winner and total, and their doubts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.plugins.doubt import doubts, weight_error
from oddspipe.plugins.weights import (
    Design,
    Parts,
    Reals,
    least_absolute,
    median_pull,
    probit,
    probit_pull,
    spread_of,
)


class Designs(NamedTuple):
    """Features of each forecast."""

    margin: Design
    win: Design
    total: Design


class Came(NamedTuple):
    """What came after each state, an entry a row.

    Attributes:
        game: Number of the game.
        left: Time that was left.
        further: Further points of home, less away's.
        scored: Further points of both.
        result: Points of home, less away's, at the end; 0 where nobody won.
    """

    game: NDArray[np.int64]
    left: Reals
    further: Reals
    scored: Reals
    result: Reals


def forecasts(
    designs: Designs,
    came: Came,
    knots: tuple[Sequence[float], Sequence[float]],
    lines: Sequence[tuple[float, float]],
) -> dict[str, Any]:
    """Return the fitted parameters.

    Args:
        designs: Features of the states.
        came: What came after them.
        knots: Times at which curves of the winner's forecast bend, and those of the others.
        lines: What a line of margin and of total doubts of itself, and how far such lines differ.
    """
    margin, win, total = designs
    of_win, others = knots
    rows = len(came.left)
    margin_parts, total_parts = Parts.of(margin.matrix), Parts.of(total.matrix)
    margins = least_absolute(margin_parts, came.further, 5.0)
    totals = least_absolute(total_parts, came.scored, 5.0)
    decided = came.result != 0
    won, left = (came.result > 0)[decided].astype(np.float64), came.left[decided]
    win_parts = Parts.of(win.matrix[:, decided])
    wins = probit(win_parts, won, 3.0)
    off = came.further - margin_parts.sums(margins, rows)
    over = came.scored - total_parts.sums(totals, rows)
    total_sd = spread_of(came.left, over, others)
    pull = probit_pull(win_parts.sums(wins, len(won)), won)
    win_error = weight_error(win_parts, *pull, 3.0, came.game[decided], left, of_win)
    pull = median_pull(over, np.interp(came.left, others, total_sd))
    total_error = weight_error(total_parts, *pull, 5.0, came.game, came.left, others)
    of_margin, of_total = lines
    return {
        "win": {"knots": list(of_win), "terms": win.weights(wins)},
        "margin": {"knots": list(others), "terms": margin.weights(margins)},
        "total": {"knots": list(others), "terms": total.weights(totals)},
        "margin_sd": spread_of(came.left, off, others),
        "total_sd": total_sd,
        "doubt": {
            "win": doubts(*of_margin, of_win, win_error),
            "total": doubts(*of_total, others, total_error),
        },
    }
