"""Each anomaly has a code, a count, a policy: what is found, when it counts, what becomes of it."""

from dataclasses import replace

import numpy as np
import pytest
from tests.plan_cases import edited, plan_of, written
from tests.pricing_cases import (
    GUARDS,
    KINDS,
    LAYOUT,
    PLAYS,
    RULES,
    STATE,
    Event,
    batch_of,
    event,
    odds,
)
from tests.pricing_model import Normal, NormalModel

from oddspipe.core.assemble_models import model_of
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.cases.play import Played
from oddspipe.core.cases.play import play as play_case
from oddspipe.core.names import Kind, Policy
from oddspipe.core.parts import Guard, Rule
from oddspipe.core.spec.cases import CaseSpec
from oddspipe.core.stages.board import SETTLED, Books, Cuts
from oddspipe.core.stages.isolate import RawBoards
from oddspipe.core.stages.price import Price, PricePlan
from oddspipe.core.stages.slots import Shape

S = 1_000_000
PLAN = PricePlan(LAYOUT, KINDS, STATE, (), RULES, odds())
BACK = "period > was_period OR (period = was_period AND clock <= was_clock)"


def play(sequence: int, at: int, **more) -> Event:
    return event(Kind.PLAY, 0, sequence, at, **more)


def run(*events: Event, plan: PricePlan = PLAN, model: NormalModel | None = None):
    stage = Price(plan, model or NormalModel())
    return stage.step(batch_of(list(events))), stage.account.flagged


def clock_rule(policy: Policy) -> PricePlan:
    return replace(
        PLAN, rules=(*RULES, Rule("clock_runs_back", BACK, temporal=True, on=PLAYS, policy=policy))
    )


def guarded(policy: Policy) -> PricePlan:
    guards = (GUARDS[0], replace(GUARDS[1], policy=policy))
    return replace(PLAN, odds=odds(guards=guards))


# Rules: scores that fall, clocks that run backwards.


def test_score_that_falls_is_counted_under_the_name_of_its_rule() -> None:
    priced, flagged = run(play(1, S, home_score=7), play(2, 2 * S, home_score=0))

    assert flagged == {"score_never_falls": 1}
    assert priced.rejects.reason.tolist() == [Reason.TEMPORAL_RULE]


def test_rule_about_one_event_alone_is_counted_in_normalise() -> None:
    played = plays("nfl", [{"kind": "play", "clock": 900001, "period": 1}], ranges=False)

    assert played.anomalies == {"clock_within_quarter": 1}


BACKWARDS = (play(1, S, period=1, clock=561_000), play(2, 2 * S, period=1, clock=645_000),
             event(Kind.MARKET, 0, 3, 3 * S, spread_line=3.0),
             play(4, 4 * S, period=1, clock=555_000))  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "rejects", "reasons"),
    [
        (Policy.ALERT, [], ["play", "market"]),
        (Policy.DEAD_LETTER, [Reason.TEMPORAL_RULE], ["play", "market"]),
        (Policy.SUSPEND, [], ["play", "guard:clock_runs_back", "recovered"]),
    ],
)
def test_clock_that_runs_back_has_the_policy_of_its_rule(policy, rejects, reasons) -> None:
    priced, flagged = run(*BACKWARDS, plan=clock_rule(policy))

    assert flagged == {"clock_runs_back": 1}
    assert priced.rejects.reason.tolist() == rejects
    assert priced.odds.reason == reasons


def test_rule_holds_a_game_back_across_a_snapshot() -> None:
    plan = clock_rule(Policy.SUSPEND)
    first, second = Price(plan, NormalModel()), Price(plan, NormalModel())

    first.step(batch_of(list(BACKWARDS[:2])))
    second.restore(first.snapshot())
    later = second.step(batch_of(list(BACKWARDS[2:]), first_position=2))

    assert later.odds.reason == ["recovered"]
    assert later.odds.cause_sequence.tolist() == [4]
    assert second.account.flagged == {"clock_runs_back": 1}


