"""Receive a feed over a WebSocket: subscribe, take what comes, go on by cursor after a break."""

import random
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    PayloadTooBig,
)
from websockets.sync.client import ClientConnection, connect

from oddspipe.core.errors import RunError
from oddspipe.core.ports.receiver import Inbox

LARGEST: Final = 64 << 20
"""A longer message ends the run: it could not be told from a flood."""
TOGETHER: Final = 2000
TOGETHER_S: Final = 0.004
"""Messages that come within so long are spooled together."""
SILENCE_S: Final = 0.2
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 15.0
REFUSED: Final = frozenset({401, 403, 404})
TOO_BIG: Final = 1009


class WebSocketReceiver:
    """Receives from one address; pings tell a connection that is dead from one that is silent.

    Args:
        url: Address of the provider.
        subscribe: JSON message sent after every connect, with the cursor in it; None for none.
        resume: Member of the provider's messages that is the cursor; None: there is none.
        alive_s: Time within which the provider answers a ping.
    """

    name: Final = "websocket"
    tells: Final = True

    def __init__(
        self, url: str, subscribe: Mapping[str, Any] | None, resume: str | None, alive_s: float
    ) -> None:
        """Take the address; connect nowhere yet."""
        self._url = url
        self._subscribe = subscribe
        self._resume = resume
        self._alive_s = alive_s
        self._reader = _cursor_reader(resume)

    def receive(self, inbox: Inbox) -> None:
        """Receive until the inbox has stopped.

        Raises:
            RunError: The address or the login is wrong, or a message is too large to be one.
        """
        wait = FIRST_WAIT_S
        reached = False
        while not inbox.stopped:
            began = time.monotonic()
            try:
                with connect(
                    self._url, max_size=LARGEST, open_timeout=10, close_timeout=1,
                    ping_interval=self._alive_s, ping_timeout=self._alive_s, max_queue=64,
                ) as connection:  # fmt: skip
                    reached = True
                    self._ask(connection, inbox.cursor)
                    inbox.trouble("")
                    self._take_all(connection, inbox)
            except (InvalidURI, InvalidStatus) as refused:
                # A provider that let us in before is in trouble itself: it is tried again.
                if not reached:
                    self._refuse(refused)
                inbox.trouble(f"{self._url}: {refused}")
            except PayloadTooBig as large:
                raise self._too_large() from large
            except ConnectionClosed as closed:
                if closed.sent is not None and closed.sent.code == TOO_BIG:
                    raise self._too_large() from closed
                inbox.trouble(f"{self._url}: the connection broke: {closed}")
            except (OSError, InvalidHandshake, TimeoutError) as broken:
                inbox.trouble(f"{self._url}: {str(broken) or type(broken).__name__}")
            # A connection that stood for a while was no failed try.
            wait = FIRST_WAIT_S if time.monotonic() - began > LONGEST_WAIT_S else wait
            _pause(inbox, wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _ask(self, connection: ClientConnection, cursor: bytes) -> None:
        """Subscribe, from the cursor on."""
        if self._subscribe is None:
            return
        words = dict(self._subscribe)
        if self._resume and cursor:
            words[self._resume] = msgspec.json.decode(cursor)
        connection.send(msgspec.json.encode(words).decode())

    def _take_all(self, connection: ClientConnection, inbox: Inbox) -> None:
        while not inbox.stopped:
            try:
                messages = [connection.recv(SILENCE_S, decode=False)]
            except TimeoutError:
                continue
            closed = None
            until = time.monotonic() + TOGETHER_S
            while len(messages) < TOGETHER and (left := until - time.monotonic()) > 0:
                try:
                    messages.append(connection.recv(left, decode=False))
                except TimeoutError:
                    break
                except ConnectionClosed as end:
                    closed = end
                    break
            inbox.take(messages, self._cursor_after(messages, inbox.cursor))
            if closed is not None:
                raise closed

    def _cursor_after(self, messages: list[bytes], before: bytes) -> bytes:
        """Return the cursor of the last message that bears one."""
        if self._reader is None:
            return b""
        for message in reversed(messages):
            try:
                cursor = self._reader.decode(message)
            except msgspec.DecodeError:
                continue
            if cursor.value is not msgspec.UNSET:
                return msgspec.json.encode(cursor.value)
        return before

    def _refuse(self, refused: InvalidURI | InvalidStatus) -> None:
        if isinstance(refused, InvalidURI):
            raise RunError(
                f"{self._url}: no WebSocket address", hint="It begins with ws:// or wss://."
            ) from refused
        if refused.response.status_code in REFUSED:
            raise RunError(
                f"{self._url}: the provider refuses: HTTP {refused.response.status_code}",
                hint="Check the address and the login in feed.url.",
            ) from refused

    def _too_large(self) -> RunError:
        return RunError(
            f"{self._url}: a message is larger than {LARGEST >> 20} MiB",
            hint="No feed sends such messages: ask the provider.",
        )


def _cursor_reader(member: str | None) -> Any:  # noqa: ANN401 - a decoder of a type made here
    """Return what reads one member of a message and skips the rest."""
    if member is None:
        return None
    types: Any = msgspec.UnsetType | str | int | float
    field = ("value", types, msgspec.field(default=msgspec.UNSET, name=member))
    return msgspec.json.Decoder(msgspec.defstruct("Cursor", [field]))


def _pause(inbox: Inbox, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not inbox.stopped and time.monotonic() < until:
        time.sleep(0.05)
