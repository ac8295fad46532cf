"""Make up the sample seasons in sports/schedules: `python benchmarks/make_schedules.py`.

Every game begins in a weekly window of its sport's spec, and no window has more games than the
spec says; a test holds the files to that and to this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from pathlib import Path

from oddspipe.core.plan.load import sound_spec
from oddspipe.core.plan.resolve import schedule_of
from oddspipe.core.plan.season import slots
from oddspipe.core.schedules.season_file import (
    Game,
    SeasonFile,
    file_name,
    in_order,
    write_season,
)

SPORTS = Path(__file__).parents[1] / "sports"
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
SHARES = (14, 9, 2, 7)
"""Teams of a zone, of 32."""


@dataclass(frozen=True)
class Sample:
    """A season to make up: teams, games of each, games in a row of the same pair, first day."""

    sport: str
    teams: int
    each: int
    series: int
    first: date
    spread: int = 1
    """Take one of so many days off: 25 leaves out each 25th; 1 leaves out none."""


SAMPLES = (
    Sample("nfl", 32, 17, 1, date(2026, 9, 10)),
    Sample("nba", 30, 82, 1, date(2026, 10, 20), spread=8),
    Sample("mlb", 30, 162, 3, date(2026, 3, 25)),
)
# London has the early Sunday windows of four weeks; on 25 October Europe is back in winter
# time and America is not.
ABROAD = {
    **{
        (f"2026-10-{day:02}", "09:30"): ("London Stadium", "Europe/London")
        for day in (4, 11, 18, 25)
    },
    ("2026-11-16", "20:15"): ("Mexico City Stadium", "America/Mexico_City"),
}


def pairs(sample: Sample) -> list[tuple[int, int]]:
    """Return (home, away) in rounds by the circle method; each team has one game a round."""
    n = sample.teams
    made = []
    for turn in range(sample.each):
        at = turn // sample.series
        ring = [0, *((at + i) % (n - 1) + 1 for i in range(n - 1))]
        for i in range(n // 2):
            pair = ring[i], ring[n - 1 - i]
            made.append(pair if (at + i + at // (n - 1)) % 2 else pair[::-1])
    return made


def zone_of(team: int) -> str:
    """Return the zone of a team; teams of a zone are spread over the ring."""
    at = team * 13 % 32
    for zone, share in zip(ZONES, SHARES, strict=True):
        if at < share:
            return zone
        at -= share
    raise AssertionError


def season(sample: Sample) -> SeasonFile:
    """Return the made-up season."""
    left = pairs(sample)
    games: list[Game] = []
    busy: set[int] = set()
    _, spec = sound_spec(SPORTS / f"{sample.sport}.yaml")
    schedule = schedule_of(spec)
    daily = any(window["day"] == "daily" for window in schedule.windows)
    for number in range(300):
        day = sample.first + timedelta(days=number)
        # A team plays once a day, or once a week where that is how the windows come.
        if daily or number % 7 == 0:
            busy = set()
        if not left:
            break
        if sample.spread > 1 and number % sample.spread == sample.spread - 1:
            continue
        for slot, abroad in _places(schedule, day, {} if daily else ABROAD):
            for _ in range(slot.games):
                pair = next((p for p in left if not busy & set(p)), None)
                if pair is None:
                    break
                left.remove(pair)
                busy |= set(pair)
                games.append(_game(sample, slot, pair, abroad, len(games) + 1))
    assert not left, f"{sample.sport}: {len(left)} games found no window"
    games.sort(key=in_order)
    return SeasonFile(sample.sport, sample.first.year, tuple(games), sample=True)


def _places(schedule, day, venues) -> Iterator:
    for slot in slots(schedule, day, day):
        abroad = venues.get((str(day), f"{slot.begins:%H:%M}"))
        if slot.weekly or abroad:
            yield slot, abroad


def _game(sample, slot, pair, abroad, number) -> Game:
    home, away = (f"{sample.sport.upper()}{team + 1:02}" for team in pair)
    venue, zone = abroad or (f"{home} Arena", zone_of(pair[0]))
    name = f"{sample.sport}-{sample.first.year}-{number:04}"
    return Game(name, slot.begins.astimezone(UTC), home, away, venue, zone)


if __name__ == "__main__":
    for one in SAMPLES:
        made = season(one)
        write_season(SPORTS / "schedules" / file_name(one.sport, made.season), made)
        print(one.sport, len(made.games), made.games[-1].kickoff)
