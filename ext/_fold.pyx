# cython: language_level=3
"""Fold events into game states and say when a price is due; see `_fold_py` for the meaning."""

cimport cython
from libc.math cimport NAN
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

# Numbers of oddspipe.ext._fold_state.
cdef enum:
    FIRST, LAST, MAX, MIN, SUM, COUNT

cdef enum:
    PHASE, DUE, DIRTY, LIFE, STALE, OLDEST
    CAUSE_SEQUENCE, CAUSE_KIND, CAUSE_NUMBER, CAUSE_TIME, CAUSE_ROW
    HEAD, TAIL, ROLLED, MOVED, FROZEN, META

cdef enum:
    UNSEEN, LIVE, FINISHED

cdef enum:
    NOW, NEXT_WAKE, SECOND_END, HEARTBEAT, NEXT_NUMBER, ACTIVE, ROLLING, USED, FREE

cdef enum:
    NODE_NEXT, NODE_PREV, NODE_SEQUENCE, NODE_REVISION, NODE_KIND, NODE_MASK, NODE_LENGTH
    NODE_ID
    NODE_VALUES = 15

cdef enum:
    CUT_GAME, CUT_ROW, CUT_SEQUENCE, CUT_KIND, CUT_NUMBER, CUT_TIME
    CUT_AS_OF, CUT_OLDEST, CUT_MODE, CUT_AT_ONCE, CUT_REASON, CUT_FROZEN, CUT

cdef enum:
    PRICED, SILENT, FINAL, STILL

cdef enum:
    ROLL_GAME, ROLL_SECOND, ROLL_COUNT, ROLL

# Columns of the event (core/batch/layout.py) and fixed kinds (core/names.py).
cdef enum:
    EVENT_ID, REVISION, GAME_ID, SEQUENCE, EVENT_TIME, INGEST_TIME, KIND

cdef enum:
    K_PLAY = 1
    K_SCORE = 2
    K_TRACKING = 4
    K_GAME_START = 6
    K_GAME_END = 7
    K_CORRECTION = 8
    K_DELETE = 9
    K_HEARTBEAT = 10
    K_TICK = 15

cdef enum:
    LATE_AMENDED = 1
    MAX_ID = 64
    SPAN_LENGTH_BITS = 24
    TEMPORAL_RULE = 18
    UNKNOWN_EVENT = 19

cdef int64_t NEVER = <int64_t> 1 << 62
cdef int64_t ABSENT = <int64_t> (<uint64_t> 1 << 63)
cdef int64_t SECOND = 1000000
# play, score, game_start, game_end, correction, delete
cdef uint64_t LOGGED = 0x3C6


cdef union Word:
    int64_t i
    double d


cdef struct Fold:
    # tables
    Py_ssize_t columns
    Py_ssize_t kinds
    const int8_t* take
    const int32_t* of
    const uint8_t* is_double
    const int64_t* default
    const uint8_t* has_default
    const uint64_t* on
    const uint64_t* need
    const uint8_t* like
    const uint8_t* at_once
    const uint8_t* moves
    int64_t conflate_us
    int64_t stale_after_us
    int64_t frozen_after_us
    Py_ssize_t value_column
    # state
    int64_t* clock
    int64_t* meta
    int64_t* value
    int64_t* logged
    int64_t* logged_at
    int64_t* free
    int64_t* free_at
    double* sums
    int32_t* active
    int32_t* rolling
    int64_t* pool
    int32_t* unused
    # rows
    Py_ssize_t rows
    const int64_t* words
    const uint64_t* present
    const uint8_t* flags
    const uint8_t* data
    const uint64_t* allowed
    const uint8_t* skip
    const int32_t* capture
    int64_t* was
    uint8_t* status
    int64_t* numbers
    const int64_t* given
    # found
    int64_t* cuts
    double* values
    int64_t* rolls
    double* roll_sums
    int64_t n_cuts
    int64_t n_rolls


