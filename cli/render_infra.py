"""`oddspipe render-infra`: everything to run it, from the same plan; and what it costs."""

import json
import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from oddspipe.cli.plan import DIFFERENT, AsForm, Form, Platform, today
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.infra.cost import SportCost
    from oddspipe.core.infra.fleet import Fleet
    from oddspipe.core.infra.tree import Tree
    from oddspipe.core.schedules.season_file import SeasonFile

GENERATED = Path("generated")


class Mode(StrEnum):
    """What is done with what was rendered."""

    WRITE = "write"
    CHECK = "check"
    DIFF = "diff"
    LIST = "list"
    VERIFY = "verify"


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command(name="render-infra")(render_infra)
    app.command(name="cost")(cost)


def render_infra(  # noqa: PLR0913 - one parameter an option
    *,
    env: Annotated[
        list[str] | None,
        typer.Option(help="Environment of platform.yaml; all that have `infra` when left out."),
    ] = None,
    sport: Annotated[
        list[str] | None,
        typer.Option(help="Only these sports, with --list or --diff; the files of others stay."),
    ] = None,
    platform: Platform = None,
    out: Annotated[
        Path, typer.Option(help="Folder that gets a folder an environment.")
    ] = GENERATED,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say which files differ.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; say what would change, in words.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Write nothing; list the files with their kinds.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Have what lies there read by the tools that will read it: Helm, Kubernetes' "
            "schemas, promtool, amtool, the ClickHouse engine, linters of shell, workflows, images "
            "and policies.",
        ),
    ] = False,
    form: AsForm = Form.TEXT,
) -> None:
    """Write everything to run the sports in a cluster: charts, topics, tables, alerts, runbooks.

    All of it comes from the plans: what runs and what is deployed cannot disagree. The same input
    gives the same bytes. Files edited by hand and files that are no longer rendered are named;
    those in `overrides/` are never touched. Exit codes: 0 written, or nothing differs; 1 a spec has
    faults; 2 wrong usage; 3 something differs (--check, --diff), a check failed or could not run
    (--verify), or a model does not load.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.infra.load import fleets_of  # noqa: PLC0415 - Polars is slow
    from oddspipe.core.infra.render import tree_of  # noqa: PLC0415 - as above

    asked = {Mode.CHECK: check, Mode.DIFF: diff, Mode.LIST: listed, Mode.VERIFY: verify}
    modes = [mode for mode, on in asked.items() if on]
    if len(modes) > 1:
        raise UsageError(
            "--check, --diff, --list and --verify do not go together", hint="Name one of them."
        )
    mode = modes[0] if modes else Mode.WRITE
    if sport and mode not in {Mode.DIFF, Mode.LIST}:
        raise UsageError(
            "--sport goes with --diff and --list only",
            hint="Files of a whole environment belong together; they are written together.",
        )
    differs = False
    for fleet in fleets_of(env or (), platform=platform, only=sport or (), environ=os.environ):
        name = fleet.environment
        tree = tree_of(fleet)
        if sport:
            tree = _part(tree, sport)
        folder = out / name
        if mode is Mode.WRITE:
            _write(tree, folder, fleet)
        else:
            differs |= _SHOWN[mode](tree, folder, form)
    if differs:
        if mode is Mode.CHECK:
            console.note("run `oddspipe render-infra` and commit what it writes")
        raise typer.Exit(DIFFERENT)


def _part(tree: "Tree", wanted: list[str]) -> "Tree":
    """Return the files of some sports."""
    return replace(tree, artefacts=tuple(one for one in tree.artefacts if one.sport in wanted))


def _write(tree: "Tree", folder: Path, fleet: "Fleet") -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    drift = tree.write(folder)
    written = len(drift.missing) + len(drift.changed) + len(drift.edited)
    for path in drift.edited:
        console.note(f"was edited by hand and is as rendered again: {folder / path}")
    for path in drift.stale:
        console.note(f"removed, nothing renders it any more: {folder / path}")
    console.show(
        f"{folder}: {len(tree.artefacts) + 1} files, {written} written, {len(drift.stale)} removed"
    )
    unset = [one.name for one in fleet.inputs if one.must_be_set]
    if unset:
        console.note(f"{fleet.environment}: examples stand for {', '.join(unset)}: set them")
    made_up = [one.sport for one in fleet.members if one.fixtures.sample]
    if made_up:
        console.note(
            f"{fleet.environment}: games of {', '.join(made_up)} are a made-up sample: "
            "`oddspipe schedule import` the league's"
        )


def _check(tree: "Tree", folder: Path, form: Form) -> bool:
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    drift = tree.drift(folder)
    if form is Form.JSON:
        document = {"folder": str(folder), "missing": drift.missing, "changed": drift.changed,
                    "edited": drift.edited, "stale": drift.stale}  # fmt: skip
        typer.echo(json.dumps(document))
    else:
        console.show(*(f"{folder}  {line}" for line in drift.lines()))
        if drift.is_none:
            console.show(f"{folder}: as rendered")
    return not drift.is_none


def _diff(tree: "Tree", folder: Path, form: Form) -> bool:
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.infra.diff import changes  # noqa: PLC0415 - as above
    from oddspipe.core.infra.tree import MANIFEST  # noqa: PLC0415 - as above

    found = [one for one in changes(tree, folder) if one.path != MANIFEST]
    if form is Form.JSON:
        rows = [
            {"path": f"{folder}/{one.path}", "what": one.what, "words": one.words,
             "diff": "\n".join(one.unified)}
            for one in found
        ]  # fmt: skip
        typer.echo(json.dumps(rows))
        return bool(found)
    for one in found:
        console.show(f"{folder}/{one.path}: {one.what}")
        lines = one.words or (one.unified if one.what == "changed" else ())
        console.show(*(f"    {line}" for line in lines))
    if not found:
        console.show(f"{folder}: nothing changes")
    return bool(found)


def _list(tree: "Tree", folder: Path, form: Form) -> bool:
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    if form is Form.JSON:
        rows = [{"path": f"{folder}/{one.path}", "kind": one.kind, "sport": one.sport or None}
                for one in tree.artefacts]  # fmt: skip
        typer.echo(json.dumps(rows))
        return False
    rows_ = [[f"{folder}/{one.path}", one.kind, one.sport or "all"] for one in tree.artefacts]
    console.show(console.table([("file", "l"), ("kind", "l"), ("sport", "l")], rows_))
    return False


def _verify(_tree: "Tree", folder: Path, form: Form) -> bool:
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.infra.tree import MANIFEST  # noqa: PLC0415 - as above
    from oddspipe.core.infra.verify import verified  # noqa: PLC0415 - as above

    if not (folder / MANIFEST).exists():
        raise UsageError(f"{folder} holds nothing that was rendered", hint="Render it first.")
    found = list(verified(folder))
    wrong = [one for one in found if one.faults]
    skipped = [one for one in found if one.skipped]
    if form is Form.JSON:
        rows = [{"name": one.name, "faults": one.faults, "skipped": one.skipped or None}
                for one in found]  # fmt: skip
        typer.echo(json.dumps(rows))
        return bool(wrong or skipped)
    for one in wrong:
        console.show(f"wrong    {one.name}", *(f"    {fault}" for fault in one.faults))
    for one in skipped:
        console.show(f"skipped  {one.name}: {one.skipped}")
    ran = len(found) - len(skipped)
    console.show(f"{folder}: {ran} checks ran, {len(wrong)} failed, {len(skipped)} skipped")
    return bool(wrong or skipped)


_SHOWN = {Mode.CHECK: _check, Mode.DIFF: _diff, Mode.LIST: _list, Mode.VERIFY: _verify}


def cost(
    *,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "prod",
    platform: Platform = None,
    year: Annotated[
        int | None, typer.Option(min=2000, max=2100, help="Seasons that begin in this year.")
    ] = None,
    form: AsForm = Form.TEXT,
) -> None:
    """Estimate what pods, topics and partners' traffic cost: quantities times `prices`.

    Games are those of a schedule that was imported (`oddspipe schedule import`), up to its last
    one; others are counted by the specs' weekly windows. Workers are there by the same days. What
    is not among the lines (brokers, caches, databases, the cluster itself) is named. Exit
    codes: 0 printed; 1 a spec has faults; 2 wrong usage.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.infra.cost import NOT_MODELLED, as_document, costs_of  # noqa: PLC0415
    from oddspipe.core.infra.load import fleets_of  # noqa: PLC0415 - as above
    from oddspipe.core.plan.load import read_platform  # noqa: PLC0415 - as above

    (fleet,) = fleets_of([env], platform=platform, environ=os.environ)
    prices = read_platform(platform, environ=os.environ).prices.plain()
    begins = year or today().year
    found = costs_of(fleet, prices, begins, _seasons(fleet, begins))
    if form is Form.JSON:
        typer.echo(json.dumps(as_document(fleet, found, begins), indent=2))
        return
    rows = [
        [one.sport, line.what, f"{line.quantity:,.1f}", line.unit, f"{line.price:g}",
         f"{line.cost:,.2f}"]
        for one in found for line in one.season
    ]  # fmt: skip
    titles = [("sport", "l"), ("a month in season", "l"), ("quantity", "r"), ("unit", "l"),
              ("price", "r"), ("$", "r")]  # fmt: skip
    totals = [
        [one.sport, f"{one.a_month:,.2f}", f"{sum(line.cost for line in one.off):,.2f}",
         f"{one.a_season:,.2f}", f"{one.games:,}", f"{one.a_game:,.2f}", f"{one.a_million:.4f}"]
        for one in found
    ]  # fmt: skip
    months = [
        [one.sport, at.month, str(at.days), f"{at.games:,}", f"{at.cost:,.2f}"]
        for one in found for at in one.months
    ]  # fmt: skip
    words = ("month", "off season", "season", "games", "a game", "a million updates")
    heads = [("sport", "l"), *((word, "r") for word in words)]
    console.show(
        console.table(titles, rows),
        "",
        console.table(heads, totals),
        "",
        console.table(_MONTHS, months),
        "",
        *(_source(one) for one in found),
        *(
            ["No prices are given: set `prices` in platform.yaml."]
            if not any(prices.values())
            else []
        ),
        f"Not modelled: {'; '.join(NOT_MODELLED)}.",
    )


_MONTHS: Final = [("sport", "l"), ("month", "l"), ("days", "r"), ("games", "r"), ("$", "r")]


def _seasons(fleet: "Fleet", year: int) -> dict[str, "SeasonFile"]:
    """Return the imported schedules of the seasons that begin in a year, by sport."""
    from oddspipe.core.plan.season import season_of  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import find_spec  # noqa: PLC0415 - as above
    from oddspipe.core.schedules.season_file import seasons_of  # noqa: PLC0415 - as above

    return {
        member.sport: season
        for member in fleet.members
        for times in [member.plan.schedule]
        for _, season in seasons_of(
            member.sport, times, find_spec(member.sport), *season_of(times, year)
        )
        if season.season == year
    }


def _source(one: "SportCost") -> str:
    """Say where the games of a sport come from."""
    played = one.played
    if not played.imported:
        return f"{one.sport}: games by the weekly windows of the spec."
    made_up = ", a made-up sample" if played.sample else ""
    others = played.total - played.imported
    more = f", {others:,} by the weekly windows after them" if others else ""
    return f"{one.sport}: {played.imported:,} games of the imported schedule{made_up}{more}."
