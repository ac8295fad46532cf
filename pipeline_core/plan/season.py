"""When games are on: the spec's season and weekly windows as dates and times. No clock in here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from oddspipe.core.parts import Schedule

DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Slot:
    """Games that begin together.

    Attributes:
        begins: Their start, with the schedule's zone.
        games: How many at most.
        weekly: Whether there are some every week; special weeks are not known by date.
    """

    begins: datetime
    games: int
    weekly: bool


def season_of(schedule: Schedule, year: int) -> tuple[date, date]:
    """Return the first and last day of the season that begins in a year.

    >>> from oddspipe.core.parts import Schedule
    >>> season_of(Schedule("UTC", "09-04", "02-15", (), 1), 2026)
    (datetime.date(2026, 9, 4), datetime.date(2027, 2, 15))
    """
    first = _day(year, schedule.season_from)
    last = _day(year, schedule.season_to)
    return first, last if last >= first else _day(year + 1, schedule.season_to)


def in_season(schedule: Schedule, day: date) -> bool:
    """Say whether a day lies in a season."""
    return any(
        first <= day <= last
        for first, last in (season_of(schedule, year) for year in (day.year - 1, day.year))
    )


def slots(schedule: Schedule, first: date, last: date) -> Iterator[Slot]:
    """Yield the slots of the days from `first` to `last` that lie in a season, in order."""
    zone = ZoneInfo(schedule.zone)
    day = first
    while day <= last:
        if in_season(schedule, day):
            found = [
                Slot(_at(day, window["kickoff"], zone), window["games"], not window.get("weeks"))
                for window in schedule.windows
                if window["day"] in {"daily", DAYS[day.weekday()]}
            ]
            yield from sorted(found, key=lambda slot: slot.begins)
        day += timedelta(days=1)


def on_now(schedule: Schedule, now: datetime) -> int:
    """Return how many games of weekly slots are on at a moment, at most."""
    today = now.astimezone(ZoneInfo(schedule.zone)).date()
    length = timedelta(microseconds=schedule.game_length_us)
    back = today - length - timedelta(days=1)
    return sum(
        slot.games
        for slot in slots(schedule, back, today)
        # In UTC: a wall clock that is put back or forward would move the end by an hour.
        if slot.weekly and timedelta() <= now - slot.begins.astimezone(UTC) < length
    )


def most_at_once(schedule: Schedule, year: int) -> int:
    """Return the most games that are on together in a season, special weeks included."""
    first, last = season_of(schedule, year)
    length = timedelta(microseconds=schedule.game_length_us)
    found = [(slot.begins.astimezone(UTC), slot.games) for slot in slots(schedule, first, last)]
    most = 0
    for begins, _ in found:
        most = max(most, sum(games for at, games in found if at <= begins < at + length))
    return most


def _day(year: int, month_day: str) -> date:
    """Return a day of a year; 29 February is the 28th where there is none."""
    month, day = map(int, month_day.split("-"))
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, month, day - 1)


def _at(day: date, kickoff: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, kickoff.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
