"""A TCP proxy for the faults of a network: cut, refuse, stall, delay, throttle, cut inside a frame.

It stands between the program and a real server. Its loop runs in a thread of its own; what a test
asks for holds for connections that stand as well as for those to come.
"""

import asyncio
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

PIECE = 16 << 10
"""Read at once: small enough that a throttled link gives way evenly."""
WAITING = 64
"""Pieces that may be on their way in one direction: a link holds no more than 1 MB."""


class Cut(Exception):  # noqa: N818 - no error: it was asked for
    """Both ends of a link are to be cut."""


@dataclass(eq=False)
class Link:
    """One connection of a client, and the one to the server that was made for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    facts: dict[Any, Any] = field(default_factory=dict)

    def abort(self) -> None:
        """Reset the client; the server still gets what was passed, then the end."""
        client: socket.socket = self.client.get_extra_info("socket")
        with suppress(OSError):  # it may be closed already
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for one in (self.client, self.server):
            one.transport.abort()


class TcpProxy:
    """Pass bytes between clients and a server on this machine.

    Attributes:
        port: Where it listens; the same after `refuse` and `accept`.
        delay_s: Every byte arrives so much later.
        bytes_per_s: What one direction of a connection carries; None: as it comes.
        links, cuts: Connections that were made, and that were cut by us.
        passed: Bytes to the server (`up`) and from it (`down`).
    """

    def __init__(self, target: int) -> None:
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.links = self.cuts = 0
        self.passed: Counter[str] = Counter()
        self._target = target
        self._cut_at: int | None = None
        self._open: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.flow()
        self.cut()
        self._asked(self._ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # What a test asks for.

    def cut(self) -> None:
        """Cut every connection that stands."""
        self._asked(self._cut_all())

    def cut_after(self, count: int) -> None:
        """Cut everything once so many more bytes have gone to the server, wherever that is."""
        self._cut_at = self.passed["up"] + count

    def refuse(self) -> None:
        """Listen no more: who connects is refused. What stands goes on."""
        self._asked(self._closed())

    def accept(self) -> None:
        """Listen on the same port as before."""
        self._asked(self._listening())

    def stall(self) -> None:
        """Be a black hole: take connections and bytes, pass none, tell nobody."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def flow(self) -> None:
        """Pass on what was held, in order, and what comes."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    # In the loop.

    def _asked(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listening(self) -> None:
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _closed(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut_all(self) -> None:
        self.cuts += len(self._open)
        for link in self._open:
            link.abort()

    async def _ended(self) -> None:
        tasks = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _taken(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            back, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            client.transport.abort()
            return
        link = Link(client, server)
        self._open.add(link)
        self.links += 1
        ways = [
            asyncio.create_task(self._way(link, reader, server, "up")),
            asyncio.create_task(self._way(link, back, client, "down")),
        ]
        try:
            # The end of one direction ends both: no protocol of ours closes half of a connection.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(link)
            for one in ways:
                one.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            link.abort()

    async def _way(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        """Pass one direction on, each piece when it is due."""
        queue: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(WAITING)
        reading = asyncio.create_task(self._read(reader, queue))
        try:
            while (given := await queue.get()) is not None:
                due, piece = given
                if (left := due - self._loop.time()) > 0:
                    await asyncio.sleep(left)
                if self.bytes_per_s:
                    await asyncio.sleep(len(piece) / self.bytes_per_s)
                await self._flowing.wait()
                for part in self._parts(link, piece, way):
                    await self._pass(writer, part, way)
        except Cut:
            self.cuts += 1
            link.abort()
        except OSError:
            link.abort()
        finally:
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader, queue: "asyncio.Queue[Any]") -> None:
        try:
            async for piece in self._pieces(reader):
                await queue.put((self._loop.time() + self.delay_s, piece))
        except (OSError, asyncio.IncompleteReadError):
            pass  # an end like any other
        await queue.put(None)

    async def _pass(self, writer: asyncio.StreamWriter, part: bytes, way: str) -> None:
        if way == "up" and self._cut_at is not None:
            left = self._cut_at - self.passed["up"]
            if left <= len(part):
                self._cut_at = None
                writer.write(part[:left])
                await writer.drain()
                self.passed[way] += left
                await self._cut_all()
                return
        writer.write(part)
        await writer.drain()
        self.passed[way] += len(part)

    # What a protocol knows better.

    async def _pieces(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Yield what is passed on together."""
        while piece := await reader.read(PIECE):
            yield piece

    def _parts(self, link: Link, piece: bytes, way: str) -> list[bytes]:  # noqa: ARG002 - see below
        """Return what is passed of a piece.

        Raises:
            Cut: The link ends here.
        """
        return [piece]


