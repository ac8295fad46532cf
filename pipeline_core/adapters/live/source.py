"""A live feed as an input that can be read again: what is received goes through a spool on disk."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from oddspipe.core.adapters.live.spool import Block, Spool
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.batch.layout import EVENT_TIME, INGEST_TIME, KIND
from oddspipe.core.clock import Clock
from oddspipe.core.errors import RunError, SpecError
from oddspipe.core.names import Kind
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.receiver import Receiver
from oddspipe.core.stages.messages import JsonMessages
from oddspipe.core.stages.raw import as_ours

TICK_US: Final = 1_000_000
"""When nothing arrives for so long, a tick says that time passed."""
ROOM_S: Final = 0.05
CLOSE_S: Final = 10.0
SAID: Final = 64
"""Changes of the connection that wait to be told; older ones are let go."""
FULL: Final = "the spool is full; the provider waits"


class LiveSource:
    """Reads what a receiver has spooled; the same position gives the same payloads again.

    Args:
        plan: What runs.
        receiver: Receives the feed.
        spool: Where it goes first.
        kept: Returns the position from which a restart would read: what lies before may go.
        raw: Give the messages as they came, for a raw topic, and not as events.
    """

    finite: Final = False

    def __init__(  # noqa: PLR0913 - what it stands between
        self,
        plan: Plan,
        receiver: Receiver,
        spool: Spool,
        kept: Callable[[], int],
        clock: Clock,
        *,
        raw: bool = False,
    ) -> None:
        """Compile the mapping.

        Raises:
            RunError: The feed's mapping has a fault.
        """
        self.name = receiver.name
        self._words = ""
        self._said: deque[str] = deque(maxlen=SAID)
        self._receiver = receiver
        self._spool = spool
        self._kept = kept
        self._clock = clock
        self._position = 0
        self._stopped = threading.Event()
        self._writing = threading.Lock()  # ticks come from the thread that polls
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._receive, name=receiver.name, daemon=True)
        self._last_us = self._message_us = clock.now_us()
        self._messages_end = spool.end
        self._reached = not receiver.tells
        self._encoder = Encoder(plan.layout)
        self._columns = len(plan.layout)
        self._raw = raw
        self._messages = messages_of(plan)

    # What the runner asks for.

    def open(self, position: int, token: bytes = b"") -> None:  # noqa: ARG002 - the port's
        """Go to `position` and begin to receive.

        Raises:
            RunError: What lies there is gone, or was never received.
        """
        if not self._spool.first <= position <= self._spool.end:
            raise RunError(
                f"the spool holds messages {self._spool.first} to {self._spool.end}, the state "
                f"goes on at {position}",
                hint="Spool and state belong together: restore both, or begin anew with --fresh.",
            )
        self._position = position
        self._thread.start()

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what was received together; ticks while nothing comes.

        Raises:
            RunError: The feed cannot be received any more; all before it was returned.
        """
        if self._stopped.is_set():
            return _none()
        block = self._spool.read(self._position, timeout_us / 1e6)
        if block is None:
            if self._error is not None:
                raise self._error
            self._tick()
            return _none()
        self._position = block.first + len(block.starts)
        return self._payloads(block)

    def acknowledge(self, position: int) -> None:
        """Remove what no restart reads again, once it fills a segment."""
        if position - self._spool.first > 0:
            self._spool.trim(min(position, self._kept()))

    def total(self) -> int | None:
        """Return None: a live feed does not say how long it is."""
        return None

    def close(self) -> None:
        """Stop receiving; may be called twice."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        self._spool.close()

    def idle_us(self) -> int:
        """Return for how long no message has come.

        0 while some that came are still to be read, and before a provider was reached of which
        that can be told.
        """
        if self._position < self._messages_end or not self._reached:
            return 0
        return self._clock.now_us() - self._message_us

    def said(self) -> Iterator[str]:
        """Yield what became of the connection since the last call; empty: it stands again."""
        while self._said:
            yield self._said.popleft()

    @property
    def words(self) -> str:
        """Return what is wrong with the connection; empty while it stands."""
        return self._words

    @property
    def spool_bytes(self) -> int:
        """Return the bytes in the spool."""
        return self._spool.size

    @property
    def limit_bytes(self) -> int:
        """Return the bytes at which the provider has to wait."""
        return self._spool.limit_bytes

    def _say(self, words: str) -> None:
        if words != self._words:
            self._words = words
            self._said.append(words)

    # What the receiver asks for.

    @property
    def cursor(self) -> bytes:
        """Return the provider's cursor after the last message that is durable."""
        return self._spool.cursor

    @property
    def stopped(self) -> bool:
        """Whether the receiver is to return."""
        return self._stopped.is_set()

    def trouble(self, words: str) -> None:
        """Take note of what is wrong with the connection, or that it stands."""
        if not words and not self._reached:
            self._reached, self._message_us = True, self._clock.now_us()
        self._say(words)

    def take(self, messages: Sequence[bytes], cursor: bytes) -> bool:
        """Spool messages; while the spool is full the provider waits, and nothing is dropped."""
        while not self._spool.has_room():
            self._say(FULL)
            if self._stopped.wait(ROOM_S):
                return False
        if self._words == FULL:
            self._say("")
        with self._writing:
            self._last_us = self._message_us = self._clock.now_us()
            self._spool.append(messages, self._last_us, cursor)
            self._messages_end = self._spool.end
        return True

    def _receive(self) -> None:
        try:
            self._receiver.receive(self)
        except BaseException as error:  # noqa: BLE001 - raised again by `poll`
            self._error = error

    def _tick(self) -> None:
        """Say that time passed, as an event of the input like any other."""
        now = self._clock.now_us()
        if now - self._last_us < TICK_US or not self._spool.has_room():
            return
        self._last_us = now
        words = np.zeros((self._columns, 1), np.int64)
        words[KIND], words[EVENT_TIME], words[INGEST_TIME] = Kind.TICK, now, now
        bits = np.uint64(1 << KIND | 1 << EVENT_TIME | 1 << INGEST_TIME)
        data, starts, ends = self._encoder.encode(words, np.array([bits]), {})
        tick = data[starts[0] : ends[0]].tobytes()
        with self._writing:
            self._spool.append([tick], now, self._spool.cursor, own=True)

    def _payloads(self, block: Block) -> Payloads:
        count = len(block.starts)
        given = Payloads(
            block.data,
            block.starts,
            block.ends,
            block.received_us,
            np.arange(block.first, block.first + count, dtype=np.int64),
            arrived_ns=self._clock.monotonic_ns(),
            token=block.cursor if self._raw else b"",
        )
        if self._raw:
            return _marked(given) if block.own else given
        if block.own or self._messages is None:
            return given
        return replace(self._messages.events(given), arrived_ns=given.arrived_ns)


def messages_of(plan: Plan) -> JsonMessages | None:
    """Return what reads the provider's messages; None where they are events already.

    Raises:
        RunError: The feed's mapping has a fault.
    """
    if plan.feed.format == "event":
        return None
    try:
        return JsonMessages.of_feed(
            plan.feed, plan.layout, plan.kinds,
            schema_version=plan.schema_version, max_payload_bytes=plan.max_payload_bytes,
        )  # fmt: skip
    except SpecError as error:
        raise RunError(f"{plan.sport}: {error.message}", hint=error.hint) from error


def _marked(given: Payloads) -> Payloads:
    """Return our own events as they stand in a raw topic."""
    texts = [as_ours(given.bytes_at(row)) for row in range(len(given))]
    made = Payloads.of(texts, ingest_us=given.ingest_us)
    return replace(given, data=made.data, starts=made.starts, ends=made.ends)


def _none() -> Payloads:
    return Payloads.of([], ingest_us=np.empty(0, np.int64), first_position=0)
