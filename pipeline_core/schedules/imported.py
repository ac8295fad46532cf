"""From a schedule that someone else wrote to a season's file; everything wrong is told at once."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from unicodedata import category
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from oddspipe.core.errors import UsageError
from oddspipe.core.parts import Schedule
from oddspipe.core.plan.season import season_of
from oddspipe.core.schedules.entry import COLUMNS, NEEDED, Entry, Fault, Found
from oddspipe.core.schedules.ics import read_ics
from oddspipe.core.schedules.season_file import Game, SeasonFile, in_order
from oddspipe.core.schedules.tables import read_csv, read_json

FORMATS: Final = ("ics", "csv", "json")
SHOWN: Final = 20
"""Faults that one message tells; a wrong column of dates would give one a game."""
YEARS: Final = (2000, 2100)
_KICKOFF: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def import_season(file: Path, form: str | None, sport: str, schedule: Schedule) -> SeasonFile:
    """Read a schedule of other people's.

    Args:
        file: The schedule.
        form: One of `FORMATS`; by the end of the file's name when left out.
        sport: Name of the sport.
        schedule: Its season, and its zone, which is that of kickoffs without any.

    Raises:
        UsageError: The file cannot be read or has faults; the message gives each with its line.
    """
    kind = form or file.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise UsageError(
            f"{file}: the name does not say which format it has",
            hint="Say it with --format: ics, csv or json.",
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    games, faults = season_games(_found(data, kind), schedule)
    if faults:
        lines = [f"{file}:{one.line}: {one.message}" for one in faults[:SHOWN]]
        more = len(faults) - SHOWN
        raise UsageError("\n".join([*lines, *([f"… and {more} more"] if more > 0 else [])]))
    return SeasonFile(sport, _season(schedule, games[0][1]) or 0, tuple(g for _, g in games))


def _found(data: bytes, kind: str) -> Found:
    """Read the bytes of a file."""
    plain = data.removeprefix(b"\xef\xbb\xbf")  # spreadsheets put it first
    if kind == "ics":
        return read_ics(plain)
    try:
        text = plain.decode("utf-8")
    except UnicodeDecodeError as error:
        line = plain.count(b"\n", 0, error.start) + 1
        return [Fault(line, "this is not UTF-8; save the file as UTF-8")]
    reader: Callable[[str], Found] = read_csv if kind == "csv" else read_json
    return reader(text)


def season_games(found: Found, schedule: Schedule) -> tuple[list[tuple[int, Game]], list[Fault]]:
    """Return games with their lines, by kickoff and id, and what is wrong, in file order.

    Where nothing is wrong there is at least one game, and all are of one season.
    """
    faults = [one for one in found if isinstance(one, Fault)]
    games: list[tuple[int, Game]] = []
    for entry in found:
        if isinstance(entry, Entry):
            made = list(_game(entry, schedule))
            games += [(entry.line, one) for one in made if isinstance(one, Game)]
            faults += [one for one in made if isinstance(one, Fault)]
    faults += _seasons(games, schedule)
    faults += _doubles(games)
    if not found:
        faults.append(Fault(1, "there is no game in the file; is it the right one?"))
    games.sort(key=lambda one: in_order(one[1]))
    return games, sorted(faults)


def _game(entry: Entry, schedule: Schedule) -> Iterator[Game | Fault]:
    """Yield the game of an entry, or everything that is wrong with it."""
    values = {name: entry.values.get(name, "") for name in COLUMNS}
    faults = [f"{name} is empty; fill it in" for name in NEEDED if not values[name]]
    faults += [
        f"{name} has a control character; take it out"
        for name, value in values.items()
        if any(category(one) in {"Cc", "Cs"} for one in value)
    ]
    if values["home"] and values["home"] == values["away"]:
        faults.append(f"home and away are both {values['home']!r}; name two teams")
    if not faults:
        zone = _zone(values["zone"] or schedule.zone)
        if zone is None:
            faults.append(
                f"there is no time zone {values['zone']!r}; write one of the IANA database, "
                "e.g. Europe/London"
            )
        else:
            kickoff = instant(values["kickoff"], zone)
            if isinstance(kickoff, datetime):
                yield Game(
                    values["game_id"], kickoff, values["home"], values["away"], values["venue"],
                    zone.key,
                )  # fmt: skip
                return
            faults.append(kickoff)
    for message in faults:
        yield Fault(entry.line, message)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def instant(text: str, zone: ZoneInfo) -> datetime | str:
    """Return a kickoff in UTC, or what is wrong with it.

    Args:
        text: ISO 8601; without an offset it is the wall clock of the zone.
        zone: The zone of the venue.

    >>> instant("2026-10-04T14:30", ZoneInfo("Europe/London"))
    datetime.datetime(2026, 10, 4, 13, 30, tzinfo=datetime.timezone.utc)
    >>> instant("2026-10-04", ZoneInfo("Europe/London"))
    "kickoff '2026-10-04' is no day with a time; write it as 2026-10-04T14:30"
    """
    match = _KICKOFF.fullmatch(text)
    if match is None:
        return f"kickoff {text!r} is no day with a time; write it as 2026-10-04T14:30"
    try:
        at = datetime.fromisoformat("T".join(match.groups()[:2]) + (match[3] or ""))
    except ValueError:
        return f"kickoff {text!r} is not in any calendar; mend its day, time or offset"
    if not YEARS[0] <= at.year <= YEARS[1]:
        return f"kickoff {text!r} is not in the years {YEARS[0]} to {YEARS[1]}; mend its year"
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    return _on_the_wall(at, text, zone)


def _on_the_wall(at: datetime, text: str, zone: ZoneInfo) -> datetime | str:
    """Return in UTC what the clocks of a zone show; refuse what they show twice or never."""
    first, second = at.replace(tzinfo=zone), at.replace(tzinfo=zone, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return first.astimezone(UTC)
    if before < after:  # PEP 495: in a gap the later reading has the greater offset
        return (
            f"kickoff {text!r} does not exist in {zone.key}: clocks are put forward over it; "
            "write the time that clocks show, or an offset"
        )
    return (
        f"kickoff {text!r} exists twice in {zone.key}: clocks are put back; "
        f"write {first.isoformat()} or {second.isoformat()}"
    )


def _season(schedule: Schedule, game: Game) -> int | None:
    """Return the year in which the season of a game begins; None if it is in no season."""
    day = game.kickoff.astimezone(ZoneInfo(schedule.zone)).date()
    for year in (day.year, day.year - 1):
        first, last = season_of(schedule, year)
        if first <= day <= last:
            return year
    return None


def _seasons(games: list[tuple[int, Game]], schedule: Schedule) -> Iterator[Fault]:
    """Yield games outside the season, and those of another season than the first one's."""
    season: int | None = None
    for line, game in games:
        its = _season(schedule, game)
        day: date = game.kickoff.astimezone(ZoneInfo(schedule.zone)).date()
        if its is None:
            yield Fault(
                line,
                f"{day} is outside the sport's season, {schedule.season_from} to "
                f"{schedule.season_to}; mend the kickoff, or schedule.season of the spec",
            )
        elif season is None:
            season = its
        elif its != season:
            message = f"{day} is of season {its}, games before it of {season}"
            yield Fault(line, f"{message}; import each season from a file of its own")


def _doubles(games: list[tuple[int, Game]]) -> Iterator[Fault]:
    """Yield ids and games that are there twice, and teams that play twice at a time."""
    ids: dict[str, tuple[int, Game]] = {}
    busy: dict[tuple[datetime, str], int] = {}
    for line, game in games:
        # Ids that differ in case only are one id to some stores, and two to us.
        at, other = ids.setdefault(game.game_id.casefold(), (line, game))
        if other is not game:
            same = "the same game is" if other == game else "another game with this id is"
            what = "remove one" if other == game else "give each game its own"
            yield Fault(line, f"game_id {game.game_id!r}: {same} on line {at}; {what}")
            continue
        for team in (game.home, game.away):
            when = busy.setdefault((game.kickoff, team), line)
            if when != line:
                yield Fault(
                    line, f"{team!r} has a game at that time on line {when}; remove or mend one"
                )
                break
