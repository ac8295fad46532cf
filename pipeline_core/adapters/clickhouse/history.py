"""What a ClickHouse server keeps of a sport over Kafka, each round once by its token."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from oddspipe.core.adapters.clickhouse.ddl import (
    SHADOW,
    event_statements,
    history_statements,
    table,
)
from oddspipe.core.adapters.clickhouse.reading import Answer
from oddspipe.core.adapters.clickhouse.rows import (
    events,
    odds_history,
    shadow_odds,
    stored_kinds,
    tracking,
)
from oddspipe.core.adapters.clickhouse.server import Place, ServerTables
from oddspipe.core.names import Guarantee, Kind

if TYPE_CHECKING:
    from oddspipe.core.adapters.clickhouse.client import Stored
    from oddspipe.core.adapters.clickhouse.rows import ShadowModel
    from oddspipe.core.ports.output import Output


class ClickHouseHistory:
    """Write the history of odds to a server.

    Args:
        place: The server.
        sport: Whose tables.
        plan: Digest that each row names.
        name: Name of the sink.
        shadow: Whose odds they are, where they are those of a shadow; these have their own table.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EXACTLY_ONCE

    def __init__(
        self,
        place: Place,
        sport: str,
        plan: str,
        *,
        name: str = "clickhouse",
        shadow: ShadowModel | None = None,
    ) -> None:
        """Take the names; nothing is connected before `open`."""
        self.name, self._plan, self._shadow = name, plan, shadow
        self._table = table(sport, "odds_history" if shadow is None else SHADOW)
        made = history_statements(sport, shadow=shadow is not None)
        self._server = ServerTables(place, [self._table], made)

    def open(self) -> None:
        """Connect, and see that the table is there and keeps tokens; see `ServerTables.open`."""
        self._server.open()

    def write_round(self, output: Output, token: str) -> None:
        """Write the odds of an output as one block, once.

        Raises:
            RetryableError: Perhaps written, perhaps not.
        """
        rows = odds_history(output, self._plan)
        if self._shadow is not None:
            rows = shadow_odds(replace(output, shadow=output.odds), self._plan, self._shadow)
        self._server.write(self._table, rows, token)

    def ask(self, sql: str) -> Answer:
        """Answer a question; nothing can be changed by it; see `ServerTables.ask`."""
        return self._server.ask(sql)

    def close(self) -> None:
        """Let go of the connection; may be called twice."""
        self._server.close()


class ClickHouseEvents:
    """Write normalised events to a server: one by one, and tracking counted by second.

    Args:
        place: The server.
        stored: What of the sport is stored, and under which names.
        name: Name of the sink.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EXACTLY_ONCE

    def __init__(self, place: Place, stored: Stored, *, name: str = "clickhouse_events") -> None:
        """Take the names; nothing is connected before `open`."""
        self.name, self._layout = name, stored.layout
        self._raw = stored_kinds(stored.kinds, stored.store)
        self._counted = [kind.number for kind in stored.kinds if kind.like == Kind.TRACKING]
        self._events = table(stored.sport, "events")
        self._seconds = table(stored.sport, "tracking_by_second")
        self._server = ServerTables(
            place, [self._events, self._seconds], event_statements(stored.sport, stored.layout)
        )

    def open(self) -> None:
        """Connect, and see that the tables are there and keep tokens; see `ServerTables.open`."""
        self._server.open()

    def write_round(self, output: Output, token: str) -> None:
        """Write the events of an output as a block a table, each once.

        Raises:
            RetryableError: Perhaps written, perhaps not.
        """
        self._server.write(self._events, events(output, self._layout, self._raw), token)
        self._server.write(self._seconds, tracking(output, self._counted), token)

    def close(self) -> None:
        """Let go of the connection; may be called twice."""
        self._server.close()
