"""What the price stage publishes, when, and in which order."""

from dataclasses import replace

import numpy as np
import pytest
from tests.pricing_cases import KINDS, LAYOUT, RULES, STATE, Event, batch_of, event, odds
from tests.pricing_model import Normal, NormalModel

from oddspipe.core.api import Doubt, GameStates
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.names import Kind
from oddspipe.core.parts import DerivedColumn, Guard
from oddspipe.core.stages.price import Price, Priced, PricePlan

PLAN = PricePlan(
    LAYOUT, KINDS, STATE, (DerivedColumn("lead", "home_score - away_score"),), RULES, odds()
)
S = 1_000_000


def play(sequence: int, at: int, home: int = 0, away: int = 0, **more) -> Event:
    return event(Kind.PLAY, more.pop("game", 0), sequence, at, home_score=home, away_score=away,
                 **more)  # fmt: skip


def run(*events: Event, model: NormalModel | None = None, plan: PricePlan = PLAN) -> Priced:
    return Price(plan, model or NormalModel()).step(batch_of(list(events)))


def statuses(priced: Priced, board: int) -> set[str]:
    rows = np.flatnonzero(priced.odds.board == board)
    return {priced.odds.status[row] for row in rows}


def fair(priced: Priced, board: int, market: str, side: str) -> float:
    odds_ = priced.odds
    return next(
        float(odds_.p_fair[row])
        for row in np.flatnonzero(odds_.board == board)
        if (odds_.market[row], odds_.side[row]) == (market, side) and odds_.is_main[row]
    )


def test_first_play_opens_every_market() -> None:
    priced = run(play(1, S))

    assert priced.odds.reason == ["play"]
    assert statuses(priced, 0) == {"open"}
    assert len(priced.odds.board) == 2 + 14 + 14
    assert priced.odds.sequence.tolist() == [1]


def test_same_price_is_published_once() -> None:
    priced = run(play(1, S), play(2, 2 * S), play(3, 3 * S, home=7))

    assert priced.odds.sequence.tolist() == [1, 2]
    assert priced.odds.cause_sequence.tolist() == [1, 3]


def test_conflated_events_make_one_price_at_the_first_row_after_they_are_due() -> None:
    move = [event(Kind.MARKET, 0, n, S + n * 1000, spread_line=float(n)) for n in range(2, 8)]
    tick = event(Kind.TICK, at=S + 25_000)

    priced = run(play(1, S), *move, tick)

    assert priced.odds.cause_sequence.tolist() == [1, 7]
    assert priced.odds.as_of_us.tolist() == [S, S + 25_000]
    assert priced.odds.oldest_ingest_us.tolist() == [S, S + 2000]


def test_silent_game_is_suspended_and_its_next_event_opens_it_again() -> None:
    priced = run(
        play(1, S), event(Kind.TICK, at=15 * S), event(Kind.TICK, at=16 * S), play(2, 17 * S)
    )

    assert priced.odds.reason == ["play", "stale_input", "recovered"]
    assert [statuses(priced, board) for board in range(3)] == [{"open"}, {"suspended"}, {"open"}]
    assert priced.odds.cause_sequence.tolist() == [1, 0, 2]
    assert fair(priced, 1, "moneyline", "home") == fair(priced, 0, "moneyline", "home")


def test_heartbeats_keep_a_quiet_game_open() -> None:
    beats = [event(Kind.HEARTBEAT, at=n * 5 * S) for n in range(1, 9)]

    assert run(play(1, S), *beats).odds.reason == ["play"]


def test_market_jump_without_a_play_keeps_the_last_price_suspended_until_one_comes() -> None:
    priced = run(
        play(1, S),
        event(Kind.MARKET, 0, 2, 2 * S, spread_line=15.0),
        event(Kind.MARKET, 0, 3, 3 * S, spread_line=15.0, down=1),
        play(4, 4 * S),
    )

    assert priced.odds.reason[:2] == ["play", "guard:jump_without_cause"]
    assert fair(priced, 1, "moneyline", "home") == 0.5
    assert priced.odds.cause_sequence.tolist()[-1] == 4
    assert priced.odds.reason[-1] == "recovered"
    assert fair(priced, len(priced.odds) - 1, "moneyline", "home") > 0.9


