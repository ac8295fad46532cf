"""Put each game's events in sequence: the compiled twin of `_sequence_py`, which is the meaning."""

import numpy as np

from oddspipe.ext._sequence_py import VERSION, read_state

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset

cdef extern from *:
    """
    #define sequence_prefetch(at) __builtin_prefetch((at), 1)
    #define sequence_likely(x) __builtin_expect(!!(x), 1)
    #define sequence_is_ours(chunk) (Py_REFCNT(chunk) == 1)
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    /* Zeroed memory of a table that is read all over: a large one in huge pages, where the system
       has them, since each of its slots would otherwise cost a miss of the address table too. */
    static void* sequence_table(size_t bytes) {
        const size_t huge = (size_t)2 << 20;
        void* at = NULL;
        if (bytes < huge) return calloc(bytes, 1);
        if (posix_memalign(&at, huge, bytes)) return NULL;
    #ifdef MADV_HUGEPAGE
        madvise(at, bytes, MADV_HUGEPAGE);
    #endif
        memset(at, 0, bytes);
        return at;
    }
    """
    void* sequence_table(size_t bytes) noexcept nogil
    void sequence_prefetch(const void* at) noexcept nogil
    bint sequence_likely(bint x) noexcept nogil
    bint sequence_is_ours(PyObject* chunk)
    char* PyBytes_AS_STRING_of "PyBytes_AS_STRING"(PyObject* chunk) noexcept nogil

cdef enum:
    SEQUENCE_REUSED = 14
    SEQUENCE_JUMP = 15
    LATE = 16
    FINISHED_GAME = 17
    GIVEN_UP = 255          # a status
    LATE_AMENDED = 1
    AFTER_GAP = 2
    AMEND = 0
    DLQ = 1
    CHUNK_BITS = 16         # 65,536 keys a chunk, 1.5 MiB: what is forgotten is given back
    CHUNK_MASK = 65535
    SWEEP = 4               # slots swept for one key put in: a stale one is gone after capacity / 4
    AHEAD = 24              # rows: longer than a miss of the table takes
    MAX_KIND = 65536
    ROLE_TIMER = 1
    ROLE_END = 2
    SHORT_RUN = 8           # rows: copied without a call
    SPAN_LENGTH_BITS = 24

cdef int64_t NEVER = <int64_t>0x7FFFFFFFFFFFFFFF


# ---------------------------------------------------------------------------------- pairs in a row

cdef struct Pair:
    int64_t a
    int64_t b


cdef struct Pairs:
    Pair* at            # the first is at[head]
    int64_t room, head, count


cdef inline bint push(Pairs* pairs, int64_t a, int64_t b) noexcept nogil:
    """Put a pair at the end; False when there is no memory."""
    cdef int64_t room
    cdef Pair* moved
    if pairs.head + pairs.count == pairs.room:
        if pairs.head > pairs.room // 2:
            memmove(pairs.at, pairs.at + pairs.head, pairs.count * sizeof(Pair))
            pairs.head = 0
        else:
            room = 2 * pairs.room + 8
            moved = <Pair*>realloc(pairs.at, room * sizeof(Pair))
            if moved == NULL:
                return False
            pairs.at = moved
            pairs.room = room
    pairs.at[pairs.head + pairs.count].a = a
    pairs.at[pairs.head + pairs.count].b = b
    pairs.count += 1
    return True


cdef inline bint insert(Pairs* pairs, int64_t place, int64_t a, int64_t b) noexcept nogil:
    """Put a pair before the one at `place`, moving the shorter side."""
    cdef Pair* at
    if place < pairs.count // 2 and pairs.head > 0:
        pairs.head -= 1
        pairs.count += 1
        at = pairs.at + pairs.head
        memmove(at, at + 1, place * sizeof(Pair))
    else:
        if not push(pairs, a, b):
            return False
        at = pairs.at + pairs.head
        memmove(at + place + 1, at + place, (pairs.count - 1 - place) * sizeof(Pair))
    at[place].a = a
    at[place].b = b
    return True


cdef inline void pop_first(Pairs* pairs) noexcept nogil:
    pairs.head += 1
    pairs.count -= 1
    if pairs.count == 0:
        pairs.head = 0


cdef inline void remove(Pairs* pairs, int64_t place) noexcept nogil:
    cdef Pair* at = pairs.at + pairs.head
    memmove(at + place, at + place + 1, (pairs.count - 1 - place) * sizeof(Pair))
    pairs.count -= 1


