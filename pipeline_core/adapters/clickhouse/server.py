"""Tables on a ClickHouse server that take blocks, each once by its token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from oddspipe.core.adapters.clickhouse.client import SESSION, block_of, said_of
from oddspipe.core.adapters.clickhouse.ddl import WINDOW
from oddspipe.core.adapters.clickhouse.reading import Answer
from oddspipe.core.errors import PluginError, RetryableError, StateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from clickhouse_connect.driver.client import Client

ANSWER_S: Final = 30
CONNECT_S: Final = 5
OURS_TO_MEND: Final = (
    *("UNKNOWN_TABLE", "UNKNOWN_DATABASE", "NO_SUCH_COLUMN_IN_TABLE", "TYPE_MISMATCH"),
    *("AUTHENTICATION_FAILED", "ACCESS_DENIED", "UNKNOWN_USER", "CANNOT_PARSE"),
)
"""Faults that waiting does not mend; they are told, and tried again all the same: someone may."""


@dataclass(frozen=True, slots=True)
class Place:
    """A database on a server.

    Attributes:
        url: Address of the server's HTTP interface.
        database: Made if it is missing.
        login: Name and password; none for the default user.
    """

    url: str
    database: str
    login: tuple[str, str] | None = field(default=None, repr=False)


class ServerTables:
    """Write blocks to tables of a server.

    A block is one part, there wholly or not at all; a server that has seen its token in the last
    `WINDOW` blocks of the table passes over it. Where the outcome of an insert is unknown, the same
    block is sent again with the same token.

    Tables that are missing are made without an end of their rows: those of games long past,
    replayed or made up, would be dropped as they come. Those that `render-infra` writes have one.

    Args:
        place: Where the server is.
        tables: Names of the tables that are written.
        statements: Make what is missing.
    """

    def __init__(self, place: Place, tables: Sequence[str], statements: Sequence[str]) -> None:
        """Take the names; nothing is connected before `open`."""
        self._place, self._tables, self._statements = place, tables, statements
        self._client: Client | None = None

    def open(self) -> None:
        """Connect, make the tables, and see that they keep tokens.

        Raises:
            PluginError: The client is not installed.
            RetryableError: The server does not answer.
            StateError: A table is there and does not keep tokens.
        """
        self.close()
        self._client = self._opened()

    def write(self, name: str, rows: pl.DataFrame, token: str) -> None:
        """Write rows as one block, once; nothing where there are none.

        Raises:
            RetryableError: Perhaps written, perhaps not.
        """
        if not len(rows):
            return
        client = self._client = self._client or self._opened()
        settings = {"insert_deduplication_token": token}
        try:
            client.raw_insert(name, rows.columns, block_of(rows), fmt="Arrow", settings=settings)
        except Exception as error:
            self.close()
            raise _told(error, f"{len(rows)} rows not written to {name}") from error

    def ask(self, sql: str) -> Answer:
        """Answer a question; nothing can be changed by it.

        Raises:
            RetryableError: The server does not answer.
            UsageError: It refuses the question.
        """
        client = self._connected()
        try:
            client.database = self._place.database
            # 2, not 1: settings that travel with every question are allowed.
            found = client.query(sql, settings={"readonly": 2})
        except Exception as error:
            from clickhouse_connect.driver.exceptions import DatabaseError  # noqa: PLC0415

            if not isinstance(error, DatabaseError):
                raise _told(error, self._place.url) from error
            raise UsageError(said_of(error, self._place.url)) from error
        else:
            return found.column_names, found.result_rows
        finally:
            client.close()

    def close(self) -> None:
        """Let go of the connection; may be called twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> Client:
        """Return a connection to a server whose history keeps tokens."""
        client = self._connected()
        try:
            self._prepare(client)
        except BaseException:
            client.close()
            raise
        return client

    def _prepare(self, client: Client) -> None:
        """Make the tables where they are missing, and see that they keep tokens."""
        try:
            made = [self._engine(client, name) for name in self._tables]
            if not all(made):
                client.command(f"CREATE DATABASE IF NOT EXISTS {self._place.database}")
                client.database = self._place.database
                for statement in self._statements:
                    client.command(statement)
                made = [self._engine(client, name) for name in self._tables]
            client.database = self._place.database
        except Exception as error:
            raise _told(error, self._place.url) from error
        for name, engine in zip(self._tables, made, strict=True):
            if "deduplication_window" not in engine and "Replicated" not in engine:
                where = f"{self._place.database}.{name}"
                raise StateError(
                    f"clickhouse: {where} does not remember tokens: what is sent twice would stand "
                    "there twice",
                    hint=f"ALTER TABLE {where} MODIFY SETTING "
                    f"non_replicated_deduplication_window = {WINDOW}",
                )

    def _engine(self, client: Client, name: str) -> str:
        """Return how a table was made; empty where it is not there: a login may not make it."""
        found = client.query(
            "SELECT engine_full FROM system.tables "
            "WHERE database = {database:String} AND name = {name:String}",
            parameters={"database": self._place.database, "name": name},
        ).result_rows
        return str(found[0][0]) if found else ""

    def _connected(self) -> Client:
        try:
            import clickhouse_connect  # noqa: PLC0415 - 0.2 s, only for who uses it
        except ImportError as error:
            raise PluginError(
                f"the client of ClickHouse is not installed: {error}",
                hint="pip install 'oddspipe-framework[embedded]'",
            ) from error
        username, password = self._place.login or ("default", "")
        try:
            return clickhouse_connect.get_client(
                dsn=self._place.url,
                username=username,
                password=password,
                settings=dict(SESSION),
                connect_timeout=CONNECT_S,
                send_receive_timeout=ANSWER_S,
                autogenerate_session_id=False,
            )
        except Exception as error:
            raise _told(error, self._place.url) from error


def _told(error: Exception, what: str) -> RetryableError:
    """Return our error for one of the client or server; all are tried again."""
    lasting = any(word in str(error) for word in OURS_TO_MEND)
    hint = "It does not pass by itself: mend the server or its login." if lasting else ""
    return RetryableError(said_of(error, what), hint=hint)
