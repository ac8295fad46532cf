"""Fill a cache anew from the odds topic: its publisher is set back, and reads what there was.

What is older than what the cache has is refused by the sequence of the odds, so that reading too
much does no harm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # theirs

from oddspipe.core.clock import Clock
from oddspipe.core.errors import RunError, UnreachableError
from oddspipe.core.remedies.cluster import Cluster

PATIENCE_S: Final = 180.0
"""Longest wait until a publisher has left its group: a pod has a minute to end."""
LOOK_S: Final = 1.0
CALL_S: Final = 20


def set_back(admin: AdminClient, group: str, topic: str, since_ms: int) -> dict[int, int]:
    """Let a group, that nobody is in, go on with what came since a moment; return its offsets.

    Raises:
        RunError: Somebody is in the group, or the cluster does not answer.
    """
    try:
        found = admin.list_topics(topic, timeout=CALL_S).topics[topic]
        if not found.partitions:
            raise RunError(f"there is no topic {topic}")
        asked = {
            TopicPartition(topic, p): OffsetSpec.for_timestamp(since_ms) for p in found.partitions
        }
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # theirs
        ends = {TopicPartition(topic, p): latest for p in found.partitions}
        since = _offsets(admin, asked)
        # Where nothing came since then, there is nothing to read again.
        places = {p: at if at >= 0 else _offsets(admin, ends)[p] for p, at in since.items()}
        wanted = ConsumerGroupTopicPartitions(
            group, [TopicPartition(topic, p, at) for p, at in sorted(places.items())]
        )
        done = admin.alter_consumer_group_offsets([wanted], request_timeout=CALL_S)[group].result()
    except KafkaException as error:
        raise RunError(f"kafka: {group} cannot be set back: {error}") from error
    if failed := [one for one in done.topic_partitions if one.error is not None]:
        raise RunError(f"kafka: {group} cannot be set back: {failed[0].error}")
    return places


def _offsets(admin: AdminClient, asked: dict[TopicPartition, Any]) -> dict[int, int]:
    answers = admin.list_offsets(asked, request_timeout=CALL_S)
    return {place.partition: int(one.result().offset) for place, one in answers.items()}


def is_empty(admin: AdminClient, group: str) -> bool:
    """Say whether nobody is in a group."""
    try:
        told = admin.describe_consumer_groups([group], request_timeout=CALL_S)[group].result()
    except KafkaException as error:
        raise UnreachableError(f"kafka: {group} cannot be described: {error}") from error
    return told.state in {ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD}


@dataclass(frozen=True, slots=True)
class Publisher:
    """What brings a topic to a cache.

    Attributes:
        cluster, name: Its StatefulSet, and where that is.
        group, topic: What it reads by, and from.
    """

    cluster: Cluster
    name: str
    group: str
    topic: str


def rebuild(
    admin: AdminClient,
    publisher: Publisher,
    since_ms: int,
    clock: Clock,
    tell: Callable[[str], None],
) -> dict[int, int]:
    """Stop a publisher, set it back, and start it again, whatever happens in between.

    Args:
        admin: The brokers.
        publisher: Who is set back.
        since_ms: From when on it reads again, as Unix time in milliseconds.
        clock: The time.
        tell: Is told each step.

    Raises:
        RunError: It could not be done; the publisher runs as before.
    """
    cluster, name, group = publisher.cluster, publisher.name, publisher.group
    # None is what a try before this one has left.
    before = cluster.size(name) or 1
    tell(f"{name}: stopping")
    cluster.resize(name, 0)
    try:
        begun_ns = clock.monotonic_ns()
        while not is_empty(admin, group):
            if (clock.monotonic_ns() - begun_ns) / 1e9 > PATIENCE_S:
                raise RunError(f"{name} is still in {group} after {PATIENCE_S:.0f} s")
            clock.sleep(LOOK_S)
        return set_back(admin, group, publisher.topic, since_ms)
    finally:
        cluster.resize(name, before)
        tell(f"{name}: {before} again")
