"""The file of a season: every game with its start in UTC and the zone of its venue."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from oddspipe.core.errors import UsageError
from oddspipe.core.files import replace_whole
from oddspipe.core.parts import Schedule
from oddspipe.core.plan.season import in_season, season_of

FOLDER: Final = Path("schedules")
"""Files of the working folder stand before those beside the sport's spec."""
AGAIN: Final = "Make it anew with `oddspipe schedule import`."


class Game(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A game of a season.

    Attributes:
        game_id: Its name with whoever made the schedule.
        kickoff: Its start, in UTC, whole seconds.
        home, away: The teams.
        venue: Where it is played.
        zone: Time zone of the venue, by the IANA database.
    """

    game_id: str
    kickoff: Annotated[datetime, msgspec.Meta(tz=True)]
    home: str
    away: str
    venue: str
    zone: str


class SeasonFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The games of a season.

    Attributes:
        sport: The sport's name.
        season: The year in which the season begins.
        games: By kickoff, then by id.
        sample: Whether it is made up, and no league's schedule.
    """

    sport: str
    season: int
    games: tuple[Game, ...]
    sample: bool = False


def file_name(sport: str, season: int) -> str:
    """Return the name of a season's file.

    >>> file_name("chess", 2026)
    'chess-2026.json'
    """
    return f"{sport}-{season}.json"


def text_of(season: SeasonFile) -> str:
    """Return a season as JSON, a game a line: the same games give the same bytes."""
    head = {"sport": season.sport, "season": season.season, "sample": season.sample}
    return text_with(head, "games", season.games)


def text_with(head: Mapping[str, object], name: str, entries: Iterable[object]) -> str:
    """Return JSON of a head and entries, one a line."""
    lines = [f"{_json(key)}: {_json(value)}," for key, value in head.items()]
    told = ",\n".join(f"  {_json(one)}" for one in entries)
    return "\n".join(["{", *lines, f"{_json(name)}: [", told, "]", "}", ""])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def read_season(file: Path) -> SeasonFile:
    """Return the season that a file holds.

    Raises:
        UsageError: It cannot be read, or is not as `text_of` writes it.
    """
    try:
        season = msgspec.json.decode(file.read_bytes(), type=SeasonFile)
        for zone in sorted({game.zone for game in season.games}):
            ZoneInfo(zone)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, ZoneInfoNotFoundError, RecursionError) as error:
        raise UsageError(f"{file} is no season's file: {error}", hint=AGAIN) from error
    if list(season.games) != sorted(season.games, key=in_order):
        raise UsageError(f"{file}: the games are not in order of kickoff and id", hint=AGAIN)
    return season


def in_order(game: Game) -> tuple[datetime, str]:
    """Return what games are sorted by."""
    return game.kickoff, game.game_id


def write_season(file: Path, season: SeasonFile) -> None:
    """Write a season, in one go: a reader sees the old file or the new one.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        replace_whole(file, text_of(season))
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error


def seasons_of(
    sport: str, schedule: Schedule, spec: Path, first: date, last: date
) -> Iterator[tuple[Path, SeasonFile]]:
    """Yield the files of the seasons that days from `first` to `last` lie in, where there are.

    Looked for in `./schedules`, then in `schedules` beside the sport's spec.

    Raises:
        UsageError: A file cannot be read, or is of another sport or season.
    """
    for year in range(first.year - 1, last.year + 1):
        begins, ends = season_of(schedule, year)
        if begins > last or ends < first:
            continue
        name = file_name(sport, year)
        for file in (FOLDER / name, spec.parent / FOLDER / name):
            if file.is_file():
                season = read_season(file)
                if (season.sport, season.season) != (sport, year):
                    message = f"{file} holds season {season.season} of {season.sport}"
                    raise UsageError(message, hint=AGAIN)
                yield file, season
                break


def games_of(season: SeasonFile, zone: ZoneInfo, first: date, last: date) -> list[Game]:
    """Return the games that begin on the days from `first` to `last` in a zone."""
    return [one for one in season.games if first <= one.kickoff.astimezone(zone).date() <= last]


def covers(season: SeasonFile, schedule: Schedule, day: date) -> bool:
    """Say whether a file knows the games of a day: from the season's first day to its last game.

    Leagues publish the regular season at once, and play-offs when it is over: the days behind the
    last game are for the weekly windows.
    """
    if not season.games or not in_season(schedule, day):
        return False
    last = season.games[-1].kickoff.astimezone(ZoneInfo(schedule.zone)).date()
    return season_of(schedule, season.season)[0] <= day <= last


def most_on(season: SeasonFile, game_length_us: int) -> tuple[int, datetime]:
    """Return the most games that are on together, and when that is first; there must be one."""
    length = timedelta(microseconds=game_length_us)
    changes = sorted(
        [(game.kickoff, 1) for game in season.games]
        + [(game.kickoff + length, -1) for game in season.games]
    )
    now, most, when = 0, 0, season.games[0].kickoff
    for at, change in changes:
        now += change
        if now > most:
            most, when = now, at
    return most, when.astimezone(UTC)
