"""The current odds of a run: from its Redis while it is on, else from its history."""

from pathlib import Path
from typing import Any

import msgspec

from oddspipe.core.adapters.clickhouse.reading import Answer, latest_odds, sports
from oddspipe.core.adapters.places import CLICKHOUSE_FOLDER, REDIS_FOLDER
from oddspipe.core.adapters.redis.client import connect, read_current
from oddspipe.core.adapters.redis.embedded import EmbeddedRedis
from oddspipe.core.errors import RunError, UsageError

OF_LINE = ("line", "side", "fair", "low", "high", "booked", "decimal", "status")
COLUMNS = ("game", "home", "away", "scope", "market", *OF_LINE, "main", "freshness")


def current_odds(state: Path, sport: str | None, game: str | None) -> Answer:
    """Return the current odds of a run's games, or of one.

    Raises:
        StateError: The run kept no odds that can be read now.
        UsageError: The run has several sports and none is named.
    """
    socket = EmbeddedRedis(state / REDIS_FOLDER).socket
    if socket.exists():
        try:
            return _from_redis(socket, sport, game)
        except RunError:
            pass  # the socket of a run that was killed: its history has the odds
    store = state / CLICKHOUSE_FOLDER
    if sport is None:
        found = sports(store)
        if len(found) != 1:
            raise UsageError(
                f"{state} has the odds of {', '.join(found) or 'no sport'}",
                hint="Name one with --sport.",
            )
        sport = found[0]
    return latest_odds(store, sport, game)


def _from_redis(socket: Path, sport: str | None, game: str | None) -> Answer:
    client = connect(socket=socket)
    try:
        if sport is None:
            names = {
                key.decode().split("{")[1].split("}")[0] for key in client.scan_iter("odds:{*")
            }
            if len(names) > 1:
                raise UsageError(
                    f"the run has the odds of {', '.join(sorted(names))}",
                    hint="Name one with --sport.",
                )
            sport = next(iter(names), "")
        games = read_current(client, sport)
    finally:
        client.close()
    rows: list[tuple[Any, ...]] = []
    for name in sorted(games):
        if game is None or name == game:
            rows += _rows(name, games[name])
    return COLUMNS, rows


def _rows(game: str, fields: dict[str, str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for field in sorted(name for name in fields if name.startswith("market:")):
        _, scope, market = field.split(":", 2)
        score = int(fields["home_score"]), int(fields["away_score"])
        rows += [
            (
                *(game, *score, scope, market),
                *(line.get(name) for name in OF_LINE),
                *(line["main"], fields["freshness"]),
            )
            for line in msgspec.json.decode(fields[field])
        ]
    return rows
