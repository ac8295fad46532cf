"""Games by the dates of imported seasons: what is expected, and the windows that workers get."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan_cases import ROOT

from oddspipe.core.errors import UsageError
from oddspipe.core.infra.dates import MOST, dated_windows
from oddspipe.core.infra.helm import triggers_of
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.parts import Schedule
from oddspipe.core.plan.season import season_of
from oddspipe.core.schedules.fixtures import (
    Fixtures,
    Kickoffs,
    fixtures_of,
    kickoffs_name,
    kickoffs_of,
    kickoffs_text,
)
from oddspipe.core.schedules.season_file import Game, SeasonFile, file_name, write_season

HOUR = 3_600_000_000
ZONE = ZoneInfo("America/New_York")
SUNDAY = {"day": "sunday", "kickoff": "13:00", "games": 6}
AUTUMN = Schedule(ZONE.key, "09-04", "02-15", (SUNDAY,), 3 * HOUR)
BOOT_US = 300_000_000


def local(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def fixtures(*kickoffs, schedule=AUTUMN, season=2026):
    """Return the fixtures of a season whose file has these kickoffs, each with its games."""
    at = tuple(sorted((local(text).astimezone(UTC), games) for text, games in kickoffs))
    return Fixtures(schedule, (Kickoffs("chess", season, sample=False, at=at),))


def is_open(made, at):
    """Say whether KEDA holds a window open: its next end comes before its next start."""
    naive = at.astimezone(ZONE).replace(tzinfo=None)
    return [
        one for one in made
        if croniter(one.ends, naive).get_next(datetime)
        < croniter(one.begins, naive).get_next(datetime)
    ]  # fmt: skip


SATURDAY = "2026-12-19T16:30"
SPARSE = fixtures(("2026-09-13T13:00", 6), (SATURDAY, 1), ("2027-01-31T16:25", 2))


def test_games_are_expected_on_their_dates_and_not_by_the_week():
    assert SPARSE.on(local(SATURDAY)) == 1
    assert SPARSE.on(local(SATURDAY) + timedelta(hours=2, minutes=59)) == 1
    assert SPARSE.on(local(SATURDAY) + timedelta(hours=3)) == 0
    assert SPARSE.on(local("2026-09-20T14:00")) == 0  # the file knows that there is none
    assert SPARSE.on(local("2027-02-07T14:00")) == 6  # behind its last game: play-offs
    assert SPARSE.on(local("2027-02-21T14:00")) == 0  # the season is over
    assert Fixtures(AUTUMN).on(local("2026-09-20T14:00")) == 6


def test_a_game_abroad_and_two_at_once_are_counted_when_they_are_on():
    both = fixtures(("2026-10-04T09:30", 1), ("2026-10-04T13:00", 5), ("2026-10-04T11:00", 1))
    assert both.on(local("2026-10-04T12:00")) == 2
    assert both.on(local("2026-10-04T13:30")) == 6
    (one,) = (w for w in dated_windows(both, BOOT_US) if " 4 10 " in w.begins)
    assert (one.begins.split()[:2], one.games) == (["45", "8"], 6)


def test_the_hour_that_clocks_repeat_belongs_to_the_game():
    night = fixtures(("2026-10-31T23:00", 2))
    begins = local("2026-10-31T23:00").astimezone(UTC)
    assert night.on(begins + timedelta(hours=2, minutes=59)) == 2
    assert night.on(begins + timedelta(hours=3)) == 0


def test_workers_are_there_by_date_and_away_off_season():
    made = dated_windows(SPARSE, BOOT_US)
    assert [one.games for one in is_open(made, local(SATURDAY) - timedelta(minutes=30))] == [1]
    assert is_open(made, local("2026-09-13T13:00"))
    assert is_open(made, local("2027-02-07T14:00"))
    assert not is_open(made, local("2026-09-20T14:00"))
    assert not is_open(made, local("2027-07-04T14:00"))
    open_hours = sum(one.minutes * one.days for one in made) / 60
    assert open_hours < 0.05 * 365 * 24


dates = st.dates(date(2026, 9, 4), date(2027, 2, 15))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
starts = st.lists(st.tuples(dates, times, st.integers(1, 9)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(starts)
def test_every_game_has_workers_from_half_an_hour_before_to_its_end(given_starts):
    kickoffs = [(datetime.combine(d, t).isoformat(), n) for d, t, n in given_starts]
    known = fixtures(*kickoffs)
    made = dated_windows(known, BOOT_US)
    assert len(made) <= max(MOST, len(given_starts) + 30)
    for text, _ in kickoffs:
        begins = local(text).astimezone(UTC)
        for at in (begins - timedelta(minutes=30), begins, begins + timedelta(hours=2, minutes=50)):
            there = is_open(made, at)
            assert there, (text, at)
            assert max(one.games for one in there) >= min(known.on(at), 1)
    for one in made:
        assert one.begins != one.ends
        assert not 1 <= int(one.begins.split()[1]) < 3
        assert not 1 <= int(one.ends.split()[1]) < 3


def test_a_window_has_the_workers_for_its_games_and_one_that_stands_by():
    (fleet,) = fleets_of(["prod"], platform=ROOT / "platform.yaml", only=["nfl"], environ={})
    (member,) = fleet.members
    load = member.worker()
    assert member.wanted(0) == load.least
    assert member.wanted(1) == 2  # one game, as in play-offs: its worker and another
    assert load.idle < member.wanted(1)
    many = [member.wanted(games) for games in range(1, 20)]
    assert many == sorted(many)
    assert many[-1] <= load.most


def test_out_of_season_nobody_is_there_and_in_season_somebody_is():
    (fleet,) = fleets_of(["prod"], platform=ROOT / "platform.yaml", environ={})
    for member in fleet.members:
        load, season = member.worker(), member.season_window()
        assert (load.rest, load.idle) == (0, 1)
        first, last = season_of(member.plan.schedule, 2026)
        for day in (first, last):
            assert is_open([season], datetime.combine(day, datetime.min.time(), ZONE))
        for day in (first - timedelta(days=3), last + timedelta(days=3)):
            assert not is_open([season], datetime.combine(day, datetime.min.time(), ZONE))
        names = [one["name"] for one in triggers_of(member, load)]
        assert names[0] == "season"


def test_files_are_read_back_and_stand_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    game = Game("g1", datetime(2026, 10, 4, 13, 30, tzinfo=UTC), "A", "B", "Arena", "Europe/London")
    other = Game("g2", game.kickoff, "C", "D", "Hall", "Europe/London")
    short = kickoffs_of(SeasonFile("chess", 2026, (game, other)))
    assert short.at == ((game.kickoff, 2),)
    spec = tmp_path / "sports" / "chess.yaml"
    beside = spec.parent / "schedules"
    beside.mkdir(parents=True)
    (beside / kickoffs_name(short)).write_text(kickoffs_text(short))
    (beside / "chess-club-2026.json").write_text("{}")  # of another sport
    assert fixtures_of("chess", AUTUMN, spec).seasons == (short,)
    (beside / kickoffs_name(short)).write_text(kickoffs_text(short).replace("2]", '"2"]'))
    with pytest.raises(UsageError, match="holds no kickoffs"):
        fixtures_of("chess", AUTUMN, spec)
    write_season(beside / file_name("chess", 2026), SeasonFile("chess", 2026, (game,)))
    write_season(
        beside / file_name("chess", 2027), SeasonFile("chess", 2027, (other,), sample=True)
    )
    both = fixtures_of("chess", AUTUMN, spec)
    assert [(one.season, len(one.at), one.sample) for one in both.seasons] == [
        (2026, 1, False), (2027, 1, True),
    ]  # fmt: skip
    assert both.sample
    Path("schedules").mkdir()
    write_season(Path("schedules/chess-2027.json"), SeasonFile("chess", 2027, (game, other)))
    assert not fixtures_of("chess", AUTUMN, spec).sample
    write_season(Path("schedules/chess-2027.json"), SeasonFile("go", 2027, (game,)))
    with pytest.raises(UsageError, match="season 2027 of go"):
        fixtures_of("chess", AUTUMN, spec)
