"""What the baseball model says of games, by their rules and by what is known of both sides."""

import numpy as np
import pytest

from oddspipe.core.api import GameStates
from oddspipe.plugins.mlb import MlbModel, MlbParameters
from oddspipe.plugins.mlb_rating import FinishedGame, rate

MODEL = MlbModel(MlbParameters(extra_runner=False))
START = {"period": 1, "half": 0, "outs": 0, "bases": 0, "home_score": 0, "away_score": 0,
         "sched_innings": 9}  # fmt: skip


def states(*rows):
    known = [START | row for row in rows]
    return GameStates(
        {name: np.array([float(row.get(name, np.nan)) for row in known]) for name in MODEL.inputs}
    )


def numbers(pmf):
    return pmf.first[:, None] + np.arange(pmf.mass.shape[1])


def chance(*rows, by=0):
    """Return home's chance to win by more than a number, a row a state."""
    margin = MODEL.price(states(*rows))["game"].margin()
    return np.where(numbers(margin) > by, margin.mass, 0.0).sum(axis=1)


def means(pmf):
    return (pmf.mass * numbers(pmf)).sum(axis=1)


def spread(pmf):
    return np.sqrt((pmf.mass * (numbers(pmf) - means(pmf)[:, None]) ** 2).sum(axis=1))


def support(pmf, row=0):
    return numbers(pmf)[row][pmf.mass[row] > 1e-9].tolist()


def test_home_ahead_after_the_top_of_the_last_inning_has_won():
    scores = MODEL.price(states({"period": 9, "outs": 3, "home_score": 5, "away_score": 2}))["game"]

    assert (support(scores.margin()), support(scores.total())) == ([3], [7])
    assert (support(scores.home()), support(scores.away())) == ([5], [2])


def test_the_last_half_ends_with_home_behind_or_a_tie_played_on_or_a_walk_off_by_up_to_four():
    state = {"period": 9, "half": 1, "outs": 2, "bases": 7, "home_score": 2, "away_score": 3}

    assert chance(state, by=4)[0] < 1e-3  # only after a tie can home win by more
    margins = MODEL.price(states(state))["game"].margin()
    behind = np.where(numbers(margins) == -1, margins.mass, 0.0).sum()
    assert 0.6 < behind < 0.85


def test_a_game_that_is_over_is_certain():
    over = [
        {"period": 9, "half": 1, "outs": 1, "home_score": 5, "away_score": 4},
        {"period": 9, "half": 1, "outs": 3, "home_score": 3, "away_score": 4},
        {"period": 12, "half": 1, "outs": 3, "home_score": 3, "away_score": 5},
        {"period": 7, "half": 1, "outs": 3, "home_score": 1, "away_score": 2, "sched_innings": 7},
    ]

    # To rounding: how a sum of weights rounds depends on the processor.
    assert chance(*over) == pytest.approx([1.0, 0.0, 0.0, 0.0], rel=0, abs=1e-12)


def test_a_game_of_seven_innings_ends_two_earlier():
    late = {"half": 1, "home_score": 3, "away_score": 3}
    seven, nine, early = chance(
        late | {"period": 7, "sched_innings": 7}, late | {"period": 9}, late | {"period": 7}
    )

    assert seven == pytest.approx(nine, abs=0.03)
    assert early < nine - 0.02
    total = means(MODEL.price(states({"sched_innings": 7}, {}))["game"].total())
    assert total[0] / total[1] == pytest.approx(7 / 9, abs=0.02)


@pytest.mark.parametrize(
    ("situation", "published"),
    [
        ({}, 0.538),
        ({"period": 9, "half": 1}, 0.659),
        ({"period": 9, "half": 1, "away_score": 5}, 0.184),
        ({"period": 9, "home_score": 5}, 0.865),
        ({"period": 10}, 0.525),
        ({"period": 9, "half": 1, "away_score": 6, "bases": 6, "outs": 1}, 0.253),
        ({"period": 10, "half": 1, "bases": 2, "extra_runner": 1}, 0.80),
    ],
)
def test_with_usual_scores_the_chance_is_near_what_came_of_1994_to_2014(situation, published):
    level = {"home_score": 4, "away_score": 4} if "period" in situation else {}

    assert chance(level | situation)[0] == pytest.approx(published, abs=0.025)


