"""Pullers and pushers: compiled where the client's handle is what it should be, else plain Python.

Which one runs is a decision, not an accident: it is said once a process, with the reason.
"""

from functools import lru_cache
from typing import TypeAlias

import structlog

from oddspipe.ext import COMPILED, _kafka_py
from oddspipe.ext.records import UnverifiedError

if COMPILED:
    from oddspipe.ext import _kafka

Puller: TypeAlias = "_kafka.Puller | _kafka_py.Puller"
Pusher: TypeAlias = "_kafka.Pusher | _kafka_py.Pusher"


def puller_of(consumer: object, client_id: str) -> Puller:
    """Return what takes records off a `confluent_kafka.Consumer` of this `client.id`."""
    if COMPILED:
        try:
            return _kafka.Puller(consumer, client_id)
        except UnverifiedError as error:
            _say(str(error))
    return _kafka_py.Puller(consumer, client_id)


def pusher_of(producer: object, client_id: str) -> Pusher:
    """Return what hands records to a transactional `confluent_kafka.Producer`."""
    if COMPILED:
        try:
            return _kafka.Pusher(producer, client_id)
        except UnverifiedError as error:
            _say(str(error))
    return _kafka_py.Pusher(producer, client_id)


@lru_cache
def _say(why: str) -> None:
    structlog.get_logger().warning("kafka.plain_path", why=why)