cdef inline int64_t lower_bound(const Pairs* pairs, int64_t a) noexcept nogil:
    """Return the place of the first pair that does not start below `a`."""
    cdef const Pair* at = pairs.at + pairs.head
    cdef int64_t low = 0, high = pairs.count, middle
    if high and at[high - 1].a < a:
        return high
    while low < high:
        middle = (low + high) >> 1
        if at[middle].a < a:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void drop_all(Pairs* pairs) noexcept nogil:
    free(pairs.at)
    memset(pairs, 0, sizeof(Pairs))


# ------------------------------------------------------------------------- keys seen in the window
#
# A ring of (time, key) in order of arrival, in chunks; and a table of 64-bit slots (32 bits of the
# key, 32 of the place in the ring), open addressing. A slot whose place has left the ring is stale.
# Nothing is deleted by key (a cache miss each): a cursor sweeps the table in order instead and
# deletes stale slots, so a key costs one miss, and that one is prefetched.
#
# A chunk is the memory of a bytes object: a full one never changes again, so a snapshot takes it as
# it is. One that a snapshot still has is left to it, and not used again.

cdef struct Entry:
    int64_t time
    uint64_t low, high


cdef struct Window:
    PyObject** chunks
    uint64_t chunk_mask
    uint64_t head, tail
    PyObject* spare
    uint64_t* slots
    int log
    uint64_t mask, used, cursor


cdef inline Entry* entry_at(const Window* window, uint64_t place) noexcept nogil:
    cdef PyObject* chunk = window.chunks[(place >> CHUNK_BITS) & window.chunk_mask]
    return <Entry*>PyBytes_AS_STRING_of(chunk) + (place & CHUNK_MASK)


cdef inline uint64_t home(const Window* window, uint64_t slot) noexcept nogil:
    return slot >> (64 - window.log)


cdef inline bint is_stale(const Window* window, uint64_t slot) noexcept nogil:
    return <int32_t>(<uint32_t>slot - <uint32_t>window.head) < 0


cdef inline uint64_t tag_of(uint64_t low) noexcept nogil:
    """Return the upper half of a slot, never 0."""
    return (low | (<uint64_t>1 << 32)) & <uint64_t>0xFFFFFFFF00000000


cdef bint open_table(Window* window, int log) noexcept nogil:
    """Move what is not stale to a table of 2**log slots; False when there is no memory."""
    cdef uint64_t* slots = <uint64_t*>sequence_table(sizeof(uint64_t) << log)
    cdef uint64_t* old = window.slots
    cdef uint64_t count = window.mask + 1 if old != NULL else 0
    cdef uint64_t i, to
    if slots == NULL:
        return False
    window.slots = slots
    window.log = log
    window.mask = (<uint64_t>1 << log) - 1
    window.used = 0
    window.cursor = 0
    for i in range(count):
        if old[i] and not is_stale(window, old[i]):
            to = home(window, old[i])
            while slots[to]:
                to = (to + 1) & window.mask
            slots[to] = old[i]
            window.used += 1
    free(old)
    return True


cdef inline void delete_slot(Window* window, uint64_t hole) noexcept nogil:
    """Empty a slot and close up what was pushed past it."""
    cdef uint64_t at = hole
    while True:
        at = (at + 1) & window.mask
        if window.slots[at] == 0:
            break
        if ((at - home(window, window.slots[at])) & window.mask) >= ((at - hole) & window.mask):
            window.slots[hole] = window.slots[at]
            hole = at
    window.slots[hole] = 0
    window.used -= 1


cdef inline void sweep(Window* window, int count) noexcept nogil:
    """Delete stale slots at the cursor."""
    cdef uint64_t slot
    while count > 0:
        count -= 1
        slot = window.slots[window.cursor]
        if slot and is_stale(window, slot):
            delete_slot(window, window.cursor)
        else:
            window.cursor = (window.cursor + 1) & window.mask


