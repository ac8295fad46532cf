"""Published chances are scored by the results of their games."""

import numpy as np
import pytest
from tests.pricing_cases import KINDS, LAYOUT, RULES, STATE, batch_of, event, odds
from tests.pricing_model import NormalModel

from oddspipe.core.names import Kind
from oddspipe.core.stages.accuracy import Accuracy, Scorer, all_of
from oddspipe.core.stages.price import Price, PricePlan

PLAN = PricePlan(LAYOUT, KINDS, STATE, (), RULES, odds())
S = 1_000_000


def scored(chances: dict[int, list[float]], results: dict[int, tuple[float, float]]) -> Accuracy:
    scorer = Scorer()
    for game, p in chances.items():
        scorer.take(np.full(len(p), game), np.array(p))
    for game, result in results.items():
        scorer.end(game, *result)
    return scorer.scored


def test_game_scores_the_mean_of_its_chances_whoever_won() -> None:
    won = scored({0: [0.5, 0.8]}, {0: (7.0, 3.0)})
    lost = scored({0: [0.5, 0.8]}, {0: (3.0, 7.0)})

    assert (won.games, lost.games) == (1, 1)
    assert won.brier == pytest.approx((0.25 + 0.04) / 2)
    assert lost.brier == pytest.approx((0.25 + 0.64) / 2)
    assert won.log_loss == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)
    assert lost.log_loss == pytest.approx(-(np.log(0.5) + np.log(0.2)) / 2)


def test_games_count_alike_however_often_they_were_priced() -> None:
    both = scored({0: [0.9] * 50, 1: [0.5]}, {0: (1.0, 0.0), 1: (1.0, 0.0)})

    assert both.as_report()["brier"] == pytest.approx((0.01 + 0.25) / 2)


def test_calibration_error_is_the_distance_of_chances_from_results() -> None:
    results = {game: (1.0, 0.0) if game < 8 else (0.0, 1.0) for game in range(10)}

    assert scored({game: [0.85] for game in results}, results).drift == pytest.approx(0.05)
    assert scored({game: [0.35] for game in results}, results).drift == pytest.approx(0.45)


@pytest.mark.parametrize("result", [(7.0, 7.0), (float("nan"), 3.0)], ids=["level", "unknown"])
def test_game_without_a_winner_is_left_out_and_forgotten(result) -> None:
    scorer = Scorer()
    scorer.take(np.array([0]), np.array([0.6]))

    scorer.end(0, *result)

    assert scorer.scored.games == 0
    assert scorer.snapshot() == Scorer().snapshot()


def test_certainty_that_was_wrong_has_a_finite_score() -> None:
    assert scored({0: [1.0]}, {0: (0.0, 1.0)}).log_loss == pytest.approx(13.8155, abs=1e-3)


def test_partitions_add_up() -> None:
    one = scored({0: [0.9]}, {0: (1.0, 0.0)})

    assert all_of([one, one]).as_report() == {**one.as_report(), "games": 2}
    assert all_of([]).as_report()["games"] == 0


def test_scores_do_not_depend_on_batches_or_on_a_snapshot_between() -> None:
    plays = [
        event(Kind.PLAY, g, n, n * S, home_score=3 * n, away_score=g * 5 * n)
        for n in range(1, 6)
        for g in (0, 1)
    ]
    ends = [event(Kind.GAME_END, g, 6, 9 * S) for g in (0, 1)]
    whole, first, second = (Price(PLAN, NormalModel()) for _ in range(3))

    whole.step(batch_of([*plays, *ends]))
    first.step(batch_of(plays[:7]))
    second.restore(first.snapshot())
    second.step(batch_of([*plays[7:], *ends], first_position=7))

    assert whole.accuracy.games == 2
    assert whole.accuracy.as_report() == second.accuracy.as_report()
    assert whole.accuracy.brier > 0
    assert whole.snapshot() == second.snapshot()


def test_open_chances_alone_are_scored() -> None:
    silent = [event(Kind.TICK, at=n * 20 * S) for n in (1, 2, 3)]
    plays = [event(Kind.PLAY, 0, 1, S, home_score=0)]
    end = event(Kind.GAME_END, 0, 2, 90 * S, home_score=3, away_score=0)
    stage = Price(PLAN, NormalModel())

    stage.step(batch_of([*plays, *silent, end]))

    assert stage.accuracy.as_report()["brier"] == 0.25
