"""The shipped models, and the boards made of their distributions."""

import numpy as np
import pytest

from oddspipe.core import api
from oddspipe.core.api import (
    GameStates,
    JointGrid,
    KeyNumbers,
    NormalScores,
    Overtime,
    PluginError,
    Pmf,
)
from oddspipe.core.errors import OddsError
from oddspipe.core.names import Market
from oddspipe.core.parts import MarketPlan
from oddspipe.core.stages.markets import make_boards, slots_of
from oddspipe.plugins.mlb import MlbModel, MlbParameters
from oddspipe.plugins.nba import NbaModel, NbaParameters
from oddspipe.plugins.nfl import NflModel, NflParameters


def plan(market, **changes):
    values = {"step": 0.5, "whole": False, "alternates": 3, "fixed_line": None, "margin": 0.045}
    values |= {"scope": "game", "margin_method": "odds_ratio", "price_floor": 1.01}
    return MarketPlan(market=market, **(values | {"price_cap": 101.0} | changes))


PLANS = (plan(Market.MONEYLINE), plan(Market.SPREAD), plan(Market.TOTAL))
WHOLE = tuple(plan(p.market, whole=True) for p in PLANS)
MODELS = {
    "nfl": NflModel(NflParameters()),
    "nba": NbaModel(NbaParameters()),
    "mlb": MlbModel(MlbParameters()),
    "mlb_2016": MlbModel(MlbParameters(extra_runner=False)),
}


COURT = {"home_throws": 0, "away_throws": 0, "home_half": 50, "away_half": 49}
SNAP = {"down": 1, "distance": 10, "home_timeouts": 2, "away_timeouts": 1}


def states(name, rows, seed=1):
    """Make up states of a sport, one in five values absent where that is allowed."""
    rng = np.random.default_rng(seed)
    draw = {
        "home_score": rng.integers(0, 12, rows),
        "away_score": rng.integers(0, 12, rows),
        "time_left": rng.uniform(0, 2880, rows) * (rng.random(rows) > 0.1),
        "period": rng.integers(1, 12, rows),
        "possession": rng.integers(0, 3, rows),
        "yardline_100": rng.integers(0, 101, rows),
        "down": rng.integers(1, 5, rows),
        "distance": rng.integers(0, 40, rows),
        "home_timeouts": rng.integers(0, 4, rows),
        "away_timeouts": rng.integers(0, 4, rows),
        "spread_line": rng.normal(2, 6, rows),
        "total_line": rng.normal(45, 5, rows),
        "half": rng.integers(0, 2, rows),
        "outs": rng.integers(0, 4, rows),
        "bases": rng.integers(0, 8, rows),
        "sched_innings": rng.choice([7, 9], rows),
        "extra_runner": rng.integers(0, 2, rows),
        "home_throws": rng.integers(0, 3, rows),
        "away_throws": rng.integers(0, 3, rows),
        "home_half": rng.integers(0, 12, rows),
        "away_half": rng.integers(0, 12, rows),
        "home_first_five": rng.integers(0, 6, rows),
        "away_first_five": rng.integers(0, 6, rows),
        "home_chance": rng.uniform(0.3, 0.7, rows),
        "rated_chance": rng.uniform(0.3, 0.7, rows),
        "run_line": rng.normal(0, 1, rows),
        "rated_total": rng.uniform(7, 11, rows),
    }
    columns = {key: draw[key].astype(float) for key in MODELS[name].inputs}
    for column in columns.values():
        column[rng.random(rows) < 0.2] = np.nan
    return GameStates(columns)


def rows_of(frame, rows):
    return GameStates({key: column[rows] for key, column in frame.columns.items()})


def one(**columns):
    return GameStates({key: np.array([float(value)]) for key, value in columns.items()})


def arrays(boards):
    return (
        *(boards.line, boards.p_fair, boards.p_push, boards.p_booked, boards.decimal_milli),
        *(boards.p_low, boards.p_high),
    )


def wins(pmf):
    margins = pmf.first[:, None] + np.arange(pmf.mass.shape[1])
    return np.where(margins > 0, pmf.mass, 0).sum(axis=1)


def test_the_facade_names_what_it_has():
    assert sorted(api.__all__) == list(api.__all__)
    assert all(hasattr(api, name) for name in api.__all__)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("plans", [PLANS, WHOLE])