def test_extra_innings_with_a_runner_bring_more_runs():
    tie = {"period": 10, "home_score": 4, "away_score": 4}

    total = means(MODEL.price(states(tie, tie | {"extra_runner": 1, "bases": 2}))["game"].total())

    assert total[1] > total[0] + 0.5
    assert total[0] == pytest.approx(9.9, abs=0.4)


def test_home_is_likelier_to_win_the_more_it_and_the_less_the_visitors_have():
    for inning in (1, 5, 9):
        for half in (0, 1):
            home = chance(*({"period": inning, "half": half, "home_score": n, "away_score": 4}
                            for n in range(12)))  # fmt: skip
            away = chance(*({"period": inning, "half": half, "home_score": 4, "away_score": n}
                            for n in range(12)))  # fmt: skip

            assert np.all(np.diff(home) >= -1e-12)
            assert np.all(np.diff(away) <= 1e-12)


def test_runners_help_and_outs_hurt_who_bats():
    third, none, two_out = chance(
        *({"period": 6, "half": 1} | one for one in ({"bases": 4}, {"bases": 0}, {"outs": 2}))
    )

    assert third > none > two_out


def test_runs_so_far_tell_of_the_strength_of_both_sides():
    mild = {"period": 6, "home_score": 1, "away_score": 1}
    wild = {"period": 6, "home_score": 7, "away_score": 7}
    one_sided = {"period": 6, "home_score": 7, "away_score": 1}

    totals = means(MODEL.price(states(mild, wild))["game"].total()) - [2, 14]
    further = means(MODEL.price(states(one_sided))["game"].margin()) - 6

    assert totals[1] > totals[0] * 1.2
    assert further[0] > 0.2


def test_a_prior_of_the_market_is_met_before_the_game():
    rows = [
        {"home_chance": 0.62, "total_line": 7.5},
        {"home_chance": 0.44, "total_line": 10.5},
        {"home_chance": 0.50, "total_line": 9.0, "sched_innings": 7},
    ]
    total = MODEL.price(states(*rows))["game"].total()
    line = np.array([[7.5], [10.5], [9.0]])
    over = np.where(numbers(total) > line, total.mass, 0.0).sum(axis=1)
    under = np.where(numbers(total) < line, total.mass, 0.0).sum(axis=1)

    assert chance(*rows) == pytest.approx([0.62, 0.44, 0.50], abs=0.002)
    # Odd totals are likelier than even ones; the line is met but for that.
    assert over / (over + under) == pytest.approx([0.5, 0.5, 0.5], abs=0.015)


def test_a_run_line_and_ratings_are_met_too():
    scores = MODEL.price(
        states({"run_line": 1.0, "total_line": 8.5}, {"rated_chance": 0.57, "rated_total": 9.4})
    )["game"]

    assert means(scores.margin())[0] == pytest.approx(1.0, abs=0.01)
    assert means(scores.total())[1] == pytest.approx(9.4, abs=0.01)
    assert chance({"rated_chance": 0.57, "rated_total": 9.4})[0] == pytest.approx(0.57, abs=0.002)


def test_the_market_goes_before_ratings():
    both = {"home_chance": 0.6, "total_line": 8.0, "rated_chance": 0.4, "rated_total": 12.0}

    assert chance(both)[0] == chance({"home_chance": 0.6, "total_line": 8.0})[0]


def test_the_less_is_known_the_wider_is_the_distribution():
    usual = means(MODEL.price(states({}))["game"].total())[0]
    market = {"home_chance": 0.536, "total_line": 8.12}
    total = MODEL.price(states({}, {"rated_chance": 0.536, "rated_total": usual}, market))[
        "game"
    ].total()

    assert means(total) == pytest.approx(usual, abs=0.15)
    wide = spread(total)
    assert wide[0] > wide[1] > wide[2]


