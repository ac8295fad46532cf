import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddspipe.ext import _sequence, _sequence_py

PLAY, END, TICK = 1, 7, 15
TWINS = pytest.mark.parametrize("twin", [_sequence, _sequence_py], ids=["compiled", "python"])

EVENT = st.tuples(
    st.integers(0, 2),  # game
    st.one_of(st.integers(0, 14), st.integers(0, 60)),  # sequence
    st.sampled_from([PLAY] * 12 + [TICK, END]),
    st.integers(0, 4),  # time since the one before
    st.integers(0, 25),  # key
    st.sampled_from([0] * 8 + [7, 255]),  # status
)
OPTIONS = st.fixed_dictionaries(
    {
        "order": st.tuples(
            st.integers(0, 1), st.integers(0, 8), st.integers(0, 2), st.integers(1, 6),
            st.sampled_from([5, 40]),
        ),
        "duplicates_us": st.integers(0, 30),
        "max_missing": st.integers(1, 3),
    }
)  # fmt: skip


class Run:
    """A sequencer and what came out, by the place of each row in the input."""

    def __init__(self, twin, options):
        self.twin, self.options = twin, options
        self.sequencer = twin.Sequencer(**options)
        self.pool, self.taken = {}, 0
        self.out, self.rejected = [], []
        self.duplicates = self.dropped = self.passed_over = 0

    def step(self, events):
        games, sequences, kinds, times, keys, status = events
        n = len(games)
        rows = (
            np.array(games, np.int64),
            np.array(sequences, np.int64),
            np.array(kinds, np.int64),
            np.array(times, np.int64),
            np.array([keys, keys], np.uint64).reshape(2, n) * np.uint64(0x9E3779B97F4A7C15),
            np.array(status, np.uint8),
        )
        order, flags, rejected, reasons, held, slots, duplicates, dropped = self.sequencer.step(
            rows
        )
        known = {~slot: place for slot, place in self.pool.items()}

        def place(ref):
            if ref < 0:
                del self.pool[~ref]
                return known[ref]
            return self.taken + ref

        self.out += list(zip(map(place, order.tolist()), flags.tolist(), strict=True))
        self.rejected += list(zip(map(place, rejected.tolist()), reasons.tolist(), strict=True))
        for row, slot in zip(held.tolist(), slots.tolist(), strict=True):
            assert slot not in self.pool
            self.pool[slot] = self.taken + row
        self.duplicates += duplicates
        self.dropped += dropped
        self.passed_over += sum(state != 0 for state in status)
        self.taken += n
        assert len(self.pool) == self.sequencer.held

    def resume(self, twin):
        """Go on in another process: only the snapshot and the pool in its order are kept."""
        state = self.sequencer.snapshot()
        slots = self.sequencer.held_slots().tolist()
        self.pool = {at: self.pool[slot] for at, slot in enumerate(slots)}
        self.sequencer = twin.Sequencer(**self.options)
        self.sequencer.restore(state)
        assert self.sequencer.snapshot() == state

    def balance(self):
        gone = len(self.out) + len(self.rejected) + self.duplicates + self.dropped
        return self.taken - self.passed_over - gone - len(self.pool)

    def result(self):
        return self.out, self.rejected, self.duplicates, self.dropped, self.sequencer.snapshot()


def columns(events):
    games, sequences, kinds, gaps, keys, status = (
        list(column) for column in zip(*events, strict=True)
    )
    return games, sequences, kinds, np.cumsum(gaps).tolist(), keys, status


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=60), OPTIONS, st.data())
@pytest.mark.proves("same", "order")
@pytest.mark.proves("kill", "order")
def test_twins_batches_and_snapshots_give_the_same(events, options, data):
    given_columns = columns(events)
    whole = Run(_sequence_py, options)
    whole.step(given_columns)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    runs = [Run(_sequence, options), Run(_sequence_py, options)]

    for run, other in zip(runs, (_sequence_py, _sequence), strict=True):
        for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
            run.step([column[start:stop] for column in given_columns])
            if data.draw(st.booleans()):
                run.resume(other)

    assert [run.result() for run in runs] == [whole.result()] * 2
    assert whole.balance() == 0


@settings(max_examples=200, deadline=None)
@given(st.permutations(range(1, 25)), st.lists(st.integers(0, 23), max_size=10))
@pytest.mark.proves("order", "order")
@pytest.mark.proves("twice", "order")
def test_what_comes_within_the_window_leaves_in_sequence(sequences, again):
    run = Run(_sequence, {"order": (1, 10**9, 0, 1000, 1000), "duplicates_us": 10**9})
    stream = sequences + [sequences[at] for at in again]
    n = len(stream)

    run.step(([0] * n, stream, [PLAY] * n, [0] * n, stream, [0] * n))

    assert [stream[place] for place, _ in run.out] == sorted(sequences)
    assert run.duplicates == len(again)
    assert run.pool == {}


