"""The normal distribution: both twins."""

import numpy as np
import pytest

from oddspipe.ext import _normal, _normal_py

X = np.concatenate([np.linspace(-40, 40, 333), [0.0, -0.0, np.inf, -np.inf]])


@pytest.mark.parametrize("name", ["cdf", "sf"])
def test_the_twins_give_the_same_bits(name):
    assert getattr(_normal, name)(X).tobytes() == getattr(_normal_py, name)(X).tobytes()


@pytest.mark.parametrize("twin", [_normal, _normal_py])
def test_known_values(twin):
    assert twin.cdf(np.array([0.0, 1.96])) == pytest.approx([0.5, 0.9750021048517795], abs=1e-15)
    assert twin.sf(np.array([8.0]))[0] == pytest.approx(6.220960574271786e-16, rel=1e-12)


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
