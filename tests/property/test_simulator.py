"""The simulator's faults against the books, its two writers, and any way to cut or enter a feed."""

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan_cases import edited, plan, plan_of, written

from oddspipe.core.adapters.simulator.faults import NAMES, Faults, Sites
from oddspipe.core.adapters.simulator.source import SimulatorSource, simulator_of
from oddspipe.core.assemble import Input
from oddspipe.core.assemble_models import model_of
from oddspipe.core.batch import layout as at
from oddspipe.core.names import Kind
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.ext import _simulate, _simulate_py
from oddspipe.ext._simulate_py import Tables

EVERYTHING = (
    "duplicates=2%,swaps=1%,gaps=0.5%,late=0.5%,corrupt=1%,out_of_range=0.5%,corrections=30%,"
    "silence=3s/40s"
)


def source(the_plan, **given) -> SimulatorSource:
    made = simulator_of(the_plan, Input(**{"games": 2, "seed": 5} | given), None)
    made.open(0)
    return made


@cache
def booked(faults: str, late: str = "amend", sport: str = "mlb") -> dict:
    """Run a feed through the stages; return what it had injected and what was found."""
    the_plan = plan_of(edited(written(sport), "order.late", late))
    made = source(the_plan, rate=60, duration_s=400, faults=faults)
    chain = PartitionChain(the_plan, model_of(the_plan))
    found: Counter = Counter()
    stale = 0
    while (part := made.poll(1000)) is not None:
        if len(part):
            output = chain.step(part)
            flags = output.events.flags
            found.update(amended=int((flags & 1).sum()), after_gap=int((flags >> 1 & 1).sum()))
            kinds = output.events.words[at.KIND]
            revised = output.events.present >> np.uint64(at.REVISION) & np.uint64(1)
            found.update(revised=int(revised.sum()), ticks=int((kinds == Kind.TICK).sum()))
            stale += sum(reason == "stale_input" for reason in output.odds.reason)
    accounts = {account.stage: account for account in chain.accounts}
    assert [account.balance() for account in chain.accounts] == [0, 0, 0]
    return {
        "injected": {name: count for name, count in made.injected().items() if count},
        "found": found,
        "stale": stale,
        "accounts": accounts,
    }


def test_a_feed_without_faults_is_turned_away_nowhere() -> None:
    run = booked("")

    assert run["injected"] == {}
    assert [(a.rejected, a.duplicates, a.dropped) for a in run["accounts"].values()] == [
        ({}, 0, {}), ({}, 0, {}), ({}, 0, {}),
    ]  # fmt: skip
    assert run["found"]["after_gap"] == 0


def test_duplicates_are_found_to_the_last_one() -> None:
    run = booked("duplicates=3%")

    assert run["injected"] == {"duplicates": run["accounts"]["order"].duplicates}
    assert run["injected"]["duplicates"] > 400


def test_swapped_neighbours_are_put_in_order_without_a_trace() -> None:
    run = booked("swaps=3%")

    assert run["injected"]["swaps"] > 400
    assert run["found"]["after_gap"] == run["found"]["amended"] == 0
    assert run["accounts"]["order"].out == booked("")["accounts"]["order"].out


def test_gaps_are_given_up_one_by_one() -> None:
    run = booked("gaps=1%")

    assert run["injected"] == {"gaps": run["found"]["after_gap"]}
    assert run["accounts"]["order"].out == (
        booked("")["accounts"]["order"].out - run["injected"]["gaps"]
    )


def test_late_events_are_amended() -> None:
    run = booked("late=1%")

    assert run["injected"]["late"] == run["found"]["amended"] > 100
    never = run["injected"].get("gaps", 0)
    assert run["found"]["after_gap"] == run["injected"]["late"] + never


@pytest.mark.parametrize("policy", ["dlq", "drop"])
def test_late_events_are_turned_away_where_the_policy_says_so(policy: str) -> None:
    run = booked("late=1%", policy)

    order = run["accounts"]["order"]
    turned_away = order.rejected if policy == "dlq" else order.dropped
    assert turned_away == {"LATE": run["injected"]["late"]}


def test_broken_payloads_are_turned_away_by_reason() -> None:
    run = booked("corrupt=1%,out_of_range=1%")

    assert run["accounts"]["normalise"].rejected == {
        "TRUNCATED": run["injected"]["truncated"],
        "MALFORMED": run["injected"]["malformed"],
        "OUT_OF_RANGE": run["injected"]["out_of_range"],
    }
    assert run["found"]["after_gap"] == sum(run["injected"].values())


def test_corrections_reach_the_game_as_revisions_of_its_plays() -> None:
    run = booked("corrections=100%", sport="nba")

    assert run["injected"] == {"corrections": run["found"]["revised"]}
    assert run["injected"]["corrections"] > 20
    assert run["accounts"]["price"].rejected == {}


def test_a_silence_longer_than_stale_after_suspends_every_game() -> None:
    run = booked("silence=20s/200s")

    assert run["injected"] == {"silences": 2}
    assert run["found"]["ticks"] == 2 * 19 + 1
    assert run["stale"] == 2 * 2