def test_end_of_game_settles_every_line() -> None:
    end = event(Kind.GAME_END, 0, 2, 2 * S, home_score=10, away_score=10)

    priced = run(play(1, S, home=10, away=7), end, event(Kind.TICK, at=60 * S))

    assert priced.odds.reason == ["play", "final"]
    assert statuses(priced, 1) == {"settled"}
    assert fair(priced, 1, "moneyline", "home") == 0.0
    rows = priced.odds.board == 1
    assert priced.odds.decimal_milli[rows].max() == 0
    money = rows & (np.array(priced.odds.market) == "moneyline")
    assert priced.odds.p_push[money].tolist() == [1.0, 1.0]
    total = rows & (np.array(priced.odds.market) == "total")
    under = total & (np.array(priced.odds.side) == "under")
    assert priced.odds.p_fair[under].tolist() == [
        1.0 if line > 20 else 0.0 for line in priced.odds.line[under]
    ]


class Doubting(NormalModel):
    """A third of each deviation is doubt about its mean."""

    def price(self, states: GameStates) -> dict[str, Normal]:
        made = super().price(states)
        share = np.full(len(states), 1 / 3)
        made["game"].doubt = lambda: Doubt(share, share, share, share)
        return made


@pytest.mark.parametrize("model", [NormalModel, Doubting])
def test_interval_goes_out_with_each_price_and_ends_with_the_game(model) -> None:
    end = event(Kind.GAME_END, 0, 2, 2 * S, home_score=10, away_score=7)

    odds_ = run(play(1, S, home=10, away=7), end, model=model()).odds

    now, over = odds_.board == 0, odds_.board == 1
    if model is NormalModel:
        assert np.isnan([odds_.p_low, odds_.p_high]).all()
        return
    assert np.all((odds_.p_low < odds_.p_fair)[now] & (odds_.p_fair < odds_.p_high)[now])
    assert np.all((odds_.p_low == odds_.p_fair)[over] & (odds_.p_fair == odds_.p_high)[over])


@pytest.mark.parametrize(("model", "said"), [(NormalModel, {"open"}), (Doubting, {"suspended"})])
def test_guard_can_hold_back_what_is_in_too_much_doubt(model, said) -> None:
    wide = Guard("wide", "market = 'moneyline' AND p_high - p_low > 0.15 AND home_score > 0")
    plan = replace(PLAN, odds=odds(guards=(wide,)))

    odds_ = run(play(1, S), play(2, 2 * S, home=3), model=model(), plan=plan).odds

    money = (odds_.board == 1) & (np.array(odds_.market) == "moneyline")
    assert {odds_.status[row] for row in np.flatnonzero(money)} == said


def test_score_that_falls_is_rejected_and_not_folded() -> None:
    priced = run(play(1, S, home=7), play(2, 2 * S, home=0), play(3, 3 * S, home=8))

    assert priced.rejects.reason.tolist() == [Reason.TEMPORAL_RULE]
    assert priced.rejects.detail.tolist() == [1]
    assert priced.rejects.payloads == [b"0-2"]
    assert priced.events.numbers.tolist() == [0, 1]
    assert priced.odds.cause_sequence.tolist() == [1, 3]
    assert priced.odds.cause_number.tolist() == [0, 1]


def test_runs_of_falling_scores_are_each_judged_by_the_state_before_them() -> None:
    scores = [7, 50, *[7] * 20, 51, *[8] * 20, 60]

    priced = run(*[play(n + 1, n * S, home=h) for n, h in enumerate(scores)])

    assert len(priced.rejects) == 40
    assert priced.odds.home_score.tolist() == [7, 50, 51, 60]


def test_correction_of_an_unknown_event_is_a_dead_letter() -> None:
    priced = run(play(1, S), event(Kind.CORRECTION, 0, 2, 2 * S, id=b"none", home_score=3))

    assert priced.rejects.reason.tolist() == [Reason.UNKNOWN_EVENT]


