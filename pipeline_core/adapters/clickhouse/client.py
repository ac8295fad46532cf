"""Send frames to ClickHouse; embedded, the engine runs in this process on a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from oddspipe.core.adapters.clickhouse.ddl import SHADOW, statements, table
from oddspipe.core.adapters.clickhouse.rows import (
    by_second,
    events,
    gathered,
    odds_history,
    shadow_odds,
    stored_kinds,
)
from oddspipe.core.errors import PluginError, RetryableError, RunError, StateError
from oddspipe.core.names import Guarantee

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from oddspipe.core.adapters.clickhouse.rows import ShadowModel
    from oddspipe.core.batch.layout import Layout
    from oddspipe.core.parts import KindPlan
    from oddspipe.core.ports.output import Output

BLOCK_ROWS = 250_000
"""Rows of an insert: one block, so one part; far below max_insert_block_size (1,048,449)."""
SESSION = {"async_insert": 0, "max_insert_threads": 1}
"""An insert is on the disk when it returns, and is one part: two threads would make two."""
ENGINE = {
    "max_server_memory_usage": 700_000_000,
    "mark_cache_size": 32 << 20,
    "index_mark_cache_size": 8 << 20,
    "primary_index_cache_size": 32 << 20,
}
"""The engine's own limits sized for a process that stays below 1 GB (defaults: 5 GB a cache)."""
AGAIN = ("MEMORY_LIMIT_EXCEEDED", "NOT_ENOUGH_SPACE", "TOO_MANY_PARTS", "No space left")
"""Faults of the engine that pass."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What of a sport is stored, and under which names."""

    sport: str
    layout: Layout
    kinds: tuple[KindPlan, ...]
    store: dict[str, str]
    plan: str
    shadow: ShadowModel | None = None


def open_embedded(folder: Path) -> Client:
    """Open the engine on `folder`, in this process.

    Raises:
        PluginError: chDB is not installed.
        StateError: Another process has the folder, or it is damaged.
    """
    try:
        import clickhouse_connect  # noqa: PLC0415  # 200 MB and 0.2 s, only for who uses it
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415
    except ImportError as error:
        raise PluginError(
            f"the embedded ClickHouse is not installed: {error}",
            hint="pip install 'oddspipe-framework[embedded]'",
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return clickhouse_connect.get_client(
            interface="chdb",
            path=os.path.realpath(folder),
            chdb_options={name: str(value) for name, value in ENGINE.items()},
            settings=dict(SESSION),
        )
    except ImportError as error:
        raise PluginError(
            f"the embedded ClickHouse is not installed: {error}",
            hint="pip install 'oddspipe-framework[embedded]'",
        ) from error
    except (ClickHouseError, OSError) as error:
        raise StateError(
            f"{folder}: the ClickHouse store cannot be opened: {_first_line(error)}",
            hint="Another run or query may have it open; else it is damaged: run without --resume.",
        ) from error


class ClickHouse:
    """Keep events, tracking by second and the history of odds.

    A table's rows carry rising numbers, and an insert is there wholly or not at all; so what a
    table has already is everything up to its largest number.

    Args:
        connect: Opens the connection: `lambda: open_embedded(folder)`.
        stored: What is stored.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EFFECTIVELY_ONCE

    def __init__(
        self, connect: Callable[[], Client], *, stored: Stored, name: str = "clickhouse"
    ) -> None:
        self.name = name
        self._connect = connect
        self._stored = stored
        self._kinds = stored_kinds(stored.kinds, stored.store)
        self._client: Client | None = None
        self._next: dict[str, int] = {}

    def open(self) -> None:
        """Connect, make the tables, find the largest number of each."""
        self.close()
        self._client = self._connect()
        shadow = self._stored.shadow is not None
        for statement in statements(self._stored.sport, self._stored.layout, shadow=shadow):
            self._ask(statement)
        whats = ("events", "tracking_by_second", "odds_history")
        for what in (*whats, SHADOW) if shadow else whats:
            name = table(self._stored.sport, what)
            found = self._ask(f"SELECT toInt64(max(number)), count() FROM {name}")  # noqa: S608  # a name of ours
            largest, rows = found[0]
            self._next[what] = int(largest) + 1 if rows else 0

    def write(self, output: Output) -> None:
        """Write and return when it is durable."""
        self.write_many((output,))

    def write_many(self, outputs: Sequence[Output]) -> None:
        """Write several outputs with one insert a table, and return when they are durable."""
        if not outputs:
            return
        stored, start = self._stored, self._next
        kept = gathered(outputs, stored.layout, self._kinds, from_number=start["events"])
        if len(kept.events):
            self._insert("events", events(kept, stored.layout, self._kinds))
        if len(kept.rollups) and kept.rollups.number[-1] >= start["tracking_by_second"]:
            number = start["tracking_by_second"]
            self._insert("tracking_by_second", by_second(kept, from_number=number))
        if len(kept.odds) and kept.odds.number[-1] >= start["odds_history"]:
            number = start["odds_history"]
            self._insert("odds_history", odds_history(kept, stored.plan, from_number=number))
        if (model := stored.shadow) is not None and len(kept.shadow):
            number = start[SHADOW]
            if kept.shadow.number[-1] >= number:
                rows = shadow_odds(kept, stored.plan, model, from_number=number)
                self._insert(SHADOW, rows)

    def refresh(self) -> None:
        """Nothing here expires."""

    def close(self) -> None:
        """Let go of the engine; may be called twice."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _insert(self, what: str, rows: pl.DataFrame) -> None:
        """Insert in blocks that end where a number ends, each one durable before the next."""
        numbers = rows["number"].to_numpy()
        start = 0
        while start < len(rows):
            stop = len(rows)
            if stop - start > BLOCK_ROWS:
                stop = int(np.searchsorted(numbers, numbers[start + BLOCK_ROWS]))
                if stop == start:  # one message of more rows than a block
                    stop = int(np.searchsorted(numbers, numbers[start], side="right"))
            self._send(table(self._stored.sport, what), rows[start:stop])
            self._next[what] = int(numbers[stop - 1]) + 1
            start = stop

    def _send(self, name: str, rows: pl.DataFrame) -> None:
        client = self._open_client()
        try:
            client.raw_insert(name, rows.columns, block_of(rows), fmt="Arrow")
        except Exception as error:
            raise _sorted(error, f"{len(rows)} rows not written to {name}") from error

    def _ask(self, sql: str) -> Sequence[Sequence[Any]]:
        client = self._open_client()
        try:
            if sql.startswith("SELECT"):
                return client.query(sql).result_rows
            client.command(sql)
        except Exception as error:
            raise _sorted(error, sql.partition("(")[0].strip()) from error
        return []

    def _open_client(self) -> Client:
        if self._client is None:
            raise StateError("clickhouse: is not open")
        return self._client


def block_of(rows: pl.DataFrame) -> bytes:
    """Return rows as one Arrow batch: one block of an insert."""
    block = BytesIO()
    rows.rechunk().write_ipc(
        block, compat_level=pl.CompatLevel.oldest(), record_batch_size=max(len(rows), 1)
    )
    return block.getvalue()


def _sorted(error: Exception, what: str) -> RunError:
    """Return our error for one of the engine."""
    said = said_of(error, what)
    return (RetryableError if any(word in str(error) for word in AGAIN) else RunError)(said)


def said_of(error: Exception, what: str) -> str:
    """Return what to say of an error of the engine; what is none of the engine's goes on."""
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415  # see above

    if not isinstance(error, ClickHouseError | OSError):
        raise error
    return f"clickhouse: {what}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
