"""`oddspipe model`: fit a model to recorded seasons, and rate teams by finished games."""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli.backtest import years_of
from oddspipe.cli.sports import plan_of
from oddspipe.cli.state import Form
from oddspipe.core.errors import UsageError
from oddspipe.core.files import replace_whole

if TYPE_CHECKING:
    from oddspipe.core.fitting.document import Difference
    from oddspipe.core.plan.model import Plan

SHOWN = 20
"""Differences that are printed; the rest are counted."""

Sport = Annotated[str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")]
Spec = Annotated[Path | None, typer.Option(help="This spec in place of --sport.")]
Data = Annotated[Path, typer.Option(help="Folder of recorded games.")]
Years = Annotated[
    str | None,
    typer.Option(
        help="Seasons by the year in which they began, e.g. 2015-2018,2020; all when left out."
    ),
]
Model = Annotated[str | None, typer.Option(help="Another installed model than the spec's.")]
As = Annotated[Form, typer.Option("--format", help="text or json.")]


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(
        no_args_is_help=True, help="Fit a model to recorded games, and rate teams by them."
    )
    group.command(name="fit")(fit)
    group.command(name="rate")(rate)
    app.add_typer(group, name="model")


def fit(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Sport = None,
    spec: Spec = None,
    data: Data,
    seasons: Years = None,
    model: Model = None,
    held_out: Annotated[
        str,
        typer.Option(
            help="Seasons that are scored by a fit without them: all, none, or as in --seasons."
        ),
    ] = "all",
    day: Annotated[
        str | None,
        typer.Option(
            "--date",
            help="Date to keep with the parameters; that of the newest game when left out.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File of parameters; MODEL_fitted.json in this folder when left out."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing: compare with the file of --out, or with the parameters that come "
            "with the model, on the seasons that those were fitted to.",
        ),
    ] = False,
    form: As = Form.TEXT,
) -> None:
    """Fit a model's parameters to recorded seasons, score them, and write them as JSON.

    Each season is scored by a fit on all the others. The same games give the same bytes. Exit
    codes: 0 written, or nothing differs; 1 a parameter differs, or the spec has faults; 2 wrong
    usage, or the games cannot be read or are too few; 3 the model is at fault.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    chosen = years_of(seasons)
    scored = () if held_out in {"all", "none"} else years_of(held_out, "--held-out")
    _dated(day)
    plan = _plan(sport, spec, model)
    if check:
        _compare_fit(plan, data, chosen, out, form)
        return
    from oddspipe.core.fitting.document import text_of  # noqa: PLC0415 - `--help` is quick
    from oddspipe.core.fitting.fit import HeldOut, fit_of  # noqa: PLC0415 - as above

    file = _target(out, f"{plan.model.name}_fitted.json")
    work = fit_of(plan, data, chosen)
    if unread := [year for year in scored if year not in work.years]:
        raise UsageError(
            f"--held-out: season {', '.join(map(str, unread))} is none of those that are fitted"
        )
    found = HeldOut()
    if held_out != "none":
        found = work.held_out(scored or work.years, _progress(form))
    made = work.document(work.parameters(), found, day)
    text = text_of(made)
    _write(file, text.encode())
    if form is Form.JSON:
        told = {"file": str(file), **made["provenance"], "not_held_out": found.left_out}
        typer.echo(json.dumps(told, indent=1))
        return
    _show_fit(plan, made["provenance"], found.left_out)
    typer.echo(f"wrote {file} ({len(text):,} bytes)")


def rate(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Sport = None,
    spec: Spec = None,
    data: Data,
    seasons: Years = None,
    model: Model = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Parquet file; MODEL_ratings.parquet in this folder when left out."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: compare with the file of --out.")
    ] = False,
    form: As = Form.TEXT,
) -> None:
    """Rate games by those finished before them: reference data, a row a game, as Parquet.

    What it was made of, and the version of the fold, stand in the file's metadata. Exit codes: 0
    written, or nothing differs; 1 a rating differs, or the spec has faults; 2 wrong usage, or the
    games cannot be read; 3 the model is at fault.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    chosen = years_of(seasons)
    plan = _plan(sport, spec, model)
    from oddspipe.core.adapters.recorded import read_rows  # noqa: PLC0415 - as above
    from oddspipe.core.fitting.rates import ratings_of  # noqa: PLC0415 - as above
    from oddspipe.core.ports.registry import load_rater  # noqa: PLC0415 - as above

    rater = load_rater(plan.model.name)
    name = f"{plan.model.name}_ratings.parquet"
    file = (out or Path(name)) if check else _target(out, name)
    if check and not file.is_file():
        raise UsageError(f"{file}: there is no such file", hint="Name it with --out.")
    made = ratings_of(plan, plan.model.name, rater, data, chosen)
    if check:
        import polars as pl  # noqa: PLC0415 - as above

        other = read_rows(file, pl.scan_parquet(file))
        _tell(list(made.differences(other)), f"{made.rows.height:,} games", str(file), form)
        return
    _write(file, made.parquet())
    if form is Form.JSON:
        typer.echo(json.dumps({"file": str(file), **made.provenance}, indent=1))
        return
    typer.echo(
        f"{plan.sport}: model {plan.model.name}, ratings version {rater.rate_version}: "
        f"{made.rows.height:,} games\nwrote {file}"
    )


def _plan(sport: str | None, spec: Path | None, model: str | None) -> "Plan":
    plan = plan_of(sport, spec, None, "local")
    if model is None:
        return plan
    from oddspipe.core.backtest.report import model_named  # noqa: PLC0415 - as above

    return model_named(plan, model)


def _target(out: Path | None, name: str) -> Path:
    file = out or Path(name)
    if file.is_dir() or not file.absolute().parent.is_dir():
        told = "is a folder" if file.is_dir() else "lies in no folder that there is"
        raise UsageError(f"--out {file} {told}", hint="Name a file in a folder that exists.")
    return file


def _dated(day: str | None) -> None:
    if day is None:
        return
    try:
        good = re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) and date.fromisoformat(day)
    except ValueError:
        good = None
    if not good:
        raise UsageError(f"--date {day!r} is no day", hint="Write 2026-09-13.")


