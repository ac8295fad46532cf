"""How margins are taken out, against two packages that others keep: penaltyblog and shin."""

import numpy as np
import pytest
import shin
from hypothesis import given, settings
from hypothesis import strategies as st
from penaltyblog.implied import ImpliedMethod, calculate_implied

from oddspipe.core.overround import remove_overround

SHARED = {
    "multiplicative": ImpliedMethod.MULTIPLICATIVE,
    "additive": ImpliedMethod.ADDITIVE,
    "power": ImpliedMethod.POWER,
    "odds_ratio": ImpliedMethod.ODDS_RATIO,
    "shin": ImpliedMethod.SHIN,
}


@st.composite
def book(draw):
    """Draw what both to five sides cost, with a margin of 1 to 12 %, no side below 5 %."""
    weights = np.array([draw(st.floats(0.15, 1.0)) for _ in range(draw(st.integers(2, 5)))])
    return weights / weights.sum() * draw(st.floats(1.01, 1.12))


@pytest.mark.parametrize("method", SHARED)
@given(booked=book())
@settings(max_examples=40, deadline=None)
def test_margins_are_taken_out_as_penaltyblog_does(method, booked):
    theirs = calculate_implied((1.0 / booked).tolist(), method=SHARED[method]).probabilities

    assert remove_overround(booked[None, :], method=method)[0] == pytest.approx(theirs, abs=2e-4)


@given(booked=book())
@settings(max_examples=80, deadline=None)
def test_insiders_are_taken_out_as_shin_does(booked):
    theirs = shin.calculate_implied_probabilities((1.0 / booked).tolist())

    assert remove_overround(booked[None, :], method="shin")[0] == pytest.approx(theirs, abs=1e-5)
