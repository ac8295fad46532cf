"""Two lists side by side: what is as expected, what is different, missing or too much."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

Wanted = TypeVar("Wanted")
Got = TypeVar("Got")


class Aligned(NamedTuple):
    """One line: index of the expected entry, of the one that came, and whether they fit."""

    wanted: int | None
    came: int | None
    same: bool


def aligned(
    wanted: Sequence[Wanted], came: Sequence[Got], fits: Callable[[Wanted, Got], bool]
) -> list[Aligned]:
    """Lay two lists side by side so that as many entries as can be fit, in order.

    Between those that fit, entries are put side by side one by one; what is left over of the longer
    side stands alone.

    >>> aligned("abd", "acd", str.__eq__)
    [Aligned(wanted=0, came=0, same=True), Aligned(wanted=1, came=1, same=False), \
Aligned(wanted=2, came=2, same=True)]
    """
    pairs = _common(wanted, came, fits)
    found: list[Aligned] = []
    left = right = 0
    for one, other in (*pairs, (len(wanted), len(came))):
        found += _between(range(left, one), range(right, other))
        if one < len(wanted):
            found.append(Aligned(one, other, same=True))
        left, right = one + 1, other + 1
    return found


def _between(wanted: range, came: range) -> list[Aligned]:
    both = min(len(wanted), len(came))
    return [
        *(Aligned(one, other, same=False) for one, other in zip(wanted, came, strict=False)),
        *(Aligned(one, None, same=False) for one in wanted[both:]),
        *(Aligned(None, other, same=False) for other in came[both:]),
    ]


def _common(
    wanted: Sequence[Wanted], came: Sequence[Got], fits: Callable[[Wanted, Got], bool]
) -> list[tuple[int, int]]:
    """Return a longest list of pairs that fit, both indexes rising."""
    rows, columns = len(wanted), len(came)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    fit = [[fits(one, other) for other in came] for one in wanted]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            skipped = max(best[row + 1][column], best[row][column + 1])
            taken = best[row + 1][column + 1] + 1 if fit[row][column] else 0
            best[row][column] = max(skipped, taken)
    pairs: list[tuple[int, int]] = []
    row = column = 0
    while row < rows and column < columns:
        if fit[row][column] and best[row][column] == best[row + 1][column + 1] + 1:
            pairs.append((row, column))
            row, column = row + 1, column + 1
        elif best[row + 1][column] >= best[row][column + 1]:
            row += 1
        else:
            column += 1
    return pairs
