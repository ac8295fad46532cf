"""From a plan to a feed that is received live, and to one that is served."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oddspipe.core.adapters.live.source import LiveSource
from oddspipe.core.adapters.live.spool import Spool
from oddspipe.core.adapters.provider_json import ProviderJson
from oddspipe.core.adapters.state_folder import StateFolder
from oddspipe.core.clock import Clock
from oddspipe.core.errors import UsageError
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.receiver import Receiver

if TYPE_CHECKING:
    from oddspipe.core.adapters.pubsub.feed import PublishedFeed
    from oddspipe.core.adapters.websocket.server import PushServer

SPOOL_FOLDER = "spool"
LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - recognised, not bound


def live_source_of(plan: Plan, folder: StateFolder, clock: Clock) -> LiveSource:
    """Make the source that receives the sport's feed; its spool lies in the state folder.

    Raises:
        UsageError: The feed's protocol is not received.
        RunError: The spool cannot be used.
    """
    receiver = receiver_of(plan)
    spool = Spool(folder.path / SPOOL_FOLDER, plan.feed.options["spill"])
    return LiveSource(plan, receiver, spool, folder.kept, clock)


def receiver_of(plan: Plan) -> Receiver:
    """Return what receives the sport's feed.

    Raises:
        UsageError: Its protocol is none that is received.
    """
    make = _RECEIVERS.get(plan.feed.protocol)
    if make is None:
        raise UsageError(
            f"{plan.sport}: a feed by {plan.feed.protocol} is not received",
            hint=f"What is: {', '.join(_RECEIVERS)}. A Kafka feed is read as it is.",
        )
    return make(plan)


def push_server_of(plan: Plan, clock: Clock) -> "PushServer":
    """Make a provider of the sport's WebSocket feed, at the address that the spec says.

    Raises:
        UsageError: That address is not of this machine, or the mapping has no way back.
    """
    with _extra("websocket"):
        from oddspipe.core.adapters.websocket.server import (  # noqa: PLC0415 - an extra's
            PushServer,
        )
    options = plan.feed.options
    parts = urlsplit(str(options["url"]))
    if parts.scheme != "ws" or parts.hostname not in LOCAL:
        raise UsageError(
            f"{plan.sport}: feed.url is {options['url']}, no ws:// address of this machine",
            hint="Set it for both commands, e.g. export NBA_FEED_URL=ws://127.0.0.1:8765 where "
            "the spec reads that variable.",
        )
    return PushServer(
        ProviderJson(plan),
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 0,
        cursor=options["resume"],
        subscribe=options["subscribe"],
        time_member=_time_member(plan),
        clock=clock,
    )


def published_feed_of(plan: Plan, clock: Clock, address: str) -> "PublishedFeed":
    """Make a provider of the sport's Pub/Sub feed, with a service of its own.

    Args:
        plan: What is served.
        clock: What event times are moved by.
        address: Where the service listens, as `PUBSUB_EMULATOR_HOST` says it.

    Raises:
        UsageError: The address is no host:port, or the mapping has no way back.
    """
    with _extra("pubsub"):
        from oddspipe.core.adapters.pubsub.feed import PublishedFeed  # noqa: PLC0415 - an extra's
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        raise UsageError(
            f"PUBSUB_EMULATOR_HOST is {address!r}, not host:port",
            hint="Set it for both commands, e.g. export PUBSUB_EMULATOR_HOST=127.0.0.1:8085.",
        )
    options = plan.feed.options
    names = (str(options["project"]), str(options["subscription"]))
    return PublishedFeed(ProviderJson(plan), names, (host, int(port)), _time_member(plan), clock)


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say what to install where a client library is missing.

    Raises:
        UsageError: It is.
    """
    try:
        yield
    except ImportError as missing:
        raise UsageError(
            f"a feed by {name} needs {missing.name or 'a library'}, which is not installed",
            hint=f"pip install 'oddspipe-framework[{name}]'",
        ) from missing


def _time_member(plan: Plan) -> str | None:
    """Return the member of the provider's messages that holds the event time."""
    times = {field: sql for entry in plan.feed.mapping for field, sql in entry.fields}
    return times.get("event_time")


def _websocket(plan: Plan) -> Receiver:
    with _extra("websocket"):
        from oddspipe.core.adapters.websocket.receiver import (  # noqa: PLC0415 - an extra's
            WebSocketReceiver,
        )
    options = plan.feed.options
    alive_s = max(plan.feed.heartbeat_us / 1e6, 1.0)
    return WebSocketReceiver(str(options["url"]), options["subscribe"], options["resume"], alive_s)


def _pubsub(plan: Plan) -> Receiver:
    with _extra("pubsub"):
        from oddspipe.core.adapters.pubsub.receiver import (  # noqa: PLC0415 - as above
            PubSubReceiver,
        )
    options = plan.feed.options
    return PubSubReceiver(str(options["project"]), str(options["subscription"]))


_RECEIVERS: Mapping[str, Callable[[Plan], Receiver]] = {
    "websocket": _websocket,
    "pubsub": _pubsub,
}
