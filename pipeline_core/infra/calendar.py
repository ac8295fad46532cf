"""How many games a season has, month by month: those of an imported schedule where there is one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from oddspipe.core.parts import Schedule
from oddspipe.core.plan.season import season_of, slots
from oddspipe.core.schedules.season_file import SeasonFile, covers


@dataclass(frozen=True, slots=True)
class SeasonGames:
    """The games of a season.

    Attributes:
        by_month: Games by month, `2026-09`, in order; every month of the season is there.
        undated: Games of special weeks, of which only the number is known.
        imported: How many of them stand in an imported schedule.
        sample: Whether that schedule is made up.
    """

    by_month: Mapping[str, int]
    undated: int
    imported: int
    sample: bool

    @property
    def total(self) -> int:
        """Return all games."""
        return sum(self.by_month.values()) + self.undated


def season_games(schedule: Schedule, year: int, season: SeasonFile | None) -> SeasonGames:
    """Count the games of the season that begins in a year.

    Days that the imported schedule covers have its games; the days behind its last game, or all
    where there is none, have those of the weekly windows. A window of some weeks has no dates: it
    counts for so many where nothing was imported, and the schedule knows better where it was.
    """
    first, last = season_of(schedule, year)
    zone = ZoneInfo(schedule.zone)
    found: Counter[str] = Counter()
    for month in _months(first, last):
        found[month] = 0
    imported = 0
    for game in season.games if season is not None else ():
        found[f"{game.kickoff.astimezone(zone):%Y-%m}"] += 1
        imported += 1
    for slot in slots(schedule, first, last):
        day = slot.begins.date()
        if slot.weekly and (season is None or not covers(season, schedule, day)):
            found[f"{day:%Y-%m}"] += slot.games
    special = sum(w["games"] * w["weeks"] for w in schedule.windows if w.get("weeks"))
    return SeasonGames(
        dict(sorted(found.items())),
        0 if imported else int(special),
        imported,
        season.sample if season is not None else False,
    )


def days_of(month: str, first: date, last: date) -> int:
    """Return how many days of a month lie between two days, both included.

    >>> days_of("2026-09", date(2026, 9, 10), date(2027, 2, 14))
    21
    """
    year, number = map(int, month.split("-"))
    begins = date(year, number, 1)
    after = date(year + number // 12, number % 12 + 1, 1)
    return max(0, min(last.toordinal() + 1, after.toordinal()) - max(
        first.toordinal(), begins.toordinal()
    ))  # fmt: skip


def _months(first: date, last: date) -> list[str]:
    whole = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{at // 12}-{at % 12 + 1:02}" for at in whole]