cdef bint add_chunk(Window* window) noexcept nogil:
    """Make the chunk at the tail; False when there is no memory."""
    cdef uint64_t first = window.head >> CHUNK_BITS
    cdef uint64_t last = window.tail >> CHUNK_BITS
    cdef uint64_t room, i
    cdef PyObject** chunks
    if window.chunks == NULL or last - first > window.chunk_mask:
        room = 8 if window.chunks == NULL else 2 * (window.chunk_mask + 1)
        chunks = <PyObject**>calloc(room, sizeof(PyObject*))
        if chunks == NULL:
            return False
        for i in range(first, last):
            chunks[i & (room - 1)] = window.chunks[i & window.chunk_mask]
        free(window.chunks)
        window.chunks = chunks
        window.chunk_mask = room - 1
    if window.spare == NULL:
        with gil:
            try:
                made = PyBytes_FromStringAndSize(NULL, sizeof(Entry) << CHUNK_BITS)
            except MemoryError:
                return False
            Py_INCREF(made)
            window.spare = <PyObject*>made
    window.chunks[last & window.chunk_mask] = window.spare
    window.spare = NULL
    return True


cdef void pass_chunk(Window* window) noexcept nogil:
    """Let go of the chunk before the head; one that nobody else has is the next spare."""
    cdef PyObject** chunk = &window.chunks[((window.head - 1) >> CHUNK_BITS) & window.chunk_mask]
    with gil:
        if window.spare == NULL and sequence_is_ours(chunk[0]):
            window.spare = chunk[0]
        else:
            Py_XDECREF(chunk[0])
    chunk[0] = NULL


cdef inline void forget(Window* window, int64_t until) noexcept nogil:
    """Forget the keys that came at `until` or before."""
    while window.head < window.tail and entry_at(window, window.head).time <= until:
        window.head += 1
        if window.head & CHUNK_MASK == 0:
            pass_chunk(window)


cdef inline int remember(Window* window, int64_t time, uint64_t low, uint64_t high) noexcept nogil:
    """Return 1 if the key is there, 0 if it was put in, -1 when there is no memory."""
    cdef uint64_t tag = tag_of(low)
    cdef uint64_t at, slot, reuse
    cdef Entry* entry
    cdef bint has_reuse = False
    if window.slots == NULL or 10 * (window.used + 1) > 7 * (window.mask + 1):
        # Doubled when full of live keys; else only cleared of stale ones.
        if not open_table(window, 12 if window.slots == NULL else window.log + (
                2 * (window.tail - window.head) > window.mask)):
            return -1
    at = tag >> (64 - window.log)
    reuse = 0
    while True:
        slot = window.slots[at]
        if slot == 0:
            break
        if is_stale(window, slot):
            if not has_reuse:
                has_reuse = True
                reuse = at
        elif slot & <uint64_t>0xFFFFFFFF00000000 == tag:
            # The upper bits of the place follow from the head.
            entry = entry_at(window, window.head + <uint32_t>(<uint32_t>slot - <uint32_t>window.head))
            if entry.low == low and entry.high == high:
                return 1
        at = (at + 1) & window.mask
    if window.tail & CHUNK_MASK == 0 or window.chunks == NULL:
        if not add_chunk(window):
            return -1
    entry = entry_at(window, window.tail)
    entry.time = time
    entry.low = low
    entry.high = high
    if has_reuse:
        at = reuse
    else:
        window.used += 1
    window.slots[at] = tag | <uint32_t>window.tail
    window.tail += 1
    if window.used > window.tail - window.head:
        sweep(window, SWEEP)
    return 0


cdef void close_window(Window* window) noexcept:
    cdef uint64_t i
    if window.chunks != NULL:
        for i in range(window.chunk_mask + 1):
            Py_XDECREF(window.chunks[i])
    free(window.chunks)
    Py_XDECREF(window.spare)
    free(window.slots)
    memset(window, 0, sizeof(Window))


# --------------------------------------------------------------------------------------- the order

cdef struct Game:
    int64_t next
    int64_t deadline
    bint started
    bint finished
    Pairs held          # sequence, ref * 2 + ends the game; rising
    Pairs arrivals      # arrival, sequence; of held events and some that are no longer held
    Pairs missing       # lowest, highest; rising


cdef struct Output:
    int64_t* order
    uint8_t* flags
    int64_t* rejected
    uint8_t* reasons
    int64_t* new_held   # rows that were put among the held, in order
    int64_t emitted, turned_away, n_new_held, duplicates, dropped


cdef struct Orderer:
    int64_t first, window, max_held, max_gap, max_missing, duplicates_us
    int late
    int64_t now
    int64_t soonest     # no deadline is earlier
    Game* games
    int64_t n_games
    int64_t held
    Window seen
    Output out
    bint no_memory


