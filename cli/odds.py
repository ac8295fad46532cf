"""`oddspipe odds`: look at the odds that a run has published."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from oddspipe.cli.state import AsJson, State, state_folder
from oddspipe.core.errors import UsageError

SHOWN = ("game", "market", "side", "line", "fair", "decimal", "status")


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    group = typer.Typer(no_args_is_help=True, help="Look at the odds that a run has published.")
    group.command(name="show")(show)
    group.command(name="query")(query)
    app.add_typer(group, name="odds")


def show(
    *,
    sport: Annotated[str | None, typer.Option(help="Sport; needed if the run has several.")] = None,
    game: Annotated[str | None, typer.Option(help="One game only.")] = None,
    state: State = None,
    every_line: Annotated[
        bool, typer.Option("--all", help="Alternate lines too, not the main ones only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the current odds of each game.

    While a run is on they are read from its Redis, after it from its ClickHouse store. Exit codes:
    0 shown; 2 no such run; 4 the store cannot be read.
    """
    from oddspipe.core.adapters.current import current_odds  # noqa: PLC0415 - as above

    columns, rows = current_odds(state_folder(state, sport), sport, game)
    if game is not None and not rows:
        raise UsageError(f"there are no odds of game {game!r}", hint="Leave --game out to see all.")
    if not every_line:
        main = columns.index("main")
        rows = [row for row in rows if row[main]]
    if not as_json:
        # What fits on 80 columns; --json has the rest.
        kept = [columns.index(name) for name in SHOWN]
        columns, rows = list(SHOWN), [[row[at] for at in kept] for row in rows]
    _print(columns, rows, as_json=as_json)


def query(
    sql: Annotated[str, typer.Argument(help="SQL, e.g. 'SELECT count() FROM nfl_odds_history'.")],
    *,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Ask the run's ClickHouse store; nothing in it can be changed.

    Tables: SPORT_events, SPORT_tracking_by_second, SPORT_odds_history, SPORT_odds_latest. Exit
    codes: 0 answered; 2 the engine refuses the SQL; 4 the store cannot be read.
    """
    from oddspipe.core.adapters.clickhouse.reading import query as ask  # noqa: PLC0415 - as above
    from oddspipe.core.adapters.places import CLICKHOUSE_FOLDER  # noqa: PLC0415 - as above

    columns, rows = ask(state_folder(state, None) / CLICKHOUSE_FOLDER, sql)
    _print(columns, rows, as_json=as_json)


def _print(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, as_json: bool) -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    if as_json:
        for row in rows:
            typer.echo(json.dumps(dict(zip(columns, row, strict=True)), default=str))
        return
    numeric = [
        bool(rows) and isinstance(value, int | float) for value in (rows[0] if rows else columns)
    ]
    titles = [(name, "r" if right else "l") for name, right in zip(columns, numeric, strict=True)]
    shown = [["" if cell is None else cell for cell in row] for row in rows]
    console.show(console.table(titles, shown))
