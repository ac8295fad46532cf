"""The breaker: where it opens and closes the input alone decides, and nothing open goes out."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.breaker_cases import (
    BAD,
    BREAKER,
    WATCHED,
    changed_feed,
    letters_of,
    odds_of,
    payloads_of,
    straight,
)
from tests.pricing_model import NormalModel

from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.stages.breaker import BreakerState, ErrorRate

FEED = changed_feed(8)
CHAIN, OUTPUTS = straight(FEED)
WANTED = odds_of(OUTPUTS)


def reasons(lines) -> list[str]:
    return [msgspec.json.decode(line)["reason"] for line in lines]


def test_too_many_dead_letters_suspend_every_game_and_a_sound_probe_brings_them_back() -> None:
    told = reasons(WANTED)
    first = told.index("error_rate")
    games = {msgspec.json.decode(line)["game"] for line in WANTED[:first]}
    after = [msgspec.json.decode(line) for line in WANTED[first:]]

    assert CHAIN.breaker.state is BreakerState.CLOSED
    assert CHAIN.breaker.opened == 1
    assert CHAIN.accounts[0].flagged["error_rate"] == 1
    assert {one["game"] for one in after[: len(games)]} == games
    assert told[first : first + len(games)] == ["error_rate"] * len(games)
    assert "recovered" in told[first:]
    for one in after[: told[first:].index("recovered")]:
        assert {market["status"] for market in one["markets"]} == {"suspended"}


def test_a_long_change_opens_it_again_at_every_probe_and_each_writes_off_little() -> None:
    bad = slice(120, 330)
    chain = PartitionChain(WATCHED, NormalModel())
    feed = changed_feed(8, bad)
    ends = [one.position for one in chain.steps(payloads_of(feed))]
    # Between two ends lies one probe: at most as many messages as may fail, and one, within it.
    inside = [b - a for a, b in pairwise(ends) if bad.start < b <= bad.stop]

    assert chain.breaker.opened == 1
    assert len(inside) > 20
    assert max(inside) <= BREAKER.probe + 2


def test_a_share_at_the_bound_and_few_messages_do_not_open_it() -> None:
    breaker = ErrorRate(BREAKER)
    times, counts = np.arange(100) * 1000, np.ones(100, np.bool_)
    tenth = np.arange(100) % 10 < 3
    few = np.ones(BREAKER.min_messages - 1, np.bool_)

    assert ErrorRate(BREAKER).take(times[: len(few)], few, few) == len(few)
    assert breaker.take(times, counts, np.roll(tenth, 7)) == 100
    assert breaker.closed


def test_what_is_older_than_the_window_does_not_count() -> None:
    breaker = ErrorRate(BREAKER)
    counts = np.ones(19, np.bool_)

    for at in range(20):
        times = np.full(19, at * 2 * BREAKER.window_us)
        assert breaker.take(times, counts, counts) == 19
    assert breaker.closed


def test_timers_do_not_dilute_the_share() -> None:
    times, counts = np.zeros(400, np.int64), np.arange(400) % 10 == 0
    breaker = ErrorRate(BREAKER)

    assert breaker.take(times, counts, counts) == 191
    assert breaker.state is BreakerState.OPEN
    assert breaker.said == (20, 20)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, len(FEED)))
@pytest.mark.proves("same", "normalise")
@pytest.mark.proves("bounded", "dead_letters")
def test_batches_and_snapshots_move_no_place_at_which_it_opens(sizes: list[int], cut: int) -> None:
    chain, outputs, at, part = PartitionChain(WATCHED, NormalModel()), [], 0, 0
    restored = False
    while at < len(FEED):
        if at >= cut and not restored:
            blobs = {name: b"".join(parts) for name, parts in chain.snapshot().items()}
            chain, restored = PartitionChain(WATCHED, NormalModel()), True
            chain.restore(blobs)
        size = sizes[part % len(sizes)]
        part += 1
        outputs.append(chain.step(payloads_of(FEED[at : at + size], at)))
        at = outputs[-1].position

    assert odds_of(outputs) == WANTED
    assert letters_of(outputs) == letters_of(OUTPUTS)
    assert [one.as_report() for one in chain.accounts] == [
        one.as_report() for one in CHAIN.accounts
    ]
    assert BAD.stop < len(FEED)
