"""Bring one odds topic to a ClickHouse server, as a process of its own that can be killed."""

import sys
import time
import uuid

from oddspipe.core.adapters.clickhouse.history import ClickHouseHistory
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.adapters.kafka.rounds import RoundPublisher
from oddspipe.core.clock import SystemClock


def publisher_of(brokers: str, topic: str, url: str, slot: int) -> RoundPublisher:
    store = ClickHouseHistory(url, "odds", topic.replace("-", "_"), "plan")
    worker = Worker(Cluster(brokers), topic, slot)
    return RoundPublisher(store, topic, worker, SystemClock(), lambda: uuid.uuid4().hex)


def main(brokers: str, topic: str, url: str, slot: str) -> int:
    publisher = publisher_of(brokers, topic, url, int(slot))
    publisher.start()
    deadline = time.monotonic() + 60
    while publisher.behind() and publisher.error is None and time.monotonic() < deadline:
        time.sleep(0.05)
    publisher.stop(10)
    return 1 if publisher.error or publisher.trouble else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
