"""A publisher on a real broker: how far it says it is."""

import threading
import time

import numpy as np
import pytest
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed
from tests.waiting import until

from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RetryableError
from oddspipe.core.names import Guarantee
from oddspipe.core.runtime.chain import PartitionChain

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")

from oddspipe.core.adapters.kafka.access import Cluster  # noqa: E402 - after the skip
from oddspipe.core.adapters.kafka.publisher import Publisher  # noqa: E402
from oddspipe.core.adapters.kafka.records import Worker  # noqa: E402

pytestmark = pytest.mark.integration


class HeldSink:
    """Takes its first output only when it is let go."""

    name = "held"
    keeps = Guarantee.EFFECTIVELY_ONCE

    def __init__(self) -> None:
        self.holds, self.let_go = threading.Event(), threading.Event()

    def open(self) -> None: ...

    def write(self, output) -> None:  # noqa: ARG002 - a sink
        self.holds.set()
        assert self.let_go.wait(30)

    def refresh(self) -> None: ...

    def close(self) -> None: ...


def odds_messages():
    """Return some messages of an odds topic."""
    feed = noisy_feed(1, games=3, events=700)
    given = Payloads.of([one for one, _ in feed], ingest_us=np.array([at for _, at in feed]))
    output = PartitionChain(PLAN, NormalModel()).step(given)
    return messages(output, Origin("test", "test", "1", "p", 1), ("decimal",)).splitlines()


def test_an_end_that_comes_along_with_the_last_records_is_reached(brokers, new_topic):
    topic, written = new_topic(), odds_messages()
    producer = ck.Producer({"bootstrap.servers": brokers, "transactional.id": topic})
    producer.init_transactions(20)

    def committed(lines):
        # The marker of the transaction takes an offset behind its last record.
        producer.begin_transaction()
        for line in lines:
            producer.produce(topic, line)
        producer.commit_transaction(20)

    sink = HeldSink()
    publisher = Publisher(sink, topic, Worker(Cluster(brokers), topic, 0), SystemClock())
    committed(written[:2])
    publisher.start()
    try:
        assert sink.holds.wait(30)
        committed(written[2:5])
        # Records and end lie in the client together before the sink takes the first ones.
        time.sleep(1.5)
        held = publisher.behind()
        sink.let_go.set()
        assert until(lambda: publisher.written == 5, 20.0)
        assert until(lambda: publisher.behind() == 0, 20.0)
    finally:
        sink.let_go.set()
        publisher.stop(10)

    assert publisher.trouble == ""
    assert held > 0


class TakingSink(HeldSink):
    """Keeps the numbers of what it takes; refuses everything while it is told to."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__()
        self.refuses, self.got = refuses, []

    def write(self, output) -> None:
        if self.refuses:
            raise RetryableError("away")
        self.got += output.odds.number.tolist()


@pytest.mark.proves("loss", "redis")
@pytest.mark.proves("twice", "redis")
def test_a_sink_gets_later_what_it_did_not_take_and_nothing_again(brokers, new_topic):
    topic, written = new_topic(), odds_messages()
    worker, clock = Worker(Cluster(brokers), topic, 0), SystemClock()
    producer = ck.Producer({"bootstrap.servers": brokers})

    def published(lines, sink, holds):
        for line in lines:
            producer.produce(topic, line)
        assert producer.flush(20) == 0
        publisher = Publisher(sink, topic, worker, clock)
        publisher.start()
        try:
            assert until(lambda: holds(publisher), 40), publisher.trouble
        finally:
            publisher.stop(20)

    published(written[:4], TakingSink(refuses=True), lambda one: one.trouble == "away")
    second, third = TakingSink(), TakingSink()
    published([], second, lambda one: one.written >= 4)
    published(written[4:6], third, lambda one: one.written >= 2)

    assert second.got == [0, 1, 2, 3]
    assert third.got == [4, 5]
