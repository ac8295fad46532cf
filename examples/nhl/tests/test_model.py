"""What every odds model must keep, and what ice hockey adds to it."""

import numpy as np
import pytest
from oddspipe_nhl.model import NhlModel, NhlParameters

from oddspipe.core.api import GameStates

START = {
    "home_score": 0,
    "away_score": 0,
    "period": 1,
    "time_left": 3600,
    "power_play": 0,
    "penalty_left": 0,
    "spread_line": 0,
    "total_line": 6,
}
LAST_MINUTE = {"period": 3, "time_left": 60}


def marginal(name, *rows, **parameters):
    """Return the chances of each row by number of goals, where there is one."""
    states = GameStates(
        {key: np.array([float({**START, **row}[key]) for row in rows]) for key in START}
    )
    found = getattr(NhlModel(NhlParameters(**parameters)).price(states)["game"], name)()
    return [
        {first + at: mass for at, mass in enumerate(masses) if mass}
        for first, masses in zip(found.first.tolist(), found.mass.tolist(), strict=True)
    ]


def home_wins(*rows, **parameters):
    """Return the chance of each row that home wins."""
    return [
        sum(mass for by, mass in row.items() if by > 0)
        for row in marginal("margin", *rows, **parameters)
    ]


def test_an_even_game_is_even_and_nobody_stays_level():
    (margins,) = marginal("margin", {})

    assert margins.get(0, 0.0) == pytest.approx(0.0, abs=1e-12)
    assert home_wins({}) == pytest.approx([0.5])


def test_the_expected_total_is_the_line():
    (totals,) = marginal("total", {})

    assert sum(goals * mass for goals, mass in totals.items()) == pytest.approx(6.0, abs=0.02)


def test_a_game_that_is_over_is_certain():
    over = {"period": 3, "time_left": 0, "home_score": 2, "away_score": 3}

    assert marginal("margin", over) == [{-1: 1.0}]
    assert marginal("total", over) == [{5: 1.0}]


def test_a_goal_in_overtime_ends_the_game():
    assert home_wins({"period": 4, "time_left": 120, "home_score": 3, "away_score": 2}) == [1.0]


def test_an_empty_net_is_scored_into():
    (lead,) = marginal("margin", {**LAST_MINUTE, "home_score": 1})
    (kept,) = marginal("margin", {**LAST_MINUTE, "home_score": 1}, pull_s=0.0)

    # By hand: rates of 0.300 and 0.1365 a minute, so 0.300 × exp(-0.4365) for one goal of home and
    # none of away, and 0.006 for two and one.
    assert lead[2] == pytest.approx(0.200, abs=0.001)
    assert kept[2] == pytest.approx(0.0416, abs=0.0005)


def test_taking_the_goalkeeper_off_helps_the_side_that_trails():
    (pulled,) = home_wins({"period": 3, "time_left": 120, "away_score": 1})
    (kept,) = home_wins({"period": 3, "time_left": 120, "away_score": 1}, pulled_factor=1.0)

    assert pulled > 1.8 * kept


def test_a_power_play_helps_who_has_it():
    with_it, against = home_wins(
        {"power_play": 1, "penalty_left": 120}, {"power_play": 2, "penalty_left": 120}
    )

    assert with_it == pytest.approx(0.53, abs=0.01)
    assert with_it + against == pytest.approx(1.0)


def test_the_shoot_out_is_even_and_an_overtime_of_play_offs_is_not():
    favourite = {"period": 5, "time_left": 0, "home_score": 2, "away_score": 2, "spread_line": 1}

    assert home_wins(favourite) == pytest.approx([0.5])
    assert home_wins(favourite, shootout=False) == pytest.approx([0.592], abs=0.001)


@pytest.mark.parametrize("name", ["margin", "total", "home", "away"])
def test_every_marginal_adds_up_to_one(name):
    rows = marginal(name, {}, {"home_score": np.nan, "spread_line": np.nan}, LAST_MINUTE)

    assert [sum(row.values()) for row in rows] == pytest.approx([1.0, 1.0, 1.0], abs=1e-9)


def test_a_row_is_priced_the_same_whatever_is_beside_it():
    rows = [{"home_score": goals % 5, "time_left": 90 * goals} for goals in range(40)]

    together = marginal("margin", *rows)

    assert together == [marginal("margin", row)[0] for row in rows]
