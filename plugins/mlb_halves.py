"""Half-innings of baseball: runs from each base-out state, tilted by strength, and their sums.

A half is a Markov chain over 24 base-out states. The strength of a batting side tilts what its
halves bring, `P'(k) ~ P(k) exp(theta k)`; `NODES` are the strengths that are told apart, and every
table here has one entry a node. Nothing depends on a game, so all tables are made once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_RUNS = 14
"""Runs of one half-inning that are told apart; more happened in 1 of 8,000 halves."""
MOST = 30
"""Further runs of one side that are told apart; more count as this many."""
PART = 2 * (MOST_RUNS + 4) + 1
"""Width of each part of what follows a tie: margins from -18 to 18, 0 to 36 runs."""
INNINGS = 9
STATES = 24
NOTHING = 24
"""The state of a half that is not going on."""
FIRST_END = 5
"""The earliest inning at which a scope ends."""
ENDS = INNINGS - FIRST_END + 1
FIRST_LENGTH, LENGTHS = 7, 3
"""Games are scheduled for 7 to 9 innings."""
ENTRIES = (INNINGS + 1) * (STATES + 1) * ENDS
"""Inning, state and end: what `Side.further` has for each strength."""
SPACING = 0.15
NODES: FloatArray = np.asarray(np.arange(-6, 5) * SPACING, np.float64)
"""Strengths: a trapezoid rule; docs/models.md says how near it comes."""
STARTS = (0, 2)
"""Base-out states that extra innings start with: nobody on, and a runner on second."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one side's halves may bring.

    Attributes:
        further: Chance of 0 to `MOST` further runs up to the end of an inning, shape
            (nodes * ENTRIES, runs); `entry` says where among a node's.
        moments: Mean of those runs and of their squares, shape (2, nodes * ENTRIES).
        state_weight: Log of how much a state speaks for each strength, by inning and state, shape
            (10 * 25, nodes).
        begun_weight: The same of halves begun up to an inning, shape (10, nodes).
        extra_weight: The same of one extra half begun, by start and inning, shape (2, 10, nodes).
        extra_half: Runs of an extra half by start and inning, shape (2, 10, nodes, runs).
    """

    further: FloatArray
    moments: FloatArray
    state_weight: FloatArray
    begun_weight: FloatArray
    extra_weight: FloatArray
    extra_half: FloatArray


def entry(inning: IntArray, state: IntArray, end: IntArray | int) -> IntArray:
    """Return where `Side.further` has the rest of a half of this inning and all halves to the end.

    Past the end nothing is to come. State `NOTHING`: the half of this inning is over.
    """
    return (inning * (STATES + 1) + state) * ENDS + (end - FIRST_END)


def make_side(counts: Sequence[Sequence[int]], tilts: Sequence[float]) -> Side:
    """Make the tables of one side.

    Args:
        counts: Rows of state, state after (24: half over), runs, count.
        tilts: How much more or less an inning brings than others, as a tilt, by inning from 1.
    """
    plain = half_runs(counts)
    halves = np.zeros((INNINGS + 1, len(NODES), STATES + 1, MOST_RUNS + 1))
    weight = np.zeros((INNINGS + 1, STATES + 1, len(NODES)))
    halves[:, :, NOTHING, 0] = 1.0
    for inning in range(1, INNINGS + 1):
        base = tilted(plain, tilts[inning - 1])
        for node, theta in enumerate(NODES):
            grown = base * np.exp(theta * np.arange(MOST_RUNS + 1))
            total = grown.sum(axis=1, keepdims=True)
            halves[inning, node, :STATES] = grown / total
            weight[inning, :STATES, node] = np.log(total[:, 0])
    begun = np.zeros((INNINGS + 1, len(NODES)))
    begun[1:] = -np.cumsum(weight[1:, 0], axis=0)
    further = _sums(halves)
    runs = np.arange(MOST + 1)
    return Side(
        further,
        np.stack([further @ runs, further @ (runs * runs)]),
        weight.reshape(-1, len(NODES)),
        begun,
        np.stack([-weight[:, start] for start in STARTS]),
        np.stack([halves[:, :, start] for start in STARTS]),
    )


def half_runs(counts: Sequence[Sequence[int]]) -> FloatArray:
    """Return the chance of 0 to `MOST_RUNS` further runs in the half from each of 24 states."""
    moves = np.zeros((5, STATES, STATES + 1))
    for state, after, scored, count in counts:
        moves[scored, state, after] += count
    moves /= moves.sum(axis=(0, 2))[None, :, None]
    solve = np.linalg.inv(np.eye(STATES) - moves[0, :, :STATES])
    out = np.zeros((STATES, MOST_RUNS + 1))
    for more in range(MOST_RUNS + 1):
        known = moves[more, :, STATES].copy() if more < 5 else np.zeros(STATES)
        for scored in range(1, min(more, 4) + 1):
            known += moves[scored, :, :STATES] @ out[:, more - scored]
        out[:, more] = solve @ known
    result: FloatArray = out / out.sum(axis=1, keepdims=True)
    return result


def tilted(runs: FloatArray, theta: float) -> FloatArray:
    """Tilt distributions over 0, 1, 2 … runs, one a row."""
    grown = runs * np.exp(theta * np.arange(runs.shape[-1]))
    result: FloatArray = grown / grown.sum(axis=-1, keepdims=True)
    return result


def plus(first: FloatArray, second: FloatArray) -> FloatArray:
    """Add two independent numbers of runs; what does not fit counts at the end.

    Args:
        first: Shape (..., width); the last axis of the result is as wide.
        second: Shape (..., runs); the axes before broadcast against those of the first.
    """
    shape = np.broadcast_shapes(first.shape[:-1], second.shape[:-1])
    width = first.shape[-1]
    out = np.zeros((*shape, width))
    for scored in range(second.shape[-1]):
        added = first * second[..., scored, None]
        out[..., scored:] += added[..., : width - scored]
        out[..., -1] += added[..., width - scored :].sum(axis=-1)
    return out


def _sums(halves: FloatArray) -> FloatArray:
    """Add up halves from each inning and state to each end; see `Side.further`."""
    nodes = len(NODES)
    out = np.zeros((nodes, INNINGS + 1, STATES + 1, ENDS, MOST + 1))
    out[..., 0] = 1.0
    for end in range(FIRST_END, INNINGS + 1):
        later = np.zeros((nodes, 1, MOST + 1))
        later[..., 0] = 1.0
        for inning in range(end, -1, -1):
            rest = plus(later, halves[inning])
            out[:, inning, :, end - FIRST_END] = rest
            later = rest[:, :1].copy()
    return out.reshape(-1, MOST + 1)


def make_extras(away: Side, home: Side, walk_off: FloatArray) -> FloatArray:
    """Play extra innings until one is not level.

    Rows go by start, last scheduled inning, strength of the visitors and of home; see `pair`. Each
    holds four parts of one width: margin, with 0 in the middle; total, home's and the visitors'
    extra runs, from 0 up.

    Args:
        away: The visitors' tables.
        home: Those of home.
        walk_off: Chance that home wins by 1, 2 … when it passes the visitors.
    """
    shape = (len(STARTS), LENGTHS, len(NODES), len(NODES))
    full = (*shape, MOST_RUNS + 1)
    top = np.broadcast_to(away.extra_half[:, FIRST_LENGTH:, :, None, :], full)
    bottom = np.broadcast_to(home.extra_half[:, FIRST_LENGTH:, None, :, :], full)
    past = top * (1.0 - np.cumsum(bottom, axis=-1)).clip(0.0)
    level = top * bottom
    final = np.zeros((*full, MOST_RUNS + 1 + len(walk_off)))
    for scored in range(MOST_RUNS + 1):
        final[..., scored, :scored] = top[..., scored, None] * bottom[..., :scored]
        for by, chance in enumerate(walk_off, start=1):
            final[..., scored, scored + by] += past[..., scored] * chance
    # Runs of each side in the level innings before the last one.
    before = np.zeros((*shape, PART))
    for runs in range(PART):
        known = np.full(shape, float(runs == 0))
        for scored in range(1, min(runs, MOST_RUNS) + 1):
            known += level[..., scored] * before[..., runs - scored]
        before[..., runs] = known / (1.0 - level[..., 0])
    return _marginals(final, before).reshape(-1, 4 * PART)


def _marginals(final: FloatArray, before: FloatArray) -> FloatArray:
    """Sum the last inning over margin, total and sides, and add the level innings before it."""
    shape, (away_width, home_width) = final.shape[:-2], final.shape[-2:]
    out = np.zeros((*shape, 4, PART))
    total = np.zeros((*shape, PART))
    for scored in range(away_width):
        first = PART // 2 - scored
        out[..., 0, first : first + home_width] += final[..., scored, :]
        total[..., scored : scored + home_width] += final[..., scored, :]
    twice = np.zeros((*shape, PART))
    twice[..., ::2] = before[..., : PART // 2 + 1]
    twice[..., -1] += before[..., PART // 2 + 1 :].sum(axis=-1)
    out[..., 1, :] = plus(twice, total)
    out[..., 2, :] = plus(before, final.sum(axis=-2))
    out[..., 3, :] = plus(before, final.sum(axis=-1))
    result: FloatArray = out / out.sum(axis=-1, keepdims=True)
    return result


def pair(start: IntArray, inning: IntArray, away: IntArray, home: IntArray) -> IntArray:
    """Return the row that `make_extras` gives to a start, a last inning and two nodes."""
    return ((start * LENGTHS + inning - FIRST_LENGTH) * len(NODES) + away) * len(NODES) + home