cdef inline int64_t word(Fold* f, Py_ssize_t column, Py_ssize_t row) noexcept nogil:
    return f.words[column * f.rows + row]


cdef inline int64_t* node_at(Fold* f, int64_t node) noexcept nogil:
    return f.pool + node * (NODE_VALUES + f.columns)


# ---------------------------------------------------------------------------- columns of state

cdef inline uint64_t taken(Fold* f, Py_ssize_t kind, Py_ssize_t row) noexcept nogil:
    """Return the state columns that take this row, were it of this kind."""
    cdef uint64_t mask = f.on[kind]
    cdef uint64_t present = f.present[row]
    cdef Py_ssize_t k
    if not (present & f.need[kind]):
        return 0
    if f.allowed != NULL:
        mask &= f.allowed[row]
    for k in range(f.columns):
        if mask >> k & 1 and f.of[k] >= 0 and not present >> f.of[k] & 1:
            mask &= ~(<uint64_t> 1 << k)
    return mask


cdef inline int64_t joined(int8_t take, bint is_double, int64_t a, int64_t b) noexcept nogil:
    """Put two partial results of max, min, sum or count together."""
    cdef Word x, y
    x.i = a
    y.i = b
    if take == MAX:
        if is_double:
            return b if y.d > x.d else a
        return b if b > a else a
    if take == MIN:
        if is_double:
            return b if y.d < x.d else a
        return b if b < a else a
    if is_double and take == SUM:
        x.d = x.d + y.d
        return x.i
    return <int64_t> (<uint64_t> a + <uint64_t> b)


cdef inline void absorb(Fold* f, Py_ssize_t k, int64_t* value, int64_t* at, int64_t word_,
                        int64_t sequence) noexcept nogil:
    """Fold one value into one half (logged or free) of a state column."""
    cdef int8_t take = f.take[k]
    if take == COUNT:
        word_ = 1
    if at[0] < 0:
        value[0] = word_
        at[0] = sequence
    elif take == LAST:
        value[0] = word_
        at[0] = sequence
    elif take != FIRST:
        value[0] = joined(take, f.is_double[k], value[0], word_)
        at[0] = sequence


cdef inline int64_t put_together(Fold* f, Py_ssize_t k, Py_ssize_t at) noexcept nogil:
    """Return the value of a state column from its two halves and its default."""
    cdef int64_t in_log = f.logged_at[at], beside = f.free_at[at], result
    cdef int8_t take = f.take[k]
    if in_log < 0 and beside < 0:
        return f.default[k]
    if take == LAST:
        return f.logged[at] if in_log > beside else f.free[at]
    if take == FIRST:
        if beside < 0 or 0 <= in_log < beside:
            return f.logged[at]
        return f.free[at]
    if in_log < 0:
        result = f.free[at]
    elif beside < 0:
        result = f.logged[at]
    else:
        result = joined(take, f.is_double[k], f.logged[at], f.free[at])
    if f.has_default[k]:
        result = joined(take, f.is_double[k] and take != COUNT, f.default[k], result)
    return result


cdef inline bint settle(Fold* f, int64_t game, uint64_t mask) noexcept nogil:
    """Bring the values of the columns in `mask` up to date; say whether one changed."""
    cdef Py_ssize_t k, at
    cdef int64_t now
    cdef bint changed = False
    for k in range(f.columns):
        if mask >> k & 1:
            at = game * f.columns + k
            now = put_together(f, k, at)
            if now != f.value[at]:
                f.value[at] = now
                changed = True
    return changed


