"""A live source keeps what a restart reads again, and lets the provider wait when it is full."""

import threading
import time

from tests.plan_cases import plan

from oddspipe.core.adapters.live.source import FULL, LiveSource
from oddspipe.core.adapters.live.spool import Spool
from oddspipe.core.clock import SystemClock

LARGE = bytes(300_000)
"""More than a segment holds: each message has a file of its own."""


class Silent:
    name = "silent"
    tells = False

    def receive(self, inbox):
        while not inbox.stopped:
            inbox._stopped.wait(0.05)


def source(folder, room, kept):
    return LiveSource(plan("nba"), Silent(), Spool(folder, room), kept, SystemClock(), raw=True)


def test_a_live_source_keeps_what_a_restart_reads_again(tmp_path):
    live = source(tmp_path, 1 << 20, lambda: 1)
    for number in range(4):
        assert live.take([LARGE], b"%d" % number)

    live.acknowledge(3)

    assert live._spool.first == 1
    live.close()


def test_a_provider_waits_while_the_spool_is_full(tmp_path):
    live = source(tmp_path, 500_000, lambda: 0)
    assert live.take([LARGE], b"0")
    assert live.take([LARGE], b"1")
    taken = []
    provider = threading.Thread(target=lambda: taken.append(live.take([LARGE], b"2")))

    provider.start()
    ends = time.monotonic() + 10
    while live.words != FULL and provider.is_alive() and time.monotonic() < ends:
        time.sleep(0.005)

    assert (live.words, taken, live.cursor) == (FULL, [], b"1")
    live.close()
    provider.join()
    assert taken == [False]
