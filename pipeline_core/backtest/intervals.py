"""How wide a model's own intervals are, and how often another forecast lies within them.

An interval of a chance is not tested by how the game ended, which is 0 or 1: it says where a chance
would lie that knew more. So it is held against one that does, such as the closing market, or the
same model told the closing line: 90 % of those should lie between the ends.
"""

from typing import Any, Final

import numpy as np
import polars as pl

from oddspipe.core.backtest.scores import Games, Value

WITHIN: Final = 1e-6
"""Prices are rounded to this."""


def widths(rows: pl.DataFrame) -> Value | None:
    """Return the mean width of the interval of home's chance; None if the model says none."""
    there = rows.filter(pl.col("p_home_low").is_not_nan())
    if there.is_empty():
        return None
    width = (there["p_home_high"] - there["p_home_low"]).to_numpy()
    return Games.of(there["game_id"]).mean(width)


def covered(rows: pl.DataFrame, other: pl.Series) -> Value | None:
    """Return the share of rows where another chance of home lies in ours; None if there is none.

    Args:
        rows: Rows with their forecasts.
        other: The other chance of home, given that the game is not left level.
    """
    there = rows.with_columns(other=other).filter(pl.col("p_home_low").is_not_nan())
    if there.is_empty():
        return None
    low, high, said = (there[name].to_numpy() for name in ("p_home_low", "p_home_high", "other"))
    inside = (low - WITHIN <= said) & (said <= high + WITHIN)
    return Games.of(there["game_id"]).mean(np.asarray(inside, np.float64))


def told(value: Any) -> str:  # noqa: ANN401 - JSON values of a report
    """Return a share and its interval in words.

    >>> told({"value": 0.9, "low": 0.885, "high": 0.915})
    '90.0 % (88.5 to 91.5)'
    """
    share, low, high = (100.0 * value[name] for name in ("value", "low", "high"))
    return f"{share:.1f} % ({low:.1f} to {high:.1f})"
