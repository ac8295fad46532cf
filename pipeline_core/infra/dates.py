"""When a sport needs its workers by the dates of imported seasons, as cron lines for KEDA.

Cron knows months and days, not years: a line holds for its date in every year. So lines are
written for all seasons that were imported, and the file of a season is removed once it is over;
alert `OddspipeUnscheduled` tells when games are on that no file has. A scaler that asks for
`oddspipe_expected_games` instead would need pods and Prometheus to bring pods up before a game;
the lines need nothing but KEDA's own clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from oddspipe.core.infra.windows import DAY, Window, calm, field_of, margins
from oddspipe.core.plan.season import season_of
from oddspipe.core.schedules.fixtures import Fixtures

GRAINS_MIN: Final = (15, 30, 60, 120, 240)
"""Windows begin and end on these; the coarser, the fewer lines."""
MOST: Final = 48
"""Lines of one scaler: each is asked for every few seconds."""
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch of wall-clock time, and the kickoffs in it with their games."""

    begins: datetime
    ends: datetime
    kickoffs: tuple[tuple[datetime, int], ...]


def dated_windows(fixtures: Fixtures, node_boot_us: int) -> list[Window]:
    """Return when workers must be there, by date; nothing where no season was imported.

    Days at the end of a season that its file does not know yet have their weekly windows.
    """
    made: list[Window] = []
    for grain in GRAINS_MIN:
        made = _as_cron(_merged(_stretches(fixtures, node_boot_us, grain)), fixtures)
        if len(made) <= MOST:
            break
    return made


def _stretches(fixtures: Fixtures, node_boot_us: int, grain: int) -> Iterator[_Stretch]:
    ahead, lasts = margins(fixtures.schedule, node_boot_us)
    for season in fixtures.seasons:
        for slot in fixtures.slots(*season_of(fixtures.schedule, season.season)):
            at = slot.begins.replace(tzinfo=None)
            day = datetime.combine(at.date(), datetime.min.time())
            minute = (at - day) // _MINUTE
            begins = (minute - ahead) // grain * grain
            ends = -(-(minute + lasts) // grain) * grain
            # The day before and after: a window may begin or end there.
            first, last = calm(begins + DAY, ends + DAY)
            yield _Stretch(
                day + (first - DAY) * _MINUTE, day + (last - DAY) * _MINUTE, ((at, slot.games),)
            )


def _merged(stretches: Iterator[_Stretch]) -> list[_Stretch]:
    """Join stretches that touch."""
    made: list[_Stretch] = []
    for one in sorted(stretches, key=lambda one: (one.begins, one.ends)):
        if made and one.begins <= made[-1].ends:
            last = made[-1]
            made[-1] = _Stretch(
                last.begins, max(last.ends, one.ends), (*last.kickoffs, *one.kickoffs)
            )
        else:
            made.append(one)
    return made


def _as_cron(stretches: list[_Stretch], fixtures: Fixtures) -> list[Window]:
    """Write stretches as cron lines; days of a month that are alike share one."""
    alike: dict[tuple[str, str, int, int, int, int], tuple[set[int], set[int]]] = {}
    for one in stretches:
        begins, ends = one.begins, one.ends
        key = (
            f"{begins.minute} {begins.hour}", f"{ends.minute} {ends.hour}",
            begins.month, ends.month, (ends - begins) // _MINUTE, _most(one, fixtures),
        )  # fmt: skip
        days, until = alike.setdefault(key, (set(), set()))
        days.add(begins.day)
        until.add(ends.day)
    return [
        Window(
            f"{begins} {_days(days)} {month} *", f"{ends} {_days(until)} {after} *",
            minutes, len(days), games,
        )
        for (begins, ends, month, after, minutes, games), (days, until) in sorted(
            alike.items(), key=lambda one: (one[0][2], min(one[1][0]), one[0])
        )
    ]  # fmt: skip


def _days(days: set[int]) -> str:
    return field_of(sorted(days), 31)


def _most(stretch: _Stretch, fixtures: Fixtures) -> int:
    """Return the most games that are on together in a stretch."""
    length = timedelta(microseconds=fixtures.schedule.game_length_us)
    return max(
        sum(games for at, games in stretch.kickoffs if at <= begins < at + length)
        for begins, _ in stretch.kickoffs
    )
