"""Receive a feed from a Pub/Sub subscription: streaming pull, acknowledged once it is durable.

Deadlines of what cannot be kept yet are extended; what was not acknowledged comes again, and its
event ids tell it apart downstream. The stream itself is read, not a callback a message: with
ordering keys those come one at a time, each after the acknowledgement of the one before. With
`PUBSUB_EMULATOR_HOST` it talks to a service there.
"""

import os
import queue
import random
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.api_core.exceptions import (
    Cancelled,
    GoogleAPIError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1.types import StreamingPullRequest

from oddspipe.core.errors import RunError
from oddspipe.core.ports.receiver import Inbox

HELD: Final = 4000
HELD_BYTES: Final = 16 << 20
"""What the client holds that is not acknowledged; the service keeps the rest."""
SILENCE_S: Final = 0.2
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
LEASE_S: Final = 60
"""Deadline of what was received; extended while it cannot be kept."""
ONE_REQUEST: Final = 1000
"""Names in one request; the service takes no longer than 512 KiB."""
FOR_GOOD: Final = (NotFound, PermissionDenied, Unauthenticated, InvalidArgument)


class PubSubReceiver:
    """Receives from one subscription.

    Args:
        project, subscription: Their names.
        lease_s: Deadline of what was received; extended three times as often.
    """

    name: Final = "pubsub"
    tells: Final = False

    def __init__(self, project: str, subscription: str, lease_s: int = LEASE_S) -> None:
        """Take the names; connect nowhere yet."""
        self._lease_s = lease_s
        self._project, self._subscription = project, subscription

    @property
    def path(self) -> str:
        """Return the full name of the subscription."""
        return f"projects/{self._project}/subscriptions/{self._subscription}"

    def receive(self, inbox: Inbox) -> None:
        """Receive until the inbox has stopped.

        Raises:
            RunError: There is no such subscription, or the login is refused.
        """
        wait = FIRST_WAIT_S
        while not inbox.stopped:
            began = time.monotonic()
            try:
                self._pull(inbox)
            except FOR_GOOD as refused:
                raise RunError(
                    f"{self.path}: {_told(refused)}", hint="Check feed.project, feed.subscription "
                    "and the login (GOOGLE_APPLICATION_CREDENTIALS)."
                ) from refused  # fmt: skip
            except DefaultCredentialsError as missing:
                raise RunError(
                    f"{self.path}: no Google Cloud login is set",
                    hint="Set GOOGLE_APPLICATION_CREDENTIALS, or PUBSUB_EMULATOR_HOST for a "
                    "service of your own.",
                ) from missing
            except (GoogleAPIError, OSError) as broken:
                inbox.trouble(f"{self.path}: {_told(broken)}")
            wait = FIRST_WAIT_S if time.monotonic() - began > LONGEST_WAIT_S else wait
            _pause(inbox, wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _pull(self, inbox: Inbox) -> None:
        """Pull until the stream ends or the inbox has stopped."""
        with SubscriberClient() as client:
            asks = _Asks(self.path, self._lease_s)
            extender = threading.Thread(target=asks.extend, name="leases", daemon=True)
            extender.start()
            try:
                stream = client.streaming_pull(requests=iter(asks))
                # A stream that is silent is left by cancelling it from the side.
                watch = threading.Thread(
                    target=_cancel_when_stopped, args=(inbox, stream, asks), daemon=True
                )
                watch.start()
                self._take_all(stream, inbox, asks)
            except Cancelled:
                if not inbox.stopped:
                    raise
            finally:
                asks.end()

    def _take_all(self, stream: Iterable[Any], inbox: Inbox, asks: "_Asks") -> None:
        # Read ahead of what can be kept: only what was read can have its deadline extended.
        read: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(stream, asks, read), daemon=True).start()
        while (response := read.get()) is not None:
            if isinstance(response, Exception):
                raise response
            inbox.trouble("")
            received = response.received_messages
            if inbox.take([one.message.data for one in received], b""):
                asks.acknowledge([one.ack_id for one in received])


def _read(stream: Iterable[Any], asks: "_Asks", read: "queue.SimpleQueue[Any]") -> None:
    """Read the stream, as far as there is room, until it ends."""
    try:
        for response in stream:
            asks.hold([one.ack_id for one in response.received_messages])
            read.put(response)
            # The service keeps to the limits too; what it sends again counts twice here.
            while asks.held >= 2 * HELD and not asks.ended:
                time.sleep(SILENCE_S / 4)
    except Exception as broken:  # noqa: BLE001 - raised again where the stream is taken
        read.put(broken)
    else:
        read.put(None)


class _Asks:
    """What the stream is asked: first the subscription, then acknowledgements and more time."""

    def __init__(self, path: str, lease_s: int) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._held: dict[str, None] = {}
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._lease_s = lease_s
        self._queue.put(
            StreamingPullRequest(
                subscription=path,
                stream_ack_deadline_seconds=lease_s,
                max_outstanding_messages=HELD,
                max_outstanding_bytes=HELD_BYTES,
            )
        )

    def __iter__(self) -> Iterator[Any]:
        while (request := self._queue.get()) is not None:
            yield request

    @property
    def held(self) -> int:
        """Return how many messages are not durable yet."""
        return len(self._held)

    def hold(self, names: list[str]) -> None:
        """Extend the deadlines of these, too, until they are acknowledged."""
        with self._changing:
            self._held.update(dict.fromkeys(names))

    def acknowledge(self, names: list[str]) -> None:
        """Say that these are durable."""
        with self._changing:
            for name in names:
                self._held.pop(name, None)
        for start in range(0, len(names), ONE_REQUEST):
            self._queue.put(StreamingPullRequest(ack_ids=names[start : start + ONE_REQUEST]))

    def extend(self) -> None:
        """Ask for more time while what was received cannot be kept; for a thread of its own."""
        while not self._ended.wait(self._lease_s / 3):
            with self._changing:
                held = list(self._held)
            for start in range(0, len(held), ONE_REQUEST):
                part = held[start : start + ONE_REQUEST]
                self._queue.put(
                    StreamingPullRequest(
                        modify_deadline_ack_ids=part,
                        modify_deadline_seconds=[self._lease_s] * len(part),
                    )
                )

    def end(self) -> None:
        """Ask nothing more."""
        self._ended.set()
        self._queue.put(None)

    @property
    def ended(self) -> bool:
        """Whether nothing more is asked."""
        return self._ended.is_set()


def _cancel_when_stopped(inbox: Inbox, stream: Any, asks: _Asks) -> None:  # noqa: ANN401 - gRPC's
    while not asks.ended:
        if inbox.stopped:
            stream.cancel()
            return
        time.sleep(SILENCE_S / 4)


def _told(error: Exception) -> str:
    service = os.environ.get("PUBSUB_EMULATOR_HOST")
    words = str(getattr(error, "message", "") or error).split("\n", 1)[0]
    return f"{words or type(error).__name__}" + (f" (at {service})" if service else "")


def _pause(inbox: Inbox, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not inbox.stopped and time.monotonic() < until:
        time.sleep(0.05)
