"""Games and cost of a season: by an imported schedule where it covers the days."""

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.plan_cases import ROOT

from oddspipe.core.infra.calendar import days_of, season_games
from oddspipe.core.infra.cost import costs_of
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.parts import Schedule
from oddspipe.core.schedules.season_file import Game, SeasonFile

# Two games each Sunday from September to the year's end, and two weeks with one more, undated.
WINDOWS = (
    {"day": "sunday", "kickoff": "13:00", "games": 2},
    {"day": "sunday", "kickoff": "09:30", "games": 1, "weeks": 2},
)
SCHEDULE = Schedule("America/New_York", "09-01", "12-31", WINDOWS, 3 * 3600 * 10**6)
PRICES = {"cpu_hour": 0.1, "memory_gib_hour": 0.01, "storage_gib_month": 0.1, "traffic_gib": 5.0}


def season(*kickoffs, sample=False):
    games = [Game(f"g{at}", when, "A", "B", "V", "UTC") for at, when in enumerate(kickoffs)]
    return SeasonFile("chess", 2026, tuple(games), sample)


def test_without_a_schedule_the_windows_count():
    found = season_games(SCHEDULE, 2026, None)
    assert found.by_month == {"2026-09": 8, "2026-10": 8, "2026-11": 10, "2026-12": 8}
    assert (found.undated, found.imported, found.total) == (2, 0, 36)


def test_a_schedule_stands_in_for_the_windows_up_to_its_last_game():
    # The last one is at night in New York, on the next day in UTC: still of October.
    first = datetime(2026, 9, 6, 17, tzinfo=UTC)
    last = datetime(2026, 11, 1, 3, tzinfo=UTC)
    found = season_games(SCHEDULE, 2026, season(first, first + timedelta(days=1), last))
    # Behind it, from 1 November, the windows.
    assert found.by_month == {"2026-09": 2, "2026-10": 1, "2026-11": 10, "2026-12": 8}
    assert (found.undated, found.imported, found.total) == (0, 3, 21)


@pytest.mark.parametrize(
    ("month", "days"), [("2026-08", 0), ("2026-09", 21), ("2026-12", 31), ("2027-02", 14)]
)
def test_days_of_a_month_that_lie_in_a_season(month, days):
    assert days_of(month, date(2026, 9, 10), date(2027, 2, 14)) == days


@pytest.fixture(scope="module")
def fleet():
    (made,) = fleets_of(["prod"], platform=ROOT / "platform.yaml", environ={})
    return made


def test_months_add_up_to_the_season(fleet):
    many = season(*(datetime(2026, 10, 4, 17, tzinfo=UTC) + timedelta(hours=h) for h in range(90)))
    for seasons in ({}, {"nfl": many}):
        for one in costs_of(fleet, PRICES, 2026, seasons):
            assert sum(at.cost for at in one.months) == pytest.approx(one.a_season)
            assert sum(at.games for at in one.months) + one.played.undated == one.games


def test_cost_follows_the_games_of_the_schedule(fleet):
    few = season(datetime(2026, 9, 13, 17, tzinfo=UTC), datetime(2027, 2, 16, 1, tzinfo=UTC))
    by_windows, by_file = (
        {one.sport: one for one in costs_of(fleet, PRICES, 2026, given)}
        for given in ({}, {"nfl": few})
    )
    assert by_file["nba"] == by_windows["nba"]
    mine, other = by_file["nfl"], by_windows["nfl"]
    assert mine.games == 2
    assert mine.updates * other.games == other.updates * 2
    # Pods are there by the windows: only what is sent to partners is less.
    assert mine.season[:-1] == other.season[:-1]
    assert mine.season[-1].quantity == pytest.approx(other.season[-1].quantity * 2 / other.games)
    (september,) = [one for one in mine.months if one.month == "2026-09"]
    (october,) = [one for one in mine.months if one.month == "2026-10"]
    assert (september.games, october.games) == (1, 0)
    assert september.cost / september.days > october.cost / october.days
