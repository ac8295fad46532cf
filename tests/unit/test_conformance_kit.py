"""The kit for sources and sinks: a good one has no fault, and each fault is found by its check."""

import contextlib
import json
import threading
import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from oddspipe.core.adapters.memory import MemorySource
from oddspipe.core.api import Guarantee, Payloads, RetryableError, RunError
from oddspipe.core.testing.finding import faults
from oddspipe.core.testing.samples import sample_outputs
from oddspipe.core.testing.sink import SinkCase, check_sink
from oddspipe.core.testing.source import SourceCase, check_source


def given():
    texts = [[f"{batch}-{row}".encode() for row in range(4)] for batch in range(5)]
    return [
        Payloads.of(part, ingest_us=np.arange(4) + 10 * at, first_position=4 * at)
        for at, part in enumerate(texts)
    ]


class GoodSource(MemorySource):
    def __init__(self):
        super().__init__(given())


class OutsideItsBytes(GoodSource):
    def poll(self, timeout_us):
        found = super().poll(timeout_us)
        return found and replace(found, ends=found.ends + 1)


class LeavesOut(GoodSource):
    def poll(self, timeout_us):
        found = super().poll(timeout_us)
        return found and replace(found, positions=found.positions * 2)


class FallsBack(GoodSource):
    def poll(self, timeout_us):
        found = super().poll(timeout_us)
        return found and replace(found, positions=found.positions[::-1])


class ReadsTheClock(GoodSource):
    def poll(self, timeout_us):
        found = super().poll(timeout_us)
        return found and replace(found, ingest_us=found.ingest_us + time.perf_counter_ns())


class AlwaysFromTheStart(GoodSource):
    def open(self, *_given):
        super().open(0)


class OnlyWholeBatches(GoodSource):
    def open(self, position, token=b""):
        super().open(-(-position // 4) * 4, token)


class Sleeps(GoodSource):
    def poll(self, timeout_us):
        time.sleep(0.05)
        return super().poll(timeout_us)


class NeverEnds(GoodSource):
    def poll(self, timeout_us):
        return super().poll(timeout_us) or Payloads.of([], ingest_us=np.empty(0))


class EndsAndSaysNot(GoodSource):
    finite = False


class BeginsAnew(GoodSource):
    def poll(self, timeout_us):
        found = super().poll(timeout_us)
        if found is None:
            self._next = 0
        return found


class Miscounts(GoodSource):
    def total(self):
        return 7


class ForgetsAcknowledged(GoodSource):
    def acknowledge(self, position):
        self._batches = [one for one in self._batches if one.positions[0] >= position + 4]


class RefusesASecond(GoodSource):
    def acknowledge(self, position):
        if position == self.acknowledged:
            raise RunError("that is acknowledged already")
        super().acknowledge(position)


class GoesOnAfterClose(GoodSource):
    def close(self):
        pass


class ClosesOnce(GoodSource):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
        super().close()


class LeavesAThread(GoodSource):
    def open(self, position, token=b""):
        super().open(position, token)
        self.stop = threading.Event()
        threading.Thread(target=self.stop.wait, args=(4,), name="left", daemon=True).start()


class Unreadable(GoodSource):
    def open(self, *_given):
        raise RunError("there is no such feed")


class RaisesAnything(GoodSource):
    def open(self, *_given):
        raise KeyError("feed")


def source_case(make, **more):
    return SourceCase(make, poll_us=1000, grace_us=40_000, quiet_us=2000, **more)


def test_a_good_source_has_no_fault():
    assert faults(check_source(source_case(GoodSource, broken=Unreadable))) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MemorySource([]), "fit together: no payload came"),
        (OutsideItsBytes, "fit together: payload 3 of a batch lies outside of its bytes"),
        (LeavesOut, "rising positions: payload 1 has position 2"),
        (FallsBack, "rising positions: position 2 comes after 3"),
        (ReadsTheClock, "position again: another source over the same input, the payload at"),
        (AlwaysFromTheStart, "any position: opened at position 1, it gave 20 payloads and not 19"),
        (OnlyWholeBatches, "any position: opened at position 1, it gave 16 payloads and not 19"),
        (Sleeps, "in time: a poll of 1,000 µs took"),
        (NeverEnds, "or not at all: it is silent after 20 payloads and does not end"),
        (EndsAndSaysNot, "or not at all: it ended, but says that it does not"),
        (BeginsAnew, "or not at all: it gave something after its end"),
        (Miscounts, "how many there are: it says 7 and gave 20"),
        (ForgetsAcknowledged, "acknowledgement twice: after an acknowledgement, it gave"),
        (RefusesASecond, "acknowledgement twice: RunError: that is acknowledged already"),
        (GoesOnAfterClose, "is closed twice: 4 payloads came after close()"),
        (ClosesOnce, "is closed twice: RuntimeError: closed already"),
        (LeavesAThread, "is closed twice: thread 'left' goes on"),
    ],
)
def test_each_fault_of_a_source_is_found(make, words):
    assert [one for one in faults(check_source(source_case(make))) if words in one]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (GoodSource, "cannot be opened: an input that cannot be read was not told"),
        (RaisesAnything, "cannot be opened: KeyError: 'feed'"),
    ],
)
def test_a_source_that_hides_its_broken_input_is_found(broken, words):
    found = faults(check_source(source_case(GoodSource, broken=broken)))

    assert len(found) == 1
    assert words in found[0]


def test_gaps_are_allowed_to_who_says_so():
    found = faults(check_source(source_case(LeavesOut, gaps=True)))

    assert not [one for one in found if "rising positions" in one]


@cache
def outputs(step_rows):
    return tuple(sample_outputs(step_rows=step_rows))