cdef inline void emit_row(Orderer* all, int64_t ref, uint8_t flags) noexcept nogil:
    all.out.order[all.out.emitted] = ref
    all.out.flags[all.out.emitted] = flags
    all.out.emitted += 1


cdef inline void reject(Orderer* all, int64_t ref, uint8_t reason) noexcept nogil:
    all.out.rejected[all.out.turned_away] = ref
    all.out.reasons[all.out.turned_away] = reason
    all.out.turned_away += 1


cdef void finish(Orderer* all, Game* game) noexcept nogil:
    """Close a game and turn away what it holds."""
    cdef int64_t i
    game.finished = True
    for i in range(game.held.count):
        reject(all, game.held.at[game.held.head + i].b >> 1, FINISHED_GAME)
    all.held -= game.held.count
    drop_all(&game.held)
    drop_all(&game.arrivals)
    drop_all(&game.missing)
    game.deadline = NEVER


cdef inline void emit(Orderer* all, Game* game, int64_t ref, uint8_t flags, bint ends) noexcept nogil:
    emit_row(all, ref, flags)
    game.started = True
    if ends:
        finish(all, game)


cdef inline int64_t missing_at(const Game* game, int64_t sequence) noexcept nogil:
    """Return the place of the missing interval that holds a sequence, or -1."""
    cdef int64_t place
    cdef const Pair* at = game.missing.at + game.missing.head
    if game.missing.count == 0 or at[game.missing.count - 1].b < sequence:
        return -1
    place = lower_bound(&game.missing, sequence)
    if place == game.missing.count or at[place].a != sequence:
        place -= 1
    return place if place >= 0 and sequence <= at[place].b else -1


cdef inline uint8_t after_gap(const Game* game) noexcept nogil:
    """Return the flag of the event that is next."""
    return AFTER_GAP if missing_at(game, game.next - 1) >= 0 else 0


cdef void miss(Orderer* all, Game* game, int64_t low, int64_t high) noexcept nogil:
    """Put an interval among the missing ones, in one with those that it meets."""
    cdef Pairs* missing = &game.missing
    cdef int64_t first = lower_bound(missing, low), last
    cdef Pair* at = missing.at + missing.head
    if first > 0 and at[first - 1].b >= low - 1:
        first -= 1
    last = first
    while last < missing.count and at[last].a <= high + 1:
        last += 1
    if first == last:
        if not insert(missing, first, low, high):
            all.no_memory = True
        elif missing.count > all.max_missing:
            pop_first(missing)
        return
    at[first].a = min(at[first].a, low)
    at[first].b = max(at[last - 1].b, high)
    while last - first > 1:
        last -= 1
        remove(missing, last)


cdef inline void release(Orderer* all, Game* game) noexcept nogil:
    """Emit held events that follow without a gap, then renew or clear the deadline."""
    cdef Pair* first
    cdef int64_t ref, place
    cdef uint8_t flags
    while not game.finished:
        place = missing_at(game, game.next)
        if place >= 0:
            game.next = game.missing.at[game.missing.head + place].b + 1
            continue
        if game.held.count == 0:
            break
        first = game.held.at + game.held.head
        if first.a != game.next:
            break
        ref = first.b
        flags = after_gap(game)
        pop_first(&game.held)
        all.held -= 1
        game.next += 1
        emit(all, game, ref >> 1, flags, ref & 1)
    # What is held lies above `next`, what was released below: so the dead are known.
    while game.arrivals.count and game.arrivals.at[game.arrivals.head].b < game.next:
        pop_first(&game.arrivals)
    game.deadline = NEVER
    if game.arrivals.count:
        game.deadline = game.arrivals.at[game.arrivals.head].a + all.window
        all.soonest = min(all.soonest, game.deadline)


cdef void give_up(Orderer* all, Game* game) noexcept nogil:
    """Give up the gap before the lowest held event."""
    cdef int64_t lowest = game.held.at[game.held.head].a
    miss(all, game, game.next, lowest - 1)
    game.next = lowest
    release(all, game)


cdef void pass_deadlines(Orderer* all) noexcept nogil:
    """Step 1; `soonest` is exact afterwards."""
    cdef int64_t number, due
    while not all.no_memory:
        due = -1
        all.soonest = NEVER
        for number in range(all.n_games):
            if all.games[number].deadline < all.soonest:
                all.soonest = all.games[number].deadline
                due = number
        if due < 0 or all.soonest > all.now:
            return
        give_up(all, &all.games[due])