cdef bint fold_free(Fold* f, int64_t game, uint64_t mask, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t k, at
    cdef int64_t sequence = word(f, SEQUENCE, row)
    for k in range(f.columns):
        if mask >> k & 1:
            at = game * f.columns + k
            absorb(f, k, f.free + at, f.free_at + at,
                   word(f, f.of[k], row) if f.of[k] >= 0 else 0, sequence)
    return settle(f, game, mask)


# --------------------------------------------------------------------------------- logs of games

cdef bint fold_node(Fold* f, int64_t game, int64_t* node) noexcept nogil:
    cdef Py_ssize_t k, at
    cdef uint64_t mask = <uint64_t> node[NODE_MASK]
    for k in range(f.columns):
        if mask >> k & 1:
            at = game * f.columns + k
            absorb(f, k, f.logged + at, f.logged_at + at, node[NODE_VALUES + k],
                   node[NODE_SEQUENCE])
    return settle(f, game, mask)


cdef bint refold(Fold* f, int64_t game) noexcept nogil:
    """Fold the game's log again; what other events wrote stays."""
    cdef Py_ssize_t k, at
    cdef int64_t node = f.meta[game * META + HEAD]
    cdef int64_t* entry
    cdef uint64_t mask
    for k in range(f.columns):
        f.logged_at[game * f.columns + k] = -1
    while node >= 0:
        entry = node_at(f, node)
        mask = <uint64_t> entry[NODE_MASK]
        for k in range(f.columns):
            if mask >> k & 1:
                at = game * f.columns + k
                absorb(f, k, f.logged + at, f.logged_at + at, entry[NODE_VALUES + k],
                       entry[NODE_SEQUENCE])
        node = entry[NODE_NEXT]
    return settle(f, game, ~<uint64_t> 0)


cdef void read_id(Fold* f, Py_ssize_t row, int64_t* length, int64_t* id_words) noexcept nogil:
    cdef int64_t span = word(f, EVENT_ID, row)
    memset(id_words, 0, MAX_ID)
    length[0] = 0
    if f.present[row] & 1:
        length[0] = span & ((1 << SPAN_LENGTH_BITS) - 1)
        if length[0] > MAX_ID:
            length[0] = MAX_ID
        memcpy(id_words, f.data + (span >> SPAN_LENGTH_BITS), <size_t> length[0])


cdef int64_t find(Fold* f, int64_t game, Py_ssize_t row) noexcept nogil:
    """Return the node of the event with this row's id, newest first; -1 if there is none."""
    cdef int64_t id_words[8]
    cdef int64_t length
    cdef int64_t node = f.meta[game * META + TAIL]
    cdef int64_t* entry
    cdef int j
    read_id(f, row, &length, id_words)
    while node >= 0:
        entry = node_at(f, node)
        if entry[NODE_LENGTH] == length:
            for j in range(8):
                if entry[NODE_ID + j] != id_words[j]:
                    break
            else:
                return node
        node = entry[NODE_PREV]
    return -1


cdef void fill(Fold* f, int64_t* entry, Py_ssize_t kind, Py_ssize_t row) noexcept nogil:
    """Write what the fold needs of this row into a node."""
    cdef uint64_t mask = taken(f, kind, row)
    cdef Py_ssize_t k
    entry[NODE_REVISION] = word(f, REVISION, row) if f.present[row] >> REVISION & 1 else 0
    entry[NODE_KIND] = kind
    entry[NODE_MASK] = <int64_t> mask
    for k in range(f.columns):
        entry[NODE_VALUES + k] = 0
        if mask >> k & 1 and f.of[k] >= 0:
            entry[NODE_VALUES + k] = word(f, f.of[k], row)


cdef bint log_event(Fold* f, int64_t game, Py_ssize_t kind, Py_ssize_t row) noexcept nogil:
    """Put a new event at its sequence; say whether the state changed."""
    cdef int64_t* meta = f.meta + game * META
    cdef int64_t node, after, before
    cdef int64_t* entry
    if f.clock[FREE] > 0:
        f.clock[FREE] -= 1
        node = f.unused[f.clock[FREE]]
    else:
        node = f.clock[USED]
        f.clock[USED] += 1
    entry = node_at(f, node)
    entry[NODE_SEQUENCE] = word(f, SEQUENCE, row)
    read_id(f, row, entry + NODE_LENGTH, entry + NODE_ID)
    fill(f, entry, kind, row)
    after = meta[TAIL]
    while after >= 0 and node_at(f, after)[NODE_SEQUENCE] > entry[NODE_SEQUENCE]:
        after = node_at(f, after)[NODE_PREV]
    before = meta[HEAD] if after < 0 else node_at(f, after)[NODE_NEXT]
    entry[NODE_PREV] = after
    entry[NODE_NEXT] = before
    if after < 0:
        meta[HEAD] = node
    else:
        node_at(f, after)[NODE_NEXT] = node
    if before < 0:
        meta[TAIL] = node
        return fold_node(f, game, entry)
    node_at(f, before)[NODE_PREV] = node
    return refold(f, game)


cdef void forget(Fold* f, int64_t node) noexcept nogil:
    f.unused[f.clock[FREE]] = <int32_t> node
    f.clock[FREE] += 1


cdef bint strike(Fold* f, int64_t game, int64_t node) noexcept nogil:
    """Take an event out of the log."""
    cdef int64_t* meta = f.meta + game * META
    cdef int64_t* entry = node_at(f, node)
    if entry[NODE_PREV] < 0:
        meta[HEAD] = entry[NODE_NEXT]
    else:
        node_at(f, entry[NODE_PREV])[NODE_NEXT] = entry[NODE_NEXT]
    if entry[NODE_NEXT] < 0:
        meta[TAIL] = entry[NODE_PREV]
    else:
        node_at(f, entry[NODE_NEXT])[NODE_PREV] = entry[NODE_PREV]
    forget(f, node)
    return refold(f, game)


cdef bint amend(Fold* f, int64_t game, int64_t node, Py_ssize_t kind,
                Py_ssize_t row) noexcept nogil:
    """Replace an event by its correction, unless a later revision already did."""
    cdef int64_t* entry = node_at(f, node)
    cdef int64_t revision = word(f, REVISION, row) if f.present[row] >> REVISION & 1 else 0
    if revision < entry[NODE_REVISION]:
        return False
    if f.like[kind] == K_CORRECTION:
        kind = entry[NODE_KIND]
    fill(f, entry, kind, row)
    entry[NODE_REVISION] = revision
    return refold(f, game)


# ------------------------------------------------------------------------------ cuts and rollups

cdef void cut(Fold* f, int64_t game, int64_t mode, bint at_once, int64_t reason) noexcept nogil:
    """Write down the state of a game and the cause in its meta row; the next is due later."""
    cdef int64_t* meta = f.meta + game * META
    cdef int64_t* out = f.cuts + f.n_cuts * CUT
    cdef double* values = f.values + f.n_cuts * f.columns
    cdef Py_ssize_t k
    cdef int64_t stale_at
    cdef Word w
    out[CUT_GAME] = game
    out[CUT_ROW] = meta[CAUSE_ROW]
    out[CUT_SEQUENCE] = meta[CAUSE_SEQUENCE]
    out[CUT_KIND] = meta[CAUSE_KIND]
    out[CUT_NUMBER] = meta[CAUSE_NUMBER]
    out[CUT_TIME] = meta[CAUSE_TIME]
    out[CUT_AS_OF] = f.clock[NOW]
    out[CUT_OLDEST] = meta[OLDEST]
    out[CUT_MODE] = mode
    out[CUT_AT_ONCE] = at_once
    out[CUT_REASON] = reason
    out[CUT_FROZEN] = meta[FROZEN]
    for k in range(f.columns):
        w.i = f.value[game * f.columns + k]
        if not (f.is_double[k] and f.take[k] != COUNT):
            w.d = NAN if w.i == ABSENT else <double> w.i
        values[k] = w.d
    f.n_cuts += 1
    if mode == SILENT or mode == STILL:
        return
    meta[DUE] = f.clock[NOW] + f.conflate_us
    meta[DIRTY] = 0
    meta[OLDEST] = NEVER
    meta[STALE] = 0
    stale_at = last_life(f, game) + f.stale_after_us
    if stale_at < f.clock[NEXT_WAKE]:
        f.clock[NEXT_WAKE] = stale_at


cdef inline int64_t last_life(Fold* f, int64_t game) noexcept nogil:
    cdef int64_t life = f.meta[game * META + LIFE]
    return life if life > f.clock[HEARTBEAT] else f.clock[HEARTBEAT]


cdef void silence(Fold* f, int64_t game, Py_ssize_t row, int what) noexcept nogil:
    """Cut a game that is stale (1) or frozen (2); a pending price stays pending."""
    cdef int64_t* meta = f.meta + game * META
    cdef int64_t* out = f.cuts + f.n_cuts * CUT
    meta[STALE if what == 1 else FROZEN] = 1
    cut(f, game, SILENT if what == 1 else STILL, False, K_TICK)
    out[CUT_ROW] = -1
    out[CUT_SEQUENCE] = 0
    out[CUT_KIND] = K_TICK
    out[CUT_NUMBER] = f.clock[NEXT_NUMBER]
    out[CUT_TIME] = word(f, EVENT_TIME, row) if f.present[row] >> EVENT_TIME & 1 else 0
    out[CUT_OLDEST] = f.clock[NOW]


cdef void wake(Fold* f, Py_ssize_t row) noexcept nogil:
    """Cut what is due, then what is stale, then what is frozen, by time and game number."""
    cdef int64_t now = f.clock[NOW], at, best_at, game, best
    cdef Py_ssize_t j
    cdef int pass_
    for pass_ in range(3):
        while True:
            best = -1
            best_at = NEVER
            for j in range(f.clock[ACTIVE]):
                game = f.active[j]
                at = wake_time(f, game, pass_)
                if at <= now and (best < 0 or at < best_at or (at == best_at and game < best)):
                    best = game
                    best_at = at
            if best < 0:
                break
            if pass_ == 0:
                cut(f, best, PRICED, False, f.like[f.meta[best * META + CAUSE_KIND]])
            else:
                silence(f, best, row, pass_)
    best_at = NEVER
    for j in range(f.clock[ACTIVE]):
        for pass_ in range(3):
            at = wake_time(f, f.active[j], pass_)
            if at < best_at:
                best_at = at
    f.clock[NEXT_WAKE] = best_at


cdef inline int64_t wake_time(Fold* f, int64_t game, int what) noexcept nogil:
    """Return when a game is due (0), goes stale (1) or is frozen (2)."""
    cdef int64_t* meta = f.meta + game * META
    if what == 0:
        return meta[DUE] if meta[DIRTY] else NEVER
    if what == 2:
        return meta[MOVED] + f.frozen_after_us if meta[MOVED] and not meta[FROZEN] else NEVER
    return NEVER if meta[STALE] else last_life(f, game) + f.stale_after_us


cdef void roll_up(Fold* f) noexcept nogil:
    """Give out the second that is over, by game number, and begin the next."""
    cdef int64_t now = f.clock[NOW], n = f.clock[ROLLING], second
    cdef Py_ssize_t i, j
    cdef int32_t game
    for i in range(1, n):
        game = f.rolling[i]
        j = i
        while j > 0 and f.rolling[j - 1] > game:
            f.rolling[j] = f.rolling[j - 1]
            j -= 1
        f.rolling[j] = game
    for i in range(n):
        game = f.rolling[i]
        f.rolls[f.n_rolls * ROLL + ROLL_GAME] = game
        f.rolls[f.n_rolls * ROLL + ROLL_SECOND] = f.clock[SECOND_END] / SECOND - 1
        f.rolls[f.n_rolls * ROLL + ROLL_COUNT] = f.meta[game * META + ROLLED]
        memcpy(f.roll_sums + f.n_rolls * 3, f.sums + game * 3, 3 * sizeof(double))
        f.meta[game * META + ROLLED] = 0
        f.n_rolls += 1
    f.clock[ROLLING] = 0
    second = now / SECOND
    f.clock[SECOND_END] = (second + 1) * SECOND


cdef inline void count_tracking(Fold* f, int64_t game, Py_ssize_t row) noexcept nogil:
    cdef int64_t* rolled = f.meta + game * META + ROLLED
    cdef double* sums = f.sums + game * 3
    cdef Word value
    if rolled[0] == 0:
        f.rolling[f.clock[ROLLING]] = <int32_t> game
        f.clock[ROLLING] += 1
        sums[0] = 0.0
        sums[1] = NAN
        sums[2] = NAN
    rolled[0] += 1
    if f.value_column >= 0 and f.present[row] >> f.value_column & 1:
        value.i = word(f, f.value_column, row)
        sums[0] += value.d
        if not sums[1] <= value.d:
            sums[1] = value.d
        if not sums[2] >= value.d:
            sums[2] = value.d


# ------------------------------------------------------------------------------------- the pass

cdef void begin(Fold* f, int64_t game) noexcept nogil:
    cdef int64_t* meta = f.meta + game * META
    cdef Py_ssize_t k, at
    cdef int64_t stale_at = f.clock[NOW] + f.stale_after_us
    memset(meta, 0, META * sizeof(int64_t))
    meta[PHASE] = LIVE
    meta[DUE] = -NEVER
    meta[OLDEST] = NEVER
    meta[CAUSE_ROW] = -1
    meta[HEAD] = -1
    meta[TAIL] = -1
    for k in range(f.columns):
        at = game * f.columns + k
        f.value[at] = f.default[k]
        f.logged_at[at] = -1
        f.free_at[at] = -1
    f.active[f.clock[ACTIVE]] = <int32_t> game
    f.clock[ACTIVE] += 1
    if stale_at < f.clock[NEXT_WAKE]:
        f.clock[NEXT_WAKE] = stale_at


cdef void finish(Fold* f, int64_t game) noexcept nogil:
    cdef int64_t* meta = f.meta + game * META
    cdef int64_t node = meta[HEAD]
    cdef Py_ssize_t j
    while node >= 0:
        forget(f, node)
        node = node_at(f, node)[NODE_NEXT]
    meta[HEAD] = -1
    meta[TAIL] = -1
    meta[PHASE] = FINISHED
    for j in range(f.clock[ACTIVE]):
        if f.active[j] == game:
            f.clock[ACTIVE] -= 1
            f.active[j] = f.active[f.clock[ACTIVE]]
            break


cdef inline uint8_t take_event(Fold* f, Py_ssize_t kind, Py_ssize_t row) noexcept nogil:
    """Fold one event of a game and cut its price where that is due; return its status."""
    cdef int64_t game = word(f, GAME_ID, row)
    cdef int64_t* meta = f.meta + game * META
    cdef int like = f.like[kind]
    cdef bint late = f.flags[row] & LATE_AMENDED
    cdef bint logged = LOGGED >> like & 1
    cdef bint revised = False
    cdef bint changed = False
    cdef uint64_t mask
    cdef int64_t node
    if meta[PHASE] == UNSEEN:
        begin(f, game)
    meta[LIFE] = f.clock[NOW]
    if f.capture[row] >= 0:
        memcpy(f.was + f.capture[row] * f.columns, f.value + game * f.columns,
               f.columns * sizeof(int64_t))
    if f.skip[row]:
        return TEMPORAL_RULE
    if meta[PHASE] == FINISHED:
        return 0
    if logged:
        revised = like == K_CORRECTION or like == K_DELETE or (
            f.present[row] >> REVISION & 1 and word(f, REVISION, row) > 0)
        if revised:
            node = find(f, game, row)
            if node < 0:
                return UNKNOWN_EVENT
            if like == K_DELETE:
                changed = strike(f, game, node)
            else:
                changed = amend(f, game, node, kind, row)
        else:
            changed = log_event(f, game, kind, row)
    elif not late:
        mask = taken(f, kind, row)
        if mask:
            changed = fold_free(f, game, mask, row)
    if like == K_TRACKING:
        count_tracking(f, game, row)
    close_row(f, game, kind, row, changed, late or revised)
    return 0


cdef inline void close_row(Fold* f, int64_t game, Py_ssize_t kind, Py_ssize_t row, bint changed,
                           bint amended) noexcept nogil:
    """Cut a price at this row, or leave the game pending."""
    cdef int64_t* meta = f.meta + game * META
    cdef int like = f.like[kind]
    cdef bint at_once = amended or f.at_once[kind] or like == K_GAME_END
    cdef bint now_due = at_once or f.clock[NOW] >= meta[DUE]
    cdef int64_t ingest, frozen_at
    if changed and f.moves[kind]:
        meta[MOVED] = f.clock[NOW]
        meta[FROZEN] = 0
        frozen_at = wake_time(f, game, 2)
        if frozen_at < f.clock[NEXT_WAKE]:
            f.clock[NEXT_WAKE] = frozen_at
    if not (changed or now_due):
        return
    ingest = word(f, INGEST_TIME, row)
    if ingest < meta[OLDEST]:
        meta[OLDEST] = ingest
    meta[CAUSE_SEQUENCE] = word(f, SEQUENCE, row)
    meta[CAUSE_KIND] = kind
    meta[CAUSE_NUMBER] = f.clock[NEXT_NUMBER]
    meta[CAUSE_TIME] = word(f, EVENT_TIME, row) if f.present[row] >> EVENT_TIME & 1 else 0
    meta[CAUSE_ROW] = row
    if now_due:
        cut(f, game, FINAL if like == K_GAME_END else PRICED, at_once,
            K_CORRECTION if amended else like)
        if like == K_GAME_END:
            finish(f, game)
    else:
        meta[DIRTY] = 1
        if meta[DUE] < f.clock[NEXT_WAKE]:
            f.clock[NEXT_WAKE] = meta[DUE]


cdef Py_ssize_t pass_over(Fold* f, Py_ssize_t start, Py_ssize_t stop,
                          int64_t room) noexcept nogil:
    """Fold rows from `start`; return the row that would not fit, or `stop`."""
    cdef Py_ssize_t row, kind
    cdef int64_t ingest
    cdef int like
    cdef uint8_t status
    for row in range(start, stop):
        if f.n_cuts + 3 * f.clock[ACTIVE] + 2 > room or f.n_rolls + f.clock[ROLLING] > room:
            return row
        ingest = word(f, INGEST_TIME, row)
        if ingest > f.clock[NOW]:
            f.clock[NOW] = ingest
            if ingest >= f.clock[SECOND_END]:
                roll_up(f)
            if ingest >= f.clock[NEXT_WAKE]:
                wake(f, row)
        kind = word(f, KIND, row)
        if kind < 0 or kind >= f.kinds:
            kind = 0
        if f.given != NULL:
            f.clock[NEXT_NUMBER] = f.given[row]
        like = f.like[kind]
        status = 0
        if like == K_HEARTBEAT:
            f.clock[HEARTBEAT] = f.clock[NOW]
        elif like != K_TICK:
            status = take_event(f, kind, row)
        f.status[row] = status
        if status:
            f.numbers[row] = -1
        else:
            f.numbers[row] = f.clock[NEXT_NUMBER]
            f.clock[NEXT_NUMBER] += 1
    return stop


@cython.boundscheck(False)
def run(tables, state, rows, found, span):
    """Fold a span of `rows` into `state`; return the first row that `found` had no room for.

    Args:
        tables: The plan's tables, `FoldTables`.
        state: The games, `FoldState`; rooms made for every game and logged row of `rows`.
        rows: The batch and its verdicts, `Rows`.
        found: Cuts and rollups are added to it, `Found`.
        span: The row to begin with, and the row to stop before.
    """
    cdef Fold f
    cdef Py_ssize_t start = span[0]
    cdef Py_ssize_t stop = span[1]
    cdef const int8_t[::1] take = tables.take
    cdef const int32_t[::1] of = tables.of
    cdef const uint8_t[::1] is_double = tables.is_double
    cdef const int64_t[::1] default = tables.default
    cdef const uint8_t[::1] has_default = tables.has_default
    cdef const uint64_t[::1] on = tables.on
    cdef const uint64_t[::1] need = tables.need
    cdef const uint8_t[::1] like = tables.like
    cdef const uint8_t[::1] at_once = tables.at_once
    cdef const uint8_t[::1] moves = tables.moves
    cdef int64_t[::1] clock = state.clock
    cdef int64_t[:, ::1] meta = state.meta
    cdef int64_t[:, ::1] value = state.value
    cdef int64_t[:, ::1] logged = state.logged
    cdef int64_t[:, ::1] logged_at = state.logged_at
    cdef int64_t[:, ::1] free = state.free
    cdef int64_t[:, ::1] free_at = state.free_at
    cdef double[:, ::1] sums = state.sums
    cdef int32_t[::1] active = state.active
    cdef int32_t[::1] rolling = state.rolling
    cdef int64_t[:, ::1] pool = state.pool
    cdef int32_t[::1] unused = state.unused
    cdef const int64_t[:, ::1] words = rows.words
    cdef const uint64_t[::1] present = rows.present
    cdef const uint8_t[::1] flags = rows.flags
    cdef const uint8_t[::1] data = rows.data
    cdef const uint64_t[::1] allowed = rows.allowed
    cdef const uint8_t[::1] skip = rows.skip
    cdef const int32_t[::1] capture = rows.capture
    cdef int64_t[:, ::1] was = rows.was
    cdef uint8_t[::1] status = rows.status
    cdef int64_t[::1] numbers = rows.numbers
    cdef const int64_t[::1] given = rows.given
    cdef int64_t[:, ::1] cuts = found.cuts
    cdef double[:, ::1] values = found.values
    cdef int64_t[:, ::1] rolls = found.rolls
    cdef double[:, ::1] roll_sums = found.sums
    cdef int64_t[::1] counts = found.counts
    cdef Py_ssize_t reached
    cdef int64_t room = cuts.shape[0]

    if start >= stop:
        return stop
    f.columns = take.shape[0]
    f.kinds = like.shape[0]
    f.take = &take[0]
    f.of = &of[0]
    f.is_double = &is_double[0]
    f.default = &default[0]
    f.has_default = &has_default[0]
    f.on = &on[0]
    f.need = &need[0]
    f.like = &like[0]
    f.at_once = &at_once[0]
    f.moves = &moves[0]
    f.conflate_us = tables.conflate_us
    f.stale_after_us = tables.stale_after_us
    f.frozen_after_us = tables.frozen_after_us
    f.value_column = tables.value_column
    f.clock = &clock[0]
    f.meta = &meta[0, 0]
    f.value = &value[0, 0]
    f.logged = &logged[0, 0]
    f.logged_at = &logged_at[0, 0]
    f.free = &free[0, 0]
    f.free_at = &free_at[0, 0]
    f.sums = &sums[0, 0]
    f.active = &active[0]
    f.rolling = &rolling[0]
    f.pool = &pool[0, 0]
    f.unused = &unused[0]
    f.rows = words.shape[1]
    f.words = &words[0, 0]
    f.present = &present[0]
    f.flags = &flags[0]
    f.data = &data[0]
    f.allowed = &allowed[0] if allowed.shape[0] else NULL
    f.skip = &skip[0]
    f.capture = &capture[0]
    f.was = &was[0, 0]
    f.status = &status[0]
    f.numbers = &numbers[0]
    f.given = &given[0] if given.shape[0] else NULL
    f.cuts = &cuts[0, 0]
    f.values = &values[0, 0]
    f.rolls = &rolls[0, 0]
    f.roll_sums = &roll_sums[0, 0]
    f.n_cuts = counts[0]
    f.n_rolls = counts[1]
    with nogil:
        reached = pass_over(&f, start, stop, room)
    counts[0] = f.n_cuts
    counts[1] = f.n_rolls
    return reached