@pytest.mark.parametrize("model", [NormalModel(raises=(13,)), NormalModel(nans=(13,))])
@pytest.mark.proves("told", "price")
def test_model_failure_suspends_its_game_alone(model: NormalModel) -> None:
    stage = Price(PLAN, model)
    opening = [play(1, S, game=game) for game in range(3)]
    second = [play(2, 2 * S, home=13 if game == 1 else 7, game=game) for game in range(3)]

    stage.step(batch_of(opening))
    priced = stage.step(batch_of(second, 3))
    third = stage.step(batch_of([play(3, 3 * S, home=14, game=1)], 6))

    assert priced.odds.game.tolist() == [0, 1, 2]
    assert priced.odds.reason == ["play", "model_error", "play"]
    assert [statuses(priced, board) for board in range(3)] == [{"open"}, {"suspended"}, {"open"}]
    assert priced.rejects.reason.tolist() == [Reason.PLUGIN]
    assert priced.rejects.payloads == [b"1-2"]
    assert third.odds.reason == ["recovered"]


def test_dead_letters_of_a_failing_model_are_limited_in_a_row() -> None:
    plays = [play(n, n * S, home=13) for n in range(1, 10)]

    assert len(run(*plays, model=NormalModel(raises=(13,))).rejects) == 3


@pytest.mark.proves("bytes", "price")
def test_failure_of_a_conflated_price_keeps_the_payload_across_batches() -> None:
    stage = Price(PLAN, NormalModel(raises=(13,)))

    stage.step(batch_of([play(1, S), event(Kind.CLOCK, 0, 2, S + 10, home_score=13)]))
    state = stage.snapshot()
    stage = Price(PLAN, NormalModel(raises=(13,)))
    stage.restore(state)
    late = stage.step(batch_of([event(Kind.TICK, at=2 * S)], 2))

    assert late.rejects.payloads == [b"0-2"]
    assert late.rejects.position.tolist() == [1]
    assert late.odds.reason == ["model_error"]


def test_markets_that_were_never_offered_stay_inactive() -> None:
    priced = run(play(1, S, home=13), model=NormalModel(nans=(13,)))

    assert len(priced.odds) == 0


def test_tracking_is_counted_by_second_once_the_second_is_over() -> None:
    points = [event(Kind.TRACKING, 0, n, S + n * 400_000, value=float(n)) for n in range(5)]

    priced = run(*points, event(Kind.TICK, at=3 * S))

    assert priced.rollups.second.tolist() == [1, 2]
    assert priced.rollups.count.tolist() == [3, 2]
    assert priced.rollups.total.tolist() == [3.0, 7.0]
    assert priced.rollups.low.tolist() == [0.0, 3.0]
    assert priced.rollups.high.tolist() == [2.0, 4.0]
    assert priced.rollups.number.tolist() == [0, 1]


@pytest.mark.proves("books", "price")
def test_account_balances() -> None:
    stage = Price(PLAN, NormalModel())
    stage.step(batch_of([play(1, S, home=7), play(2, 2 * S), event(Kind.TICK, at=3 * S)]))

    assert stage.account.as_report() == {
        "stage": "price",
        "in": 3,
        "held_before": 0,
        "out": 2,
        "rejected": {"TEMPORAL_RULE": 1},
        "duplicates": 0,
        "dropped": {},
        "held_after": 0,
    }
    assert stage.account.balance() == 0


def test_derived_columns_reach_the_model() -> None:
    seen = []

    class Watching(NormalModel):
        def price(self, states):
            seen.append(states["lead"].tolist())
            return super().price(states)

    run(play(1, S, home=7, away=3), model=Watching())

    assert seen == [[4.0]]


def test_late_play_is_folded_at_its_place() -> None:
    plan = replace(PLAN, rules=())
    after = play(3, 3 * S, home=7)
    late = replace(play(2, 2 * S, home=3), at=4 * S, late=True)

    priced = run(play(1, S), after, late, plan=plan)

    assert priced.odds.home_score.tolist() == [0, 7]
    assert priced.odds.cause_sequence.tolist() == [1, 3]
