"""Read what a run has kept in the embedded ClickHouse."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oddspipe.core.adapters.clickhouse.client import open_embedded
from oddspipe.core.errors import StateError, UsageError

Answer = tuple[Sequence[str], Sequence[Sequence[Any]]]
"""Names of columns, and rows."""


def query(folder: Path, sql: str, parameters: dict[str, Any] | None = None) -> Answer:
    """Ask the store in `folder`; nothing in it can be changed.

    Raises:
        StateError: There is no store, or a run has it open.
        UsageError: The engine refuses the question.
    """
    if not (folder / "store").is_dir():
        raise StateError(
            f"{folder}: there is no ClickHouse store",
            hint="Run a sport with its clickhouse sink first.",
        )
    client = open_embedded(folder)
    try:
        client.command("SET readonly = 2")
        found = client.query(sql, parameters=parameters)
    except Exception as error:
        from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 # 0.2 s

        if not isinstance(error, ClickHouseError):
            raise
        raise UsageError(f"clickhouse: {str(error).splitlines()[0][:500]}") from error
    else:
        return found.column_names, found.result_rows
    finally:
        client.close()


def latest_odds(folder: Path, sport: str, game: str | None) -> Answer:
    """Return the latest odds of all games of a sport, or of one.

    Raises:
        StateError: There is no store, it is in use, or it has no odds of this sport.
    """
    if not sport.replace("_", "").isalnum():
        raise UsageError(f"{sport!r} is not the name of a sport")
    columns = (
        "game_id AS game, home_score AS home, away_score AS away, scope, market, line, side, "
        "p_fair AS fair, p_low AS low, p_high AS high, p_booked AS booked, decimal, status, "
        "is_main AS main, toString(as_of) AS as_of"
    )
    sql = (
        f"SELECT {columns} FROM {sport}_odds_latest "  # noqa: S608 # a name, checked above
        "WHERE {game:String} = '' OR game_id = {game:String} "
        "ORDER BY game_id, scope, market, is_main DESC, line, side"
    )
    return query(folder, sql, {"game": game or ""})


def sports(folder: Path) -> list[str]:
    """Return the sports whose odds the store has."""
    _, rows = query(folder, "SELECT name FROM system.tables WHERE name LIKE '%\\_odds\\_latest'")
    return sorted(str(row[0]).removesuffix("_odds_latest") for row in rows)