def test_clock_of_a_recorded_game_runs_back_once() -> None:
    # Plays 14 and 15 of 2009_01_CHI_GB, in the first quarter.
    played = plays(
        "nfl",
        [
            {"kind": "play", "period": 1, "clock": 561_000, "home_score": 0, "away_score": 0},
            {"kind": "play", "period": 1, "clock": 645_000, "home_score": 0, "away_score": 0},
        ],
    )

    assert played.anomalies == {"clock_runs_back": 1}
    assert played.rejects == []


# Guards: prices that cannot be, jumps, drift.


@pytest.mark.parametrize(
    ("policy", "rejects", "reasons"),
    [
        (Policy.ALERT, [], ["play", "market"]),
        (Policy.DEAD_LETTER, [Reason.GUARD], ["play", "guard:jump_without_cause"]),
        (Policy.SUSPEND, [], ["play", "guard:jump_without_cause"]),
    ],
)
def test_jump_without_a_cause_has_the_policy_of_its_guard(policy, rejects, reasons) -> None:
    moved = [event(Kind.MARKET, 0, n, n * S, spread_line=15.0, down=n) for n in (2, 3)]

    priced, flagged = run(play(1, S), *moved, plan=guarded(policy))

    assert flagged == {"jump_without_cause": 1}
    assert priced.rejects.reason.tolist() == rejects
    assert priced.rejects.payloads == [b"0-2"] * len(rejects)
    assert priced.odds.reason[:2] == reasons


def test_guard_that_fires_again_counts_again() -> None:
    always = Guard("over", "market = 'moneyline' AND home_score = 7", Policy.ALERT)
    plan = replace(PLAN, odds=odds(guards=(always,)))
    scores = [7, 7, 8, 8]

    _, flagged = run(*[play(n, n * S, home_score=h) for n, h in enumerate(scores, 1)], plan=plan)
    assert flagged == {"over": 1}

    games = [event(Kind.PLAY, g, 1, S, home_score=7) for g in (0, 1)]
    assert run(*games, plan=plan)[1] == {"over": 2}


class Wrong(NormalModel):
    """Says that the total is below the score, as a model that forgot it would."""

    def price(self, states):
        home = np.where(states["home_score"] >= 40, 0.0, states["home_score"])
        return {"game": Normal(home, states["away_score"], np.nan_to_num(states["spread_line"]))}


def test_total_below_the_score_is_suspended_and_counted() -> None:
    plan = replace(PLAN, odds=odds(guards=()))

    priced, flagged = run(
        play(1, S, home_score=3), play(2, 2 * S, home_score=45), plan=plan, model=Wrong()
    )

    assert flagged == {"line_below_score": 1}
    assert priced.odds.reason == ["play", "guard:line_below_score"]


class Spoilt(Price):
    """A price stage whose boards are written over after the model, as a fault of ours would."""

    slot, value = 0, 1.5

    def _price(self, folded, asked):
        boards, bad = super()._price(folded, asked)
        boards.p_fair[folded.values[:, 0] == 2, self.slot] = self.value
        return boards, bad


@pytest.mark.parametrize("value", [1.5, -0.25, float("nan")], ids=["above", "below", "nan"])
@pytest.mark.parametrize("policy", [Policy.SUSPEND, Policy.DEAD_LETTER])
def test_impossible_price_is_never_published(value: float, policy: Policy) -> None:
    given = () if policy is Policy.SUSPEND else (("impossible_price", policy),)
    stage = Spoilt(replace(PLAN, odds=odds(policies=given)), NormalModel())
    stage.value = value

    priced = stage.step(batch_of([play(1, S, period=1), play(2, 2 * S, period=2)]))

    assert stage.account.flagged == {"impossible_price": 1}
    assert priced.odds.reason == ["play", "guard:impossible_price"]
    assert priced.odds.p_fair.min() >= 0
    assert priced.odds.p_fair.max() <= 1
    assert len(priced.rejects) == (policy is Policy.DEAD_LETTER)


def test_a_recorded_game_that_is_long_decided_is_no_drift() -> None:
    # Row 458 of 0022300099: 19 s left, the second of two free throws; pregame margin 7.55. The main
    # line was -28 here once: this guard found it.
    pregame = {"kind": "market", "spread_line": 7.55, "total_line": 226.0}
    late = {"kind": "play", "period": 4, "clock": 19_000, "home_score": 123, "away_score": 83}

    assert plays("nba", [pregame]).anomalies == {}
    assert plays("nba", [pregame, late]).anomalies == {}


