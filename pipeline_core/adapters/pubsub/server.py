"""A Pub/Sub service that speaks the public gRPC API, in memory: to serve a feed and to test with.

Google's own client libraries connect to it through `PUBSUB_EMULATOR_HOST`. What is published goes
to every subscription of the topic; what is not acknowledged by its deadline comes again. In a
subscription with ordering, messages of one key come in the order in which they were published.
"""

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types as api

from oddspipe.core.errors import RunError

MOST: Final = 1_000_000
MOST_BYTES: Final = 512 << 20
"""What a subscription keeps; more is refused with RESOURCE_EXHAUSTED."""
ANSWER_BYTES: Final = 4 << 20
"""An answer takes no further message once it is that long."""
AT_ONCE: Final = 500
WAIT_S: Final = 0.1
DEADLINE_S: Final = 10
LARGEST: Final = 32 << 20


@dataclass(slots=True)
class _Subscription:
    """What waits, and what was handed out and not yet acknowledged."""

    words: Any
    waiting: deque[Any] = field(default_factory=deque)
    out: dict[str, tuple[float, int, Any]] = field(default_factory=dict)
    kept_bytes: int = 0


class PubSubServer:
    """Topics and subscriptions in memory, behind a gRPC port.

    Attributes:
        address: Where it listens, as `PUBSUB_EMULATOR_HOST` wants it, once it does.
        published: Messages that topics have taken.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Take the place and what a subscription keeps; nothing listens before `start`."""
        self.address = ""
        self.published = 0
        self._place = (host, port)
        self._most, self._most_bytes = most, most_bytes
        self._changed = threading.Condition()
        self._topics: dict[str, Any] = {}
        self._subscriptions: dict[str, _Subscription] = {}
        self._numbers = itertools.count(1)
        self._server: grpc.Server | None = None

    def declare(self, topic: str, subscription: str) -> None:
        """Have a topic and an ordered subscription of it before the first call comes.

        A client that connects again must not find the service without them: to it that means a
        wrong name, for good.
        """
        words = api.Subscription(
            name=subscription,
            topic=topic,
            enable_message_ordering=True,
            ack_deadline_seconds=DEADLINE_S,
        )
        with self._changed:
            self._topics.setdefault(topic, api.Topic(name=topic))
            self._subscriptions.setdefault(subscription, _Subscription(words))

    def start(self) -> None:
        """Listen.

        Raises:
            RunError: The port is taken.
        """
        pool = ThreadPoolExecutor(32, "pubsub")
        limits = [("grpc.max_receive_message_length", LARGEST), ("grpc.so_reuseport", 0)]
        server = grpc.server(pool, options=limits)
        for service, methods in self._services().items():
            handlers = grpc.method_handlers_generic_handler(f"google.pubsub.v1.{service}", methods)
            server.add_generic_rpc_handlers((handlers,))
        host, port = self._place
        try:
            bound = server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise RunError(
                f"{host}:{port} cannot be listened on",
                hint="Another service is there; choose another PUBSUB_EMULATOR_HOST.",
            ) from error
        self.address = f"{host}:{bound}"
        server.start()
        self._server = server

    def stop(self) -> None:
        """Stop listening; what is not acknowledged waits in this process for another `start`."""
        if self._server is not None:
            self._server.stop(0.2).wait()

    def waiting(self) -> int:
        """Return how many messages are not acknowledged, of all subscriptions."""
        with self._changed:
            return sum(len(one.waiting) + len(one.out) for one in self._subscriptions.values())

    @property
    def full(self) -> bool:
        """Whether a subscription may refuse the next request of a publisher."""
        with self._changed:
            return any(
                len(one.waiting) + len(one.out) + AT_ONCE > self._most
                or one.kept_bytes + ANSWER_BYTES > self._most_bytes
                for one in self._subscriptions.values()
            )

    def _services(self) -> dict[str, dict[str, Any]]:
        def one(call: Any, request: Any, response: Any) -> Any:  # noqa: ANN401 - gRPC's
            return grpc.unary_unary_rpc_method_handler(
                call, request.deserialize, getattr(response, "serialize", None) or _empty
            )

        return {
            "Publisher": {
                "CreateTopic": one(self._create_topic, api.Topic, api.Topic),
                "GetTopic": one(self._get_topic, api.GetTopicRequest, api.Topic),
                "DeleteTopic": one(self._delete_topic, api.DeleteTopicRequest, None),
                "Publish": one(self._publish, api.PublishRequest, api.PublishResponse),
            },
            "Subscriber": {
                "CreateSubscription": one(
                    self._create_subscription, api.Subscription, api.Subscription
                ),
                "GetSubscription": one(
                    self._get_subscription, api.GetSubscriptionRequest, api.Subscription
                ),
                "DeleteSubscription": one(
                    self._delete_subscription, api.DeleteSubscriptionRequest, None
                ),
                "Pull": one(self._pull, api.PullRequest, api.PullResponse),
                "Acknowledge": one(self._acknowledge, api.AcknowledgeRequest, None),
                "ModifyAckDeadline": one(self._modify, api.ModifyAckDeadlineRequest, None),
                "StreamingPull": grpc.stream_stream_rpc_method_handler(
                    self._stream,
                    api.StreamingPullRequest.deserialize,
                    api.StreamingPullResponse.serialize,
                ),
            },
        }

    # Topics.

    def _create_topic(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        with self._changed:
            if request.name in self._topics:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"topic {request.name} is there")
            self._topics[request.name] = request
        return request

    def _get_topic(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        return self._topic(request.topic, context)

    def _delete_topic(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        self._topic(request.topic, context)
        with self._changed:
            self._topics.pop(request.topic, None)
        return None

    def _publish(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        self._topic(request.topic, context)
        with self._changed:
            takers = [
                one for one in self._subscriptions.values() if one.words.topic == request.topic
            ]
            size = sum(_size(message) for message in request.messages)
            for one in takers:
                if words := self._full(one, len(request.messages), size):
                    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
            ids = []
            for message in request.messages:
                message.message_id = str(next(self._numbers))
                api.PubsubMessage.pb(message).publish_time.GetCurrentTime()
                ids.append(message.message_id)
            for one in takers:
                one.waiting.extend(request.messages)
                one.kept_bytes += sum(_size(message) for message in request.messages)
            self.published += len(ids)
            self._changed.notify_all()
        return api.PublishResponse(message_ids=ids)

    def _full(self, one: _Subscription, count: int, size: int) -> str:
        """Say why a subscription has no room for so many messages; empty if it has."""
        kept = len(one.waiting) + len(one.out)
        if kept + count <= self._most and one.kept_bytes + size <= self._most_bytes:
            return ""
        return (
            f"{one.words.name} holds {kept:,} messages, {one.kept_bytes:,} bytes; this service "
            f"keeps {self._most:,} messages, {self._most_bytes:,} bytes of a subscription until "
            "they are acknowledged"
        )

    # Subscriptions.

    def _create_subscription(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        self._topic(request.topic, context)
        with self._changed:
            if request.name in self._subscriptions:
                context.abort(
                    grpc.StatusCode.ALREADY_EXISTS, f"subscription {request.name} is there"
                )
            request.ack_deadline_seconds = request.ack_deadline_seconds or DEADLINE_S
            self._subscriptions[request.name] = _Subscription(request)
        return request

    def _get_subscription(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        return self._subscription(request.subscription, context).words

    def _delete_subscription(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        self._subscription(request.subscription, context)
        with self._changed:
            self._subscriptions.pop(request.subscription, None)
        return None

    def _pull(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        one = self._subscription(request.subscription, context)
        found = self._hand_out(one, request.max_messages or AT_ONCE, WAIT_S)
        return api.PullResponse(received_messages=found)

    def _acknowledge(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        one = self._subscription(request.subscription, context)
        self._done(one, request.ack_ids)
        return None

    def _modify(self, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        one = self._subscription(request.subscription, context)
        seconds = itertools.repeat(request.ack_deadline_seconds)
        self._extend(one, zip(request.ack_ids, seconds, strict=False))
        return None

    def _stream(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: ANN401 - gRPC's
        first = next(requests)
        one = self._subscription(first.subscription, context)
        deadline = first.stream_ack_deadline_seconds or one.words.ack_deadline_seconds
        most = _limit(first.max_outstanding_messages, 10 * AT_ONCE)
        most_bytes = _limit(first.max_outstanding_bytes, MOST_BYTES)
        mine: dict[str, int] = {}
        reader = threading.Thread(target=self._listen, args=(one, requests), daemon=True)
        reader.start()
        try:
            while context.is_active():
                with self._changed:
                    mine = {ack_id: size for ack_id, size in mine.items() if ack_id in one.out}
                held = sum(mine.values())
                room = min(most - len(mine), AT_ONCE) if held < most_bytes else 0
                found = (
                    self._hand_out(one, room, WAIT_S, deadline, most_bytes - held)
                    if room > 0
                    else []
                )
                if found:
                    mine |= {given.ack_id: _size(given.message) for given in found}
                    yield api.StreamingPullResponse(received_messages=found)
                elif room <= 0:
                    time.sleep(WAIT_S / 10)
        finally:
            # What a stream held that has ended comes again at once.
            self._extend(one, zip(mine, itertools.repeat(0), strict=False))

    def _listen(self, one: _Subscription, requests: Iterator[Any]) -> None:
        """Take acknowledgements and longer deadlines until the stream ends."""
        try:
            for request in requests:
                self._done(one, request.ack_ids)
                self._extend(
                    one,
                    zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds,
                        strict=False),
                )  # fmt: skip
        except grpc.RpcError:
            return

    def _hand_out(
        self,
        one: _Subscription,
        most: int,
        wait_s: float,
        deadline_s: int = 0,
        most_bytes: int = ANSWER_BYTES,
    ) -> list[Any]:
        """Return messages that wait, in order; they come again unless they are acknowledged."""
        with self._changed:
            self._take_back(one)
            if not one.waiting:
                self._changed.wait(wait_s)
                self._take_back(one)
            until = time.monotonic() + (deadline_s or one.words.ack_deadline_seconds)
            made: list[Any] = []
            room = min(most_bytes, ANSWER_BYTES)
            while one.waiting and len(made) < most and room > 0:
                message = one.waiting.popleft()
                room -= _size(message)
                number = next(self._numbers)
                ack_id = f"{message.message_id}-{number}"
                one.out[ack_id] = (until, number, message)
                made.append(api.ReceivedMessage(ack_id=ack_id, message=message))
        return made

    def _take_back(self, one: _Subscription) -> None:
        """Put what was not acknowledged in time before what waits, in the order of publishing."""
        now = time.monotonic()
        late = {ack_id for ack_id, (until, _, _) in one.out.items() if until <= now}
        if not late:
            return
        if one.words.enable_message_ordering:
            # What came after a message of the same key comes again behind it.
            keys = {one.out[ack_id][2].ordering_key for ack_id in late}
            first = min(one.out[ack_id][1] for ack_id in late)
            late |= {
                ack_id
                for ack_id, (_, number, message) in one.out.items()
                if message.ordering_key in keys and number > first
            }
        back = sorted((one.out.pop(ack_id) for ack_id in late), key=lambda out: out[1])
        one.waiting.extendleft(message for _, _, message in reversed(back))

    def _done(self, one: _Subscription, ack_ids: Any) -> None:  # noqa: ANN401 - a field of names
        with self._changed:
            for ack_id in ack_ids:
                if (done := one.out.pop(ack_id, None)) is not None:
                    one.kept_bytes -= _size(done[2])
            self._changed.notify_all()

    def _extend(self, one: _Subscription, deadlines: Iterator[tuple[str, int]]) -> None:
        now = time.monotonic()
        with self._changed:
            for ack_id, seconds in deadlines:
                if ack_id in one.out:
                    _, number, message = one.out[ack_id]
                    one.out[ack_id] = (now + seconds, number, message)
            self._changed.notify_all()

    def _topic(self, name: str, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        with self._changed:
            if name in self._topics:
                return self._topics[name]
        context.abort(grpc.StatusCode.NOT_FOUND, f"there is no topic {name}")
        return None

    def _subscription(self, name: str, context: Any) -> Any:  # noqa: ANN401 - gRPC's
        with self._changed:
            if name in self._subscriptions:
                return self._subscriptions[name]
        context.abort(grpc.StatusCode.NOT_FOUND, f"there is no subscription {name}")
        return None


def _size(message: Any) -> int:  # noqa: ANN401 - gRPC's
    """Return how much a message takes: what its publisher chose, so that it never changes."""
    return len(message.data) + len(message.ordering_key)


def _limit(given: int, otherwise: int) -> int:
    """Return a limit of a client; none or a negative one leaves it to the service."""
    return given if given > 0 else otherwise


def _empty(_response: None) -> bytes:
    return empty_pb2.Empty().SerializeToString()
