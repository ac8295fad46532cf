"""Serve `/metrics`, `/health` and `/ready` of one run over HTTP, in threads of their own."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry
from typing_extensions import override

from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.telemetry.collect import RunCollector
from oddspipe.core.telemetry.readings import Reading

OK: Final = 200
UNAVAILABLE: Final = 503
ANSWER_S: Final = 10.0


class Telemetry:
    """The HTTP endpoint of a run.

    Args:
        listen: Where, as HOST:PORT; port 0 takes a free one.
        collector: What `/metrics` shows.
        read: What `/health` and `/ready` look at.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, listen: str, collector: RunCollector, read: Callable[[], Reading]) -> None:
        """Begin to serve.

        Raises:
            UsageError: The address is none.
            RunError: It cannot be listened on.
        """
        host, port = address_of(listen)
        registry = CollectorRegistry()
        registry.register(collector)
        try:
            self._server = _Server((host, port), _handler(registry, read))
        except OSError as error:
            raise RunError(
                f"--listen {listen}: cannot be listened on: {error.strerror or error}",
                hint="Another run may serve there: choose another port, or 0 for a free one.",
            ) from error
        self.url = f"http://{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def address_of(listen: str) -> tuple[str, int]:
    """Return host and port.

    >>> address_of("127.0.0.1:9464"), address_of(":9464")
    (('127.0.0.1', 9464), ('127.0.0.1', 9464))

    Raises:
        UsageError: It is no address.
    """
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"--listen {listen!r}: no address", hint="Write it as 127.0.0.1:9464.")
    return host or "127.0.0.1", int(port)


def states(reading: Reading) -> dict[str, Any]:
    """Return what probes are told: names of states and reasons, nothing of the games.

    A sink that is down is a reason, not a state: the run holds and goes on, and to start it anew
    would help nothing.
    """
    return {
        "state": "stuck" if reading.stuck else reading.phase,
        "ready": reading.ready,
        "partitions": len(reading.committed),
        "reasons": reading.troubles,
    }


def _handler(
    registry: CollectorRegistry, read: Callable[[], Reading]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = ANSWER_S

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path in {"/health", "/ready"}:
                reading = read()
                good = reading.healthy if path == "/health" else reading.ready
                body = json.dumps(states(reading)).encode() + b"\n"
                self._answer(OK if good else UNAVAILABLE, "application/json", body)
            else:
                self._answer(404, "text/plain", b"/metrics, /health or /ready\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, *_words: object) -> None:
            """Say nothing: a probe a second is no news."""

    return Handler
