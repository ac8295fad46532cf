"""What a price lies between by the model's own doubt: shipped models, and what is made of it."""

from dataclasses import replace

import numpy as np
import pytest

from oddspipe.core.api import GameStates, JointGrid, NormalScores, PluginError
from oddspipe.core.names import Market
from oddspipe.core.parts import MarketPlan
from oddspipe.core.stages.markets import make_boards
from oddspipe.plugins.mlb import MlbModel, MlbParameters
from oddspipe.plugins.nba import NbaModel, NbaParameters
from oddspipe.plugins.nfl import NflModel, NflParameters
from oddspipe.plugins.nfl_stern import NflSternModel, NflSternParameters

MODELS = {
    "nfl": NflModel(NflParameters()),
    "nba": NbaModel(NbaParameters()),
    "mlb": MlbModel(MlbParameters()),
}
SETTINGS = {"margin": 0.045, "margin_method": "odds_ratio", "step": 0.5, "whole": True,
            "price_floor": 1.01, "price_cap": 101.0}  # fmt: skip
PLANS = tuple(
    MarketPlan(market=market, scope="game", alternates=alternates, fixed_line=None, **SETTINGS)
    for market, alternates in (
        (Market.MONEYLINE, 0), (Market.SPREAD, 3), (Market.TOTAL, 3), (Market.TEAM_TOTAL_HOME, 1),
    )
)  # fmt: skip
LINES = {
    "nfl": {"spread_line": 4.0, "total_line": 47.0},
    "nba": {"spread_line": 5.0, "total_line": 228.0},
    "mlb": {"home_chance": 0.58, "total_line": 8.5},
}


def moments(name, parts):
    """Return level games, one at each part of the game that is left."""
    left = np.array(parts)
    frame = {key: np.full(len(parts), np.nan) for key in MODELS[name].inputs}
    frame |= {"home_score": np.full(len(parts), 3.0), "away_score": np.full(len(parts), 3.0)}
    if name == "mlb":
        inning = 9 - (left * 9).astype(int) + (left == 1.0)
        return frame | {"period": inning.clip(1, 9), "half": left * 0, "outs": left * 0,
                        "bases": left * 0}  # fmt: skip
    seconds = {"nfl": 3600.0, "nba": 2880.0}[name]
    return frame | {"time_left": seconds * left, "period": 4 - (left * 4).astype(int).clip(0, 3)}


def board(name, frame):
    columns = {key: np.asarray(value, np.float64) for key, value in frame.items()}
    return make_boards(MODELS[name].price(GameStates(columns)), PLANS)


def told(name, frame):
    rows = len(frame["home_score"])
    return frame | {key: np.full(rows, value) for key, value in LINES[name].items()}


@pytest.mark.parametrize("name", MODELS)
def test_every_price_lies_between_its_ends_and_the_sides_mirror_each_other(name):
    frame = moments(name, np.linspace(0.02, 1.0, 23))
    for states in (frame, told(name, frame)):
        made = board(name, states)

        assert np.all((made.p_low >= 0) & (made.p_low <= made.p_fair))
        assert np.all((made.p_fair <= made.p_high) & (made.p_high <= 1))
        assert made.p_low[:, ::2] + made.p_high[:, 1::2] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_ends_are_monotone_in_the_line_as_prices_are(name):
    made = board(name, moments(name, np.linspace(0.02, 1.0, 23)))

    for ends in (made.p_low, made.p_high):
        assert np.all(np.diff(ends[:, ::2][:, 1:8], axis=1) >= 0)
        assert np.all(np.diff(ends[:, ::2][:, 8:15], axis=1) <= 0)


@pytest.mark.parametrize("name", MODELS)
def test_a_game_of_which_nothing_is_known_has_wider_ends(name):
    frame = moments(name, [1.0, 0.75, 0.5, 0.25])

    blind, known = board(name, frame), board(name, told(name, frame))

    width = [(made.p_high - made.p_low)[:, [0, 8, 22]] for made in (blind, known)]
    assert np.all(width[0] > 1.5 * width[1])
    assert np.all(width[1] > 0.001)


@pytest.mark.parametrize("name", MODELS)
def test_less_is_in_doubt_the_less_is_left(name):
    made = board(name, moments(name, [1.0, 0.7, 0.4, 0.1]))

    assert np.all(np.diff((made.p_high - made.p_low)[:, [0, 8, 22]], axis=0) < 0)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_in_doubt_at_the_end(name):
    frame = moments(name, [0.05])
    frame |= {"home_score": np.array([24.0]), "time_left": np.array([0.0])} if name != "mlb" else {
        "home_score": np.array([4.0]), "half": np.array([1.0])}  # fmt: skip

    made = board(name, frame)

    assert made.p_fair[0, 0] == 1.0
    assert made.p_low.tobytes() == made.p_fair.tobytes() == made.p_high.tobytes()


def test_a_swap_of_the_sides_swaps_the_ends():
    frame = moments("nba", [0.9, 0.5, 0.1]) | {"spread_line": np.array([6.0, -3.0, 2.0])}
    swapped = frame | {"spread_line": -frame["spread_line"]}

    made, other = board("nba", frame), board("nba", swapped)

    assert made.p_low[:, 0] == pytest.approx(other.p_low[:, 1], abs=2e-6)
    assert made.p_high[:, 0] == pytest.approx(other.p_high[:, 1], abs=2e-6)


def test_five_innings_that_were_not_seen_are_all_in_doubt_and_seen_ones_are_not():
    frame = moments("mlb", [0.2, 0.2])
    frame |= {"home_first_five": np.array([np.nan, 2.0]), "away_first_five": np.array([0.0, 1.0])}

    doubt = MODELS["mlb"].price(GameStates(frame))["first_five"].doubt()

    assert doubt.margin.tolist() == [0.95, 0.0]


def normal(**fields):
    one = np.ones(2)
    return NormalScores(one * 0, one * 0, one * 3, one * 13, one * 45, one * 13, **fields)


def test_a_side_is_in_doubt_as_margin_and_total_are():
    doubt = normal(margin_doubt=np.array([0.3, 0.0]), total_doubt=np.array([0.4, 0.0])).doubt()

    assert doubt.home == pytest.approx([np.sqrt(0.125), 0.0])
    assert doubt.away.tolist() == doubt.home.tolist()


def test_a_model_that_says_nothing_of_its_doubt_has_no_ends():
    states = {key: np.array([1.0]) for key in NflSternModel.inputs}
    stern = NflSternModel(NflSternParameters()).price(GameStates(states))
    grid = JointGrid(np.zeros(1, int), np.zeros(1, int), np.full((1, 4, 4), 1 / 16))

    for scores in (stern, {"game": grid}):
        made = make_boards(scores, PLANS)

        assert np.isnan(made.p_low).all()
        assert np.isnan(made.p_high).all()
        assert not np.isnan(made.p_fair).any()


def test_doubt_of_another_shape_is_the_model_s_fault():
    with pytest.raises(PluginError, match=r"doubt\(\) of scope 'game'"):
        make_boards({"game": replace(normal(), margin_doubt=np.ones(1) / 9,
                                     total_doubt=np.ones(2) / 9)}, PLANS)  # fmt: skip
