"""A publisher is set back on a real broker, when nobody is in its group and not before."""

import time
import uuid

import pytest

from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RunError

kafka = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in 'kafka'")
admin_module = pytest.importorskip("confluent_kafka.admin", reason="as above")

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000


class Scaled:
    """A StatefulSet whose pod is a consumer: it is in the group as long as it is to be there."""

    def __init__(self, member):
        self.member, self.replicas, self.steps = member, 1, []

    def size(self, _name):
        return self.replicas

    def resize(self, _name, replicas):
        self.steps.append(replicas)
        self.replicas = replicas
        if not replicas and self.member is not None:
            self.member.close()
            self.member = None


def filled(brokers, topic, now_ms):
    """Write two old and three new odds a partition; return a member that has read all of them."""
    producer = kafka.Producer({"bootstrap.servers": brokers})
    for partition in (0, 1):
        for age_h in (30, 20, 10, 5, 1):
            producer.produce(
                topic, b"odds", partition=partition, timestamp=now_ms - age_h * HOUR_MS
            )
    assert producer.flush(20) == 0
    group = f"g-{uuid.uuid4().hex}"
    settings = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    member = kafka.Consumer({"bootstrap.servers": brokers, **settings})
    member.subscribe([topic])
    until, read = time.monotonic() + 30, 0
    while read < 10:
        assert time.monotonic() < until
        read += member.poll(0.5) is not None
    member.commit(asynchronous=False)
    return group, member


def committed(admin, group):
    wanted = kafka.ConsumerGroupTopicPartitions(group)
    found = admin.list_consumer_group_offsets([wanted])[group].result(20).topic_partitions
    return {one.partition: one.offset for one in found}


def test_a_publisher_is_stopped_set_back_and_started(brokers, new_topic):
    from oddspipe.core.remedies.cache import Publisher, is_empty, rebuild, set_back  # noqa: PLC0415

    topic = new_topic(3)
    clock = SystemClock()
    now_ms = clock.now_us() // 1000
    group, member = filled(brokers, topic, now_ms)
    admin = admin_module.AdminClient({"bootstrap.servers": brokers})
    since = now_ms - 12 * HOUR_MS
    assert not is_empty(admin, group)
    with pytest.raises(RunError, match="cannot be set back"):
        set_back(admin, group, topic, since)
    assert committed(admin, group) == {0: 5, 1: 5}

    scaled, told = Scaled(member), []
    places = rebuild(
        admin, Publisher(scaled, "nfl-publish", group, topic), since, clock, told.append
    )
    assert places == {0: 2, 1: 2, 2: 0}
    assert committed(admin, group) == places
    assert scaled.steps == [0, 1]
    assert told == ["nfl-publish: stopping", "nfl-publish: 1 again"]


def test_a_publisher_that_cannot_be_set_back_is_started_all_the_same(brokers):
    from oddspipe.core.remedies.cache import Publisher, rebuild  # noqa: PLC0415

    admin = admin_module.AdminClient({"bootstrap.servers": brokers})
    scaled = Scaled(None)
    missing = Publisher(scaled, "nfl-publish", f"g-{uuid.uuid4().hex}", "nowhere")
    with pytest.raises(RunError):
        rebuild(admin, missing, 0, SystemClock(), lambda _: None)
    assert scaled.steps == [0, 1]
