"""`oddspipe odds`: look at the odds that a run has published."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.cli.state import Form, RowForm, State, state_folder
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.adapters.clickhouse.reading import Answer


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
    form: RowForm = Form.TEXT,
) -> None:
    """Show the current odds of each game: prices of both sides, fair chance of the first side.

    5-95 % is what that chance lies between by the model's own doubt, empty if it does not say.
    While a run is on they are read from its Redis, after it from its ClickHouse store. Exit codes:
    0 shown; 2 no such run; 4 the store cannot be read.
    """
    from oddspipe.core.adapters.current import current_odds  # noqa: PLC0415 - as above

    columns, rows = current_odds(state_folder(state, sport), sport, game)
    if game is not None and not rows:
        raise UsageError(f"there are no odds of game {game!r}", hint="Leave --game out to see all.")
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    shown = [row for row in found if every_line or row["main"]]
    if form is Form.JSON:
        _print_json(shown)
    else:
        _print_board(shown)


def query(  # noqa: PLR0913 - one parameter an option
    sql: Annotated[str, typer.Argument(help="SQL, e.g. 'SELECT count() FROM nfl_odds_history'.")],
    *,
    sport: Annotated[
        str | None, typer.Option(help="With --env: a sport whose ClickHouse is asked.")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="This spec in place of --sport.")] = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    env: Annotated[
        str | None, typer.Option(help="Ask the ClickHouse server of this environment.")
    ] = None,
    state: State = None,
    form: RowForm = Form.TEXT,
) -> None:
    """Ask the run's ClickHouse store, or an environment's server; nothing in it can be changed.

    Tables: SPORT_events, SPORT_tracking_by_second, SPORT_odds_history, SPORT_odds_latest,
    SPORT_shadow_odds where the spec has a shadow; over Kafka events only with `stages: apart`. Exit
    codes: 0 answered; 2 the engine refuses the SQL; 4 the store cannot be read.
    """
    columns, rows = (
        _asked_here(sql, state) if env is None else _asked_there(sql, sport, spec, platform, env)
    )
    if form is Form.JSON:
        _print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    numeric = [any(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))]
    titles = [(name, "r" if right else "l") for name, right in zip(columns, numeric, strict=True)]
    console.show(
        console.table(titles, [["" if cell is None else cell for cell in row] for row in rows])
    )


def _asked_here(sql: str, state: Path | None) -> "Answer":
    from oddspipe.core.adapters.clickhouse.reading import query as ask  # noqa: PLC0415 - as above
    from oddspipe.core.adapters.places import CLICKHOUSE_FOLDER  # noqa: PLC0415 - as above

    return ask(state_folder(state, None) / CLICKHOUSE_FOLDER, sql)


def _asked_there(
    sql: str, sport: str | None, spec: Path | None, platform: Path | None, env: str
) -> "Answer":
    from oddspipe.core.assemble_clickhouse import store_of  # noqa: PLC0415 - as above

    return store_of(plan_of(sport, spec, platform, env)).ask(sql)


def _print_json(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, default=str))


def _print_board(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a line a market: both sides' prices beside each other."""
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    if not rows:
        console.note("no odds yet")
        return
    lines: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        line = (row["game"], row["scope"], row["market"], row["line"])
        lines.setdefault(line, {})[row["side"]] = row
    shown, last = [], None
    for (game, scope, market, line), sides in lines.items():
        first = sides.get("home") or sides.get("over") or next(iter(sides.values()))
        second = sides.get("away") or sides.get("under") or {}
        score = f"{first['home']}-{first['away']}"
        shown.append(
            [
                *((game, score) if game != last else ("", "")),
                market if scope == "game" else f"{scope} {market}",
                "" if line is None else f"{line:+.1f}" if market == "spread" else f"{line:.1f}",
                _price(first.get("decimal")),
                _price(second.get("decimal")),
                f"{first['fair']:.1%}",
                _interval(first),
                _status(first),
            ]
        )
        last = game
    right = {"score", "line", "home/over", "away/under", "fair", "5-95 %"}
    titles = (
        *("game", "score", "market", "line", "home/over", "away/under", "fair", "5-95 %"),
        "status",
    )
    console.show(console.table([(t, "r" if t in right else "l") for t in titles], shown))


def _price(decimal: float | None) -> str:
    return f"{decimal:.2f}" if decimal else "-"


def _interval(row: Mapping[str, Any]) -> str:
    """Return what the fair chance lies between, nothing where the model does not say."""
    low, high = row.get("low"), row.get("high")
    return "" if low is None or high is None else f"{100 * low:.0f}-{100 * high:.0f}"


def _status(row: Mapping[str, Any]) -> str:
    """Return the market's status, and how far it can be trusted where that is in doubt."""
    freshness = row.get("freshness", "fresh")
    return (
        row["status"] if freshness in {"fresh", row["status"]} else f"{row['status']}, {freshness}"
    )
