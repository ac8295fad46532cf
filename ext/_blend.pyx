"""Mixtures of distributions, and two sides of which one stops when it is ahead. See `_blend.pyi`."""

from libc.stdint cimport int64_t

import numpy as np

cdef enum:
    WIDEST = 256

cdef double NOTHING = 4e-12


def blend(const double[:, ::1] table, const int64_t[:, ::1] at, const double[:, ::1] weights):
    """Return weighted sums of rows of a table."""
    cdef Py_ssize_t i, j, k, rows = at.shape[0], terms = at.shape[1], width = table.shape[1]
    cdef double weight
    cdef int64_t place
    if weights.shape[0] != rows or weights.shape[1] != terms:
        raise ValueError("at and weights have different shapes")
    made = np.zeros((rows, width))
    cdef double[:, ::1] out = made
    cdef bint outside = False
    with nogil:
        for i in range(rows):
            for j in range(terms):
                weight = weights[i, j]
                if weight == 0.0:
                    continue
                place = at[i, j]
                if place < 0 or place >= table.shape[0]:
                    outside = True
                    continue
                for k in range(width):
                    out[i, k] += weight * table[place, k]
    if outside:
        raise IndexError("a place lies outside the table")
    return made


def chase(
    const double[:, :, ::1] sides,
    const int64_t[::1] lead,
    const double[:, ::1] extras,
    const double[::1] walk_off,
    bint apart=False,
):
    """Return margin and total, or home's and the visitors' further points; home stops when ahead."""
    cdef Py_ssize_t rows = lead.shape[0], width = sides.shape[2], i
    if sides.shape[0] != 3 or sides.shape[1] != rows or extras.shape[0] != rows:
        raise ValueError("sides, lead and extras have different numbers of rows")
    if not 0 < width <= WIDEST or extras.shape[1] % 8 != 4:
        raise ValueError("sides are too wide, or extras are not four parts of one odd width")
    made = tuple(np.zeros((rows, width if apart else 2 * width - 1)) for _ in range(2))
    cdef double[:, ::1] first = made[0]
    cdef double[:, ::1] second = made[1]
    cdef Game game
    game.width = width
    game.part = extras.shape[1] // 4
    game.steps = walk_off.shape[0]
    game.walk_off = &walk_off[0] if game.steps else NULL
    with nogil:
        for i in range(rows):
            game.visitors = &sides[0, i, 0]
            game.before = &sides[1, i, 0]
            game.whole = &sides[2, i, 0]
            game.extras = &extras[i, 0]
            game.lead = lead[i]
            game.first = &first[i, 0]
            game.second = &second[i, 0]
            if apart:
                bat(&game)
            else:
                play(&game)
    return made


cdef struct Game:
    Py_ssize_t width, part, steps
    int64_t lead
    const double* walk_off
    const double* visitors
    const double* before
    const double* whole
    const double* extras
    double* first
    double* second


cdef void play(Game* game) noexcept nogil:
    """Fill margin and total."""
    cdef Py_ssize_t width = game.width, most = game.width - 1, runs, more
    cdef Py_ssize_t end = max(until(game.whole, width), until(game.before, width))
    cdef Py_ssize_t part = until(game.extras + game.part, game.part)
    cdef int64_t level, until_level = within(-game.lead, end)
    # Arrays of our own: the compiler knows that they do not overlap.
    cdef double[WIDEST] ends, enough
    cdef double[2 * WIDEST] margin, total
    cdef double chance, tied, walked, ties = 0.0, walks = 0.0
    for more in range(2 * width - 1):
        margin[more] = 0.0
        total[more] = 0.0
    fill_enough(game, enough)
    for more in range(width):
        # How home ends: lost below the level, won above it.
        ends[more] = game.whole[more] if more < until_level else game.before[more]
    for runs in range(width):
        level = runs - game.lead
        if 0 <= level < width:
            ends[level] = 0.0
        if 0 < level <= width:
            ends[level - 1] = game.whole[level - 1]
        chance = game.visitors[runs]
        if chance <= NOTHING:
            continue
        for more in range(end):
            margin[most - runs + more] += chance * ends[more]
            total[runs + more] += chance * ends[more]
        if 0 <= level < width:
            tied = chance * game.whole[level]
            walked = chance * enough[level]
            ties += tied
            walks += walked
            pile(total, 2 * most, runs + level, tied, game.extras + game.part, part)
            pile(total, 2 * most, runs + level + 1, walked, game.walk_off, game.steps)
    pile(margin, 2 * most, most - game.lead + 1, walks, game.walk_off, game.steps)
    pile(margin, 2 * most, most - game.lead - game.part // 2, ties, game.extras, game.part)
    for more in range(2 * width - 1):
        game.first[more] = margin[more]
        game.second[more] = total[more]


cdef void bat(Game* game) noexcept nogil:
    """Fill home's points and the visitors'."""
    cdef Py_ssize_t width = game.width, most = game.width - 1, runs, more
    cdef double[WIDEST] enough
    cdef double[WIDEST + 1] below
    cdef double* home = game.first
    cdef double* away = game.second
    cdef double chance, tied
    cdef int64_t level
    fill_enough(game, enough)
    below[0] = 0.0
    for runs in range(width):
        chance = game.visitors[runs]
        below[runs + 1] = below[runs] + chance
        level = runs - game.lead
        tied = 0.0
        if 0 <= level < width:
            tied = chance * game.whole[level]
            pile(home, most, level, tied, game.extras + 2 * game.part, game.part)
            pile(away, most, runs, tied, game.extras + 3 * game.part, game.part)
            pile(home, most, level + 1, chance * enough[level], game.walk_off, game.steps)
        away[runs] += chance - tied
    for more in range(width):
        level = more + game.lead
        home[more] += below[within(level, width)] * game.before[more]
        home[more] += (below[width] - below[within(level + 1, width)]) * game.whole[more]


cdef void fill_enough(Game* game, double* enough) noexcept nogil:
    """Fill the chance that home's halves before the last are not enough, and all of them are."""
    cdef double upto_before = 0.0, upto_whole = 0.0
    cdef Py_ssize_t more
    for more in range(game.width):
        upto_before += game.before[more]
        upto_whole += game.whole[more]
        enough[more] = upto_before - upto_whole if upto_before > upto_whole else 0.0


cdef void pile(
    double* out, Py_ssize_t most, int64_t first, double tied, const double* mass, Py_ssize_t width
) noexcept nogil:
    cdef Py_ssize_t more
    if 0 <= first and first + width <= most + 1:
        for more in range(width):
            out[first + more] += tied * mass[more]
    else:
        for more in range(width):
            out[within(first + more, most)] += tied * mass[more]


cdef Py_ssize_t until(const double* mass, Py_ssize_t width) noexcept nogil:
    while width > 0 and mass[width - 1] <= NOTHING:
        width -= 1
    return width


cdef inline int64_t within(int64_t value, int64_t most) noexcept nogil:
    return 0 if value < 0 else most if value > most else value