@TWINS
@settings(max_examples=100, deadline=None)
@given(st.permutations(range(1, 25)), st.sets(st.integers(1, 24)), st.lists(st.integers(0, 24)))
@pytest.mark.proves("order", "order")
def test_nobody_waits_for_what_was_turned_away(twin, sequences, bad, cuts):
    run = Run(twin, {"order": (1, 10**9, 0, 1000, 1000), "duplicates_us": 10**9})
    rows = [([0], [one], [PLAY], [0], [one], [255 * (one in bad)]) for one in sequences]

    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 24], strict=True):
        if start < stop:
            run.step([sum(column, []) for column in zip(*rows[start:stop], strict=True)])  # noqa: RUF017 - few rows

    assert [sequences[place] for place, _ in run.out] == sorted(set(sequences) - bad)
    after = [sequences[place] for place, flags in run.out if flags == 2]
    assert after == sorted(one for one in set(sequences) - bad if one - 1 in bad)
    assert (run.pool, run.rejected) == ({}, [])


@TWINS
def test_an_event_may_still_come_under_a_sequence_that_was_given_up(twin):
    run = Run(twin, {"order": (1, 10, 0, 100, 100), "duplicates_us": 100})

    def feed(sequence, key, status=0):
        run.step(([0], [sequence], [PLAY], [0], [key], [status]))

    feed(1, 1)
    feed(2, 2, 255)
    feed(3, 3)
    feed(2, 20)  # late: its place was passed
    feed(5, 5, 255)
    feed(5, 50)  # not late: its place is still to come
    feed(4, 4)
    feed(300, 300, 255)  # too far to be true

    assert run.out == [(0, 0), (2, 2), (3, 1), (6, 0), (5, 0)]
    assert run.sequencer.held == 0
    run.resume(twin)
    feed(6, 6)
    assert run.out[-1] == (8, 0)


@TWINS
@pytest.mark.proves("twice", "order")
def test_keys_are_remembered_exactly_for_the_window(twin):
    run = Run(twin, {"order": (1, 10, 0, 100, 100), "duplicates_us": 10})

    run.step(([0] * 4, [1, 2, 3, 4], [PLAY] * 4, [0, 9, 10, 19], [5, 5, 5, 5], [0] * 4))

    # At 9 it is a copy; at 10 the window is over and the event takes its place anew; 19 is a copy.
    assert run.duplicates == 2
    assert run.out == [(0, 0)]
    assert run.pool == {0: 2}


@pytest.mark.parametrize("count", [300_000])
def test_a_full_window_forgets_and_finds_as_a_dict_does(count):
    rng = np.random.default_rng(7)
    ids = rng.integers(0, 120_000, count).astype(np.uint64)
    times = np.cumsum(rng.integers(0, 3, count))
    sequencer = _sequence.Sequencer((0, 10, 0, 10, 10**9), duplicates_us=100_000)
    zeros = np.zeros(count, np.int64)
    hashed = np.stack([ids * np.uint64(0x9E3779B97F4A7C15), ids])

    got = 0
    for at in range(0, count, 10_000):
        part = slice(at, at + 10_000)
        n = len(zeros[part])
        rows = (zeros[part], zeros[part], zeros[part] + PLAY, times[part],
                np.ascontiguousarray(hashed[:, part]), np.zeros(n, np.uint8))  # fmt: skip
        got += sequencer.step(rows)[6]

    seen, want = {}, 0
    for one, time in zip(ids.tolist(), times.tolist(), strict=True):
        if one in seen and seen[one] > time - 100_000:
            want += 1
        else:
            seen[one] = time
    assert got == want


@TWINS
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_gathered_columns_are_those_of_the_rows_and_slots_asked_for(twin, data):
    rows, slots = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 4))
    starts = st.tuples(st.integers(-slots, rows - 1), st.integers(1, 20))
    order = [
        at
        for start, length in data.draw(st.lists(starts, max_size=8))
        for at in (range(start, min(start + length, rows)) if start >= 0 else [start])
    ]
    sources = [
        (np.arange(c * rows).reshape(c, rows), -1 - np.arange(c * slots).reshape(c, slots))
        for c in (1, 3)
    ]

    for (words, pool), out in zip(
        sources, twin.gather(sources, np.array(order, np.int64)), strict=True
    ):
        whole = np.concatenate([words, pool[:, ::-1]], axis=1)
        assert out.tolist() == whole[:, order].tolist()


@TWINS
def test_rows_and_slots_that_are_not_there_are_refused(twin):
    source = (np.zeros((2, 3), np.int64), np.zeros((2, 1), np.int64))

    for order in ([3], [-2]):
        with pytest.raises(IndexError):
            twin.gather([source], np.array(order, np.int64))
    with pytest.raises(ValueError, match="differ in columns"):
        twin.gather([(source[0], source[1][:1])], np.zeros(0, np.int64))


@TWINS
def test_spans_move_where_they_are_there(twin):
    words = np.array([[1 << 24 | 5, 7 << 24], [2 << 24, 9 << 24 | 1]], np.int64)
    present = np.array([0b11, 0b01], np.uint64)

    twin.move_spans(words, present, [0, 1], np.array([10, -7], np.int64))

    assert words.tolist() == [[11 << 24 | 5, 0], [12 << 24, 9 << 24 | 1]]
    with pytest.raises(ValueError, match="differ in rows"):
        twin.move_spans(words, present[:1], [0], np.zeros(2, np.int64))
    with pytest.raises(IndexError):
        twin.move_spans(words, present, [2], np.zeros(2, np.int64))
