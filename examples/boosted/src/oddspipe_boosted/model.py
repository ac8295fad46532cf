"""NFL by boosted trees: what is still to come of margin and total, per game of sixty minutes.

Two regressions of XGBoost say how fast the home side will gain on the other, and how fast both
will score, from here on; multiplied by the time left and added to the score they are the means
of the final margin and total. The rest is noise that fades out with the time left.

The trees lie beside this module in XGBoost's own JSON, written by `train.py`: nothing is unpickled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import xgboost
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from oddspipe.core.api import GameStates, NormalScores, Overtime, ScoreDistribution

FloatArray = NDArray[np.float64]

FEATURES = ("lead", "share", "spread_line", "total_line")
"""What the trees are shown, in this order; an unknown line is NaN, which XGBoost takes as it is."""
REGULATION_S = 3600.0


class BoostedParameters(BaseModel):
    """What the spec may set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    margin_sd: float = Field(
        13.2, gt=0, le=40, description="Deviation of the final margin at kickoff, in points."
    )
    total_sd: float = Field(
        13.3, gt=0, le=40, description="Deviation of the final total at kickoff, in points."
    )


class BoostedModel:
    """Price NFL games from score, time left and the pregame line."""

    version: ClassVar[str] = "1"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = (
        "home_score",
        "away_score",
        "time_left",
        "period",
        "spread_line",
        "total_line",
    )
    Parameters: ClassVar[type[BaseModel]] = BoostedParameters

    def __init__(self, parameters: BaseModel) -> None:
        """Take validated parameters; read the trees."""
        self._at = BoostedParameters.model_validate(parameters.model_dump())
        self._margin, self._total = read("margin"), read("total")

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the distribution of final scores, a row a state."""
        home, away = known(states["home_score"], 0.0), known(states["away_score"], 0.0)
        extra = known(states["period"], 1.0) > 4
        left = known(states["time_left"], REGULATION_S).clip(0.0, REGULATION_S)
        share = left / REGULATION_S
        shown = features(home - away, share, states["spread_line"], states["total_line"])
        root = np.sqrt(share)
        overtime = Overtime(
            home_share=np.full(len(home), 0.5),
            tie_share=np.where(extra, 1.0, 0.054),
            margins=(0.0, 0.005, 0.705, 0.0, 0.0, 0.29),
            points_mean=4.1,
            points_sd=1.9,
        )
        scores = NormalScores(
            home,
            away,
            home - away + rate(self._margin, shown) * share,
            self._at.margin_sd * root,
            home + away + rate(self._total, shown).clip(0.0) * share,
            self._at.total_sd * root,
            overtime,
        )
        return {"game": scores}


def read(name: str) -> xgboost.Booster:
    """Return a regression that `train.py` wrote."""
    trees = xgboost.Booster()
    trees.load_model(Path(__file__).with_name(f"{name}.json"))
    # One thread: a batch is small, and the run has better uses for the others.
    trees.set_param({"nthread": 1})
    return trees


def features(
    lead: FloatArray, share: FloatArray, spread: FloatArray, total: FloatArray
) -> FloatArray:
    """Return what the trees are shown, shape (rows, features)."""
    return np.column_stack([lead, share, spread, total])


def rate(trees: xgboost.Booster, shown: FloatArray) -> FloatArray:
    """Return points a game of sixty minutes; each row is added up by itself, tree after tree."""
    return np.asarray(trees.inplace_predict(shown, missing=np.nan), np.float64)


def known(values: FloatArray, default: float) -> FloatArray:
    """Return values with a usual one in the place of those that are absent."""
    return np.where(np.isnan(values), default, values)
