"""Schedules of others: read as they are meant, or refused with the line and what to do."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from benchmarks.make_schedules import SAMPLES, season
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plan_cases import ROOT
from tests.replay_cases import oddspipe

from oddspipe.core.errors import UsageError
from oddspipe.core.parts import Schedule
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.season import slots
from oddspipe.core.schedules.imported import SHOWN, import_season, instant
from oddspipe.core.schedules.season_file import (
    Game,
    SeasonFile,
    covers,
    file_name,
    games_of,
    most_on,
    read_season,
    seasons_of,
    text_of,
    write_season,
)

HOUR = 3_600_000_000
AUTUMN = Schedule("America/New_York", "09-04", "02-15", (), 3 * HOUR)
YEAR = Schedule("America/New_York", "01-01", "12-31", (), 3 * HOUR)
HEADER = "game_id,kickoff,home,away,venue,zone\n"
TURNED = "\ufeffzone,venue,away,home,kickoff,game_id"  # as a spreadsheet saves it
LONDON = "Europe/London"


def imported(folder, text, kind="csv", schedule=AUTUMN):
    file = folder / f"given.{kind}"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_season(file, None, "chess", schedule)


def refused(folder, text, kind="csv", schedule=AUTUMN):
    """Return the faults as `line: message`."""
    with pytest.raises(UsageError) as error:
        imported(folder, text, kind, schedule)
    return error.value.message.replace(f"{folder / f'given.{kind}'}:", "")


def calendar(*lines, uid="g1", start="DTSTART;TZID=Europe/London:20261004T143000"):
    event = ["BEGIN:VEVENT", f"UID:{uid}", start, *lines, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *event, "END:VCALENDAR", ""])


NAMED = ("SUMMARY:B at A", "LOCATION:Arena")
GAME = Game("g1", datetime(2026, 10, 4, 13, 30, tzinfo=UTC), "A", "B", "Arena", LONDON)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", f"{HEADER}g1,2026-10-04T14:30,A,B,Arena,{LONDON}\n"),
        ("csv", f"{TURNED}\n\n{LONDON},Arena,B,A,2026-10-04 14:30:00,g1"),
        ("csv", f'{HEADER}"g1",2026-10-04T13:30Z,A,B," Arena ",{LONDON}\r\n'),
        ("json", json.dumps([{"game_id": "g1", "kickoff": "2026-10-04T09:30-04:00", "home": "A",
                              "away": "B", "venue": "Arena", "zone": LONDON}])),
        ("ics", calendar(*NAMED, "DTEND;TZID=Europe/London:20261004T180000")),
        ("ics", calendar("SUMMARY:A vs. B", "LOCATION:Are\r\n na")),
        ("ics", calendar("summary;LANGUAGE=en:B @ A", 'LOCATION;X="a:b":Arena').replace("\r", "")),
        ("ics", calendar(*NAMED, "BEGIN:VALARM", "SUMMARY:C at D", "END:VALARM")),
    ],
)  # fmt: skip
def test_a_game_is_the_same_in_every_format(tmp_path, kind, text):
    assert imported(tmp_path, text, kind) == SeasonFile("chess", 2026, (GAME,))


def test_escapes_and_folds_within_a_character_are_undone(tmp_path):
    text = calendar("SUMMARY:B at A", r"LOCATION:Wembley\, São\nPaulo\; \\N").encode()
    cut = text.index("ã".encode()) + 1

    made = imported(tmp_path, text[:cut] + b"\r\n " + text[cut:], "ics")

    assert made.games[0].venue == "Wembley, São Paulo; \\N"


def test_a_cancelled_event_is_no_game(tmp_path):
    gone = calendar(*NAMED, "STATUS:CANCELLED", uid="g2")
    both = calendar(*NAMED).replace("END:VCALENDAR\r\n", "") + gone.split("VERSION:2.0\r\n")[1]
    assert [one.game_id for one in imported(tmp_path, both, "ics").games] == ["g1"]
    assert refused(tmp_path, gone, "ics").startswith("1: there is no game in the file")


def test_kickoffs_without_a_zone_are_in_the_league_s(tmp_path):
    (game,) = imported(tmp_path, HEADER + "g1,2026-11-01T13:00,A,B,Arena,\n").games
    assert game.kickoff == datetime(2026, 11, 1, 18, tzinfo=UTC)
    assert game.zone == "America/New_York"
    (game,) = imported(tmp_path, calendar(*NAMED, start="DTSTART:20261004T133000Z"), "ics").games
    assert (game.kickoff.hour, game.zone) == (13, "America/New_York")


def test_games_are_sorted_by_kickoff_and_then_by_id(tmp_path):
    rows = ["b,2026-10-04T15:00,A,B,X,", "a,2026-10-04T15:00,C,D,X,", "c,2026-10-03T15:00,E,F,X,"]
    for order in (rows, rows[::-1]):
        made = imported(tmp_path, HEADER + "\n".join(order))
        assert [one.game_id for one in made.games] == ["c", "a", "b"]


OK = "g1,2026-10-04T14:30,A,B,Arena,\n"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("csv", "", "1: there is no game in the file"),
        ("csv", HEADER, "1: there is no game in the file"),
        ("csv", "game_id,kickof,home,away,venue\n", "1: there is no column 'kickof'"),
        ("csv", "game_id,kickoff,home,away\n", "1: column 'venue' is missing"),
        ("csv", "game_id," + HEADER, "1: column 'game_id' is there twice"),
        ("csv", HEADER + OK + "g2,2026-10-05T14:30,A\n", "3: 3 cells in place of 6"),
        ("csv", HEADER + OK + 'g2,"open', "3: this is no CSV"),
        ("csv", HEADER.encode() + b"g1,\xff", "2: this is not UTF-8"),
        ("csv", HEADER + OK + OK, "3: game_id 'g1': the same game is on line 2"),
        ("csv", HEADER + OK + "G1,2026-10-05T14:30,A,B,X,\n", "3: game_id 'G1': another game"),
        ("csv", HEADER + OK + "g2,2026-10-04T14:30,A,C,X,\n", "3: 'A' has a game at that time"),
        ("csv", HEADER + "g1,2026-11-01T01:30,A,B,X,\n", "2: kickoff '2026-11-01T01:30' exis"),
        ("csv", HEADER + f"g1,2026-10-25T01:30,A,B,X,{LONDON}\n", "2: kickoff '2026-10-25T01:"),
        ("csv", HEADER + "g1,2026-10-04,A,B,X,\n", "2: kickoff '2026-10-04' is no day with a time"),
        ("csv", HEADER + "g1,2026-10-32T14:30,A,B,X,\n", "2: kickoff '2026-10-32T14:30' is not in"),
        ("csv", HEADER + "g1,1926-10-04T14:30,A,B,X,\n", "2: kickoff '1926-10-04T14:30' is not in"),
        ("csv", HEADER + "g1,2026-07-04T14:30,A,B,X,\n", "2: 2026-07-04 is outside the sport's s"),
        ("csv", HEADER + OK + "g2,2027-10-04T14:30,A,B,X,\n", "3: 2027-10-04 is of season 2027"),
        ("csv", HEADER + "g1,2026-10-04T14:30,A,B,X,Mars/One\n", "2: there is no time zone 'Mars"),
        ("csv", HEADER + "g1,2026-10-04T14:30,A,B,X,../etc\n", "2: there is no time zone '../etc'"),
        ("csv", HEADER + "g1,2026-10-04T14:30,A,A,X,\n", "2: home and away are both 'A'"),
        ("csv", HEADER + "g1,2026-10-04T14:30,A,,X,\n", "2: away is empty"),
        ("csv", HEADER + "g\x1b1,2026-10-04T14:30,A,B,X,\n", "2: game_id has a control character"),
        ("json", "", "1: no list begins here"),
        ("json", '{"games": []}', "1: no list begins here"),
        ("json", "[]", "1: there is no game in the file"),
        ("json", "[\n1]", "2: this is no object"),
        ("json", '[\n{"game_id": 1}]', "2: keys kickoff, home, away, venue are missing"),
        ("json", '[\n\n{"game_id": "1",}]', "3: this is no JSON"),
        ("json", "[" * 100_000, "1: this is no game"),
        ("json", '[{"game_id": 1, "kickoff": "", "home": "", "away": "", "venue": ""}]',
         "1: game_id is no text"),
        ("json", '[{"game_id": "\\ud800", "kickoff": "", "home": "", "away": "", "venue": ""}]',
         "1: game_id has a control character"),
        ("json", '[{"game_id": "1", "game_id": "1"}]', "1: key 'game_id' is there twice"),
        ("json", "[{}", "1: a comma or ] is missing"),
        ("json", "[]x", "1: more text behind the list"),
        ("ics", "", "1: there is no game in the file"),
        ("ics", "game_id,kickoff\n", "1: this is no NAME:value"),
        ("ics", b"BEGIN:VCALENDAR\nX:\xff\nEND:VCALENDAR", "2: this is not UTF-8"),
        ("ics", calendar(*NAMED)[:-17], "1: VCALENDAR has no END"),
        ("ics", "BEGIN:VCALENDAR\nEND:VEVENT\nEND:VCALENDAR", "2: END:VEVENT ends nothing"),
        ("ics", calendar("SUMMARY:B at A"), "3: the event has no LOCATION"),
        ("ics", calendar(*NAMED, "RRULE:FREQ=WEEKLY"), "8: RRULE: games do not repeat"),
        ("ics", calendar(*NAMED, "UID:g2"), "8: UID is there twice"),
        ("ics", calendar("SUMMARY:Bye week", "LOCATION:X"), "6: SUMMARY names no two teams"),
        ("ics", calendar(*NAMED, start="DTSTART;VALUE=DATE:20261004"), "5: DTSTART is no day"),
        ("ics", calendar(*NAMED, start="DTSTART;TZID=UTC:20261004T143000Z"), "5: DTSTART has both"),
        ("ics", calendar(*NAMED, "DTEND;TZID=Europe/London:20261004T143000"), "8: DTEND is not"),
        ("ics", calendar(*NAMED, start="DTSTART;TZID=Eastern Standard Time:20261004T143000"),
         "3: there is no time zone 'Eastern Standard Time'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path, kind, text, said):
    assert said in refused(tmp_path, text, kind)


def test_a_time_that_clocks_skip_is_refused(tmp_path):
    text = HEADER + "g1,2026-03-08T02:30,A,B,X,\n"
    assert "2: kickoff '2026-03-08T02:30' does not exist" in refused(tmp_path, text, schedule=YEAR)


def test_what_a_message_offers_for_a_time_that_is_there_twice_is_taken():
    zone = ZoneInfo("America/New_York")
    said = instant("2026-11-01T01:30", zone)
    assert said.endswith("write 2026-11-01T01:30:00-04:00 or 2026-11-01T01:30:00-05:00")
    assert instant("2026-11-01T01:30:00-04:00", zone) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert instant("2026-11-01T01:30:00-05:00", zone) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_everything_wrong_is_told_at_once_up_to_a_screen(tmp_path):
    said = refused(tmp_path, HEADER + "x,2026-10-04,A,B,X,\n" * (SHOWN + 5)).splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["2", "3"]
    assert said[SHOWN:] == ["… and 5 more"]


WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8).filter(
    lambda word: word == word.strip()
)
SEPTEMBER = datetime(2026, 9, 6, tzinfo=UTC)
ROWS = st.lists(
    st.tuples(
        WORDS, st.integers(0, 160 * 24 * 60), WORDS,
        st.sampled_from([LONDON, "America/Mexico_City", "Asia/Kolkata"]),
    ),
    min_size=1, max_size=6, unique_by=(lambda row: row[0].casefold(), lambda row: row[1]),
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_what_is_imported_is_what_is_read_again(tmp_path, rows):
    given_rows = [
        {"game_id": name, "kickoff": f"{SEPTEMBER + timedelta(minutes=at):%Y-%m-%dT%H:%M:%S}Z",
         "home": f"{venue}1", "away": f"{venue}2", "venue": venue, "zone": zone}
        for name, at, venue, zone in rows
    ]  # fmt: skip
    season_ = imported(tmp_path, json.dumps(given_rows), "json")
    file = tmp_path / "chess-2026.json"
    write_season(file, season_)

    again = read_season(file)

    assert again == season_
    assert file.read_text() == text_of(again)
    told = {
        (one.game_id, f"{one.kickoff:%Y-%m-%dT%H:%M:%S}Z", one.venue, one.zone)
        for one in again.games
    }
    assert told == {
        (row["game_id"], row["kickoff"], row["venue"], row["zone"]) for row in given_rows
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no season's file"),
        ('{"sport": "chess", "season": 2026, "games": [], "more": 1}', "unknown field `more`"),
        (text_of(SeasonFile("chess", 2026, (GAME,))).replace(LONDON, "Mars"), "Mars"),
        (text_of(SeasonFile("chess", 2026, (GAME,))).replace("00Z", "00"), "is no season's file"),
        (text_of(SeasonFile("chess", 2026, (GAME, GAME))).replace("04T", "05T", 1), "not in order"),
    ],
)
def test_a_file_that_was_damaged_is_refused(tmp_path, text, said):
    (tmp_path / "chess-2026.json").write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        read_season(tmp_path / "chess-2026.json")
    assert "schedule import" in error.value.hint


def test_a_file_of_the_working_folder_stands_before_the_one_beside_the_spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "sports" / "chess.yaml"
    beside = spec.parent / "schedules" / "chess-2026.json"
    day = date(2026, 10, 4)
    assert list(seasons_of("chess", AUTUMN, spec, day, day)) == []
    write_season(beside, SeasonFile("chess", 2026, (GAME,)))
    assert [file for file, _ in seasons_of("chess", AUTUMN, spec, day, day)] == [beside]
    write_season(Path("schedules/chess-2026.json"), SeasonFile("chess", 2026, (GAME,)))
    assert [str(file) for file, _ in seasons_of("chess", AUTUMN, spec, day, day)] == [
        "schedules/chess-2026.json"
    ]
    write_season(Path("schedules/chess-2026.json"), SeasonFile("chess", 2025, (GAME,)))
    with pytest.raises(UsageError, match="holds season 2025 of chess"):
        list(seasons_of("chess", AUTUMN, spec, day, day))


def test_a_file_knows_the_days_up_to_its_last_game():
    one = SeasonFile("chess", 2026, (GAME,))
    assert covers(one, AUTUMN, date(2026, 9, 4))
    assert covers(one, AUTUMN, date(2026, 10, 4))
    assert not covers(one, AUTUMN, date(2026, 10, 5))
    assert not covers(one, AUTUMN, date(2026, 9, 3))


def test_the_day_of_a_game_is_the_league_s():
    late = Game("g", datetime(2026, 10, 5, 1, tzinfo=UTC), "A", "B", "X", "UTC")
    one = SeasonFile("chess", 2026, (late,))
    zone = ZoneInfo("America/New_York")
    assert games_of(one, zone, date(2026, 10, 4), date(2026, 10, 4)) == [late]
    assert games_of(one, zone, date(2026, 10, 5), date(2026, 10, 5)) == []


def test_games_are_on_until_their_length_is_over():
    at = [GAME.kickoff + timedelta(hours=hours) for hours in (0, 2, 3)]
    games = tuple(Game(str(n), when, "A", "B", "X", "UTC") for n, when in enumerate(at))
    assert most_on(SeasonFile("chess", 2026, games), 3 * HOUR) == (2, at[1])


# The samples.


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda one: one.sport)
def sample(request):
    file = ROOT / "sports/schedules" / file_name(request.param.sport, request.param.first.year)
    return request.param, file


def test_samples_are_those_that_the_script_makes(sample):
    assert text_of(season(sample[0])) == sample[1].read_text(), "run benchmarks/make_schedules.py"


def test_samples_have_a_whole_season_within_the_windows(sample):
    made, times = read_season(sample[1]), plan_for(ROOT / f"sports/{sample[0].sport}.yaml").schedule
    assert len(made.games) == {"nfl": 272, "nba": 1230, "mlb": 2430}[made.sport]
    played: dict[str, int] = {}
    begun: dict[datetime, int] = {}
    for game in made.games:
        begun[game.kickoff] = begun.get(game.kickoff, 0) + 1
        for team in (game.home, game.away):
            played[team] = played.get(team, 0) + 1
    assert set(played.values()) == {sample[0].each}
    first, last = (made.games[at].kickoff.date() for at in (0, -1))
    first -= timedelta(days=1)  # evenings of the league are the next day in UTC
    room = {one.begins.astimezone(UTC): one.games for one in slots(times, first, last)}
    assert [at for at, games in begun.items() if games > room.get(at, 0)] == []


def test_the_sample_plays_abroad_at_the_venues_own_time():
    games = read_season(ROOT / "sports/schedules/nfl-2026.json").games
    london = [one.kickoff.astimezone(ZoneInfo(one.zone)) for one in games if one.zone == LONDON]
    assert [f"{at:%m-%d %H:%M}" for at in london] == [
        "10-04 14:30", "10-11 14:30", "10-18 14:30", "10-25 13:30"
    ]  # fmt: skip
    assert [one.venue for one in games if "Mexico" in one.zone] == ["Mexico City Stadium"]


# The command.

ROW = "g1,2026-10-04T14:30,Home [red],Away,Arena,Europe/London\n"


def test_a_season_is_imported_checked_and_shown(tmp_path):
    (tmp_path / "given.csv").write_text(HEADER + ROW)
    words = ("schedule", "import", "given.csv", "--sport", "nfl")
    missing = oddspipe(*words, "--check", folder=tmp_path)
    assert (missing.returncode, missing.stdout) == (3, "schedules/nfl-2026.json is missing\n")

    done = oddspipe(*words, folder=tmp_path)

    assert done.stdout == "schedules/nfl-2026.json: 1 games, 2026-10-04 to 2026-10-04\n"
    assert oddspipe(*words, "--check", folder=tmp_path).returncode == 0
    days = ("schedule", "--sport", "nfl", "--from", "2026-10-04", "--days", "2")
    shown = oddspipe(*days, folder=tmp_path).stdout
    assert "Away at Home [red]" in shown
    assert "Sun 14:30 BST" in shown
    told = json.loads(oddspipe(*days, "--format", "json", folder=tmp_path).stdout)
    assert told["files"] == [{"file": "schedules/nfl-2026.json", "season": 2026, "sample": False}]
    assert [one["begins"] for one in told["imported"]] == ["2026-10-04T13:30:00+00:00"]
    assert [one["begins"][:10] for one in told["games"]] == ["2026-10-05"]  # behind the last game
    (tmp_path / "given.csv").write_text(HEADER + ROW.replace("g1", "g2"))
    differs = oddspipe(*words, "--check", folder=tmp_path)
    assert (differs.returncode, differs.stdout) == (3, "schedules/nfl-2026.json differs\n")


def test_more_games_at_once_than_the_load_plans_for_are_told(tmp_path):
    rows = "".join(f"g{n},2026-10-04T13:00,H{n},A{n},X,\n" for n in range(7))
    (tmp_path / "given.csv").write_text(HEADER + rows)
    words = ("schedule", "import", "given.csv", "--sport", "nfl", "--out", "new/out.json")
    done = oddspipe(*words, folder=tmp_path)
    assert done.returncode == 0
    assert "7 games are on at once at 2026-10-04 17:00 UTC" in done.stderr
    assert read_season(tmp_path / "new/out.json").season == 2026


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "bad.csv", "--sport", "nfl"), "bad.csv:1: there is no column 'id'"),
        (("import", "none.csv", "--sport", "nfl"), "none.csv cannot be read"),
        (("import", "bad.txt", "--sport", "nfl"), "Say it with --format"),
        (("import", "good.csv", "--sport", "nfl", "--out", "bad.csv/x"), "cannot be written"),
        (("--sport", "nfl", "import", "bad.csv", "--sport", "nfl"), "stands before import"),
        ((), "--sport is missing"),
    ],
)
def test_wrong_usage_is_a_message_and_code_2(tmp_path, words, said):
    (tmp_path / "bad.csv").write_text("id\n")
    (tmp_path / "good.csv").write_text(HEADER + ROW)
    done = oddspipe("schedule", *words, folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
