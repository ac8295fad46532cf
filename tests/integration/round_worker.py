"""Bring one topic to a ClickHouse server, as a process of its own that can be killed."""

import sys
import time
import uuid

from tests.run_cases import PLAN

from oddspipe.core.adapters.clickhouse.client import Stored
from oddspipe.core.adapters.clickhouse.history import ClickHouseEvents, ClickHouseHistory
from oddspipe.core.adapters.clickhouse.server import Place
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.event_rounds import EventPublisher
from oddspipe.core.adapters.kafka.odds_rounds import RoundPublisher
from oddspipe.core.adapters.kafka.publisher import Reader
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.clock import SystemClock


def publisher_of(brokers: str, topic: str, url: str, slot: int) -> RoundPublisher:
    store = ClickHouseHistory(Place(url, "odds"), topic.replace("-", "_"), "plan")
    worker = Worker(Cluster(brokers), topic, slot)
    return RoundPublisher(store, topic, worker, SystemClock(), token)


def event_publisher_of(brokers: str, topic: str, url: str, slot: int) -> EventPublisher:
    stored = Stored(topic.replace("-", "_"), PLAN.layout, PLAN.kinds, {}, "plan")
    store = ClickHouseEvents(Place(url, "odds"), stored)
    worker = Worker(Cluster(brokers), topic, slot)
    return EventPublisher(store, PLAN, topic, worker, SystemClock(), token)


def token() -> str:
    return uuid.uuid4().hex


def main(brokers: str, topic: str, url: str, slot: str, what: str = "odds") -> int:
    make = publisher_of if what == "odds" else event_publisher_of
    publisher: Reader = make(brokers, topic, url, int(slot))
    publisher.start()
    deadline = time.monotonic() + 60
    while publisher.behind() and publisher.error is None and time.monotonic() < deadline:
        time.sleep(0.05)
    publisher.stop(10)
    return 1 if publisher.error or publisher.trouble else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
