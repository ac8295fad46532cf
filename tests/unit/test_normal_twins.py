"""The normal distribution: both twins."""

import numpy as np
import pytest

from oddspipe.ext import _normal, _normal_py

TWINS = (_normal, _normal_py)
X = np.concatenate([np.linspace(-40, 40, 333), [0.0, -0.0, np.inf, -np.inf]])


@pytest.mark.parametrize("name", ["cdf", "sf"])
def test_the_twins_give_the_same_bits(name):
    assert getattr(_normal, name)(X).tobytes() == getattr(_normal_py, name)(X).tobytes()


@pytest.mark.parametrize("twin", [_normal, _normal_py])
def test_known_values(twin):
    assert twin.cdf(np.array([0.0, 1.96])) == pytest.approx([0.5, 0.9750021048517795], abs=1e-15)
    assert twin.sf(np.array([8.0]))[0] == pytest.approx(6.220960574271786e-16, rel=1e-12)


CHANCES = np.concatenate([np.linspace(0, 1, 501), [np.nan, 1e-9, 1 - 1e-9, -0.1, 1.1]])
SHARES = np.array([0.0, 1e-9, 0.05, 0.3, 0.7, 0.95, 1.0, -0.1, np.nan])


def test_the_twins_give_the_same_ends():
    for share in SHARES.tolist():
        ends = [twin.between(CHANCES, np.full(len(CHANCES), share)) for twin in TWINS]

        assert [end.tobytes() for end in ends[0]] == [end.tobytes() for end in ends[1]]


@pytest.mark.parametrize("twin", TWINS, ids=["compiled", "python"])
def test_what_a_chance_lies_between_is_that_of_a_normal_mean(twin):
    # A margin of mean 0 and deviation 13, 5 of it doubt about the mean: what is left is 12.
    low, high = twin.between(np.array([0.5]), np.array([5 / 13]))

    assert low[0] == pytest.approx(_normal.cdf(np.array([-1.6448536 * 5 / 12]))[0], abs=1e-7)
    assert high[0] == pytest.approx(1 - low[0], abs=1e-9)


@pytest.mark.parametrize("twin", TWINS, ids=["compiled", "python"])
def test_a_chance_lies_between_its_ends_and_nothing_lies_between_where_nothing_is_in_doubt(twin):
    p = np.linspace(0, 1, 501)
    before = p
    for share in (0.0, 0.05, 0.3, 0.7, 0.95):
        low, high = twin.between(p, np.full(501, share))

        assert np.all((low >= 0) & (low <= p) & (p <= high) & (high <= 1))
        assert np.all(np.diff(low) >= 0)
        assert np.all(np.diff(high) >= 0)
        assert high[[0, -1]].tolist() == low[[0, -1]].tolist() == [0.0, 1.0]
        if share == 0.0:
            assert low.tobytes() == high.tobytes() == p.tobytes()
        assert np.all(high[150:351] >= before[150:351])
        before = high


@pytest.mark.parametrize("twin", TWINS, ids=["compiled", "python"])
@pytest.mark.parametrize("share", [np.nan, -0.1, 1.0])
def test_a_share_that_is_none_gives_no_ends(twin, share):
    assert np.isnan(twin.between(np.array([0.0, 0.5, 1.0]), np.full(3, share))).all()


def lattices(twin):
    mean = np.array([3.2, 0.0, -7.5, np.nan, 2.0, 24.0])
    sd = np.array([13.2, 0.0, 0.4, 1.0, 5.0, 3.0])
    first = np.array([-90, -90, -90, -90, -90, -90])
    floor = np.array([-(2**40), -(2**40), -(2**40), 0, 2, 24])
    out = np.empty((6, 200))
    twin.lattice(mean, sd, first, floor, out)
    return out


def test_the_twins_give_the_same_lattice():
    assert lattices(_normal).tobytes() == lattices(_normal_py).tobytes()


@pytest.mark.parametrize("twin", [_normal, _normal_py])
def test_a_lattice_row_adds_up_and_respects_its_floor(twin):
    out = lattices(twin)

    assert out[[0, 1, 2, 4, 5]].sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert out[1, 90] == 1.0
    assert np.isnan(out[3]).all()
    assert out[4, :92].sum() == 0.0
    assert out[4, 92] == pytest.approx(_normal.cdf(np.array([0.1]))[0])


def test_columns_of_different_length_are_refused():
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(ValueError, match="rows"):
        _normal.lattice(one, two, np.zeros(1, int), np.zeros(1, int), np.empty((1, 3)))
