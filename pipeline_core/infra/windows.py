"""When a sport needs its workers: weekly windows as cron lines for KEDA."""

from dataclasses import dataclass
from typing import Final

from oddspipe.core.parts import Schedule
from oddspipe.core.plan.season import DAYS

DAY: Final = 24 * 60
WEEK: Final = 7 * DAY
BEFORE_MIN: Final = 30
"""Workers stand so long before the first game begins."""
LONGER: Final = 1.25
"""Of the mean length of a game, how long one may last with overtime: 95 of 100 are shorter."""
AFTER_MIN: Final = 30
NIGHT: Final = (60, 3 * 60)
"""Between these a clock that is changed skips or repeats a time: nothing starts or ends there."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of some days.

    Attributes:
        begins, ends: Cron lines, five fields each, in the schedule's zone.
        minutes: How long it is.
        days: How many days of a week, or dates of a season, have it.
        games: The most that are on together in it; 0 where as many as are planned for.
    """

    begins: str
    ends: str
    minutes: int
    days: int
    games: int = 0


def windows(schedule: Schedule, node_boot_us: int) -> list[Window]:
    """Return when workers must be there, windows that touch merged, in order of the week.

    A window begins half an hour and the boot of a node before the first game, and ends with the
    last one. Cron has no years and no dates: it is open in every week of the months of the season.

    >>> from oddspipe.core.parts import Schedule
    >>> game = {"day": "sunday", "kickoff": "13:00", "games": 6}
    >>> made = windows(Schedule("UTC", "09-04", "02-15", (game,), 3 * 3600 * 10**6), 300_000_000)
    >>> [(one.begins, one.ends) for one in made]
    [('25 12 * 1,2,9-12 0', '15 17 * 1,2,9-12 0')]
    """
    ahead, lasts = margins(schedule, node_boot_us)
    stretches: list[tuple[int, int]] = []
    for window in schedule.windows:
        hour, minute = map(int, window["kickoff"].split(":"))
        days = range(7) if window["day"] == "daily" else [DAYS.index(window["day"])]
        stretches += [
            calm(at - ahead, at + lasts) for at in (d * DAY + hour * 60 + minute for d in days)
        ]
    months = _months(schedule)
    return _as_cron(_merged(stretches), months)


def margins(schedule: Schedule, node_boot_us: int) -> tuple[int, int]:
    """Return the minutes before a kickoff at which workers must come, and for which they stay."""
    ahead = BEFORE_MIN + -(-node_boot_us // 60_000_000)
    return ahead, int(schedule.game_length_us * LONGER / 60_000_000) + AFTER_MIN


def calm(begins: int, ends: int) -> tuple[int, int]:
    """Move a start before, and an end behind, the hours in which clocks are changed."""
    if NIGHT[0] <= begins % DAY < NIGHT[1]:
        begins -= begins % DAY - NIGHT[0] + 5
    if NIGHT[0] <= ends % DAY < NIGHT[1]:
        ends += NIGHT[1] - ends % DAY + 5
    return begins, ends


def _merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join stretches that touch, around the end of the week too."""
    around = [(b + shift, e + shift) for b, e in stretches for shift in (-WEEK, 0, WEEK)]
    joined: list[list[int]] = []
    for begins, ends in sorted(around):
        if joined and begins <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], ends)
        else:
            joined.append([begins, ends])
    return [(begins, ends) for begins, ends in joined if 0 <= begins < WEEK]


def _as_cron(stretches: list[tuple[int, int]], months: list[int]) -> list[Window]:
    """Write stretches as cron lines; those at the same time of several days share a line.

    What ends after midnight ends in the month after the season too: the last night is as any other.
    """
    season = field_of(months, 12)
    after = field_of(sorted({*months, *(month % 12 + 1 for month in months)}), 12)
    if not stretches or any(ends - begins >= WEEK for begins, ends in stretches):
        return [Window(f"5 0 * {season} *", f"0 0 * {season} *", DAY - 5, 7)]
    alike: dict[tuple[int, int], list[int]] = {}
    for begins, ends in stretches:
        alike.setdefault((begins % DAY, ends - begins), []).append(begins // DAY)
    made = []
    for (at, minutes), days in alike.items():
        until = at + minutes
        made.append(
            Window(
                f"{at % 60} {at // 60} * {season} {_days(days)}",
                f"{until % 60} {until // 60 % 24} * {after if until >= DAY else season} "
                f"{_days([(day + until // DAY) % 7 for day in days])}",
                minutes,
                len(days),
            )
        )
    return made


def _days(days: list[int]) -> str:
    """Return days of the week as cron counts them, Sunday 0; our Monday is 0."""
    return field_of(sorted((day + 1) % 7 for day in days), 7)


def _months(schedule: Schedule) -> list[int]:
    """Return the months that the season touches.

    >>> _months(Schedule("UTC", "10-15", "02-15", (), 1))
    [1, 2, 10, 11, 12]
    """
    first, last = int(schedule.season_from[:2]), int(schedule.season_to[:2])
    if schedule.season_from <= schedule.season_to:
        return list(range(first, last + 1))
    return sorted({*range(first, 13), *range(1, last + 1)})


def field_of(numbers: list[int], whole: int) -> str:
    """Write numbers as a field of a cron line.

    >>> field_of([1, 2, 9, 10, 11], 12), field_of([1, 2, 3], 3)
    ('1,2,9-11', '*')
    """
    if len(numbers) == whole:
        return "*"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
    )
