"""The proxy itself: what it is asked for is what the two ends see."""

import socket
import threading
import time

import pytest
from tests.integration.tcp_proxy import TcpProxy

pytestmark = pytest.mark.integration


@pytest.fixture
def echo():
    """Return the port of a server that sends back what it gets, and what it got in all."""
    got = bytearray()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection:
            try:
                while piece := connection.recv(1 << 16):
                    got.extend(piece)
                    connection.sendall(piece)
            except OSError:
                return

    def take():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    taking = threading.Thread(target=take)
    taking.start()
    yield listening.getsockname()[1], got
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    taking.join()


def connected(proxy):
    made = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    made.settimeout(10)
    return made


def echoed(client, text):
    client.sendall(text)
    found = b""
    while len(found) < len(text) and (piece := client.recv(1 << 16)):
        found += piece
    return found


def drained(client):
    while client.recv(1 << 16):
        pass


def test_bytes_go_through_as_they_are(echo):
    with TcpProxy(echo[0]) as proxy, connected(proxy) as client:
        text = bytes(range(256)) * 4000
        assert echoed(client, text) == text
        assert proxy.passed == {"up": len(text), "down": len(text)}


def test_a_cut_is_seen_and_a_refusal_ends_with_accept(echo):
    with TcpProxy(echo[0]) as proxy:
        with connected(proxy) as client:
            assert echoed(client, b"one") == b"one"
            proxy.refuse()
            assert echoed(client, b"two") == b"two"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connected(proxy)
        proxy.accept()
        with connected(proxy) as client:
            assert echoed(client, b"three") == b"three"
        assert (proxy.links, proxy.cuts) == (2, 1)


def test_a_black_hole_takes_all_and_gives_it_later(echo):
    with TcpProxy(echo[0]) as proxy, connected(proxy) as client:
        proxy.stall()
        client.sendall(b"held")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(4)
        with connected(proxy) as other:  # taken, and told nothing
            other.settimeout(0.1)
            with pytest.raises(TimeoutError):
                other.recv(1)
        assert echo[1] == b""
        proxy.flow()
        client.settimeout(10)
        assert client.recv(4) == b"held"


def test_a_slow_link_delays_and_throttles(echo):
    with TcpProxy(echo[0]) as proxy, connected(proxy) as client:
        proxy.delay_s = 0.1
        begun = time.monotonic()
        assert echoed(client, b"x") == b"x"
        assert time.monotonic() - begun >= 0.2
        proxy.delay_s, proxy.bytes_per_s = 0.0, 100_000
        begun = time.monotonic()
        assert echoed(client, b"x" * 50_000) == b"x" * 50_000
        assert time.monotonic() - begun >= 0.5


def test_a_cut_after_a_number_of_bytes_lets_exactly_those_through(echo):
    with TcpProxy(echo[0]) as proxy, connected(proxy) as client:
        assert echoed(client, b"first") == b"first"
        proxy.cut_after(3)
        client.sendall(b"second")
        with pytest.raises(ConnectionResetError):
            drained(client)
    deadline = time.monotonic() + 5
    while echo[1] != b"firstsec" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert echo[1] == b"firstsec"
