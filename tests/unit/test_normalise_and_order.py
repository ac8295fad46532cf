import numpy as np
import pytest

from oddspipe.core.batch.batch import AFTER_GAP, LATE_AMENDED, Payloads
from oddspipe.core.batch.layout import EVENT_ID, Column, Layout, envelope
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.errors import StateError
from oddspipe.core.names import FieldType, Kind, LatePolicy
from oddspipe.core.parts import Duplicates, KindPlan, Order, Rule
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.order import GameOrder
from oddspipe.ext import _decode_py, _sequence, _sequence_py

KINDS = tuple(KindPlan(kind.name.lower(), int(kind), int(kind)) for kind in Kind if kind)
LAYOUT = Layout(
    (
        *envelope(tuple((kind.name, kind.number) for kind in KINDS)),
        Column("down", 16, FieldType.UINT32, low=1, high=4),
    )
)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def event(sequence, *, game=b"A", kind=Kind.PLAY, down=1, event_id=None):
    event_id = event_id or b"e%d" % sequence
    return b"".join(
        (
            b"\x0a", varint(len(event_id)), event_id, b"\x1a", varint(len(game)), game,
            b"\x20", varint(sequence), b"\x38", varint(kind), b"\x80\x01", varint(down),
        )
    )  # fmt: skip


TICK = b"\x38\x0f"


class Line:
    """Both stages in a row, fed with payloads at given times."""

    def __init__(self, *, late=LatePolicy.AMEND, max_held=100, max_gap=1000, rules=()):
        self.normalise = Normalise(LAYOUT, KINDS, rules)
        self.order = GameOrder(LAYOUT, KINDS, Order(1, 10, late, max_held, max_gap), Duplicates(50))
        self.position = 0
        self.out, self.rejected, self.payloads = [], [], []

    def feed(self, *timed):
        given = Payloads.of(
            [payload for _, payload in timed],
            ingest_us=np.array([at for at, _ in timed], np.int64),
            first_position=self.position,
        )
        self.position += len(timed)
        batch, status, first = self.normalise.step(given)
        out, second = self.order.step(batch, status)
        for rejects in (first, second):
            self.rejected += list(zip(rejects.reason.tolist(), rejects.payloads, strict=True))
        for row in range(len(out)):
            self.payloads.append(out.payload(row))
            self.out.append((int(out.words[3, row]), int(out.flags[row])))
            if out.words[6, row] != Kind.TICK:
                assert out.bytes_of(EVENT_ID, row) in out.payload(row)
        assert self.normalise.account.balance() == self.order.account.balance() == 0
        return out

    def sequences(self):
        return [sequence for sequence, _ in self.out]


def test_status_numbers_are_the_reasons():
    names = [reason.name for reason in Reason][:11]

    assert [getattr(_decode_py, name) for name in names] == list(range(11))
    for name in ("SEQUENCE_REUSED", "SEQUENCE_JUMP", "LATE", "FINISHED_GAME"):
        assert getattr(_sequence_py, name) == Reason[name]
    assert (_sequence_py.LATE_AMENDED, _sequence_py.AFTER_GAP) == (LATE_AMENDED, AFTER_GAP)


def test_event_ahead_of_a_gap_is_held_over_batches_with_its_bytes():
    line = Line()

    line.feed((0, event(1)), (1, event(3, event_id=b"third")))
    out = line.feed((2, event(2)))

    assert line.sequences() == [1, 2, 3]
    assert line.payloads == [event(1), event(2), event(3, event_id=b"third")]
    assert out.bytes_of(EVENT_ID, 1) == b"third"
    assert out.numbers.tolist() == [1, 2]
    assert out.positions.tolist() == [2, 1]


def test_gap_is_given_up_at_the_deadline_and_a_late_event_is_amended():
    line = Line()

    line.feed((0, event(1)), (1, event(3)), (11, TICK), (12, event(2)))

    assert line.out == [(1, 0), (3, AFTER_GAP), (0, 0), (2, LATE_AMENDED)]


def test_rejected_row_moves_the_time_all_the_same():
    line = Line()

    line.feed((0, event(1)), (1, event(3)), (11, event(4, down=9)))

    assert line.out == [(1, 0), (3, AFTER_GAP)]
    assert line.rejected == [(Reason.OUT_OF_RANGE, event(4, down=9))]


def test_an_event_that_is_turned_away_does_not_hold_its_game():
    line = Line(rules=[Rule("first", "down < 3", temporal=False)])
    bad = event(2, down=9), event(4, down=3)

    line.feed((0, event(1)), (1, bad[0]), (1, event(3)), (1, bad[1]), (1, event(5)), (2, event(6)))

    assert line.out == [(1, 0), (3, AFTER_GAP), (5, AFTER_GAP), (6, 0)]
    assert line.rejected == [(Reason.OUT_OF_RANGE, bad[0]), (Reason.RULE, bad[1])]
    assert line.order.account.held_after == 0


