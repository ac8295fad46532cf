"""Be a provider that pushes over a WebSocket: subscribe, resume by cursor, nothing lost between."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.sync.server import Server, ServerConnection, serve

from oddspipe.core.adapters.provider_json import ProviderJson
from oddspipe.core.clock import Clock
from oddspipe.core.errors import RunError
from oddspipe.core.ports.source import Source

POLL_US: Final = 20_000
SUBSCRIBE_S: Final = 10.0
AT_ONCE: Final = 500
LOOK_S: Final = 0.25
"""How often a subscriber's thread looks whether it is still there."""
POLICY: Final = 1008
KEPT: Final = 2_000_000
"""Messages that a subscriber can still go back to."""


class PushServer:
    """Pushes what a source makes to every subscriber, each from its own cursor on.

    Args:
        host, port: Where it listens; port 0 takes a free one.
        provider: Makes messages of events.
        cursor: Member that holds the cursor, a number that rises by one; None: no resuming.
        subscribe: What a subscriber's first message must hold; None: it need not send one.
        time_member: Member that holds the event time, which is moved to now; None: it stays.

    Attributes:
        sent: Messages made so far.
        url: Where it listens, once it does.
    """

    def __init__(  # noqa: PLR0913 - what a provider is
        self,
        provider: ProviderJson,
        *,
        host: str,
        port: int,
        cursor: str | None,
        subscribe: Mapping[str, Any] | None,
        time_member: str | None,
        clock: Clock,
    ) -> None:
        """Take what to push; nothing listens before `serve`."""
        self.sent = 0
        self.url = ""
        self._place = (host, port)
        self._provider = provider
        self._cursor = cursor
        self._subscribe = subscribe
        self._time = time_member
        self._clock = clock
        self._changed = threading.Condition()
        self._messages: list[bytes] = []
        # Cursors of a server that is started again lie above those of the one before.
        self._first = self._gone = clock.now_us() // 1000
        self._server: Server | None = None
        self._stopping = False

    @property
    def place(self) -> str:
        """Return where it is served."""
        return self.url

    @property
    def _end(self) -> int:
        """Return the cursor of the newest message."""
        return self._first + self.sent

    def stop(self) -> None:
        """Stop listening, and leave every subscriber."""
        self._stopping = True
        if self._server is not None:
            self._server.shutdown()

    def start(self) -> None:
        """Listen; subscribers wait for what `make` brings.

        Raises:
            RunError: The port is taken.
        """
        self._stopping = False
        host, port = self._place
        try:
            server = serve(self._serve_one, host, port, ping_interval=5, compression=None)
        except OSError as error:
            raise RunError(
                f"ws://{host}:{port} cannot be listened on: {error.strerror}",
                hint="Another feed is served there; choose another port in feed.url.",
            ) from error
        self.url = f"ws://{host}:{server.socket.getsockname()[1]}"
        threading.Thread(target=server.serve_forever, name="push", daemon=True).start()
        self._server = server

    def make(self, source: Source, stopped: Callable[[], bool]) -> None:
        """Make messages until the source ends or somebody has `stopped` it."""
        offset: int | None = None
        source.open(0)
        try:
            while not stopped() and (payloads := source.poll(POLL_US)) is not None:
                made = self._provider.messages(payloads)
                for message in made:
                    if self._time in message:
                        if offset is None:
                            offset = self._clock.now_us() - message[self._time]
                        message[self._time] += offset
                self._add(made)
        finally:
            source.close()

    def _add(self, made: list[dict[str, Any]]) -> None:
        with self._changed:
            for message in made:
                self.sent += 1
                if self._cursor is not None:
                    message[self._cursor] = self._end
                self._messages.append(self._provider.encode(message))
            extra = len(self._messages) - KEPT
            if extra > 0:
                del self._messages[:extra]
                self._gone += extra
            self._changed.notify_all()

    def _serve_one(self, connection: ServerConnection) -> None:
        try:
            at = self._subscribed(connection)
            if at is not None:
                self._push(connection, at)
        except ConnectionClosed:
            return

    def _subscribed(self, connection: ServerConnection) -> int | None:
        """Return the cursor up to which the subscriber has all; None if it may have none.

        Who comes with a cursor of an earlier server gets what this one has.
        """
        if self._subscribe is None:
            return self._gone
        try:
            words = msgspec.json.decode(connection.recv(SUBSCRIBE_S))
        except (TimeoutError, msgspec.DecodeError):
            connection.close(POLICY, "subscribe first")
            return None
        wrong = not isinstance(words, dict) or any(
            words.get(name) != value for name, value in self._subscribe.items()
        )
        at = words.get(self._cursor, self._gone) if not wrong and self._cursor else self._gone
        if isinstance(at, int) and at < self._first:
            at = self._gone
        if wrong or not isinstance(at, int) or not self._gone <= at <= self._end:
            connection.close(POLICY, "no such subscription, or the cursor is not kept any more")
            return None
        return at

    def _push(self, connection: ServerConnection, at: int) -> None:
        while True:
            with self._changed:
                while self._end <= at:
                    self._changed.wait(LOOK_S)
                    if self._stopping or connection.protocol.state is not State.OPEN:
                        return
                first = at - self._gone
                part = self._messages[first : first + AT_ONCE] if first >= 0 else []
            if first < 0:
                connection.close(POLICY, "too slow: the messages are gone")
                return
            for message in part:
                connection.send(message, text=True)
            at += len(part)
