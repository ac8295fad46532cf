"""Mixtures, and two sides of which one stops when it is ahead: the meaning, in plain Python.

See `_blend.pyi`.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WIDEST = 256
NOTHING = 4e-12
"""Chances up to this are not followed up: in 31 of them, less than 3e-10 of a distribution."""


def blend(table: FloatArray, at: IntArray, weights: FloatArray) -> FloatArray:
    """Return weighted sums of rows of a table.

    Args:
        table: Distributions, shape (entries, width).
        at: Which entries each row mixes, shape (rows, terms).
        weights: How much of each, shape (rows, terms); where it is 0, nothing is added.

    Returns:
        Shape (rows, width); terms are added from left to right.

    Raises:
        ValueError: The shapes do not fit.
        IndexError: An entry is asked for that there is not.
    """
    if weights.shape != at.shape:
        raise ValueError("at and weights have different shapes")
    out = np.zeros((len(at), table.shape[1]))
    for row, (places, shares) in enumerate(zip(at.tolist(), weights.tolist(), strict=True)):
        for place, share in zip(places, shares, strict=True):
            if share == 0.0:
                continue
            if not 0 <= place < len(table):
                raise IndexError("a place lies outside the table")
            out[row] += share * table[place]
    return out


def chase(
    sides: FloatArray,
    lead: IntArray,
    extras: FloatArray,
    walk_off: FloatArray,
    apart: bool = False,  # noqa: FBT001, FBT002 - twin of a compiled function
) -> tuple[FloatArray, FloatArray]:
    """Return margin and total, or home's and the visitors' further points; home stops when ahead.

    Home bats last. It has lost with fewer points than it needs, by all that its halves bring; at a
    tie extra innings follow; it has won with more, by what the halves before the last bring, or,
    where those are not enough and all of them are, by a walk-off.

    Args:
        sides: Chance of 0, 1, 2 … further points: of the visitors, of home without its last half,
            and of home with it; shape (3, rows, width).
        lead: What home leads by now, shape (rows,).
        extras: What follows a tie, shape (rows, 4 * part): margin, with 0 in the middle; further
            total, home's and the visitors' points, from 0 up. `part` is odd.
        walk_off: Chance that a walk-off is by 1, 2 … points.
        apart: Whether home's and the visitors' points are asked for.

    Returns:
        Margin, shape (rows, 2 * width - 1), from `lead - width + 1` up, and total of the same
        shape, from 0 up; or home's and the visitors' further points, shape (rows, width), from 0
        up. What lies outside counts at the end.

    Raises:
        ValueError: The shapes do not fit.
    """
    rows, width, part = len(lead), sides.shape[2], extras.shape[1] // 4
    if sides.shape[:2] != (3, rows) or len(extras) != rows:
        raise ValueError("sides, lead and extras have different numbers of rows")
    if not 0 < width <= WIDEST or extras.shape[1] % 8 != 4:
        raise ValueError("sides are too wide, or extras are not four parts of one odd width")
    first, second = np.zeros((2, rows, width if apart else 2 * width - 1))
    fill = _bat if apart else _play
    for row in range(rows):
        parts = extras[row].reshape(4, part)
        fill(sides[:, row], int(lead[row]), parts, walk_off, (first[row], second[row]))
    return first, second


def _play(
    sides: FloatArray,
    lead: int,
    extras: FloatArray,
    walk_off: FloatArray,
    made: tuple[FloatArray, FloatArray],
) -> None:
    margin, total = made
    visitors, before, whole = sides
    width = len(visitors)
    most = width - 1
    end = max(_until(whole), _until(before))
    enough, further = _enough(before, whole), extras[1][: _until(extras[1])]
    ties = walks = 0.0
    for runs in np.flatnonzero(visitors > NOTHING).tolist():
        chance, level = float(visitors[runs]), runs - lead
        # How home ends: lost below the level, won above it.
        ends = np.where(np.arange(end) < level, whole[:end], before[:end])
        if 0 <= level < end:
            ends[level] = 0.0
        margin[most - runs : most - runs + end] += chance * ends
        total[runs : runs + end] += chance * ends
        if 0 <= level < width:
            tied, walked = chance * float(whole[level]), chance * float(enough[level])
            ties, walks = ties + tied, walks + walked
            _pile(total, runs + level, tied * further)
            _pile(total, runs + level + 1, walked * walk_off)
    _pile(margin, most - lead + 1, walks * walk_off)
    _pile(margin, most - lead - extras.shape[1] // 2, ties * extras[0])


def _bat(
    sides: FloatArray,
    lead: int,
    extras: FloatArray,
    walk_off: FloatArray,
    made: tuple[FloatArray, FloatArray],
) -> None:
    home, away = made
    visitors, before, whole = sides
    width = len(visitors)
    enough = _enough(before, whole)
    for runs, chance in enumerate(visitors.tolist()):
        level, tied = runs - lead, 0.0
        if 0 <= level < width:
            tied = chance * float(whole[level])
            _pile(home, level, tied * extras[2])
            _pile(away, runs, tied * extras[3])
            _pile(home, level + 1, chance * float(enough[level]) * walk_off)
        away[runs] += chance - tied
    below = np.concatenate([[0.0], np.cumsum(visitors)])
    needed = np.arange(width) + lead
    home += below[needed.clip(0, width)] * before
    home += (below[width] - below[(needed + 1).clip(0, width)]) * whole


def _enough(before: FloatArray, whole: FloatArray) -> FloatArray:
    """Return the chance that home's halves before the last are not enough, and all of them are."""
    return np.maximum(np.cumsum(before) - np.cumsum(whole), 0.0)


def _until(mass: FloatArray) -> int:
    """Return the number of entries up to the last one that is followed up."""
    return int(np.flatnonzero(mass > NOTHING).max(initial=-1)) + 1


def _pile(out: FloatArray, first: int, mass: FloatArray) -> None:
    """Add mass from a place on; what lies outside counts at the end."""
    for more, chance in enumerate(mass.tolist()):
        out[min(max(first + more, 0), len(out) - 1)] += chance
