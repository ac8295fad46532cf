"""`oddspipe schedule`: when a sport plays, by its weekly windows or by seasons imported."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli.plan import DIFFERENT, AsForm, Form, Platform, today
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.infra.fleet import Member
    from oddspipe.core.infra.windows import Window
    from oddspipe.core.plan.season import Slot
    from oddspipe.core.schedules.season_file import Game, SeasonFile


class Given(StrEnum):
    """Formats of schedules."""

    ICS = "ics"
    CSV = "csv"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the group, which does something by itself, to the app."""
    group = typer.Typer()
    group.callback(invoke_without_command=True)(schedule)
    group.command(name="import")(import_)
    app.add_typer(group, name="schedule")


def schedule(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    *,
    sport: Annotated[
        str | None,
        typer.Option(help="Name of a sport (see `oddspipe list sports`), or a file; needed."),
    ] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "prod",
    platform: Platform = None,
    begins: Annotated[
        str | None, typer.Option("--from", help="First day, e.g. 2026-12-06; today when left out.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days.")] = 7,
    windows: Annotated[
        bool, typer.Option("--windows", help="Only the weekly windows, whatever was imported.")
    ] = False,
    form: AsForm = Form.TEXT,
) -> None:
    """Show when a sport plays, and when its workers are there.

    Games come from the season's file that `oddspipe schedule import` wrote (`./schedules`, then
    `schedules` beside the spec) up to its last game; other days go by the spec's weekly windows.
    The cron lines of the chart, the freeze of deployments, the games that alerts expect and the
    cost go by the same days. Windows of some weeks are listed in each week: which ones is not
    known. Exit codes: 0 printed; 1 a spec
    has faults; 2 wrong usage.
    """
    if context.invoked_subcommand is not None:
        if sport is not None:
            raise UsageError(
                "--sport stands before import",
                hint="Write: oddspipe schedule import FILE --sport S.",
            )
        return
    if sport is None:
        raise UsageError("--sport is missing", hint="`oddspipe list sports` names them.")
    member = _member(sport, env, platform)
    first = _first(begins)
    shown = _days(member, sport, first, first + timedelta(days=days - 1), windows=windows)
    if form is Form.JSON:
        typer.echo(json.dumps(_document(member, shown, weekly=windows), indent=2))
    else:
        _show(member, shown, f"No game from {first} for {days} days", weekly=windows)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is known of some days.

    Attributes:
        slots: Of days that no file covers.
        games: Of the others.
        files: Where the games come from.
    """

    slots: "Sequence[Slot]"
    games: "Sequence[Game]"
    files: "Sequence[tuple[Path, SeasonFile]]"


def _member(sport: str, env: str, platform: Path | None) -> "Member":
    from oddspipe.core.infra.load import fleets_of  # noqa: PLC0415 - Polars is slow

    (fleet,) = fleets_of([env], platform=platform, only=[sport], environ=os.environ)
    (member,) = fleet.members
    return member


def _first(begins: str | None) -> date:
    if begins is None:
        return today()
    try:
        return date.fromisoformat(begins)
    except ValueError as error:
        raise UsageError(f"--from {begins!r} is no day", hint="Write it as 2026-12-06.") from error


def _days(member: "Member", sport: str, first: date, last: date, *, windows: bool) -> _Shown:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - as above

    from oddspipe.core.plan.season import slots  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import find_spec  # noqa: PLC0415 - as above
    from oddspipe.core.schedules import season_file  # noqa: PLC0415 - as above

    plan = member.plan
    times, zone = plan.schedule, ZoneInfo(plan.schedule.zone)
    found = season_file.seasons_of(plan.sport, times, find_spec(sport), first, last)
    files = [] if windows else list(found)
    left = [
        slot
        for slot in slots(times, first, last)
        if not any(season_file.covers(one, times, slot.begins.date()) for _, one in files)
    ]
    games = [game for _, one in files for game in season_file.games_of(one, zone, first, last)]
    return _Shown(left, games, files)


def _windows(member: "Member", *, weekly: bool) -> "list[Window]":
    return member.weekly_windows() if weekly else member.windows()


def _document(member: "Member", shown: _Shown, *, weekly: bool) -> dict[str, Any]:
    load = member.worker()
    return {
        "sport": member.plan.sport,
        "zone": member.plan.schedule.zone,
        "files": [
            {"file": str(file), "season": one.season, "sample": one.sample}
            for file, one in shown.files
        ],
        "imported": [
            {"game_id": one.game_id, "begins": one.kickoff.isoformat(), "home": one.home,
             "away": one.away, "venue": one.venue, "zone": one.zone}
            for one in shown.games
        ],
        "games": [
            {"begins": one.begins.isoformat(), "at_most": one.games, "every_week": one.weekly}
            for one in shown.slots
        ],
        "windows": [
            {"begins": one.begins, "ends": one.ends, "workers": member.wanted(one.games)}
            for one in _windows(member, weekly=weekly)
        ],
        "workers_otherwise": load.idle,
    }  # fmt: skip


def _show(member: "Member", shown: _Shown, none: str, *, weekly: bool) -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    times, load = member.plan.schedule, member.worker()
    parts: list[Any] = []
    if shown.games:
        heads = [(word, "l") for word in ("day", "kickoff", "game", "venue", "there")]
        parts += [console.table(heads, _games(shown.games, times.zone)), ""]
    for file, one in shown.files:
        made_up = "; a made-up sample, no league's schedule" if one.sample else ""
        parts.append(console.Text(f"{len(one.games)} games of the season in {file}{made_up}"))
    if shown.slots:
        rows = [
            [f"{one.begins:%a %Y-%m-%d}", f"{one.begins:%H:%M %Z}", str(one.games),
             "" if one.weekly else "some weeks"]
            for one in shown.slots
        ]  # fmt: skip
        heads = [("day", "l"), ("kickoff", "l"), ("games at most", "r"), ("", "l")]
        parts.append(console.table(heads, rows))
    elif not shown.games:
        parts.append(f"{none}: the season is {times.season_from} to {times.season_to}.")
    told = [
        f"{member.wanted(one.games)} workers from `{one.begins}` to `{one.ends}`"
        for one in _windows(member, weekly=weekly)
    ]
    console.show(*parts, "", *told, f"{load.idle} at other times; cron lines in {times.zone}")


def _games(games: "Sequence[Game]", zone: str) -> list[list[Any]]:
    """Return rows of games: the league's time, and the venue's where it is another."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - as above

    from oddspipe.cli import console  # noqa: PLC0415 - as above

    rows: list[list[Any]] = []
    for one in games:
        at, there = (one.kickoff.astimezone(ZoneInfo(name)) for name in (zone, one.zone))
        local = "" if at.utcoffset() == there.utcoffset() else f"{there:%a %H:%M %Z}"
        # Text: brackets in a name are no style.
        words = (console.Text(f"{one.away} at {one.home}"), console.Text(one.venue))
        rows.append([f"{at:%a %Y-%m-%d}", f"{at:%H:%M %Z}", *words, local])
    return rows