cdef bint take_missing(Orderer* all, Game* game, int64_t sequence) noexcept nogil:
    """Take a sequence out of the missing ones; False if it is not among them."""
    cdef int64_t place = missing_at(game, sequence)
    cdef Pair* found
    if place < 0:
        return False
    found = game.missing.at + game.missing.head + place
    if found.a == found.b:
        remove(&game.missing, place)
    elif sequence == found.a:
        found.a += 1
    elif sequence == found.b:
        found.b -= 1
    else:
        if not insert(&game.missing, place, found.a, sequence - 1):
            all.no_memory = True
            return True
        game.missing.at[game.missing.head + place + 1].a = sequence + 1
        if game.missing.count > all.max_missing:
            pop_first(&game.missing)
    return True


cdef void hold(Orderer* all, Game* game, int64_t sequence, int64_t ref, bint ends) noexcept nogil:
    """Step 6."""
    cdef int64_t place
    if game.started and sequence - game.next > all.max_gap:
        reject(all, ref, SEQUENCE_JUMP)
        return
    place = lower_bound(&game.held, sequence)
    if place < game.held.count and game.held.at[game.held.head + place].a == sequence:
        reject(all, ref, SEQUENCE_REUSED)
        return
    take_missing(all, game, sequence)
    if not (insert(&game.held, place, sequence, ref * 2 + ends)
            and push(&game.arrivals, all.now, sequence)):
        all.no_memory = True
        return
    all.held += 1
    all.out.new_held[all.out.n_new_held] = ref
    all.out.n_new_held += 1
    if game.deadline == NEVER:
        game.deadline = all.now + all.window
        all.soonest = min(all.soonest, game.deadline)
    if game.held.count > all.max_held:
        give_up(all, game)


cdef void fill(Orderer* all, Game* game, int64_t sequence, int64_t ref, bint ends) noexcept nogil:
    """Steps 7 and 8."""
    if not take_missing(all, game, sequence):
        reject(all, ref, SEQUENCE_REUSED)
    elif all.late == AMEND:
        emit(all, game, ref, LATE_AMENDED, ends)
    elif all.late == DLQ:
        reject(all, ref, LATE)
    else:
        all.out.dropped += 1


cdef bint make_games(Orderer* all, int64_t count) noexcept nogil:
    """Make room for games below `count`; False when there is no memory."""
    cdef Game* moved
    cdef int64_t number
    moved = <Game*>realloc(all.games, count * sizeof(Game))
    if moved == NULL:
        return False
    all.games = moved
    memset(&moved[all.n_games], 0, (count - all.n_games) * sizeof(Game))
    for number in range(all.n_games, count):
        moved[number].next = all.first
        moved[number].deadline = NEVER
    all.n_games = count
    return True


cdef inline Game* game_of(Orderer* all, int64_t number) noexcept nogil:
    """Return a game, a new one if need be; NULL when there is no memory."""
    if number >= all.n_games and not make_games(all, number + 1):
        all.no_memory = True
        return NULL
    return &all.games[number]


cdef void pass_over(Orderer* all, int64_t number, int64_t sequence) noexcept nogil:
    """Step 2: nobody waits for an event that was turned away."""
    cdef Game* game = game_of(all, number)
    cdef int64_t place
    if game == NULL or game.finished or sequence < game.next:
        return
    if game.started and sequence - game.next > all.max_gap:
        return
    place = lower_bound(&game.held, sequence)
    if place < game.held.count and game.held.at[game.held.head + place].a == sequence:
        return
    miss(all, game, sequence, sequence)
    if sequence == game.next:
        release(all, game)


cdef inline void place_row(Orderer* all, int64_t number, int64_t sequence, int64_t row,
                           bint ends) noexcept nogil:
    """Steps 4 to 8."""
    cdef Game* game = game_of(all, number)
    cdef uint8_t flags
    if game == NULL:
        return
    if game.finished:
        reject(all, row, FINISHED_GAME)
    elif sequence_likely(sequence == game.next):
        flags = after_gap(game)
        game.next += 1
        emit(all, game, row, flags, ends)
        if game.held.count or game.arrivals.count or missing_at(game, game.next) >= 0:
            release(all, game)
    elif sequence > game.next:
        hold(all, game, sequence, row, ends)
    else:
        fill(all, game, sequence, row, ends)