def test_drift_of_a_model_that_does_not_heed_the_market_is_told() -> None:
    document = edited(written("nfl"), "model", {"name": "nfl_stern", "parameters": {}})
    guard = "market = 'spread' AND is_main AND ABS(line + lead + spread_line) > 3"
    document["odds"]["guards"][2]["suspend_when"] = guard
    pregame = {"kind": "market", "spread_line": 20.0, "total_line": 45.0}
    half = {"kind": "play", "period": 2, "clock": 0, "home_score": 0, "away_score": 0}

    assert plays(document, [pregame]).anomalies == {}
    assert plays(document, [pregame, half]).anomalies == {"pregame_drift": 1}


# The end of a game, and games that stand still.


def test_market_that_is_settled_stays_as_it_is() -> None:
    shape = Shape.of(PLAN.odds.markets)
    books = Books(shape)
    books.make_room(1)
    numbers = (0.5, 0.5, 0.0, 0.52, 1900, 0.4, 0.6)
    board = RawBoards(*(np.full((3, len(shape)), v) for v in numbers))
    cuts = Cuts(np.zeros(3, np.int64), np.array([False, True, False]), np.full((2, 3), 7.0))

    over = books.over(cuts)
    published = books.publish(cuts, board, np.where(over, 2, -1), None)

    assert over.any(axis=1).tolist() == [False, False, True]
    assert published.cut.tolist() == [0, 1]
    assert set(books.status[0].tolist()) == {SETTLED}


def test_late_event_of_a_finished_game_opens_nothing() -> None:
    stage = Price(PLAN, NormalModel())
    stage.step(batch_of([play(1, S), event(Kind.GAME_END, 0, 2, 2 * S)]))
    books = stage._books.status.copy()

    after = stage.step(batch_of([play(3, 3 * S, home_score=50)], first_position=2))

    assert len(after.odds) == 0
    assert (stage._books.status == books).all()


FROZEN = replace(PLAN, odds=odds(frozen_after_us=60 * S))
STILL = [event(Kind.CLOCK, 0, n, n * 10 * S, clock=800_000) for n in range(2, 9)]


def test_game_that_stands_still_while_its_feed_lives_is_frozen_until_it_moves() -> None:
    first = play(1, 10 * S, clock=800_000, home_score=0)
    moves = event(Kind.CLOCK, 0, 9, 90 * S, clock=790_000)

    priced, flagged = run(first, *STILL, moves, plan=FROZEN)

    assert flagged == {"frozen_feed": 1}
    assert priced.odds.reason == ["play", "guard:frozen_feed", "recovered"]
    assert priced.odds.as_of_us.tolist() == [10 * S, 70 * S, 90 * S]


def test_frozen_game_may_be_only_told_of() -> None:
    plan = replace(FROZEN, odds=odds(frozen_after_us=60 * S, policies=(("frozen_feed", "alert"),)))

    priced, flagged = run(play(1, 10 * S, clock=800_000), *STILL, plan=plan)

    assert flagged == {"frozen_feed": 1}
    assert priced.odds.reason == ["play"]


def test_game_that_has_not_begun_is_not_frozen() -> None:
    waits = [event(Kind.MARKET, 0, n, n * 10 * S, spread_line=1.0) for n in range(1, 20)]

    assert run(*waits, plan=FROZEN)[1] == {}


def test_silence_counts_as_stale_input() -> None:
    _, flagged = run(play(1, S), event(Kind.TICK, at=30 * S), event(Kind.TICK, at=60 * S))

    assert flagged == {"stale_input": 1}


# Shipped specs.


def plays(sport, given: list[dict], *, ranges: bool = True) -> Played:
    """Play events of one game, a second apart, through a shipped plan."""
    document = written(sport) if isinstance(sport, str) else sport
    if not ranges:
        document = edited(document, "event.fields.clock", {})
    plan = plan_of(document)
    entries = [{"game_id": "A", "at": f"{n}s", **entry} for n, entry in enumerate(given)]
    case = CaseSpec.model_validate({"name": "a", "given": entries, "expect": {"rejects": []}})
    return play_case(plan, model_of(plan), case)
