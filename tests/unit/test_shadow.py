"""A shadow is asked what the champion is asked, kept apart, scored alike, and never in the way."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from tests.pricing_cases import KINDS, LAYOUT, RULES, STATE, batch_of, event, odds
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN as PLAN_OF_A_RUN

from oddspipe.core.clock import ManualClock
from oddspipe.core.errors import PluginError
from oddspipe.core.infra.clickhouse import access_statements, sport_statements
from oddspipe.core.infra.fleet import member_of
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.names import Kind
from oddspipe.core.parts import Isolation, ShadowPlan
from oddspipe.core.plan.digest import with_digests
from oddspipe.core.ports.output import Odds
from oddspipe.core.stages.isolate import HungError
from oddspipe.core.stages.price import Price, Priced, PricePlan
from oddspipe.core.stages.shadow import Patience, Shadow
from oddspipe.core.telemetry.collect import RunCollector
from oddspipe.core.telemetry.readings import Reading, ShadowReading

PLAN = PricePlan(LAYOUT, KINDS, STATE, (), RULES, odds())
S = 1_000_000
ROOT = Path(__file__).parents[2]


class Tilted(NormalModel):
    """Sees the home side three points better than the champion does."""

    def price(self, states):
        tilted = {name: states[name] for name in self.inputs}
        tilted["spread_line"] = np.nan_to_num(tilted["spread_line"]) + 3
        return super().price(type(states)(tilted))


class Failing:
    """Raises what it is given, always."""

    def __init__(self, error: Exception) -> None:
        self.error, self.calls = error, 0

    def price(self, states):  # noqa: ARG002 - as a model is asked
        self.calls += 1
        raise self.error


def shadow_of(model, *, most=100, told=None, identity="one") -> Shadow:
    tell = (lambda _: None) if told is None else told.append
    return Shadow(model, PLAN.odds.markets, identity, Patience(most, tell))


def games(count=2, plays=5):
    made = [
        event(Kind.PLAY, g, n, n * S, home_score=3 * n, away_score=g * 5 * n)
        for n in range(1, plays + 1)
        for g in range(count)
    ]
    return [*made, *(event(Kind.GAME_END, g, plays + 1, (plays + 4) * S) for g in range(count))]


def stepped(shadow: Shadow | None, events=None) -> tuple[Priced, Price]:
    stage = Price(PLAN, NormalModel(), shadow=shadow)
    return stage.step(batch_of(games() if events is None else events)), stage


def same(one: Odds, other: Odds) -> bool:
    return all(
        np.array_equal(np.array(getattr(one, f.name)), np.array(getattr(other, f.name)),
                       equal_nan=f.name in {"line", "p_low", "p_high"})
        for f in fields(Odds)
    )  # fmt: skip


def rows(said: Odds) -> dict:
    """Return home's fair chance to win by the number of the message."""
    return {
        int(said.number[said.board[at]]): float(said.p_fair[at])
        for at in range(len(said.board))
        if (said.market[at], said.side[at]) == ("moneyline", "home")
    }


@pytest.mark.parametrize(
    "model",
    [
        Tilted(),
        NormalModel(nans=(3, 6)),
        Failing(ZeroDivisionError("no pace")),
        Failing(HungError("the model did not answer within 1 s")),
        Failing(PluginError("the model did not answer within 1 s, for the 3rd time")),
    ],
    ids=["sound", "nan", "raises", "hangs", "hung too often"],
)
def test_what_is_published_is_the_same_whatever_the_shadow_does(model) -> None:
    alone, before = stepped(None)
    beside, after = stepped(shadow_of(model))

    assert same(alone.odds, beside.odds)
    assert [r.tolist() for r in (alone.rejects.reason, alone.rejects.position)] == [
        r.tolist() for r in (beside.rejects.reason, beside.rejects.position)
    ]
    assert before.account == after.account
    assert before.accuracy.as_report() == after.accuracy.as_report()
    assert len(alone.shadow) == 0


def test_each_published_row_has_the_price_of_the_shadow_beside_it() -> None:
    priced, _ = stepped(shadow_of(Tilted()))
    said, published = priced.shadow, priced.odds

    ended = {at for at, reason in enumerate(published.reason) if reason == "final"}
    assert set(said.number.tolist()) == set(published.number.tolist()) - ended
    want = Price(PLAN, Tilted()).step(batch_of(games())).odds
    assert rows(said) == {n: p for n, p in rows(want).items() if n not in ended}
    assert rows(said) != {n: p for n, p in rows(published).items() if n not in ended}
    by_number = dict(zip(published.number.tolist(), published.sequence.tolist(), strict=True))
    assert by_number.items() >= set(zip(said.number.tolist(), said.sequence.tolist(), strict=True))


def test_a_row_without_a_price_is_left_out_and_the_others_are_there() -> None:
    shadow = shadow_of(NormalModel(nans=(6,)))
    priced, _ = stepped(shadow)

    assert shadow.patience.failed == 2  # the second play of both games
    assert not shadow.patience.off
    missing = set(rows(priced.odds)) - set(rows(priced.shadow))
    causes = dict(
        zip(priced.odds.number.tolist(), priced.odds.cause_sequence.tolist(), strict=True)
    )
    assert {causes[number] for number in missing} == {2, 6}  # that play, and the end


