"""The bound of memory is held to what the structures take when they are filled."""

import ctypes
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.plan_cases import SPORTS, edited, plan, plan_of, written

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Batch, Payloads
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.batch.layout import EVENT_ID, GAME_ID, INGEST_TIME, KIND, SEQUENCE
from oddspipe.core.clock import ManualClock
from oddspipe.core.explain import memory
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.parts import Isolation, ShadowPlan
from oddspipe.core.runtime.feed import AHEAD_STEPS, STEP_ROWS, Feed
from oddspipe.core.stages.board import Books
from oddspipe.core.stages.order import GameOrder
from oddspipe.core.stages.slots import Shape
from oddspipe.ext._fold_state import FoldState
from oddspipe.ext._sequence import Sequencer

TIGHT = 4
"""A bound may be so many times what is taken: tables double."""


class Heap(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def heap_bytes() -> int:
    """Return what malloc has handed out, counted by the C library."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Heap
    heap = mallinfo()
    return heap.uordblks + heap.hblkhd


def at(rate: int, window: str, **more):
    """Return the NFL with a smaller peak and another window for duplicates."""
    spec = edited(
        edited(written("nfl"), "load.peak_rate", f"{rate}/s"), "duplicates.window", window
    )
    for path, value in more.items():
        spec = edited(spec, path.replace("__", "."), value)
    return plan_of(spec)


@pytest.mark.parametrize(
    ("rate", "seconds"), [(20_000, 5), (30_000, 5), (52_000, 5), (66_000, 5), (40_000, 10)]
)
@pytest.mark.proves("bounded", "order")
def test_keys_of_a_window_at_the_peak_take_no_more_than_the_bound(rate, seconds) -> None:
    made = at(rate, f"{seconds}s")
    before = heap_bytes()
    sequencer = Sequencer((1, 2_000_000, 0, 100, 10**9), duplicates_us=seconds * 1_000_000,
                          timers=(10, 15), ends=[7])  # fmt: skip
    random = np.random.default_rng(1)

    # Two windows long, so that keys are forgotten as well.
    for start in range(0, 2 * rate * seconds, rate):
        keys = random.integers(0, 2**64, (2, rate), np.uint64)
        rows = np.arange(start, start + rate)
        sequencer.step((
            np.zeros(rate, np.int64), rows + 1, np.full(rate, 4, np.int64),
            rows * 1_000_000 // rate, keys, np.zeros(rate, np.uint8),
        ))  # fmt: skip
    taken = heap_bytes() - before

    bound = memory.duplicates_line(made).bytes
    assert taken <= bound <= TIGHT * taken


def longest_events(made, count: int) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Return words, presence and payloads of events with every field as long as it may be."""
    layout = made.layout
    words = np.zeros((len(layout), count), np.int64)
    strings, side = {}, b""
    for place, column in enumerate(layout.columns):
        match column.type:
            case FieldType.BYTES:
                words[place] = len(side) << SPAN_LENGTH_BITS | column.max_bytes
                side += b"x" * column.max_bytes
            case FieldType.STRING:
                strings[place] = ["x" * column.max_bytes]
            case FieldType.UINT32:
                words[place] = 2**32 - 1
            case FieldType.INT32:
                words[place] = -(2**31)
            case FieldType.ENUM:
                words[place] = max(number for _, number in column.values)
            case FieldType.BOOL:
                words[place] = 1
            case _:
                words[place] = -1
    present = np.full(count, (1 << len(layout)) - 1, np.uint64)
    data, starts, ends = Encoder(layout).encode(
        words, present, strings, np.frombuffer(side, np.uint8)
    )
    payloads = [data[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]
    return words, present, payloads


@pytest.mark.parametrize("sport", SPORTS)
def test_no_event_of_the_schema_is_longer_than_the_bound_says(sport) -> None:
    made = plan(sport)

    _, _, (payload,) = longest_events(made, 1)

    assert len(payload) == memory.event_bytes(made.layout)


def test_events_that_wait_take_no_more_than_the_bound() -> None:
    made = at(2_000, "10s")
    count = memory.held_count(made)
    words, present, payloads = longest_events(made, count)
    words[GAME_ID], words[KIND] = 0, Kind.TRACKING
    words[SEQUENCE] = np.arange(count) + 2  # the first is missing
    words[INGEST_TIME] = np.arange(count)
    words[EVENT_ID] = 0
    keys = np.arange(2 * count, dtype=np.uint64).reshape(2, count)
    made_payloads = Payloads.of(payloads, ingest_us=words[INGEST_TIME])
    stage = GameOrder(made.layout, made.kinds, made.order, made.duplicates)

    stage.step(
        Batch(words, present, keys, np.zeros(count, np.uint8), made_payloads.positions,
              made_payloads.data, made_payloads.starts, made_payloads.ends,
              np.zeros(count, np.int64)),
        np.zeros(count, np.uint8),
    )  # fmt: skip

    pool = stage._held
    arrays = (pool.words, pool.present, pool.keys, pool.positions)
    taken = sum(array.nbytes for array in arrays) + sys.getsizeof(pool.payloads)
    taken += sum(map(sys.getsizeof, pool.payloads))
    assert stage.account.held_after == count == 4_000
    assert taken <= memory.held_line(made).bytes <= TIGHT * taken


def test_a_snapshot_takes_no_more_than_the_bound() -> None:
    made = at(2_000, "10s")
    keys = memory.within(made, made.duplicates.window_us)
    sequencer = Sequencer((1, 2_000_000, 0, 100, 10**9), duplicates_us=10_000_000, timers=(10, 15),
                          ends=[7])  # fmt: skip
    rows = np.arange(keys)
    sequencer.step((
        np.zeros(keys, np.int64), rows + 1, np.full(keys, 4, np.int64), rows * 1_000_000 // 2_000,
        np.arange(2 * keys, dtype=np.uint64).reshape(2, keys), np.zeros(keys, np.uint8),
    ))  # fmt: skip

    parts = sequencer.snapshot_parts()

    of_keys = keys * memory.KEY_BYTES
    line = memory.snapshot_line(made, memory.memory_of(made)[:5])
    assert sum(map(len, parts)) <= of_keys + 200
    assert of_keys + line.of_gaps <= line.bytes


@pytest.mark.parametrize("sport", SPORTS)
def test_a_season_of_games_takes_no_more_than_the_bound(sport) -> None:
    made = plan(sport)
    games = memory.season_games(made)
    logged = made.load.games_at_once * made.made_game.plays * memory.LOGGED_EXTRA
    state = FoldState(len(made.state))

    for game in range(games):
        state.make_room(games=game + 1, events=logged if game == games - 1 else 1)

    taken = sum(value.nbytes for value in vars(state).values() if isinstance(value, np.ndarray))
    assert taken <= memory.state_line(made).bytes <= TIGHT * taken


@pytest.mark.parametrize("sport", SPORTS)
@pytest.mark.proves("bounded", "price")
def test_the_boards_of_a_season_take_no_more_than_the_bound(sport) -> None:
    made = plan(sport)
    books = Books(Shape.of(made.odds.markets))

    for game in range(memory.season_games(made)):
        books.make_room(game + 1)

    taken = books.sequence.nbytes + books.status.nbytes
    taken += sum(array.nbytes for array in books.good.arrays())
    assert taken <= memory.boards_line(made).bytes <= TIGHT * taken


class Flood:
    """A source that always has more: polls of a whole step of the longest events."""

    name, finite = "flood", False

    def __init__(self, payloads: Payloads, count: int) -> None:
        self._payloads, self._left = payloads, count

    def open(self, position, token=b""):
        pass

    def poll(self, _timeout_us):
        self._left -= 1
        return self._payloads if self._left >= 0 else None

    def acknowledge(self, position):
        pass

    def close(self):
        pass


@pytest.mark.proves("bounded", "recorded", "normalise")
def test_what_is_read_ahead_takes_no_more_than_the_bound() -> None:
    made = plan("nfl")
    _, _, payloads = longest_events(made, 64)
    poll = Payloads.of(payloads * (STEP_ROWS // 64), ingest_us=np.zeros(STEP_ROWS, np.int64))
    feed = Feed(Flood(poll, AHEAD_STEPS), clock=ManualClock())
    feed.start(0, b"")

    # The thread waits for room: what it has put by then is the most that it ever holds.
    with feed._changed:
        assert feed._changed.wait_for(lambda: feed._bytes >= memory.AHEAD_BYTES, 10)
    taken = feed._bytes
    feed.close()

    assert taken <= memory.read_ahead_line(made).bytes <= TIGHT * taken


def test_more_load_a_longer_window_and_more_columns_raise_the_bound() -> None:
    def total(made) -> int:
        return sum(line.bytes for line in memory.memory_of(made))

    base = total(at(20_000, "10s"))

    assert total(at(40_000, "10s")) > base
    assert total(at(20_000, "20s")) > base
    assert total(at(20_000, "10s", order__window="4s")) > base
    assert total(at(20_000, "10s", odds__markets__total__alternates=20)) > base


def test_games_of_a_season_are_counted_from_the_schedule() -> None:
    spec = edited(written("mlb"), "schedule.season", {"from": "04-01", "to": "04-14"})
    spec["schedule"]["windows"] = [
        {"day": "daily", "kickoff": "19:05", "games": 3},
        {"day": "sunday", "kickoff": "13:05", "games": 2},
        {"day": "monday", "kickoff": "13:05", "games": 1, "weeks": 1},
    ]

    assert memory.season_games(plan_of(spec)) == 3 * 14 + 2 * 2 + 1


def test_processes_of_models_count() -> None:
    made = plan("nfl")
    alone = {line.name for line in memory.memory_of(made)}
    process = Isolation(process=True, memory_bytes=1 << 30)
    beside = replace(made, isolation=process, shadow=ShadowPlan(made.model, process, 100))

    more = {line.name: line.bytes for line in memory.memory_of(beside) if line.name not in alone}

    assert more == dict.fromkeys(
        ("model's process", "shadow's process"), memory.MEASURED_MODEL + (1 << 30)
    )
