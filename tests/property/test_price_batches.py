"""Odds depend on the input alone: not on batches, snapshots, or the way a mistake was mended."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pricing_cases import GUARDS, KINDS, LAYOUT, RULES, STATE, Event, batch_of, odds
from tests.pricing_model import NormalModel

from oddspipe.core.names import Kind, Policy
from oddspipe.core.parts import Rule
from oddspipe.core.stages.fold import Fold
from oddspipe.core.stages.price import Price, PricePlan

HOLDS = Rule("down_falls", "down >= was_low", temporal=True, policy=Policy.SUSPEND)
ODDS = odds(
    guards=(GUARDS[0], replace(GUARDS[1], policy=Policy.DEAD_LETTER)), frozen_after_us=9_000_000
)
PLAN = PricePlan(LAYOUT, KINDS, STATE, (), (*RULES, HOLDS), ODDS)
COMMON = [Kind.PLAY, Kind.SCORE, Kind.MARKET, Kind.TRACKING, Kind.CLOCK]
STEP = st.tuples(
    st.sampled_from([*COMMON * 4, *Kind]),
    st.integers(0, 2),
    st.sampled_from([0, 1000, 7000, 25_000, 400_000, 8_000_000]),
    st.sampled_from([0, 0, 0, 1]),
    st.fixed_dictionaries(
        {},
        optional={
            "home_score": st.integers(0, 16),
            "away_score": st.integers(0, 9),
            "spread_line": st.floats(-9, 9),
            "down": st.integers(1, 4),
        },
    ),
    st.booleans(),
)


def game_of(steps: list[tuple]) -> list[Event]:
    """Number the steps as feeds do: times rise, sequences of a game have no gap."""
    events, now, next_of, ended = [], 1_000_000, {}, set()
    for kind, game, pause, revision, values, same in steps:
        now += pause
        if game in ended:
            continue
        sequence = next_of[game] = next_of.get(game, 0) + 1
        number = sequence if revision == 0 and kind < Kind.CORRECTION else max(1, sequence // 2)
        events.append(
            Event(kind, game, sequence, now, b"%d" % number, revision,
                  late=same and sequence % 9 == 0,
                  fields=tuple(values.items()))
        )  # fmt: skip
        if kind == Kind.GAME_END:
            ended.add(game)
    return events


def joined(parts: list) -> list:
    """Return every column of some outputs end to end; floats by their bits."""
    found, boards = [], 0
    for name in (field.name for field in fields(parts[0])):
        column: list = []
        boards = 0
        for part in parts:
            values = getattr(part, name)
            if name == "board":
                values = values + boards
                boards += len(part)
            if isinstance(values, np.ndarray) and values.dtype == np.float64:
                values = values.view(np.int64)
            column += list(values)
        found.append((name, [int(v) if not isinstance(v, str) else v for v in column]))
    return found


def rejected(parts: list) -> list:
    return [
        sorted(
            zip(p.reason.tolist(), p.detail.tolist(), p.position.tolist(), p.payloads, strict=True)
        )
        for p in parts
    ]  # fmt: skip


def new_stage() -> Price:
    return Price(PLAN, NormalModel(raises=(13,), nans=(14,)))


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=30), st.sets(st.integers(0, 30), max_size=5), st.booleans())
@pytest.mark.proves("same", "price")
@pytest.mark.proves("kill", "price")
def test_batches_and_snapshots_do_not_show(
    steps: list[tuple],
    cuts: set[int],
    restart: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    events = game_of(steps)
    whole = new_stage()
    once = whole.step(batch_of(events))
    stage = new_stage()
    parts = []
    at = sorted(min(cut, len(events)) for cut in cuts)
    for start, stop in zip([0, *at], [*at, len(events)], strict=True):
        parts.append(stage.step(batch_of(events[start:stop], start)))
        assert stage.account.balance() == 0
        if restart:
            state = stage.snapshot()
            stage = new_stage()
            stage.restore(state)
            assert stage.snapshot() == state

    assert joined([p.odds for p in parts]) == joined([once.odds])
    assert joined([p.rollups for p in parts]) == joined([once.rollups])
    assert (
        sorted(row for rows in rejected([p.rejects for p in parts]) for row in rows)
        == rejected([once.rejects])[0]
    )
    assert np.concatenate([p.events.numbers for p in parts]).tolist() == list(
        range(len(once.events))
    )
    assert stage.snapshot() == whole.snapshot()


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=30))
@pytest.mark.proves("order", "price")
@pytest.mark.proves("loss", "price")
@pytest.mark.proves("twice", "price")
def test_sequences_are_gap_free_and_no_illegal_move_is_published(steps: list[tuple]) -> None:
    found = new_stage().step(batch_of(game_of(steps))).odds

    assert found.number.tolist() == list(range(len(found)))
    moves = {
        "": {"open", "suspended"},
        "open": {"open", "suspended", "settled", "closed"},
        "suspended": {"open", "suspended", "settled", "closed"},
        "settled": set(),
        "closed": set(),
    }
    status: dict[tuple[int, str], str] = {}
    for game in np.unique(found.game):
        mine = found.sequence[found.game == game]
        assert mine.tolist() == list(range(1, len(mine) + 1))
    for board in range(len(found)):
        now = {}
        for row in np.flatnonzero(found.board == board):
            now[int(found.game[board]), found.market[row]] = found.status[row]
        for market, after in now.items():
            assert after in moves[status.get(market, "")]
        status |= now
    is_open = np.array(found.status) == "open"
    assert np.isfinite(found.p_fair).all()
    assert ((found.p_fair >= 0) & (found.p_fair <= 1))[is_open].all()


def states_after(events: list[Event]) -> list[list[int]]:
    fold = Fold(LAYOUT, KINDS, STATE, (), odds())
    fold.step(batch_of(events))
    live = fold.state.live_games()
    return fold.state.value[live].tolist()


PLAY = st.tuples(
    st.sampled_from(COMMON),
    st.fixed_dictionaries(
        {},
        optional={
            "home_score": st.integers(0, 16),
            "period": st.integers(1, 4),
            "down": st.integers(0, 4),
            "value": st.integers(-8, 8).map(float),
        },
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PLAY, min_size=1, max_size=12), st.data())
@pytest.mark.proves("order", "price")
def test_correction_and_delete_equal_a_run_without_the_error(plays: list, data) -> None:
    clean = [
        Event(kind, 0, n + 1, 1_000_000 + n, b"%d" % n, fields=tuple(values.items()))
        for n, (kind, values) in enumerate(plays)
    ]
    logged = [n for n, e in enumerate(clean) if e.kind in (Kind.PLAY, Kind.SCORE)]
    if not logged:
        return
    wrong = data.draw(st.sampled_from(logged))
    bad = replace(clean[wrong], fields=(("home_score", 99), ("down", 4), ("value", 9.0)))
    last = len(clean) + 1
    correction = replace(
        clean[wrong], kind=data.draw(st.sampled_from([Kind.CORRECTION, clean[wrong].kind])),
        sequence=last, revision=1, at=2_000_000,
    )  # fmt: skip
    delete = replace(correction, kind=Kind.DELETE, fields=())
    broken = [*clean[:wrong], bad, *clean[wrong + 1 :]]

    assert states_after([*broken, correction]) == states_after(clean)
    if len(clean) > 1:
        assert states_after([*broken, delete]) == states_after(clean[:wrong] + clean[wrong + 1 :])


@settings(max_examples=150, deadline=None)
@given(st.lists(PLAY, min_size=2, max_size=12), st.data())
def test_late_amend_equals_a_run_in_order(plays: list, data) -> None:
    ordered = [
        Event(kind, 0, n + 1, 1_000_000 + n, b"%d" % n, fields=tuple(values.items()))
        for n, (kind, values) in enumerate(plays)
    ]
    logged = [n for n, e in enumerate(ordered) if e.kind in (Kind.PLAY, Kind.SCORE)]
    if not logged:
        return
    late = data.draw(st.sampled_from(logged))
    moved = replace(ordered[late], late=True, at=2_000_000)

    assert states_after([*ordered[:late], *ordered[late + 1 :], moved]) == states_after(ordered)