cdef class Sequencer:
    """Drop duplicates and put each game in sequence; see `_sequence_py`."""

    cdef Orderer all
    cdef uint8_t[::1] roles
    cdef list free_slots
    cdef int64_t n_slots

    def __cinit__(self):
        memset(&self.all, 0, sizeof(Orderer))

    def __init__(self, order, *, duplicates_us, timers=(10, 15), ends=(7,), max_missing=4096):
        if self.free_slots is not None:
            raise ValueError("a sequencer is made once")
        self.all.first, self.all.window, self.all.late, self.all.max_held, self.all.max_gap = order
        self.all.duplicates_us = duplicates_us
        self.all.max_missing = max_missing
        self.all.now = -NEVER
        self.all.soonest = NEVER
        roles = np.zeros(MAX_KIND, np.uint8)
        roles[list(ends)] = ROLE_END
        roles[list(timers)] = ROLE_TIMER
        self.roles = roles
        self.free_slots = []
        self.n_slots = 0

    def __dealloc__(self):
        self.close_games()
        close_window(&self.all.seen)

    cdef void close_games(self) noexcept:
        cdef int64_t number
        for number in range(self.all.n_games):
            free(self.all.games[number].held.at)
            free(self.all.games[number].arrivals.at)
            free(self.all.games[number].missing.at)
        free(self.all.games)
        self.all.games = NULL
        self.all.n_games = 0
        self.all.held = 0

    @property
    def now(self):
        return self.all.now

    @property
    def held(self):
        """Return how many events are held."""
        return self.all.held

    def step(self, rows):
        """Order one batch; see `_sequence_py`."""
        cdef const int64_t[::1] games = rows[0]
        cdef const int64_t[::1] sequences = rows[1]
        cdef const int64_t[::1] kinds = rows[2]
        cdef const int64_t[::1] ingest = rows[3]
        cdef const uint64_t[:, ::1] keys = rows[4]
        cdef const uint8_t[::1] status = rows[5]
        cdef int64_t n = games.shape[0]
        cdef int64_t room = n + self.all.held
        cdef int64_t row
        cdef uint8_t role
        cdef int seen
        cdef const uint8_t* roles = &self.roles[0]
        cdef Orderer* all = &self.all
        cdef Window* window = &all.seen
        if not (sequences.shape[0] == kinds.shape[0] == ingest.shape[0] == keys.shape[1]
                == status.shape[0] == n and keys.shape[0] == 2):
            raise ValueError("columns of a batch differ in length")
        order, flags = np.empty(room, np.int64), np.empty(room, np.uint8)
        rejected, reasons = np.empty(room, np.int64), np.empty(room, np.uint8)
        cdef int64_t[::1] order_view = order
        cdef uint8_t[::1] flags_view = flags
        cdef int64_t[::1] rejected_view = rejected
        cdef uint8_t[::1] reasons_view = reasons
        memset(&all.out, 0, sizeof(Output))
        if room:
            all.out.order, all.out.flags = &order_view[0], &flags_view[0]
            all.out.rejected, all.out.reasons = &rejected_view[0], &reasons_view[0]
        new_held = np.empty(n, np.int64)
        cdef int64_t[::1] new_held_view = new_held
        if n:
            all.out.new_held = &new_held_view[0]
        with nogil:
            for row in range(n):
                if row + AHEAD < n and window.slots != NULL:
                    sequence_prefetch(
                        &window.slots[tag_of(keys[0, row + AHEAD]) >> (64 - window.log)]
                    )
                if ingest[row] > all.now:
                    all.now = ingest[row]
                if all.now >= all.soonest and all.soonest != NEVER:
                    pass_deadlines(all)
                if status[row]:
                    if status[row] == GIVEN_UP:
                        pass_over(all, games[row], sequences[row])
                    continue
                role = roles[kinds[row]] if 0 <= kinds[row] < MAX_KIND else 0
                if role == ROLE_TIMER:
                    emit_row(all, row, 0)
                    continue
                if all.duplicates_us > 0:
                    forget(window, all.now - all.duplicates_us)
                    seen = remember(window, all.now, keys[0, row], keys[1, row])
                    if seen:
                        all.out.duplicates += 1
                        all.no_memory = all.no_memory or seen < 0
                        continue
                place_row(all, games[row], sequences[row], row, role == ROLE_END)
        if all.no_memory:
            raise MemoryError
        held_rows, held_slots = self.assign_slots(
            games, sequences, new_held_view[:all.out.n_new_held],
            order_view[:all.out.emitted], rejected_view[:all.out.turned_away],
        )
        return (
            order[:all.out.emitted], flags[:all.out.emitted], rejected[:all.out.turned_away],
            reasons[:all.out.turned_away], held_rows, held_slots, all.out.duplicates,
            all.out.dropped,
        )

    cdef tuple assign_slots(self, const int64_t[::1] games, const int64_t[::1] sequences,
                            int64_t[::1] new_held, int64_t[::1] order, int64_t[::1] rejected):
        """Give every row that stays held a slot; slots freed in this batch are used first."""
        cdef int64_t i, row, place, slot
        cdef Pairs* held
        rows, slots = [], []
        if self.n_slots > len(self.free_slots):
            for i in range(order.shape[0]):
                if order[i] < 0:
                    self.free_slots.append(~order[i])
            for i in range(rejected.shape[0]):
                if rejected[i] < 0:
                    self.free_slots.append(~rejected[i])
        for i in range(new_held.shape[0]):
            row = new_held[i]
            held = &self.all.games[games[row]].held
            place = lower_bound(held, sequences[row])
            if place == held.count or held.at[held.head + place].b >> 1 != row:
                continue
            if self.free_slots:
                slot = self.free_slots.pop()
            else:
                slot = self.n_slots
                self.n_slots += 1
            held.at[held.head + place].b = ~slot * 2 + (held.at[held.head + place].b & 1)
            rows.append(row)
            slots.append(slot)
        return np.array(rows, np.int64), np.array(slots, np.int64)

    def held_slots(self):
        """Return the slots of all held events by game, then sequence: the order of a snapshot."""
        cdef int64_t number, i
        cdef Pairs* held
        slots = []
        for number in range(self.all.n_games):
            held = &self.all.games[number].held
            for i in range(held.count):
                slots.append(~(held.at[held.head + i].b >> 1))
        return np.array(slots, np.int64)

    def snapshot(self):
        """Return the whole state; held events by `held_slots`, which are 0, 1, 2 … when restored."""
        return b"".join(self.snapshot_parts())

    def snapshot_parts(self):
        """Return the parts that make a snapshot, end to end; full chunks of keys are not copied."""
        cdef Window* window = &self.all.seen
        cdef uint64_t place, count
        cdef PyObject* chunk
        forget(window, self.all.now - self.all.duplicates_us)
        head = np.array([self.all.now, window.tail - window.head, self.all.n_games], np.int64)
        parts = [VERSION + head.tobytes()]
        place = window.head
        while place < window.tail:
            count = min(window.tail - place, <uint64_t>(CHUNK_MASK + 1) - (place & CHUNK_MASK))
            if (place + count) & CHUNK_MASK:
                # The chunk at the tail is still written to.
                parts.append(PyBytes_FromStringAndSize(
                    <char*>entry_at(window, place), count * sizeof(Entry)))
            else:
                chunk = window.chunks[(place >> CHUNK_BITS) & window.chunk_mask]
                parts.append(memoryview(<object>chunk)[(place & CHUNK_MASK) * sizeof(Entry):])
            place += count
        parts += map(self._game_state, range(self.all.n_games))
        return parts

    def _game_state(self, int64_t number):
        """Return the state of one game as bytes."""
        cdef Game* game = &self.all.games[number]
        cdef int64_t i, j = 0
        cdef Pair* held
        cdef Pair* missing
        words = [game.next, game.started, game.finished, game.deadline, game.missing.count,
                 game.held.count]
        for i in range(game.missing.count):
            missing = game.missing.at + game.missing.head + i
            words += (missing.a, missing.b)
        arrivals = {}
        for i in range(game.arrivals.count):
            held = game.arrivals.at + game.arrivals.head + i
            arrivals[held.b] = held.a
        for i in range(game.held.count):
            held = game.held.at + game.held.head + i
            words += (held.a, arrivals[held.a], held.b & 1)
        return np.array(words, np.int64).tobytes()

    def restore(self, state):
        """Take up a state that `snapshot` of either twin gave.

        Raises:
            ValueError: The bytes are no such snapshot.
        """
        cdef Game* game
        cdef int64_t at
        cdef bytes window
        cdef Entry entry
        now, window, games = read_state(state)
        self.close_games()
        close_window(&self.all.seen)
        self.all.now = now
        self.all.soonest = NEVER
        for at in range(0, len(window), sizeof(Entry)):
            memcpy(&entry, PyBytes_AS_STRING(window) + at, sizeof(Entry))
            if remember(&self.all.seen, entry.time, entry.low, entry.high) < 0:
                raise MemoryError
        if games and not make_games(&self.all, len(games)):
            raise MemoryError
        self.free_slots = []
        self.n_slots = 0
        for number, (head, missing, held) in enumerate(games):
            game = &self.all.games[number]
            game.next, game.started, game.finished, game.deadline = head
            self.all.soonest = min(self.all.soonest, game.deadline)
            for low, high in missing:
                if not push(&game.missing, low, high):
                    raise MemoryError
            for sequence, _, ends in held:
                if not push(&game.held, sequence, ~self.n_slots * 2 + ends):
                    raise MemoryError
                self.n_slots += 1
            for sequence, arrival, _ in sorted(held, key=lambda event: event[1]):
                if not push(&game.arrivals, arrival, sequence):
                    raise MemoryError
            self.all.held += len(held)