PRODUCE, ADD_OFFSETS, END_TXN, TXN_OFFSETS = 0, 25, 26, 28
"""Numbers of requests in Kafka's protocol."""


class Strike:
    """One fault at the next request of a kind.

    Attributes:
        place: `inside`: half of the request goes through; `answer`: it is done, and its answer is
            lost with the connection.
        then: Called, in the loop, when it has struck.
    """

    def __init__(self, api: int, place: str, then: Callable[[], None]) -> None:
        self.api, self.place, self.then = api, place, then
        self.struck = threading.Event()

    def done(self) -> None:
        self.then()
        self.struck.set()


class KafkaProxy(TcpProxy):
    """Stand before a broker of one node, and know where its frames begin.

    The address that the broker tells its clients is replaced by ours, of the same length; so one
    broker serves clients behind a proxy and others beside it at the same time.

    Attributes:
        answered: Requests that were answered, by their number.
    """

    def __init__(self, brokers: str) -> None:
        host, _, port = brokers.rpartition(":")
        super().__init__(int(port))
        self.answered: Counter[int] = Counter()
        self._host = host.encode()
        self._strikes: list[Strike] = []

    @property
    def brokers(self) -> str:
        """Return the address for clients."""
        return f"{self._host.decode()}:{self.port}"

    def strike(self, api: int, place: str, then: Callable[[], None] = lambda: None) -> Strike:
        """Strike at the next request of a kind."""
        strike = Strike(api, place, then)
        self._loop.call_soon_threadsafe(self._strikes.append, strike)
        return strike

    def answers(self, api: int, more: int, within_s: float = 40.0) -> bool:
        """Wait for so many more answers to requests of a kind; say whether they came."""
        wanted, ends = self.answered[api] + more, time.monotonic() + within_s
        while self.answered[api] < wanted and time.monotonic() < ends:
            time.sleep(0.02)
        return self.answered[api] >= wanted

    def hole(self) -> None:
        """Stall from within the loop: for `then`."""
        self._flowing.clear()

    async def _pieces(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        while True:
            head = await reader.readexactly(4)
            yield head + await reader.readexactly(struct.unpack(">i", head)[0])

    def _parts(self, link: Link, piece: bytes, way: str) -> list[bytes]:
        return self._up(link, piece) if way == "up" else self._down(link, piece)

    def _up(self, link: Link, frame: bytes) -> list[bytes]:
        api, number = struct.unpack_from(">h2xi", frame, 4)
        strike = next((one for one in self._strikes if one.api == api), None)
        if strike is None:
            link.facts[number] = api, None
            return [frame]
        self._strikes.remove(strike)
        if strike.place == "answer":
            link.facts[number] = api, strike
            return [frame]
        link.server.write(frame[: len(frame) // 2])
        strike.done()
        raise Cut

    def _down(self, link: Link, frame: bytes) -> list[bytes]:
        api, strike = link.facts.pop(struct.unpack_from(">i", frame, 4)[0], (-1, None))
        if strike is not None:
            strike.done()
            raise Cut
        self.answered[api] += 1
        told, ours = (self._host + struct.pack(">i", one) for one in (self._target, self.port))
        return [frame.replace(told, ours)]
