"""When games are on: by the imported seasons where there are any, by the weekly windows else.

Pods are given kickoffs and counts only: `schedules/SPORT-SEASON.kickoffs.json`, some kilobytes, in
place of a season's file with its teams and venues.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec

from oddspipe.core.errors import UsageError
from oddspipe.core.parts import Schedule
from oddspipe.core.plan.season import Slot, in_season, season_of, slots
from oddspipe.core.schedules.season_file import AGAIN, FOLDER, SeasonFile, read_season, text_with

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Kickoffs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the games of a season begin, and how many each time.

    Attributes:
        sport: The sport's name.
        season: The year in which the season begins.
        sample: Whether they are made up.
        at: Start in UTC and number of games, in order.
    """

    sport: str
    season: int
    sample: bool
    at: tuple[tuple[Moment, int], ...]


def kickoffs_of(season: SeasonFile) -> Kickoffs:
    """Return the kickoffs of a season."""
    found = Counter(game.kickoff for game in season.games)
    return Kickoffs(season.sport, season.season, season.sample, tuple(sorted(found.items())))


def kickoffs_text(kickoffs: Kickoffs) -> str:
    """Return kickoffs as JSON, one a line: the same games give the same bytes."""
    head = {"sport": kickoffs.sport, "season": kickoffs.season, "sample": kickoffs.sample}
    return text_with(head, "at", kickoffs.at)


def kickoffs_name(kickoffs: Kickoffs) -> str:
    """Return the name of their file.

    >>> kickoffs_name(Kickoffs("chess", 2026, False, ()))
    'chess-2026.kickoffs.json'
    """
    return f"{kickoffs.sport}-{kickoffs.season}.kickoffs.json"


@dataclass(frozen=True, slots=True)
class Fixtures:
    """All that is known of when a sport plays.

    Attributes:
        schedule: Its season and weekly windows.
        seasons: The seasons that were imported, in order.
    """

    schedule: Schedule
    seasons: tuple[Kickoffs, ...] = ()

    @property
    def sample(self) -> bool:
        """Whether a season of them is made up."""
        return any(one.sample for one in self.seasons)

    def covers(self, day: date) -> bool:
        """Say whether an imported season knows the games of a day.

        That is from the season's first day to its last game: leagues publish the play-offs later,
        and the days behind the last game are for the weekly windows until they do.
        """
        zone = ZoneInfo(self.schedule.zone)
        return in_season(self.schedule, day) and any(
            season_of(self.schedule, one.season)[0] <= day <= one.at[-1][0].astimezone(zone).date()
            for one in self.seasons
            if one.at
        )

    def slots(self, first: date, last: date) -> Iterator[Slot]:
        """Yield the slots of the days from `first` to `last`, in order of days."""
        zone = ZoneInfo(self.schedule.zone)
        dated = [
            Slot(at.astimezone(zone), games, weekly=True)
            for one in self.seasons
            for at, games in one.at
        ]
        weekly = [
            slot for slot in slots(self.schedule, first, last)
            if not self.covers(slot.begins.date())
        ]  # fmt: skip
        known = [slot for slot in dated if first <= slot.begins.date() <= last]
        yield from sorted([*known, *weekly], key=lambda slot: slot.begins)

    def on(self, now: datetime) -> int:
        """Return how many games are on at a moment, special weeks that have no dates left out."""
        length = timedelta(microseconds=self.schedule.game_length_us)
        today = now.astimezone(ZoneInfo(self.schedule.zone)).date()
        return sum(
            slot.games
            for slot in self.slots(today - length - timedelta(days=1), today)
            # In UTC: a wall clock that is put back or forward would move the end by an hour.
            if slot.weekly and timedelta() <= now - slot.begins.astimezone(UTC) < length
        )


_NAME: Final = re.compile(r"(?P<sport>.+)-(?P<season>\d{4})(?P<short>\.kickoffs)?\.json", re.ASCII)


def fixtures_of(sport: str, schedule: Schedule, spec: Path | None) -> Fixtures:
    """Return what is known of a sport's games: its files in `./schedules` and beside its spec.

    Of a season the file of the working folder stands before that beside the spec, and a season's
    file before its kickoffs.

    Raises:
        UsageError: A file cannot be read, or is of another sport or season.
    """
    found: dict[int, Path] = {}
    folders = [FOLDER, *([spec.parent / FOLDER] if spec is not None else [])]
    for folder in folders:
        for short in (False, True):
            for file in sorted(folder.glob(f"{sport}-*.json")) if folder.is_dir() else ():
                name = _NAME.fullmatch(file.name)
                if name and name["sport"] == sport and bool(name["short"]) == short:
                    found.setdefault(int(name["season"]), file)
    return Fixtures(schedule, tuple(_read(sport, year, found[year]) for year in sorted(found)))


def _read(sport: str, year: int, file: Path) -> Kickoffs:
    if file.name.endswith(".kickoffs.json"):
        try:
            made = msgspec.json.decode(file.read_bytes(), type=Kickoffs)
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} holds no kickoffs: {error}", hint=AGAIN) from error
    else:
        made = kickoffs_of(read_season(file))
    if (made.sport, made.season) != (sport, year):
        raise UsageError(f"{file} holds season {made.season} of {made.sport}", hint=AGAIN)
    return made