class GoodSink:
    """Every odds message as a line: its number and its first price."""

    name = "good"
    keeps = Guarantee.EFFECTIVELY_ONCE
    full = False

    def __init__(self, folder):
        self.path = folder / "lines"
        self.next = 0

    def open(self):
        self.path.touch()
        self.next = len(rows(self.path.parent))

    def write(self, output):
        self.write_many([output])

    def write_many(self, given):
        for output in given:
            for number in output.odds.number.tolist():
                self.line(number, output)

    def line(self, number, output):
        if number < self.next:
            return
        if self.full:
            raise RetryableError("the disk is full")
        at = int(np.flatnonzero(output.odds.number == number)[0])
        self.append([number, int(output.odds.sequence[at])])
        self.next = number + 1

    def append(self, row):
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def wants(self, output):
        return len(output.odds) > 0

    def refresh(self):
        pass

    def close(self):
        pass


def rows(folder):
    path = folder / "lines"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Nameless(GoodSink):
    name = ""


class PromisesAnything(GoodSink):
    keeps = "always"


class WritesNothing(GoodSink):
    def line(self, number, output):
        pass


class Scales(GoodSink):
    def write(self, output):
        output.odds.p_fair[:] *= 2
        super().write(output)
        output.odds.p_fair[:] /= 3


class StartsOver(GoodSink):
    def open(self):
        self.path.write_text("")
        self.next = 0


class NewestFirst(GoodSink):
    def append(self, row):
        before = self.path.read_text()
        self.path.write_text(json.dumps(row) + "\n" + before)


class WritesAgain(GoodSink):
    def open(self):
        self.path.touch()


class TrustsTheCut(GoodSink):
    """Knows an output by its first number: right only while outputs are cut the same."""

    def write_many(self, given):
        there = {number for number, _ in rows(self.path.parent)}
        for output in given:
            if not there.intersection(output.odds.number[:1].tolist()):
                super().write_many([output])


class WritesAtTheEnd(GoodSink):
    def __init__(self, folder):
        super().__init__(folder)
        self.held = []

    def append(self, row):
        self.held.append(row)

    def close(self):
        for row in self.held:
            super().append(row)
        self.held = []


class NeedsOdds(GoodSink):
    def write(self, output):
        int(output.odds.number[0])
        super().write(output)


class LastOnly(GoodSink):
    def write_many(self, given):
        for output in given[-1:]:
            super().write_many([output])


class WantsFew(GoodSink):
    def wants(self, output):
        return len(output.odds) > 4


class RefreshWrites(GoodSink):
    def refresh(self):
        self.append(["alive", 0])


class ClosesASecondTime(GoodSink):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class Swallows(GoodSink):
    def line(self, number, output):
        with contextlib.suppress(RetryableError):
            super().line(number, output)
        self.next = number + 1


class RaisesOsError(GoodSink):
    def line(self, number, output):
        if self.full:
            raise OSError("no space")
        super().line(number, output)


class LosesWhatFailed(GoodSink):
    def line(self, number, output):
        try:
            super().line(number, output)
        finally:
            self.next = max(self.next, number + 1)


class Unopened(GoodSink):
    def open(self):
        raise RunError("there is no such disk")


class OpensAnyhow(GoodSink):
    def open(self):
        pass


class CopiesAllowed(WritesAgain):
    keeps = Guarantee.AT_LEAST_ONCE


class CopiesAndLoses(StartsOver):
    keeps = Guarantee.AT_LEAST_ONCE


@contextlib.contextmanager
def full_disk(_folder, sink):
    sink.full = True
    yield
    sink.full = False


def sink_faults(make, folder, broken=Unopened):
    case = SinkCase(
        make, rows, folder, outputs(500), outputs(1300), broken=broken, trouble=full_disk
    )
    return faults(check_sink(case))


@pytest.mark.parametrize("make", [GoodSink, CopiesAllowed])
def test_a_good_sink_has_no_fault(make, tmp_path):
    assert sink_faults(make, tmp_path) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Nameless, "what it keeps: its name is ''"),
        (PromisesAnything, "what it keeps: it keeps 'always'"),
        (WritesNothing, "shows what was written: nothing is read"),
        (Scales, "as they are: write() changed an output"),
        (StartsOver, "after a restart, in order: part way, a reader sees"),
        (NewestFirst, "after a restart, in order: part way, a reader sees"),
        (WritesAgain, "all is written again: with the first half again (effectively_once), a"),
        (CopiesAndLoses, "all is written again: with the first half again (at_least_once), a"),
        (TrustsTheCut, "cut differently: with outputs cut differently (effectively_once)"),
        (WritesAtTheEnd, "when it was killed: killed half way and given the rest"),
        (NeedsOdds, "nothing happened: IndexError"),
        (LastOnly, "as one by one: written many at once"),
        (WantsFew, "wants all that it writes: given what it wants"),
        (RefreshWrites, "refreshed at any time: refreshed, a reader sees"),
        (ClosesASecondTime, "is closed twice: RuntimeError: closed already"),
        (Swallows, "cannot write, and goes on: write() said nothing"),
        (RaisesOsError, "cannot write, and goes on: OSError: no space"),
        (LosesWhatFailed, "cannot write, and goes on: after trouble that went by"),
    ],
)
def test_each_fault_of_a_sink_is_found(make, words, tmp_path):
    found = sink_faults(make, tmp_path)

    assert [one for one in found if words in one], found


def test_a_sink_that_hides_that_it_cannot_be_opened_is_found(tmp_path):
    found = sink_faults(GoodSink, tmp_path, broken=OpensAnyhow)

    assert len(found) == 1
    assert "cannot be opened: open() said nothing" in found[0]