# ---------------------------------------------------------------------------------------- gathering

cdef struct Run:
    int64_t start, count    # a start of `~slot` is a single row of the pool


cdef int64_t find_runs(const int64_t* order, int64_t n, Run* runs) noexcept nogil:
    """Write down the runs of rows that follow each other; return how many there are."""
    cdef int64_t i = 0, made = 0, first
    while i < n:
        first = i
        i += 1
        if order[first] >= 0:
            while i < n and order[i] == order[i - 1] + 1:
                i += 1
        runs[made].start = order[first]
        runs[made].count = i - first
        made += 1
    return made


cdef void copy_runs(const Run* runs, int64_t made, const int64_t* rows, const int64_t* slots,
                    int64_t* to) noexcept nogil:
    """Gather one column."""
    cdef int64_t i, k
    cdef const int64_t* source
    for i in range(made):
        if runs[i].start < 0:
            to[0] = slots[~runs[i].start]
        elif runs[i].count <= SHORT_RUN:
            source = rows + runs[i].start
            for k in range(runs[i].count):
                to[k] = source[k]
        else:
            memcpy(to, rows + runs[i].start, runs[i].count * sizeof(int64_t))
        to += runs[i].count


def gather(sources, const int64_t[::1] order):
    """Return the columns of the rows in `order`; see `_sequence_py`."""
    cdef int64_t n = order.shape[0]
    cdef int64_t rows = 0x7FFFFFFFFFFFFFFF, slots = 0x7FFFFFFFFFFFFFFF
    cdef int64_t column, i, made = 0
    cdef const int64_t[:, ::1] words, pool
    cdef int64_t[:, ::1] to
    cdef Run* runs
    for words, pool in sources:
        if pool.shape[0] != words.shape[0]:
            raise ValueError("rows and pool differ in columns")
        rows, slots = min(rows, words.shape[1]), min(slots, pool.shape[1])
    for i in range(n):
        if order[i] >= rows or ~order[i] >= slots:
            raise IndexError(f"no such row: {order[i]}")
    runs = <Run*>malloc((n + 1) * sizeof(Run))
    if runs == NULL:
        raise MemoryError
    gathered = []
    try:
        if n:
            made = find_runs(&order[0], n, runs)
        for words, pool in sources:
            out = np.empty((words.shape[0], n), np.int64)
            gathered.append(out)
            to = out
            if not made:
                continue
            with nogil:
                for column in range(words.shape[0]):
                    copy_runs(
                        runs, made, &words[column, 0] if words.shape[1] else NULL,
                        &pool[column, 0] if pool.shape[1] else NULL, &to[column, 0],
                    )
    finally:
        free(runs)
    return gathered


def move_spans(int64_t[:, ::1] words, const uint64_t[::1] present, columns, const int64_t[::1] by):
    """Move the spans of bytes columns by so many bytes a row; see `_sequence_py`."""
    cdef int64_t row, column, n = words.shape[1]
    if not present.shape[0] == by.shape[0] == n:
        raise ValueError("words, present and by differ in rows")
    for column in columns:
        if not 0 <= column < words.shape[0]:
            raise IndexError(f"no such column: {column}")
        with nogil:
            for row in range(n):
                words[column, row] += (
                    (by[row] << SPAN_LENGTH_BITS) * <int64_t>(present[row] >> column & 1)
                )
