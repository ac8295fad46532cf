"""What every odds model must keep, and what lies in the files beside it."""

import json
from pathlib import Path

import numpy as np
import oddspipe_boosted.model
import pytest
from oddspipe_boosted.model import BoostedModel, BoostedParameters

from oddspipe.core.api import GameStates

FOLDER = Path(oddspipe_boosted.model.__file__).parent
START = {
    "home_score": 0,
    "away_score": 0,
    "time_left": 3600,
    "period": 1,
    "spread_line": 3,
    "total_line": 45,
}


def marginal(name, *rows):
    """Return first numbers and masses of some states."""
    states = GameStates(
        {key: np.array([float({**START, **row}[key]) for row in rows]) for key in START}
    )
    return getattr(BoostedModel(BoostedParameters()).price(states)["game"], name)()


def wins(*rows):
    margin = marginal("margin", *rows)
    above = margin.first[:, None] + np.arange(margin.mass.shape[1]) > 0
    return np.where(above, margin.mass, 0.0).sum(axis=1)


def test_a_further_lead_is_a_better_chance_at_any_time():
    for left in (3600, 1800, 600, 60):
        leads = [
            {"home_score": 20 + by, "away_score": 20, "time_left": left} for by in range(-9, 10)
        ]
        assert (np.diff(wins(*leads)) >= 0).all()


def test_a_game_that_is_over_is_certain():
    over = {"period": 4, "time_left": 0, "home_score": 24, "away_score": 20}

    assert marginal("margin", over).mass.max() == pytest.approx(1.0)
    assert wins(over) == pytest.approx([1.0])


def test_an_unknown_line_is_no_error():
    nothing = float("nan")

    assert 0.2 < wins({"spread_line": nothing, "total_line": nothing})[0] < 0.8


def test_trees_are_json_and_their_origin_is_told():
    for name in ("margin", "total"):
        told = json.loads((FOLDER / f"{name}.json").read_text())
        assert told["learner"]["objective"]["name"] == "reg:squarederror"
    origin = json.loads((FOLDER / "provenance.json").read_text())
    assert origin["games"] == 40
    for error in origin["error_on_games_left_out"].values():
        assert error["trees"] < 1.1 * error["mean"]