def test_a_board_is_the_same_bytes_alone_and_in_a_batch(name, plans):
    frame = states(name, 60)

    together = make_boards(MODELS[name].price(frame), plans)

    for row in range(60):
        alone = make_boards(MODELS[name].price(rows_of(frame, [row])), plans)
        for whole, part in zip(arrays(together), arrays(alone), strict=True):
            assert whole[row].tobytes() == part[0].tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_every_marginal_adds_up_and_fits_the_others(name):
    scores = MODELS[name].price(states(name, 200))["game"]
    means = {}

    for axis in ("margin", "total", "home", "away"):
        pmf = getattr(scores, axis)()
        assert pmf.mass.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
        assert pmf.mass.min() >= -1e-12
        means[axis] = (pmf.mass * (pmf.first[:, None] + np.arange(pmf.mass.shape[1]))).sum(axis=1)

    if name.startswith("mlb"):
        # Made-up states have sides of 11 runs an inning: what is cut off at 30 shows a little.
        assert means["home"] + means["away"] == pytest.approx(means["total"], abs=1e-3)
        assert means["home"] - means["away"] == pytest.approx(means["margin"], abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("plans", [PLANS, WHOLE])
def test_boards_are_coherent(name, plans):
    boards = make_boards(MODELS[name].price(states(name, 200)), plans)

    home, away = boards.p_fair[:, ::2], boards.p_fair[:, 1::2]
    assert boards.valid.all()
    assert home + away == pytest.approx(1.0, abs=1e-12)
    spread = slice(1, 8)
    assert np.all(np.diff(home[:, spread], axis=1) >= 0)
    assert np.all(np.diff(home[:, 8:], axis=1) <= 0)
    priced = (boards.decimal_milli[:, ::2] > 0) & (boards.decimal_milli[:, 1::2] > 0)
    booked = boards.p_booked[:, ::2] + boards.p_booked[:, 1::2]
    assert np.all(booked[priced] >= 1.0)
    assert np.all(boards.decimal_milli * boards.p_fair <= 1000.0 + 1e-9)
    assert priced.any()


def test_pricing_twice_gives_the_same_bytes_and_leaves_the_states_alone():
    for name, model in MODELS.items():
        frame = states(name, 20)
        before = {key: column.tobytes() for key, column in frame.columns.items()}

        first, second = (make_boards(model.price(frame), PLANS) for _ in range(2))

        assert first.p_fair.tobytes() == second.p_fair.tobytes()
        assert before == {key: column.tobytes() for key, column in frame.columns.items()}


def test_a_decided_game_is_certain_and_has_no_price():
    football = {"time_left": 0, "possession": 1, "yardline_100": 30, **SNAP}
    games = {
        "nfl": one(home_score=20, away_score=17, period=4, spread_line=3, total_line=44,
                   **football),
        "nba": one(home_score=101, away_score=100, time_left=0, period=4, possession=2,
                   spread_line=3, total_line=220, **COURT),
        "mlb": one(**dict.fromkeys(MODELS["mlb"].inputs, np.nan) | {
            "period": 9, "half": 1, "outs": 1, "home_score": 5, "away_score": 4}),
    }  # fmt: skip
    for name, frame in games.items():
        boards = make_boards(MODELS[name].price(frame), PLANS)

        assert boards.p_fair[0, 0] == 1.0
        assert not boards.decimal_milli.any()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_lead_that_nothing_can_turn_stays_what_it_is(sign):
    home, away = (123, 83)[::sign]
    nba = one(
        home_score=home,
        away_score=away,
        time_left=19,
        period=4,
        possession=2,
        spread_line=-2.5,
        total_line=226,
        **COURT,
    )
    nfl = one(
        home_score=home - 80,
        away_score=away - 80,
        period=4,
        time_left=19,
        possession=1,
        yardline_100=70,
        spread_line=3,
        total_line=44,
        **SNAP,
    )
    for name, frame in {"nba": nba, "nfl": nfl}.items():
        margin = MODELS[name].price(frame)["game"].margin()
        numbers = margin.first[0] + np.arange(margin.mass.shape[1])

        assert float((numbers * margin.mass[0]).sum()) == pytest.approx(sign * 40, abs=1.5), name


def test_a_level_basketball_game_goes_to_overtime_and_a_football_tie_can_stand():
    nba = one(home_score=100, away_score=100, time_left=0, period=4, possession=0,
              spread_line=0, total_line=220, **COURT)  # fmt: skip
    nfl = {"home_score": 20, "away_score": 20, "time_left": 0, "possession": 0,
           "yardline_100": 50, "spread_line": 0, "total_line": 44, **SNAP}  # fmt: skip

    basketball = make_boards(MODELS["nba"].price(nba), PLANS)
    regulation = make_boards(MODELS["nfl"].price(one(period=4, **nfl)), PLANS)
    overtime = make_boards(MODELS["nfl"].price(one(period=5, **nfl)), PLANS)

    assert (basketball.p_fair[0, 0], basketball.p_push[0, 0]) == (0.5, 0.0)
    assert (regulation.p_fair[0, 0], regulation.p_push[0, 0]) == (0.5, 0.054)
    assert overtime.p_push[0, 0] == 1.0
    assert overtime.decimal_milli[0, 0] == 0


@pytest.mark.parametrize("name", MODELS)
def test_home_is_likelier_to_win_the_further_it_leads(name):
    frame = {key: np.full(9, np.nan) for key in MODELS[name].inputs}
    frame |= {
        "home_score": np.arange(9.0),
        "away_score": np.full(9, 4.0),
        "period": np.full(9, 3.0),
    }

    chance = wins(MODELS[name].price(GameStates(frame))["game"].margin())

    assert np.all(np.diff(chance) > 0)


@pytest.mark.parametrize("left", [3600.0, 1500.0, 240.0, 20.0, 3.0])
@pytest.mark.parametrize("ball", [0.0, 1.0, 2.0])
def test_football_is_monotone_in_lead_line_and_field_position(left, ball):
    base = dict.fromkeys(MODELS["nfl"].inputs, 0.0) | SNAP
    base |= {"time_left": left, "period": 2.0, "possession": ball, "home_score": 20.0,
             "away_score": 20.0, "yardline_100": 60.0, "total_line": 44.0}  # fmt: skip

    def chances(name, values):
        columns = {key: np.full(len(values), value) for key, value in base.items()}
        return wins(MODELS["nfl"].price(GameStates(columns | {name: values}))["game"].margin())

    assert np.all(np.diff(chances("home_score", np.arange(0.0, 41.0))) > -1e-12)
    if left > 100:
        assert np.all(np.diff(chances("spread_line", np.arange(-14.0, 15.0))) > 0)
    if ball == 1.0 and left > 10:
        assert np.all(np.diff(chances("yardline_100", np.arange(5.0, 96.0, 10.0))) < 0)


def test_a_kneeling_leader_has_won_and_one_without_the_ball_has_not():
    base = {"time_left": 35, "period": 4, "home_score": 20, "away_score": 17, "spread_line": 0,
            "total_line": 44, "yardline_100": 60, **SNAP}  # fmt: skip
    kneels, waits = (
        float(wins(MODELS["nfl"].price(one(possession=side, **base))["game"].margin())[0])
        for side in (1, 2)
    )

    assert kneels > 0.985
    # Of 72 such games since 2009 three in four were won.
    assert 0.65 < waits < 0.9


def test_an_unknown_line_makes_a_wider_distribution():
    frame = states("nfl", 1)
    known = dict.fromkeys(frame.columns, np.array([0.0])) | {"time_left": np.array([3600.0])}
    blind = known | {"spread_line": np.array([np.nan])}

    spread = [
        MODELS["nfl"].price(GameStates(columns))["game"].margin().mass.max()
        for columns in (known | {"spread_line": np.array([2.0])}, blind)
    ]

    assert spread[1] < spread[0]


def keyed(left, lead, share=0.5):
    """Weigh 3 and -3 three times, an end without further points twice, and ties four times."""
    size = np.zeros((2, 8))
    size[:, 0], size[:, 3] = np.log(4.0), np.log(3.0)
    moved = np.zeros((2, 8))
    moved[0, 0] = np.log(2.0)  # late only
    rows = len(left)
    return KeyNumbers(
        np.array(left, float), np.array(lead, float), np.array([0.0, 100.0]), size, moved,
        np.full(rows, share),
    )  # fmt: skip


def normal(mean, sd, keys=None, overtime=None):
    count = len(mean)
    return NormalScores(
        np.zeros(count), np.zeros(count), np.array(mean, float), np.array(sd, float),
        np.full(count, 40.0), np.full(count, 9.0), overtime, keys,
    )  # fmt: skip


def at(pmf, number):
    return pmf.mass[np.arange(len(pmf.mass)), number - pmf.first]


def test_key_numbers_are_likelier_and_home_wins_as_often_as_before():
    mean, sd = [1.0, -4.0, 0.0], [12.0, 9.0, 6.0]
    before = normal(mean, sd).margin()
    after = normal(mean, sd, keyed([100.0] * 3, [0, 0, 0])).margin()

    assert after.mass.sum(axis=1) == pytest.approx(np.ones(3))
    for sign in (1, -1):
        ratio = at(after, 3 * sign) / at(after, 4 * sign)
        assert ratio == pytest.approx(3 * at(before, 3 * sign) / at(before, 4 * sign))
    tie = at(before, 0)
    assert at(after, 0) == pytest.approx(4 * tie / (1 + 3 * tie))
    assert wins(after) + 0.5 * at(after, 0) == pytest.approx(wins(before) + 0.5 * tie)


def test_a_lead_that_stands_late_is_weighed_by_the_time_that_is_left():
    late, early = (normal([5.0], [4.0], keyed([left], [5])).margin() for left in (0.0, 100.0))

    assert at(late, 5) / at(late, 6) == pytest.approx(2 * at(early, 5) / at(early, 6))


def test_a_tie_takes_no_more_than_the_side_that_it_saves_has():
    scores = normal([4.0], [1.6], keyed([100.0], [0], share=0.0))

    margin = scores.margin()

    # Away wins every overtime here, so that what home loses to ties is nothing.
    assert wins(margin) == pytest.approx(wins(normal([4.0], [1.6]).margin()))
    assert margin.mass.min() >= 0.0
    assert margin.mass.sum() == pytest.approx(1.0)


def test_what_is_certain_stays_certain_and_what_is_unknown_unknown():
    keys = keyed([0.0, 0.0, 50.0], [3, 0, 1])
    margin = normal([3.0, 0.0, np.nan], [0.0, 0.0, 3.0], keys).margin()

    assert at(margin, 3)[0] == pytest.approx(1.0, abs=1e-12)
    assert at(margin, 0)[1] == pytest.approx(1.0, abs=1e-12)
    assert np.isnan(margin.mass[2]).any()


def test_points_of_overtime_follow_the_weighed_chance_of_it():
    overtime = Overtime(np.array([0.5]), np.array([0.0]), (0.0, 1.0), 20.0, 3.0)
    plain, keyed_ = (
        normal([0.0], [6.0], keys, overtime).total() for keys in (None, keyed([100.0], [0]))
    )
    tie = at(normal([0.0], [6.0]).margin(), 0)[0]

    def mean(pmf):
        return float((pmf.mass * (pmf.first[:, None] + np.arange(pmf.mass.shape[1]))).sum())

    more = 20.0 * (4 * tie / (1 + 3 * tie) - tie)
    assert mean(keyed_) - mean(plain) == pytest.approx(more, abs=1e-3)


def grid(mass, home=0, away=0):
    return JointGrid(np.array([home]), np.array([away]), np.array([mass]))


def test_a_whole_line_with_a_push_is_priced_given_a_decision():
    scores = grid([[0.0, 0.2], [0.2, 0.0], [0.0, 0.6]])

    boards = make_boards(
        {"game": scores}, (plan(Market.TOTAL, fixed_line=1.0, alternates=0, margin=0.0),)
    )

    assert boards.p_push[0].tolist() == [0.4, 0.4]
    assert boards.p_fair[0].tolist() == [1.0, 0.0]


def test_the_four_marginals_of_a_grid_are_its_sums():
    scores = grid([[0.1, 0.2], [0.3, 0.4]], home=10, away=20)

    assert (scores.margin().first[0], scores.margin().mass[0].round(12).tolist()) == (
        -11,
        [0.2, 0.5, 0.3],
    )
    assert (scores.total().first[0], scores.total().mass[0].round(12).tolist()) == (
        30,
        [0.1, 0.5, 0.4],
    )
    assert scores.home().mass[0] == pytest.approx([0.3, 0.7])
    assert scores.away().mass[0] == pytest.approx([0.4, 0.6])


def test_the_main_line_is_the_most_even_one():
    scores = grid([[0.30], [0.25], [0.25], [0.20]])

    half = make_boards({"game": scores}, (plan(Market.TOTAL, alternates=0),))
    whole = make_boards({"game": scores}, (plan(Market.TOTAL, alternates=0, whole=True),))

    assert (half.line[0, 0], half.p_fair[0, 0]) == (1.5, 0.45)
    assert (whole.line[0, 0], whole.p_push[0, 0]) == (1.5, 0.0)


def test_the_run_line_is_laid_by_the_favourite():
    for lead, line in ((3, -1.5), (-3, 1.5)):
        scores = NormalScores(*(np.array([float(v)]) for v in (0, 0, lead, 4, 9, 4)))

        boards = make_boards({"game": scores}, (plan(Market.SPREAD, fixed_line=1.5, alternates=0),))

        assert boards.line[0].tolist() == [line, line]


def test_unusable_rows_are_marked_and_leave_the_others_alone():
    columns = [np.array([0.0, 0.0]) for _ in range(2)]
    scores = NormalScores(
        *columns, np.array([1.0, np.nan]), np.full(2, 10.0), *[np.full(2, 40.0)] * 2
    )
    good = NormalScores(
        *(c[:1] for c in (*columns, np.array([1.0]), np.full(1, 10.0), *[np.full(1, 40.0)] * 2))
    )

    both, alone = (make_boards({"game": s}, PLANS) for s in (scores, good))

    assert both.valid.tolist() == [True, False]
    assert both.p_fair[0].tobytes() == alone.p_fair[0].tobytes()


def test_a_model_of_the_wrong_shape_is_named():
    class Wrong:
        def margin(self):
            return Pmf(np.zeros(2, np.int64), np.ones((3, 1)))

    with pytest.raises(PluginError, match=r"margin\(\) of scope 'game'"):
        make_boards({"game": Wrong()}, (plan(Market.MONEYLINE),))
    with pytest.raises(PluginError, match="scope 'game'"):
        make_boards({}, PLANS)


@pytest.mark.parametrize("market", [Market.SPREAD, Market.TOTAL])
def test_a_quarter_line_is_half_a_bet_on_each_line_beside_it(market):
    scores = normal([2.6, -7.2, 0.0], [6.0, 9.0, 4.0])
    lined = {"alternates": 8, "margin": 0.0}

    halves, quarters = (
        make_boards({"game": scores}, (plan(market, step=step, whole=True, **lined),))
        for step in (0.5, 0.25)
    )

    for row in range(3):
        at_line = {
            line: (fair, push)
            for line, fair, push in zip(
                halves.line[row, ::2], halves.p_fair[row, ::2], halves.p_push[row, ::2],
                strict=True,
            )
        }  # fmt: skip
        for line, fair, push in zip(
            quarters.line[row, ::2], quarters.p_fair[row, ::2], quarters.p_push[row, ::2],
            strict=True,
        ):  # fmt: skip
            beside = [at_line[line + by] for by in ((-0.25, 0.25) if line % 0.5 else (0.0,))]
            # A unit on the line is worth as much as half a unit on each: win, and what comes back.
            back = np.mean([one[1] for one in beside])
            won = np.mean([one[0] * (1.0 - one[1]) for one in beside])
            assert push == pytest.approx(back, abs=2e-6)
            assert fair * (1.0 - push) == pytest.approx(won, abs=2e-6)


def test_slots_say_what_the_columns_are():
    slots = slots_of(PLANS)

    assert len(slots) == 2 * 15
    assert slots.side[:2] == ("home", "away")
    assert slots.is_main.sum() == 6
    assert slots.offset[2:16].tolist() == [-3, -3, -2, -2, -1, -1, 0, 0, 1, 1, 2, 2, 3, 3]


def test_markets_that_cannot_be_made_are_refused():
    for changes in ({"step": 0.3}, {"margin_method": "guess"}, {"fixed_line": 1.2}):
        with pytest.raises(OddsError):
            slots_of((plan(Market.TOTAL, **changes),))
