"""`oddspipe backtest`: recorded games through the pipeline, and what the forecasts were worth."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.core.errors import UsageError

DATA_PANEL, OUTPUT_PANEL = "Games", "Output"


class Prior(StrEnum):
    """What is known before a game."""

    ALL = "all"
    RATING = "rating"
    CLOSING = "closing"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(name="backtest")(backtest)


def backtest(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="This spec in place of --sport.")] = None,
    data: Annotated[
        Path, typer.Option(help="Folder of recorded games.", rich_help_panel=DATA_PANEL)
    ],
    seasons: Annotated[
        str | None,
        typer.Option(
            help="Seasons by the year in which they began, e.g. 2019-2021,2023; all when left out.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    games: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many games of each season, the first.", rich_help_panel=DATA_PANEL
        ),
    ] = None,
    prior: Annotated[
        Prior,
        typer.Option(
            help="What is known before a game: the recording's ratings, its closing prices, all "
            "that there is, or none.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = Prior.ALL,
    model: Annotated[
        str | None,
        typer.Option(
            help="Another model or other parameters: NAME or NAME@key=value,…; what is left out "
            "has the model's own default."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Compare with `closing` (the market), with a Parquet file of other forecasts, or "
            "with another model, as in --model."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Write a forecast for each row of the data here, as Parquet.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write the report here, as one self-contained page.", rich_help_panel=OUTPUT_PANEL
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--json", help="Write it here, as JSON.", rich_help_panel=OUTPUT_PANEL),
    ] = None,
) -> None:
    """Back-test a model: recorded games through the pipeline's own stages, then their scores.

    Each score has a 95 % interval by a bootstrap over games. Exit codes: 0 scored; 1 the spec has
    faults; 2 wrong usage; 3 the model is at fault; 4 the games cannot be read.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    for path in (predictions, html, report):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"the folder of {path} does not exist")
    years = years_of(seasons)
    plan = plan_of(sport, spec, None, "local")
    from oddspipe.core.backtest.page import drawing, page_of  # noqa: PLC0415 - `--help` is quick
    from oddspipe.core.backtest.report import (  # noqa: PLC0415 - as above
        Settings,
        back_test,
        model_named,
        predicted,
    )
    from oddspipe.core.backtest.run import Priors  # noqa: PLC0415 - as above

    if html is not None:
        drawing()  # says what is missing before the games are played
    if model is not None:
        plan = model_named(plan, model)
    began = time.monotonic()
    settings = Settings(data, years, games, Priors(prior.value), against)
    made, played = back_test(plan, settings)
    seconds = time.monotonic() - began
    if predictions is not None:
        predicted(played.rows).write_parquet(predictions)
    if report is not None:
        report.write_text(json.dumps(made, indent=1, allow_nan=False) + "\n", "utf-8")
    if html is not None:
        html.write_text(page_of(made, played.rows), "utf-8")
    _show(made, seconds)


def years_of(text: str | None, option: str = "--seasons") -> tuple[int, ...]:
    """Read `2019-2021,2023`.

    >>> years_of("2019-2021,2023")
    (2019, 2020, 2021, 2023)
    """
    if text is None:
        return ()
    years: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(
                f"{option} {text!r}: {part.strip()!r} is no year", hint="Write 2019-2021,2023."
            )
        begin, end = int(first), int(last) if dash else int(first)
        if end < begin or end - begin > 200:
            raise UsageError(f"{option} {text!r}: {part.strip()!r} runs backwards or too far")
        years += range(begin, end + 1)
    return tuple(dict.fromkeys(years))


