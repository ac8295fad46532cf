"""Scores of a back-test, against sums done another way."""

import numpy as np
import polars as pl
import pytest

from oddspipe.core.api import Pmf
from oddspipe.core.backtest import forecasts
from oddspipe.core.backtest.intervals import covered, widths
from oddspipe.core.backtest.money import closing_value, hold, paired
from oddspipe.core.backtest.scores import Games, of_chance, path, reliability, scores


def pmf(first, *rows):
    return Pmf(np.array(first), np.array(rows, float))


def test_chances_and_middles_of_a_distribution():
    three = pmf([-1, 4], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0])

    assert forecasts.above(three, np.zeros(2)).tolist() == [0.3, 1.0]
    assert forecasts.below(three, np.array([1.0, 5.0])).tolist() == [0.7, 0.0]
    assert forecasts.mean(three) == pytest.approx([0.1, 5.0])
    # 0.2 lie below -0.5, so that the middle is 0.3 of the 0.5 between -0.5 and 0.5.
    assert forecasts.median(three) == pytest.approx([0.1, 5.0])


@pytest.mark.parametrize("came", [-7.0, -1.0, 0.0, 1.0, 9.0])
def test_crps_is_the_mean_distance_less_half_the_spread(came):
    # CRPS = E|X - y| - E|X - X'| / 2: Gneiting & Raftery (2007), equation 21.
    numbers, mass = np.array([-1, 0, 1]), np.array([0.2, 0.5, 0.3])
    spread = np.abs(numbers[:, None] - numbers) @ mass @ mass

    score = forecasts.crps(pmf([-1], mass), np.array([came]))

    assert score == pytest.approx([np.abs(numbers - came) @ mass - spread / 2])


def test_crps_of_an_unknown_end_is_unknown():
    assert np.isnan(forecasts.crps(pmf([0], [1.0]), np.array([np.nan]))).all()


def test_a_game_counts_by_its_rows_and_is_drawn_whole():
    games = pl.Series(["A", "A", "A", "B"])
    found = of_chance(games, np.array([0.5, 0.5, 0.5, 1.0]), np.array([1.0, 1.0, 1.0, 0.0]))

    assert (found["rows"], found["games"]) == (4, 2)
    assert found["brier"]["value"] == pytest.approx((3 * 0.25 + 1.0) / 4)
    # A draw is A twice, B twice or both: nothing else can come.
    assert (found["brier"]["low"], found["brier"]["high"]) == (0.25, 1.0)
    assert found["log_loss"]["value"] == pytest.approx((3 * np.log(2) - np.log(1e-4)) / 4)
    assert found == of_chance(games, np.array([0.5, 0.5, 0.5, 1.0]), np.array([1.0, 1.0, 1.0, 0.0]))


