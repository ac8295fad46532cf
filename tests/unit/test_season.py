"""Seasons and weekly windows as dates and times, in the league's zone."""

from datetime import UTC, date, datetime

import pytest
from tests.plan_cases import ROOT

from oddspipe.core.parts import Schedule
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.season import in_season, most_at_once, on_now, season_of, slots

HOUR = 3_600_000_000
NFL = plan_for(ROOT / "sports" / "nfl.yaml").schedule


def sunday_at(hour, zone="America/New_York", weeks=None, season=("01-01", "12-31")):
    window = {"day": "sunday", "kickoff": hour, "games": 2}
    if weeks:
        window["weeks"] = weeks
    return Schedule(zone, *season, (window,), 3 * HOUR)


def test_a_season_runs_over_new_year():
    assert season_of(NFL, 2026) == (date(2026, 9, 4), date(2027, 2, 15))
    assert in_season(NFL, date(2027, 1, 31))
    assert in_season(NFL, date(2026, 9, 4))
    assert not in_season(NFL, date(2026, 9, 3))
    assert not in_season(NFL, date(2027, 2, 16))


def test_a_season_may_end_on_a_day_that_is_not_there_every_year():
    schedule = sunday_at("13:00", season=("10-01", "02-29"))
    assert season_of(schedule, 2026)[1] == date(2027, 2, 28)
    assert season_of(schedule, 2027)[1] == date(2028, 2, 29)


@pytest.mark.parametrize(
    ("day", "utc_hour"),
    [(date(2026, 10, 25), 17), (date(2026, 11, 1), 18), (date(2027, 3, 14), 17)],
    ids=["summer time", "the day it ends", "the day it begins"],
)
def test_a_kickoff_stays_where_it_is_when_the_clocks_change(day, utc_hour):
    (slot,) = slots(sunday_at("13:00"), day, day)
    assert slot.begins.astimezone(UTC) == datetime(
        day.year, day.month, day.day, utc_hour, tzinfo=UTC
    )


def test_games_are_on_from_kickoff_to_their_end_also_over_midnight():
    late = sunday_at("22:00")
    begins = datetime(2026, 10, 26, 2, tzinfo=UTC)  # Sunday evening in New York
    assert on_now(late, begins) == 2
    assert on_now(late, begins.replace(hour=4, minute=59)) == 2
    assert on_now(late, begins.replace(hour=5)) == 0
    assert on_now(late, begins.replace(hour=1, minute=59)) == 0
    assert on_now(sunday_at("22:00", weeks=4), begins) == 0  # which weeks is not known


def test_slots_that_overlap_add_up():
    # 6 games at 13:00 and 4 at 16:25 do not meet: a game takes 3 h 12 min.
    assert most_at_once(NFL, 2026) == 6
    both = Schedule("UTC", "01-01", "12-31", tuple(
        {"day": "daily", "kickoff": at, "games": 3} for at in ("12:00", "14:00", "15:30")
    ), 3 * HOUR)  # fmt: skip
    assert most_at_once(both, 2026) == 6
