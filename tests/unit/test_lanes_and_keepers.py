"""What a lane acknowledges and a keeper makes valid: never more than a sink has."""

from dataclasses import replace

import numpy as np

from oddspipe.core.adapters.kafka.published import output_of
from oddspipe.core.clock import ManualClock, SystemClock
from oddspipe.core.errors import RetryableError
from oddspipe.core.names import Guarantee
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.lane import Lane, Parcel
from oddspipe.core.runtime.recover import Keeper, Snapshot

EMPTY = output_of([])


class Even:
    """Keeps the positions that it is given; wants the even ones only."""

    name = "even"
    keeps = Guarantee.EFFECTIVELY_ONCE

    def __init__(self):
        self.got = []

    def open(self): ...

    def write(self, output):
        self.got.append(output.position)

    def refresh(self): ...

    def close(self): ...


class Choosy(Even):
    def wants(self, output):
        return output.position % 2 == 0


def parcel(position):
    return Parcel(replace(EMPTY, position=position), np.empty(0, np.int64), 1)


def test_a_lane_gives_what_waits_in_order():
    sink = Even()
    lane = Lane(sink, clock=SystemClock())
    for position in range(1, 6):
        lane.put(parcel(position))

    lane.start(0)
    lane.finish()

    assert lane.join(10)
    assert sink.got == [1, 2, 3, 4, 5]
    assert lane.acknowledged == 5


class Refusing(Even):
    """Takes each output only when it is given for the second time."""

    refused = 0

    def write(self, output):
        if self.refused < output.position:
            self.refused = output.position
            raise RetryableError("no room")
        super().write(output)


def test_what_a_sink_refuses_is_given_again_before_what_comes_after(monkeypatch):
    monkeypatch.setattr("oddspipe.core.runtime.lane.FIRST_PAUSE_S", 0.001)
    sink = Refusing()
    lane = Lane(sink, clock=SystemClock())
    for position in (1, 2, 3):
        lane.put(parcel(position))

    lane.start(0)
    lane.finish()

    assert lane.join(10)
    assert sink.got == [1, 2, 3]
    assert (lane.acknowledged, lane.retries, lane.trouble) == (3, 3, "")


def test_what_a_sink_does_not_want_is_not_acknowledged_before_what_waits():
    lane = Lane(Choosy(), clock=ManualClock())
    lane.put(parcel(1))
    assert (lane.acknowledged, lane.waiting) == (1, 0)

    lane.put(parcel(2))
    lane.put(parcel(3))

    assert (lane.acknowledged, lane.waiting) == (1, 2)


class Store:
    """Keeps in memory what a keeper saves."""

    def __init__(self):
        self.valid, self.position = [], 0

    def snapshots(self):
        return iter(())

    def prepare(self, _position, _parts): ...

    def publish(self, position):
        self.valid.append(position)

    def committed(self):
        return self.position

    def commit(self, position):
        self.position = position


def kept(store):
    return Keeper(store, interval_us=1, clock=ManualClock())


def test_the_last_snapshot_is_kept_only_if_every_sink_has_reached_it():
    store = Store()
    keeper = kept(store)
    keeper.reached(9)
    keeper.close(Snapshot(10, b"", "plan"))
    assert store.valid == []

    keeper = kept(store)
    keeper.reached(10)
    keeper.close(Snapshot(10, b"", "plan"))
    assert store.valid == [10]


def test_the_end_of_a_run_is_saved_at_once():
    store = Store()
    keeper = kept(store)
    keeper.reached(1)
    keeper.reached(2)
    assert store.position == 1  # not more often than it has to be

    keeper.reached(3, at_once=True)

    assert store.position == 3
    keeper.close()


def test_the_first_reason_to_stop_is_told():
    stop = StopSwitch()
    stop.request("SIGTERM")
    stop.request("idle")

    assert (stop.requested, stop.reason) == (True, "SIGTERM")