def test_a_spec_may_say_what_is_usual():
    model = MlbModel(MlbParameters(home_chance=0.5, total=10.0))

    scores = model.price(states({}))["game"]

    assert means(scores.total())[0] == pytest.approx(10.0, abs=0.02)


def test_equal_sides_score_alike_in_the_first_five_innings():
    """Both sides bat five halves: what is left of home's advantage is how halves differ."""
    level = {"home_score": 3, "away_score": 3, "period": 6}
    first = MODEL.price(states(level | {"home_first_five": 1, "away_first_five": 2}))["first_five"]

    assert (support(first.margin()), support(first.total())) == ([-1], [3])
    swapped = MODEL.price(
        states(
            {"home_chance": 0.5, "total_line": 8.5, "outs": 3, "half": 1, "period": 2,
             "home_score": 2, "away_score": 0},
            {"home_chance": 0.5, "total_line": 8.5, "outs": 3, "half": 1, "period": 2,
             "home_score": 0, "away_score": 2},
        )
    )["first_five"].margin()  # fmt: skip
    lead = means(swapped)
    assert lead[0] + lead[1] == pytest.approx(0.0, abs=0.25)


def test_the_first_five_innings_can_end_level_and_know_no_walk_off():
    scores = MODEL.price(states({"period": 5, "half": 1, "outs": 2, "bases": 4}))["first_five"]

    assert 0 in support(scores.margin())
    assert max(support(scores.margin())) >= 6
    assert means(scores.home()) - means(scores.away()) == pytest.approx(means(scores.margin()))


def test_who_joins_after_five_innings_is_told_what_their_score_may_have_been():
    scores = MODEL.price(states({"period": 8, "home_score": 7, "away_score": 0}))["first_five"]

    assert support(scores.home()) == list(range(8))
    assert support(scores.away()) == [0]
    assert means(scores.home())[0] == pytest.approx(5.0)


def test_the_chance_before_an_event_is_the_mean_of_those_after_it():
    """Every number of runs of a last top half, weighed by its own chance: a martingale."""
    before = {"period": 9, "home_score": 4, "away_score": 3, "outs": 1, "bases": 3}
    # With home out of reach the visitors' final score is that of this half.
    half = MODEL.price(states(before | {"home_score": 60}))["game"].away()

    after = chance(*(before | {"outs": 3, "bases": 0, "away_score": 3 + n} for n in range(14)))

    assert half.first[0] == 3
    assert np.dot(half.mass[0, :14], after) == pytest.approx(chance(before)[0], abs=0.001)


def game(day, home, away, *score):
    return FinishedGame(f"{home}{day}", int(day[:4]), day, home, away, *score)


def test_ratings_know_earlier_days_only():
    games = [game("2016-04-03", "A", "B", 9, 0), game("2016-04-03", "C", "A", 0, 9),
             game("2016-04-04", "A", "B", 1, 0)]  # fmt: skip

    rated = {one.game_id: one for one in rate(games)}

    assert rated["A2016-04-03"].rated_chance == rated["C2016-04-03"].rated_chance
    assert rated["A2016-04-04"].rated_chance > rated["A2016-04-03"].rated_chance
    assert rated["A2016-04-04"].rated_total > rated["A2016-04-03"].rated_total


def test_ratings_do_not_depend_on_the_order_of_the_games_given():
    games = [game(f"2016-04-{day:02d}", *teams, day % 5, 3)
             for day in range(3, 9) for teams in (("A", "B"), ("C", "D"))]  # fmt: skip

    assert sorted(rate(games)) == sorted(rate(reversed(games)))


def test_a_new_season_brings_teams_nearer_together():
    first = [game(f"2016-0{month}-03", "A", "B", 9, 0) for month in range(4, 9)]
    again = game("2016-09-03", "A", "B", 1, 0)
    later = game("2017-04-03", "A", "B", 1, 0)

    *_, rated_again = rate([*first, again])
    *_, rated_later = rate([*first, later])

    assert 0.534 < rated_later.rated_chance < rated_again.rated_chance