def test_a_mended_event_under_a_sequence_that_was_turned_away_follows_the_late_policy():
    line = Line()

    line.feed((0, event(1)), (1, event(2, down=9)), (1, event(3)), (2, event(2)))

    assert line.out == [(1, 0), (3, AFTER_GAP), (2, LATE_AMENDED)]


@pytest.mark.parametrize(
    ("late", "rejected", "dropped"),
    [(LatePolicy.DLQ, [(Reason.LATE, event(2))], {}), (LatePolicy.DROP, [], {"LATE": 1})],
)
def test_late_event_follows_the_policy(late, rejected, dropped):
    line = Line(late=late)

    line.feed((0, event(1)), (1, event(3)), (12, event(2)))

    assert line.sequences() == [1, 3]
    assert line.rejected == rejected
    assert line.order.account.dropped == dropped


@pytest.mark.proves("twice", "order")
@pytest.mark.proves("books", "order")
def test_copies_are_counted_and_reused_sequences_are_dead_letters():
    line = Line()

    line.feed((0, event(1)), (1, event(1)), (2, event(1, event_id=b"other")))

    assert line.sequences() == [1]
    assert line.order.account.duplicates == 1
    assert line.rejected == [(Reason.SEQUENCE_REUSED, event(1, event_id=b"other"))]


@pytest.mark.proves("bytes", "order")
@pytest.mark.proves("loss", "order")
def test_held_events_of_a_finished_game_are_dead_letters_with_their_bytes():
    line = Line()

    line.feed((0, event(1)), (1, event(4)))
    line.feed((2, event(2, kind=Kind.GAME_END)), (3, event(3)))

    assert line.sequences() == [1, 2]
    assert line.rejected == [(Reason.FINISHED_GAME, event(4)), (Reason.FINISHED_GAME, event(3))]


def test_sequence_far_ahead_is_a_jump_once_a_game_runs():
    line = Line(max_gap=5)

    line.feed((0, event(1)), (1, event(8)))

    assert line.rejected == [(Reason.SEQUENCE_JUMP, event(8))]


@pytest.mark.proves("bounded", "order")
def test_one_event_too_many_gives_the_gap_up_at_once():
    line = Line(max_held=2)

    line.feed((0, event(2)), (0, event(3)), (0, event(9)))

    assert line.out == [(2, AFTER_GAP), (3, 0)]
    assert line.order.account.held_after == 1


def test_rule_turns_a_row_away_by_its_place_in_the_plan():
    rules = (
        Rule("past", "down >= was_down", temporal=True),
        Rule("first", "down = 1", temporal=False, on=(1,)),
    )
    stage = Normalise(LAYOUT, KINDS, rules)
    given = Payloads.of([event(1), event(2, down=2), TICK], ingest_us=np.zeros(3, np.int64))

    _, status, rejects = stage.step(given)

    assert status.tolist() == [Reason.OK, Reason.RULE, Reason.OK]
    assert (rejects.detail.tolist(), rejects.payloads) == ([1], [event(2, down=2)])
    assert stage.account.rejected == {"RULE": 1}


def test_snapshot_between_two_batches_changes_nothing():
    straight, resumed = Line(), Line()
    first = ((0, event(1)), (1, event(4, event_id=b"fourth")), (2, event(3)))
    second = ((3, event(2)), (4, event(1)), (5, event(5)))
    straight.feed(*first)
    straight.feed(*second)

    resumed.feed(*first)
    states = resumed.normalise.snapshot(), resumed.order.snapshot()
    again = Line()
    again.normalise.restore(states[0])
    again.order.restore(states[1])
    again.position = 3
    assert (again.normalise.snapshot(), again.order.snapshot()) == states
    again.feed(*second)

    assert resumed.payloads + again.payloads == straight.payloads
    assert again.order.snapshot() == straight.order.snapshot()
    assert again.normalise.snapshot() == straight.normalise.snapshot()


@pytest.mark.parametrize("name", ["normalise", "order"])
@pytest.mark.parametrize("cut", [0, 5, 14, 40, -1])
@pytest.mark.proves("told", "order", "normalise")
def test_damaged_state_is_refused(name, cut):
    line = Line()
    line.feed((0, event(1)), (1, event(3)))
    stage = getattr(line, name)

    with pytest.raises(StateError):
        stage.restore(stage.snapshot()[:cut])


def test_parts_of_a_snapshot_stay_as_they_were_while_the_order_goes_on() -> None:
    rows, window_us = 300_000, 150_000
    made = _sequence.Sequencer((1, 1_000, 0, 100, 10**9), duplicates_us=window_us)

    def go_on(first: int) -> None:
        at = np.arange(first, first + rows)
        keys = np.stack([at * 7, at]).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        one = np.ones(rows, np.int64)
        made.step((one * 0, at + 1, one * 4, at, keys, np.zeros(rows, np.uint8)))

    go_on(0)
    parts = made.snapshot_parts()
    state = b"".join(parts)
    go_on(rows)
    go_on(2 * rows)

    assert any(isinstance(part, memoryview) for part in parts)
    assert b"".join(parts) == state
    assert made.snapshot() != state