def _write(file: Path, content: bytes) -> None:
    try:
        replace_whole(file, content)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


def _progress(form: Form) -> Callable[[int, Mapping[str, float]], None]:
    def told(year: int, scores: Mapping[str, float]) -> None:
        if form is Form.TEXT and sys.stderr.isatty():
            sys.stderr.write(f"held out {year}: MAE of the margin {scores['mae_margin']:.4f}\n")

    return told


def _compare_fit(
    plan: "Plan", data: Path, chosen: Sequence[int], out: Path | None, form: Form
) -> None:
    from oddspipe.core.fitting.document import differences, read_document  # noqa: PLC0415 - as above
    from oddspipe.core.fitting.fit import fit_of  # noqa: PLC0415 - as above
    from oddspipe.core.ports.registry import load_fitting  # noqa: PLC0415 - as above

    kept = read_document(out) if out else load_fitting(plan.model.name).shipped()
    if kept is None:
        raise UsageError(
            f"model {plan.model.name!r} comes with no parameters to compare with",
            hint="Name a file with --out.",
        )
    said = kept["provenance"]
    work = fit_of(plan, data, chosen or said.get("seasons", ()))
    now = work.provenance()
    what = f"parameters of {plan.model.name} ({said.get('made_by', 'unknown')})"
    if said.get("data_sha256") != now["data_sha256"] and form is Form.TEXT:
        typer.echo("the games are not the files that the kept parameters were fitted to")
    found = differences(kept["parameters"], work.parameters())
    _tell(found, f"{work.games:,} games", what, form)


def _tell(found: "Sequence[Difference]", of: str, against: str, form: Form) -> None:
    if form is Form.JSON:
        told = [asdict(one) for one in found]
        typer.echo(json.dumps({"same": not found, "differences": told}, indent=1))
    elif not found:
        typer.echo(f"same: {of}, {against}")
    else:
        typer.echo(f"{len(found):,} differ: {of}, {against}")
        for one in found[:SHOWN]:
            typer.echo(f"  {one.told()}")
        if len(found) > SHOWN:
            typer.echo(f"  and {len(found) - SHOWN:,} more: --format json lists them")
    if found:
        raise typer.Exit(1)


def _show_fit(plan: "Plan", made: Mapping[str, Any], left_out: Mapping[str, str]) -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    years = ", ".join(map(str, made["seasons"]))
    console.show(
        console.title(f"{plan.sport}: model {plan.model.name}, fitted to {years}"),
        console.Text(f"{made['games']:,} games, {made['rows']:,} rows", style="dim"),
    )
    names = ("brier", "log_loss", "ece", "mae_margin", "mae_total")
    lines = [*made["held_out_by_season"].items()]
    if made["held_out"]:
        lines.append(("all", made["held_out"]))
        rows = [
            (year, *(f"{one[name]:.4f}" if name in one else "" for name in names))
            for year, one in lines
        ]
        heads = ("Brier", "log loss", "ECE", "MAE margin", "MAE total")
        console.show(
            console.Text("each season by a fit on the others:"),
            console.table([("season", "l"), *((head, "r") for head in heads)], rows),
        )
    for year, why in left_out.items():
        typer.echo(f"{year} is not scored: {why}")
    if not made["held_out"] and not left_out:
        typer.echo("no season was held out: these parameters are not scored")
