"""ClickHouse's engine (chDB) behind ClickHouse's HTTP interface: a server for one machine.

It takes what clients of that interface send: statements in the body or in `query=`, rows of an
insert in the body, settings and parameters in the address, `/ping`. It knows no users, and listens
on this machine only.

    python -m oddspipe.core.services.clickhouse_http FOLDER PORT
"""

import contextlib
import gzip
import re
import signal
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame  # type: ignore[import-untyped]
from typing_extensions import override

FORMAT: Final = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
HEAD: Final = re.compile(rb"\s*INSERT\b[^']*?\sFORMAT\s+\w+[ \t]*\r?\n", re.IGNORECASE)
"""A statement that its rows follow, all in the body."""
INSERT: Final = re.compile(r"^\s*INSERT\b", re.IGNORECASE)
CODE: Final = re.compile(r"Code: (\d+)")
NAME: Final = re.compile(r"^\w+$")
UNPACKED: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
}
"""How bodies come."""
OF_TRANSPORT: Final = frozenset(
    {
        *("query", "query_id", "session_id", "session_timeout", "session_check", "quota_key"),
        *("compress", "decompress", "wait_end_of_query", "client_protocol_version", "role"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "buffer_size"),
        *("enable_http_compression", "database", "default_format", "user", "password"),
    }
)
"""Words of an address that say nothing to the engine."""


class Engine:
    """The engine on one folder; each request has a session of its own.

    Args:
        folder: Where its tables lie.
    """

    def __init__(self, folder: Path) -> None:
        """Open the engine."""
        self._place = str(folder.resolve())
        connect: Callable[[str], Any] = chdb.connect
        self._connect = connect
        self._kept = connect(self._place)  # the engine lives while one connection does

    def answer(self, words: Mapping[str, str], sql: str, rows: bytes) -> tuple[bytes, str]:
        """Run a statement and return what it gives, and in which format.

        Args:
            words: Words of the address.
            sql: The statement.
            rows: Rows to insert.
        """
        session = self._connect(self._place)
        try:
            if database := words.get("database"):
                session.query(f"USE {_name(database)}")
            for name, value in words.items():
                if name not in OF_TRANSPORT and not name.startswith("param_"):
                    session.query(f"SET {_name(name)} = {_quoted(value)}")
            given = {
                name.removeprefix("param_"): value
                for name, value in words.items()
                if name.startswith("param_")
            }
            if rows and INSERT.match(sql):
                return _inserted(session, sql, rows), "TabSeparated"
            named = FORMAT.search(sql)
            form = named[1] if named else words.get("default_format", "TabSeparated")
            sql = sql[: named.start()] if named else sql
            return session.query(sql, form, params=given or None).bytes() or b"", form
        finally:
            session.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._kept.close()


def _inserted(session: Any, sql: str, rows: bytes) -> bytes:  # noqa: ANN401 - chDB has no types
    named = FORMAT.search(sql)
    head, form = (sql[: named.start()], named[1]) if named else (sql, "Values")
    with tempfile.NamedTemporaryFile() as file:
        file.write(rows)
        file.flush()
        made = session.query(f"{head} FROM INFILE {_quoted(file.name)} FORMAT {form}")
        return bytes(made.bytes() or b"")


def _name(word: str) -> str:
    if not NAME.match(word):
        raise ValueError(f"Code: 62. DB::Exception: {word!r} is no name. (SYNTAX_ERROR)")
    return word


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        """Answer a question, or say that the server is there."""
        self._serve(b"")

    def do_POST(self) -> None:
        """Answer a statement."""
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        size = int(self.headers.get("Content-Length") or 0)
        body = self._chunks() if chunked else self.rfile.read(size)
        packed = self.headers.get("Content-Encoding", "identity")
        if packed not in UNPACKED:
            told = f"Code: 48. DB::Exception: Content-Encoding {packed}. (NOT_IMPLEMENTED)\n"
            return self._reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told.encode(), {})
        return self._serve(UNPACKED[packed](body))

    def _chunks(self) -> bytes:
        found = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(found)

    def _serve(self, body: bytes) -> None:
        place = urlsplit(self.path)
        if place.path in {"/ping", "/replicas_status"}:
            return self._reply(HTTPStatus.OK, b"Ok.\n", {})
        words = dict(parse_qsl(place.query, keep_blank_values=True))
        sql = words.get("query", "")
        if not sql:
            head = HEAD.match(body)
            stop = head.end() if head else len(body)
            sql, body = body[:stop].decode(errors="replace"), body[stop:]
        elif body and not INSERT.match(sql):
            sql, body = f"{sql}\n{body.decode(errors='replace')}", b""
        try:
            content, form = self.engine.answer(words, sql, body)
        except Exception as error:  # noqa: BLE001 - told to the client, as the server does
            found = CODE.search(text := str(error))
            code = found[1] if found else "1002"
            told = {"X-ClickHouse-Exception-Code": code}
            return self._reply(HTTPStatus.INTERNAL_SERVER_ERROR, text.encode() + b"\n", told)
        return self._reply(HTTPStatus.OK, content, {"X-ClickHouse-Format": form})

    def _reply(self, status: HTTPStatus, content: bytes, told: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


def main(folder: str, port: str) -> None:
    """Serve until a signal comes."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    Handler.engine = Engine(Path(folder))
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.daemon_threads = True

    def end(_signal: int, _frame: object) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    Handler.engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
