"""Prices and margins: what holds for every number."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oddspipe.core.odds import (
    american_from_decimal,
    decimal_from_american,
    decimal_from_fraction,
    decimal_from_probability,
    fraction_from_decimal,
    probability_from_decimal,
    tick_below,
    tick_size,
)
from oddspipe.core.overround import METHODS, add_overround, remove_overround

chance = st.floats(0.01, 0.99)
margin = st.floats(0.0, 0.2)
price = st.integers(1001, 1_000_000)


@st.composite
def market(draw):
    weights = np.array([draw(st.floats(0.05, 1.0)) for _ in range(draw(st.integers(2, 6)))])
    return (weights / weights.sum())[None, :]


@given(price)
def test_an_american_price_never_pays_more_than_the_decimal_one(milli):
    assert decimal_from_american(american_from_decimal(milli)) <= milli


@given(st.one_of(st.integers(100, 100_000), st.integers(-3_000, -101)))
def test_american_prices_survive_the_way_through_thousandths(american):
    milli = decimal_from_american(american)

    again = decimal_from_american(american_from_decimal(milli))

    assert again == milli


@given(st.integers(1002, 1_000_000))
def test_a_fraction_never_pays_more_than_the_decimal_price(milli):
    assert decimal_from_fraction(fraction_from_decimal(milli)) <= milli


@given(st.floats(0.0002, 0.999))
def test_a_price_made_of_a_probability_costs_that_probability(p):
    milli = decimal_from_probability(p)

    assert p <= float(1000 / milli) <= p + float(1.01 * p / milli) + 1e-12
    assert probability_from_decimal(milli) >= 1000 / milli - 1e-15


@given(st.integers(1010, 1_000_000))
def test_ticks_round_down_by_less_than_one_tick_and_stay(milli):
    rung = tick_below(milli)

    assert rung <= milli < rung + tick_size(milli)
    assert tick_below(rung) == rung


@pytest.mark.parametrize("method", list(METHODS))
@given(fair=market(), overround=margin)
@settings(max_examples=60)
def test_a_market_adds_up_to_the_margin_and_comes_back(method, fair, overround):
    booked = add_overround(fair, overround=overround, method=method)

    assert booked.sum() == pytest.approx(1 + overround, abs=1e-9)
    assert np.all(booked >= fair - 1e-12)
    assume(np.all(booked < 1))
    assert remove_overround(booked, method=method) == pytest.approx(fair, abs=2e-6)


@pytest.mark.parametrize("method", ["power", "odds_ratio"])
@given(p=st.floats(1e-6, 1 - 1e-6), overround=margin)
def test_power_and_odds_ratio_never_leave_zero_to_one(method, p, overround):
    booked = add_overround(np.array([[p, 1 - p]]), overround=overround, method=method)

    assert np.all((booked > 0) & (booked < 1))


@given(p=chance, overround=margin)
def test_with_two_sides_shin_is_additive(p, overround):
    fair = np.array([[p, 1 - p]])
    z = np.linspace(0, 1, 200_001)[:, None]
    root = np.sqrt(z * fair + (1 - z) * fair**2)
    best = np.argmin(np.abs(root.sum(axis=1) ** 2 - 1 - overround))
    assume(0 < best < len(z) - 1)

    definition = root[best] * root[best].sum()

    assert add_overround(fair, overround=overround, method="shin")[0] == pytest.approx(
        definition, abs=1e-4
    )


@pytest.mark.parametrize("method", list(METHODS))
@given(rows=st.lists(chance, min_size=2, max_size=40), overround=margin)
@settings(max_examples=30)
def test_a_row_is_the_same_bits_alone_and_in_a_batch(method, rows, overround):
    fair = np.array([[p, 1 - p] for p in rows])

    together = add_overround(fair, overround=overround, method=method)

    alone = [
        add_overround(fair[i : i + 1], overround=overround, method=method) for i in range(len(fair))
    ]
    assert together.tobytes() == np.concatenate(alone).tobytes()


@pytest.mark.parametrize("method", list(METHODS))
@given(low=chance, high=chance, overround=margin)
@settings(max_examples=60)
def test_the_likelier_outcome_is_booked_higher(method, low, high, overround):
    assume(low < high)

    booked = add_overround(
        np.array([[low, 1 - low], [high, 1 - high]]), overround=overround, method=method
    )

    assert booked[0, 0] <= booked[1, 0] + 1e-12
