"""Reading what transactions have committed, to the end."""

from typing import Any

import pytest


def committed(brokers: str, topic: str, partitions: int = 1) -> list[list[Any]]:
    """Return the committed records of each partition, in order.

    A commit is told before its markers are written, so that a partition may end more than once:
    each is read until it ends behind all that was ever written to it.
    """
    ck = pytest.importorskip("confluent_kafka")
    settings = {"bootstrap.servers": brokers, "group.id": "checker", "enable.auto.commit": False}
    places = [ck.TopicPartition(topic, p, 0) for p in range(partitions)]
    anyone = ck.Consumer({**settings, "isolation.level": "read_uncommitted"})
    missing = {one.partition: anyone.get_watermark_offsets(one, 10)[1] for one in places}
    anyone.close()
    consumer = ck.Consumer(
        {**settings, "enable.partition.eof": True, "isolation.level": "read_committed"}
    )
    consumer.assign(places)
    found: list[list[Any]] = [[] for _ in places]
    while missing:
        message = consumer.poll(15)
        assert message is not None, f"{topic} gives no answer"
        if message.error() is None:
            found[message.partition()].append(message)
            continue
        assert message.error().code() == ck.KafkaError._PARTITION_EOF
        if message.offset() >= missing.get(message.partition(), 0):
            missing.pop(message.partition(), None)
    consumer.close()
    return found