def import_(
    file: Annotated[Path, typer.Argument(help="The schedule: a calendar, CSV or JSON.")],
    *,
    sport: Annotated[
        str, typer.Option(help="Name of a sport (see `oddspipe list sports`), or a file.")
    ],
    form: Annotated[
        Given | None,
        typer.Option("--format", help="Its format; by the end of its name when left out."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; `schedules/SPORT-SEASON.json` when left out."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say whether the file is as imported.")
    ] = False,
) -> None:
    """Import a season's games, for `oddspipe schedule` to show in place of the weekly windows.

    CSV has the columns game_id, kickoff, home, away, venue and, at will, zone; JSON is a list of
    objects with these keys. Of a calendar each VEVENT is a game: UID, DTSTART, LOCATION, and a
    SUMMARY like `AWAY at HOME` or `HOME vs AWAY`. A kickoff without an offset is the wall clock of
    its zone, which is the sport's where there is none. What is written has every kickoff in UTC
    with the zone of its venue, in order; the same games give the same bytes. Exit codes: 0 written,
    or as imported; 1 the spec has faults; 2 wrong usage, or the schedule has faults; 3 the file
    differs or is missing (--check).
    """
    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.plan.load import sound_spec  # noqa: PLC0415 - as above
    from oddspipe.core.plan.resolve import schedule_of  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import find_spec  # noqa: PLC0415 - as above
    from oddspipe.core.schedules import season_file  # noqa: PLC0415 - as above
    from oddspipe.core.schedules.imported import import_season  # noqa: PLC0415 - as above

    _, spec = sound_spec(find_spec(sport))
    season = import_season(file, form, spec.sport, schedule_of(spec))
    target = out or season_file.FOLDER / season_file.file_name(spec.sport, season.season)
    most, when = season_file.most_on(season, spec.schedule.game_length)
    if most > spec.load.games_at_once:
        console.note(
            f"{most} games are on at once at {when:%Y-%m-%d %H:%M} UTC; load.games_at_once of the "
            f"spec is {spec.load.games_at_once}"
        )
    if not check:
        season_file.write_season(target, season)
    elif not target.is_file() or target.read_bytes() != season_file.text_of(season).encode():
        console.show(console.Text(f"{target} {'differs' if target.is_file() else 'is missing'}"))
        raise typer.Exit(DIFFERENT)
    first, last = (one.kickoff.date() for one in (season.games[0], season.games[-1]))
    console.show(console.Text(f"{target}: {len(season.games)} games, {first} to {last}"))