def test_both_are_scored_at_the_same_prices() -> None:
    shadow = shadow_of(Tilted())
    _, stage = stepped(shadow)
    _, alone = stepped(None, games())
    tilted = Price(PLAN, Tilted())
    tilted.step(batch_of(games()))

    assert stage.accuracy.as_report() == alone.accuracy.as_report()
    assert shadow.scorer.scored.games == 2
    assert shadow.scorer.scored.as_report() == tilted.accuracy.as_report()


def test_a_failure_is_told_once_and_the_last_of_them_turns_the_shadow_off() -> None:
    told: list[str] = []
    model = Failing(ZeroDivisionError("no pace"))
    shadow = shadow_of(model, most=3, told=told)
    stage = Price(PLAN, NormalModel(), shadow=shadow)

    for at, one in enumerate(games()):
        stage.step(batch_of([one], first_position=at))

    assert len(told) == 2
    assert "no pace" in told[0]
    assert told[1].startswith("the shadow is off until the next start: 3 prices failed")
    assert (shadow.patience.failed, model.calls) == (3, 3)


def test_where_it_is_off_does_not_depend_on_batches() -> None:
    whole, single = (shadow_of(NormalModel(raises=(6, 9)), most=3) for _ in range(2))
    at_once, _ = stepped(whole)
    stage = Price(PLAN, NormalModel(), shadow=single)
    parts = [stage.step(batch_of([one], first_position=at)) for at, one in enumerate(games())]

    assert whole.patience.off
    one_by_one: dict = {}
    for part in parts:
        one_by_one |= rows(part.shadow)
    assert rows(at_once.shadow) == one_by_one
    assert len(one_by_one) == 2  # the first play of both games


def test_scores_survive_a_snapshot_and_those_of_another_model_do_not() -> None:
    events = games()
    whole = shadow_of(Tilted())
    stepped(whole)
    first, again, other = (shadow_of(Tilted(), identity=i) for i in ("one", "one", "two"))
    begun = Price(PLAN, NormalModel(), shadow=first)
    begun.step(batch_of(events[:7]))
    saved = begun.snapshot()
    for shadow in (again, other):
        stage = Price(PLAN, NormalModel(), shadow=shadow)
        stage.restore(saved)
        stage.step(batch_of(events[7:], first_position=7))

    assert again.scorer.scored.as_report() == whole.scorer.scored.as_report()
    assert other.scorer.scored.as_report() != whole.scorer.scored.as_report()


def test_a_state_without_a_shadow_is_taken_up_with_one_and_the_reverse() -> None:
    _, alone = stepped(None)
    _, beside = stepped(shadow_of(Tilted()))
    taken = Price(PLAN, NormalModel(), shadow=shadow_of(Tilted()))
    left = Price(PLAN, NormalModel())

    taken.restore(alone.snapshot())
    left.restore(beside.snapshot())

    assert left.snapshot() == alone.snapshot()
    assert taken.accuracy.as_report() == alone.accuracy.as_report()


def test_metrics_tell_both_by_their_role() -> None:
    _, stage = stepped(shadow := shadow_of(Tilted()))
    reading = Reading(
        "running", stuck=False, events=0, boards=0, snapshots=0, books={}, pulses=[], committed={},
        sinks=[], accuracy=stage.accuracy,
        shadow=ShadowReading(shadow.scorer.scored, 7, off=True),
    )  # fmt: skip

    families = RunCollector(replace(PLAN_OF_A_RUN, alerts={"silent_game": 1}), lambda: reading,
                            ManualClock()).collect()  # fmt: skip
    found = {
        (s.name, s.labels.get("role"), s.labels.get("score")): s.value
        for family in families
        for s in family.samples
    }

    assert found["oddspipe_scored_games", "champion", None] == 2
    assert found["oddspipe_scored_games", "shadow", None] == 2
    champion, beside = (
        found["oddspipe_accuracy", role, "brier"] for role in ("champion", "shadow")
    )
    assert champion == stage.accuracy.as_report()["brier"]
    assert beside == shadow.scorer.scored.as_report()["brier"] != champion
    assert found["oddspipe_shadow_failures_total", None, None] == 7
    assert found["oddspipe_shadow_off", None, None] == 1


def test_the_logic_digest_leaves_the_shadow_alone_and_the_deployment_digest_does_not() -> None:
    shadow = ShadowPlan(PLAN_OF_A_RUN.model, Isolation(), 100)
    alone, beside = (with_digests(replace(PLAN_OF_A_RUN, shadow=one)) for one in (None, shadow))

    assert alone.logic_digest == beside.logic_digest
    assert alone.deployment_digest != beside.deployment_digest


def test_topics_and_tables_of_a_shadow_are_made_and_are_for_no_partner() -> None:
    (fleet,) = fleets_of(("dev",), platform=ROOT / "platform.yaml", only=("nfl",), environ={})
    (member,) = fleet.members
    plan = replace(member.plan, shadow=ShadowPlan(member.plan.model, Isolation(), 100))
    member = member_of(plan, member.infra, member.files, member.fixtures)
    fleet = replace(fleet, members=(member,))

    assert [one.name for one in member.topic_list() if "shadow" in one.name] == ["nfl.shadow.v1"]
    text = "\n".join([*sport_statements(member), *access_statements(fleet)])
    assert "CREATE TABLE IF NOT EXISTS nfl_shadow_odds" in text
    assert "GRANT INSERT, SHOW TABLES ON oddspipe.nfl_shadow_odds TO oddspipe_writer" in text
    assert "GRANT SELECT ON oddspipe.nfl_shadow_odds TO oddspipe_quant" in text
    assert "shadow" not in str(fleet.partner_topics())