def test_calibration_is_by_tenths():
    chance = np.array([0.05, 0.08, 0.62, 0.64, 0.66, 1.0])
    came = np.array([0.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    games = pl.Series(list("abcdef"))

    off = abs(0.13 - 1) + abs(1.92 - 2)
    assert of_chance(games, chance, came)["ece"]["value"] == pytest.approx(off / 6)
    found = reliability(Games.of(games), chance, came)
    assert [(one["rows"], one["came"]["value"]) for one in found] == [
        (2, 0.5), (3, pytest.approx(2 / 3)), (1, 1.0),
    ]  # fmt: skip


def rows(**columns):
    count = len(columns["p_home"])
    given = {
        "game_id": ["A"] * count, "sequence": range(count), "event_sequence": range(3, 3 + count),
        "scored": [True] * count, "segment": ["all"] * count, "home": [3.0] * count,
        "away": [1.0] * count, "p_tie": [0.0] * count, "closing_home": [0.6] * count,
        "closing_total": [3.5] * count, "p_over_close": [0.5] * count, "main_total": [4.0] * count,
        "p_over_main": [0.5] * count, "p_home_minus_1_5": [0.5] * count,
        "p_away_minus_1_5": [0.1] * count,
        **{f"{what}_{kind}": [1.0] * count
           for what in ("margin", "total") for kind in ("mean", "median", "crps")},
    }  # fmt: skip
    return pl.DataFrame({**given, **columns})


def test_scores_leave_out_level_games_and_lines_that_are_met():
    level = rows(p_home=[0.5], game_id=["B"], home=[2.0], away=[2.0])
    found = scores(pl.concat([rows(p_home=[0.9, 0.8]), level]))

    assert found["home_wins"]["games"] == 1
    assert found["home_wins"]["brier"]["value"] == pytest.approx((0.01 + 0.04) / 2)
    assert found["margin"]["mae"]["value"] == pytest.approx((1 + 1 + 1) / 3)
    assert found["markets"]["over closing total"]["rows"] == 3
    assert "over main total" not in found["markets"]  # 4 was met by every game


def test_a_chance_that_ties_can_take_is_given_that_there_is_none():
    found = scores(rows(p_home=[0.45], p_tie=[0.1]))

    assert found["home_wins"]["brier"]["value"] == pytest.approx(0.25)


def test_a_fair_walk_moves_as_much_as_it_must_and_drifts_nowhere():
    rng = np.random.default_rng(7)
    parts = []
    for game in range(400):
        flips = rng.integers(0, 2, 3)
        # Home wins at two heads of three.
        heads = np.concatenate([[0], np.cumsum(flips)[:2]])
        chance = [
            {(0, 0): 0.5, (1, 0): 0.25, (1, 1): 0.75, (2, 0): 0, (2, 1): 0.5, (2, 2): 1}[at]
            for at in zip(range(3), heads.tolist(), strict=True)
        ]
        won = flips.sum() >= 2
        parts.append(rows(p_home=[float(p) for p in chance], game_id=[str(game)] * 3,
                          home=[2.0 * won] * 3, away=[1.0] * 3))  # fmt: skip
    found = path(pl.concat(parts))

    assert found["movement"]["value"] == pytest.approx(1.0, abs=0.05)
    assert found["drift"]["low"] < 0 < found["drift"]["high"]
    twitchy = path(pl.concat(parts).with_columns(p_home=0.5 + (pl.col("sequence") % 2) * 0.4))
    assert twitchy["movement"]["value"] > 1.3


def odds(*bets):
    names = ["game_id", "cause_sequence", "odds_sequence", "market", "side", "line", "decimal",
             "p_push"]  # fmt: skip
    return pl.DataFrame([("A", 3, 1, *bet, 0.0) for bet in bets], schema=names, orient="row")


@pytest.mark.parametrize(
    ("market", "line", "paid"),
    [
        ("spread", -1.5, {"home": 1.9, "away": 0.0}),
        ("spread", -2.0, {"home": 1.0, "away": 1.0}),
        ("spread", -2.25, {"home": 0.5, "away": 0.5 + 0.95}),
        ("total", 4.0, {"over": 1.0, "under": 1.0}),
        ("total", 3.75, {"over": 0.5 + 0.95, "under": 0.5}),
        ("moneyline", None, {"home": 1.9, "away": 0.0}),
    ],
)
def test_bets_are_paid_back_whole_half_or_not(market, line, paid):
    ended = rows(p_home=[0.5])  # 3 to 1
    for side, back in paid.items():
        found = hold(odds((market, side, line, 1.9)), ended)

        assert found[market]["hold"]["value"] == pytest.approx(1 - back)


def test_closing_value_is_what_a_customer_expects():
    found = closing_value(
        odds(("moneyline", "home", None, 1.6), ("moneyline", "away", None, 2.6)), rows(p_home=[0.6])
    )

    assert found["both_sides"]["value"] == pytest.approx((0.6 * 1.6 - 1 + 0.4 * 2.6 - 1) / 2)
    assert found["pick"]["value"] == pytest.approx(0.04)


def test_two_forecasts_are_compared_row_by_row():
    found = paired(rows(p_home=[0.9, 0.7]), pl.Series([0.8, 0.8]))

    assert found["brier"]["difference"]["value"] == pytest.approx((0.01 + 0.09 - 0.08) / 2)


def test_another_forecast_lies_within_the_interval_or_not():
    rows = pl.DataFrame(
        {
            "game_id": ["A", "A", "B", "C"],
            "p_home_low": [0.4, 0.4, 0.5, np.nan],
            "p_home_high": [0.6, 0.5, 0.9, np.nan],
        }
    )

    found = covered(rows, pl.Series([0.4, 0.55, 0.9, 0.5]))

    # Game C has no interval: it counts nowhere.
    assert found["value"] == pytest.approx(2 / 3)
    assert (found["low"], found["high"]) == (0.5, 1.0)
    assert widths(rows)["value"] == pytest.approx((0.2 + 0.1 + 0.4) / 3)


def test_a_model_without_intervals_covers_nothing_and_says_so():
    rows = pl.DataFrame({"game_id": ["A"], "p_home_low": [np.nan], "p_home_high": [np.nan]})

    assert covered(rows, pl.Series([0.5])) is None
    assert widths(rows) is None