def _show(made: Mapping[str, Any], seconds: float) -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    found = made["scores"]
    wins = found["home_wins"]
    years = made["seasons"]
    told = f"seasons {', '.join(map(str, years))}" if years else "all seasons"
    console.show(
        console.title(
            f"{made['sport']}: model {made['model']['name']} {made['model']['version']}, {told}"
        ),
        console.Text(
            f"{made['games']:,} games, {made['rows']:,} rows, {made['events']:,} events and "
            f"{made['odds_messages']:,} odds messages in {seconds:.1f} s; prior: {made['prior']}",
            style="dim",
        ),
    )
    rows = [
        ("home wins", *_chance(wins)),
        *((f"  {one['name']}", *_chance(one)) for one in wins["segments"]),
        *((name, *_chance(one)) for name, one in found["markets"].items()),
    ]
    console.show(
        console.table(
            [("chance", "l"), ("rows", "r"), ("Brier", "r"), ("95 %", "l"), ("log loss", "r"),
             ("ECE", "r")], rows,
        )
    )  # fmt: skip
    numbers = [
        (name, _number(one["mae"]), _range(one["mae"], 3), f"{one['bias']['value']:+.3f}",
         f"{one['bias']['low']:+.2f} to {one['bias']['high']:+.2f}", _number(one["crps"]))
        for name, one in (("margin", found["margin"]), ("total", found["total"]))
    ]  # fmt: skip
    console.show(
        console.table(
            [("final", "l"), ("MAE", "r"), ("95 %", "l"), ("bias", "r"), ("95 %", "l"),
             ("CRPS", "r")], numbers,
        )
    )  # fmt: skip
    if (width := made["interval"]) is not None:
        console.show(
            f"interval       5-95 % of the chance of home is {width['value']:.4f} wide "
            f"({_range(width, 4)}) on the average over rows"
        )
    _show_path(console, found["path"])
    holds = [
        (name, f"{one['bets']:,}", f"{one['booked']:.4f}", f"{one['hold']['value']:.2%}",
         f"{one['hold']['low']:.2%} to {one['hold']['high']:.2%}")
        for name, one in made["hold"].items()
    ]  # fmt: skip
    titles = [("market", "l"), ("prices", "r"), ("booked", "r"), ("hold", "r"), ("95 %", "l")]
    console.show(console.table(titles, holds))
    if (closing := made["closing_value"]) is not None:
        console.show(
            f"closing value  a customer's expectation by the closing market "
            f"({closing['games']:,} games): both sides {closing['both_sides']['value']:+.2%}, the "
            f"better side {closing['pick']['value']:+.2%}"
        )
    if (other := made["against"]) is not None:
        _show_other(console, other)


def _show_path(console: Any, path: Mapping[str, Any]) -> None:  # noqa: ANN401 - a module
    if not path:
        return
    drift, movement = path["drift"], path["movement"]
    jumps = ", ".join(f"{share:.3%} over {size}" for size, share in path["jumps"].items())
    console.show(
        f"path           drift a row {drift['value']:+.6f} ({drift['low']:+.6f} to "
        f"{drift['high']:+.6f}); movement {movement['value']:.3f} of p(1-p) "
        f"({_range(movement, 3)}); steps {jumps}"
    )


def _show_other(console: Any, other: Mapping[str, Any]) -> None:  # noqa: ANN401 - a module
    console.show(
        f"against        {other['name']}: {other['rows']:,} rows of {other['games']:,} games"
    )
    if (inside := other["covered"]) is not None:
        from oddspipe.core.backtest.intervals import told  # noqa: PLC0415 - as above

        console.show(f"  within 5-95 % of this model's chance of home: {told(inside)}")
    for name in ("brier", "log_loss"):
        one = other[name]
        far = one["difference"]
        console.show(
            f"  {name.replace('_', ' '):<12} {one['ours']['value']:.5f} against "
            f"{one['other']['value']:.5f}: {far['value']:+.5f} ({far['low']:+.5f} to "
            f"{far['high']:+.5f}); below 0 this model is better"
        )


def _chance(one: Mapping[str, Any]) -> Sequence[str]:
    return (
        f"{one['rows']:,}",
        f"{one['brier']['value']:.5f}",
        _range(one["brier"], 4),
        f"{one['log_loss']['value']:.5f}",
        f"{one['ece']['value']:.4f}",
    )


def _number(one: Mapping[str, float]) -> str:
    return f"{one['value']:.3f}"


def _range(one: Mapping[str, float], digits: int) -> str:
    return f"{one['low']:.{digits}f} - {one['high']:.{digits}f}"
