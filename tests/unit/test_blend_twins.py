"""Mixtures, and the side that bats last: both twins."""

import numpy as np
import pytest

from oddspipe.ext import _blend, _blend_py

TWINS = pytest.mark.parametrize("twin", [_blend, _blend_py], ids=["compiled", "python"])
NO_EXTRAS = np.array([[0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0.0]])
WALK_OFF = np.array([0.75, 0.25])


def chased(twin, sides, lead, extras=NO_EXTRAS, *, apart=False):
    given = np.array([[side] for side in sides], float)
    made = twin.chase(given, np.array([lead]), extras, WALK_OFF, apart)
    return [part[0].tolist() for part in made]


@TWINS
def test_a_blend_weighs_rows_of_the_table(twin):
    table = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])

    out = twin.blend(table, np.array([[0, 2], [1, 1]]), np.array([[0.5, 0.5], [1.0, 0.0]]))

    assert out.tolist() == [[0.75, 0.25], [0.0, 1.0]]


@TWINS
def test_a_blend_outside_its_table_is_refused(twin):
    with pytest.raises(IndexError, match="outside"):
        twin.blend(np.ones((2, 1)), np.array([[2]]), np.array([[1.0]]))
    with pytest.raises(ValueError, match="shapes"):
        twin.blend(np.ones((2, 1)), np.array([[0]]), np.ones((1, 2)))


@TWINS
def test_home_ahead_does_not_bat_again(twin):
    # The visitors score nothing more; home leads by 1, and would have scored 2 in its last half.
    margin, total = chased(twin, ([1, 0, 0], [1, 0, 0], [0, 0, 1]), 1)

    assert margin == [0, 0, 1, 0, 0]  # from 1 - 2 up: home by 1
    assert total == [1, 0, 0, 0, 0]


@TWINS
def test_a_walk_off_is_by_few_points(twin):
    # Home is 1 down and its last half would bring 2: it stops when it is ahead.
    margin, total = chased(twin, ([1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]), -1)

    assert margin == [0, 0, 0, 0, 0, 0.75, 0.25]  # from -1 - 3 up: by 1 or by 2
    assert total == [0, 0, 0.75, 0.25, 0, 0, 0]


@TWINS
def test_a_tie_is_played_on(twin):
    extras = np.array([[0.5, 0, 0.5, 0, 1, 0, 0.5, 0.5, 0, 0.5, 0.5, 0]])
    sides = ([1, 0, 0], [1, 0, 0], [1, 0, 0])

    assert chased(twin, sides, 0, extras) == [[0, 0.5, 0, 0.5, 0], [0, 1, 0, 0, 0]]
    assert chased(twin, sides, 0, extras, apart=True) == [[0.5, 0.5, 0], [0.5, 0.5, 0]]


@TWINS
def test_arrays_that_do_not_fit_are_refused(twin):
    sides, lead, extras = np.ones((3, 1, 2)), np.zeros(1, int), np.ones((1, 12))
    for wrong in (
        (sides[:2], lead, extras),
        (sides, np.zeros(2, int), extras),
        (sides, lead, np.ones((1, 11))),
    ):
        with pytest.raises(ValueError, match="sides"):
            twin.chase(*wrong, WALK_OFF)


@pytest.mark.parametrize("apart", [False, True])
def test_the_twins_give_the_same_bits(apart):
    rng = np.random.default_rng(7)
    for _ in range(40):
        rows, width = (int(n) for n in rng.integers(1, 30, 2))
        part = 2 * int(rng.integers(0, 12)) + 1
        sides = rng.random((3, rows, width)) * 10.0 ** rng.integers(-15, 1, (3, rows, width))
        extras = rng.random((rows, 4 * part)) * 10.0 ** rng.integers(-15, 1, (rows, 4 * part))
        lead = rng.integers(-width - 3, width + 4, rows)

        made, want = (t.chase(sides, lead, extras, WALK_OFF, apart) for t in (_blend, _blend_py))

        assert [m.tobytes() for m in made] == [w.tobytes() for w in want]