@pytest.mark.proves("books", "normalise", "order")
@pytest.mark.proves("bytes", "normalise")
def test_all_faults_at_once_are_all_explained() -> None:
    run = booked(EVERYTHING)

    injected, accounts = run["injected"], run["accounts"]
    broken = ("TRUNCATED", "MALFORMED", "OUT_OF_RANGE")
    assert accounts["normalise"].rejected == {name: injected[name.lower()] for name in broken}
    assert accounts["order"].duplicates == injected["duplicates"]
    assert accounts["order"].rejected == accounts["price"].rejected == {}
    assert run["found"]["amended"] == injected["late"]
    lost = sum(injected[name.lower()] for name in broken) + injected["gaps"]
    assert run["found"]["after_gap"] == lost + injected["late"]
    assert run["found"]["revised"] == injected["corrections"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 30_000), min_size=7, max_size=7),
    st.integers(0, 2**64 - 1),
    st.lists(st.integers(0, 5000), min_size=2, max_size=20),
    st.lists(st.integers(0, 5000), max_size=20),
)
def test_faults_are_counted_as_they_are_listed(shares, key, cuts, spared) -> None:
    faults = Faults(tuple(shares))
    sites = Sites(faults, faults.table(1), key, (2, 4800))
    for number in spared:
        sites.spare(number)

    listed = sites.between(0, 5000)

    assert not {number for number, _ in listed} & set(spared)
    assert all(2 <= number < 4800 for number, _ in listed)
    cuts = sorted(cuts)
    parts = [one for low, high in pairwise(cuts)
             for one in sites.between(low, high)]  # fmt: skip
    assert parts == [one for one in listed if cuts[0] <= one[0] < cuts[-1]]
    for number in cuts:
        for kind in range(len(NAMES)):
            before = sum(one < number for one, which in listed if which == kind)
            assert sites.before(kind, number) == before


@cache
def whole() -> list[tuple[int, int, bytes]]:
    return taken(source(plan("mlb"), rate=80, duration_s=90, faults=EVERYTHING), [1])


def taken(made: SimulatorSource, stretches: list[int]) -> list[tuple[int, int, bytes]]:
    found, turn = [], 0
    while (part := made.poll(1000)) is not None:
        found += [
            (int(part.positions[row]), int(part.ingest_us[row]), part.bytes_at(row))
            for row in range(len(part))
        ]
        made._stretch_us = stretches[turn % len(stretches)] * 10_000
        turn += 1
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 7300), st.lists(st.integers(1, 5000), min_size=1, max_size=5))
@pytest.mark.proves("same", "recorded")
def test_entered_anywhere_and_cut_anyhow_a_feed_is_the_same(position, stretches) -> None:
    made = source(plan("mlb"), rate=80, duration_s=90, faults=EVERYTHING)
    made.open(position)

    assert taken(made, [max(50, one) for one in stretches]) == whole()[position:]


PIECES = st.lists(st.binary(max_size=12), min_size=3, max_size=3)
U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)


def blobs(pieces: list[bytes]):
    ends = np.cumsum([0, *(len(piece) for piece in pieces)])
    return np.frombuffer(b"".join(pieces), np.uint8), ends.astype(np.int64)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(PIECES, PIECES, PIECES, PIECES, PIECES),
    st.lists(U64, min_size=3, max_size=3),
    st.lists(
        st.tuples(
            st.integers(0, 50), st.integers(0, 2), st.integers(-1, 9), st.integers(-1, 2**31),
            st.integers(0, 2**34),
        ),
        min_size=3, max_size=3,
    ),
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 100), I64, st.integers(0, 5))),
    st.tuples(st.integers(0, 65536), st.integers(0, 65536), st.integers(0, 1)),
    st.sampled_from([0.0, 1.0, 10.0]),
)  # fmt: skip
def test_the_writers_agree(  # noqa: PLR0913, PLR0917 - what the tables are made of
    pieces, keys, segments, rows, shares, scale
) -> None:
    _, games, lines, players, bad = (blobs(one) for one in pieces)
    tables = Tables(
        np.array(segments, np.int64), blobs([b"body" + one for one in pieces[0]]), games, lines,
        players, bad, np.array(keys, np.uint64),
        np.array([4, 5, 3, shares[0], max(shares[:2])], np.int64), shares[2], scale,
    )  # fmt: skip
    matrix = np.ascontiguousarray(np.array(rows, np.int64).reshape(-1, 4).T)

    wanted, got = _simulate_py.write(tables, matrix), _simulate.write(tables, matrix)

    assert [one.tolist() for one in got] == [one.tolist() for one in wanted]


@pytest.mark.parametrize("twin", [_simulate, _simulate_py], ids=["compiled", "python"])
@pytest.mark.parametrize("row", [(3, 0, 0, 0), (-2, 0, 0, 0), (0, 0, 0, 6), (0, 0, 0, -1)], ids=str)
def test_a_row_that_points_outside_a_table_is_refused(twin, row) -> None:
    three = blobs([b"a", b"b", b"c"])
    tables = Tables(
        np.zeros((3, 5), np.int64), three, three, three, three, three, np.zeros(3, np.uint64),
        np.array([4, 5, 3, 0, 0], np.int64), 1, 1.0,
    )  # fmt: skip

    with pytest.raises(ValueError, match="a row"):
        twin.write(tables, np.array([row], np.int64).T.copy())
