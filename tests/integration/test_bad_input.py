"""What goes wrong with input, disk, servers and models: one message or a dead letter; no hang."""

import base64
import json
import os
import resource
import signal
import subprocess

import polars as pl
import pytest
from tests.pricing_model import NormalModel
from tests.replay_cases import ODDSPIPE, ROWS, dead_letters, nba_rows, oddspipe, recorded, run
from tests.run_cases import PLAN, payload

from oddspipe.core.adapters.dead_letters import DeadLetters, letters
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.names import Kind
from oddspipe.core.runtime.chain import PartitionChain

pytestmark = pytest.mark.integration


def refused(tmp_path, data, *words):
    """Run and return the one message of a run that could not go on."""
    done, report = run(tmp_path, data, *words)
    assert done.returncode == 4, done.stderr
    assert report is None
    assert "Traceback" not in done.stderr + done.stdout
    assert not list(tmp_path.glob("oddspipe-crash-*"))
    return done.stderr


# Files of recorded games.


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert f"--data {tmp_path / 'no'}: there is no such folder [run]" in refused(
        tmp_path, tmp_path / "no"
    )


def test_a_folder_without_the_files_of_the_sport_is_named_with_what_is_looked_for(tmp_path):
    (tmp_path / "nfl").mkdir()

    told = refused(tmp_path, tmp_path)

    assert f"no file nba/pbp_*.parquet below {tmp_path} [run]" in told
    assert "hint: --data is the folder above it" in told


@pytest.mark.parametrize(
    "broken",
    [
        lambda _: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda _: b"no Parquet at all, but long enough to be one of those files",
        lambda whole: whole[:4] + bytes(len(whole) - 12) + whole[-8:],
        lambda whole: whole[:4] + b"\xff" * 600 + whole[604:],
    ],
    ids=["empty", "cut", "text", "zeros", "overwritten"],
)
@pytest.mark.proves("told", "recorded")
def test_a_damaged_parquet_file_is_named(tmp_path, broken):
    data = recorded(tmp_path, nba_rows("A"))
    file = data / "nba" / "pbp_2022_23.parquet"
    file.write_bytes(broken(file.read_bytes()))

    told = refused(tmp_path, data)

    assert f"error: {file}: cannot be read: " in told
    assert "hint: The file is damaged: copy or record it again." in told


def test_a_file_without_rows_is_named(tmp_path):
    assert "pbp_2022_23.parquet: no rows [run]" in refused(
        tmp_path, recorded(tmp_path, nba_rows("A").clear())
    )


def test_a_column_that_is_missing_is_named_with_those_that_are_there(tmp_path):
    told = refused(tmp_path, recorded(tmp_path, nba_rows("A").drop("points")))

    assert "pbp_2022_23.parquet: no column 'points' [run]" in told
    assert "hint: `feed.recording` reads it; the file has game_id, seq, " in told


def test_a_column_of_another_type_is_named_with_the_expression_that_reads_it(tmp_path):
    frame = nba_rows("A").with_columns(pl.col("points").cast(pl.String) + " points")

    told = refused(tmp_path, recorded(tmp_path, frame))

    assert "pbp_2022_23.parquet: 'points = 0': " in told


def test_a_start_that_is_no_time_is_named_with_its_game(tmp_path):
    told = refused(tmp_path, recorded(tmp_path, nba_rows("A", start="7 pm")))

    assert "game A starts at '2023-01-10 7 pm', not YYYY-MM-DD HH:MM" in told


# Rows of recorded games: a bad one is a dead letter, and the other games go on.


@pytest.mark.parametrize(
    ("column", "value", "reason", "field"),
    [
        ("home_score", 9999, "OUT_OF_RANGE", "home_score"),
        ("period_seconds_remaining", -5, "MAPPING", ""),
        ("event", "dunk", "MAPPING", ""),
        ("period", None, "", ""),
    ],
)
@pytest.mark.proves("bytes", "recorded")
@pytest.mark.proves("told", "normalise")
def test_a_row_with_a_bad_value_is_a_dead_letter_and_other_games_go_on(
    tmp_path, column, value, reason, field
):
    bad = (pl.col("game_id") == "A") & (pl.col("seq") == 4)
    frame = nba_rows("A", "B").with_columns(
        pl.when(bad).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )

    done, report = run(tmp_path, recorded(tmp_path, frame))

    assert done.returncode == 0, done.stderr
    assert report["games"] == 2
    assert report["balanced"]
    assert report["rejects"] == ({reason: 1} if reason else {})
    found = dead_letters(tmp_path)
    assert [(one["reason"], one["field"]) for one in found] == [(reason, field)] * bool(reason)
    assert all(base64.b64decode(one["payload"]) for one in found)


def test_lines_that_are_nan_are_dead_letters(tmp_path):
    frame = nba_rows("A", "B").with_columns(
        pre_total=pl.when(pl.col("game_id") == "A").then(float("nan")).otherwise(221.0)
    )

    done, report = run(tmp_path, recorded(tmp_path, frame))

    assert done.returncode == 0, done.stderr
    assert report["rejects"] == {"NOT_FINITE": 1}
    (letter,) = dead_letters(tmp_path)
    assert (letter["reason"], letter["field"]) == ("NOT_FINITE", "total_line")


# Payloads of a feed: every kind of damage, through all stages into the file of dead letters.

GOOD = payload("A", 1, Kind.GAME_START)
PLAY = payload("A", 2, Kind.PLAY, period=1, clock=900_000, home=0, away=0)
NAN = bytes.fromhex("69000000000000f87f")
BAD = {
    "truncated": (PLAY[:-1], "TRUNCATED", ""),
    "group": (PLAY + b"\x0b", "MALFORMED", ""),
    "endless varint": (PLAY + b"\x40" + b"\xff" * 11, "MALFORMED", ""),
    "wire type": (PLAY + b"\x22\x01\x00", "WRONG_WIRE_TYPE", "sequence"),
    "no text": (payload("A", 2, Kind.PLAY) + b"\x1a\x01\xff", "BAD_UTF8", "game_id"),
    "long id": (PLAY + b"\x0a\x41" + b"x" * 65, "OVERSIZED", "event_id"),
    "long payload": (PLAY + b"\xfa\x07\xf0\xf1\x04" + bytes(80_112), "OVERSIZED", ""),
    "no game": (b"\x0a\x01x\x20\x02\x38\x01", "MISSING_FIELD", "game_id"),
    "NaN": (PLAY + NAN, "NOT_FINITE", "value"),
    "unknown kind": (payload("A", 2, 99), "UNKNOWN_ENUM", "kind"),
    "nothing": (b"", "MISSING_FIELD", "kind"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.proves("bytes", "recorded", "normalise", "dead_letters")
def test_a_damaged_payload_is_a_dead_letter_with_its_bytes_and_the_rest_goes_on(tmp_path, name):
    raw, reason, field = BAD[name]
    other = payload("B", 1, Kind.PLAY, period=1, clock=900_000, home=0, away=0)
    chain = PartitionChain(PLAN, NormalModel())
    sink = DeadLetters(
        tmp_path / "dead.ndjson",
        fields=[column.name for column in PLAN.layout.columns], rules=[], plan="p",
    )  # fmt: skip
    sink.open()

    times = pl.Series([1, 2, 3, 4]).to_numpy() * 1_000_000
    output = chain.step(Payloads.of([GOOD, raw, PLAY, other], ingest_us=times))
    sink.write(output)
    sink.close()

    (letter,) = letters(tmp_path / "dead.ndjson")
    assert (letter.reason, letter.field, letter.position) == (reason, field, 1)
    assert base64.b64decode(letter.payload) == raw
    assert len(output.events) == 3
    assert all(account.balance() == 0 for account in chain.accounts)


# Disk, folder, servers.


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "state").write_text("in the way")

    told = refused(tmp_path, recorded(tmp_path, nba_rows("A")))

    assert f"the state folder {tmp_path / 'state'} cannot be used" in told


def test_a_report_that_cannot_be_written_is_told_before_the_run(tmp_path):
    done, _ = run(
        tmp_path, recorded(tmp_path, nba_rows("A")), "--odds-out", tmp_path / "no" / "odds.parquet"
    )

    assert done.returncode == 2
    assert "the folder of" in done.stderr
    assert "does not exist" in done.stderr


def started(folder, data, *words, sinks, **more):
    return subprocess.Popen(
        [
            *(ODDSPIPE, "run", "--sport", "nba", "--data", data, "--no-live"),
            *("--state", folder / "state", "--sinks", sinks, *words),
        ],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        **more,
    )


@pytest.mark.proves("loss", "partners", "dead_letters")
@pytest.mark.proves("told", "partners", "dead_letters")
def test_a_full_disk_is_told_and_nothing_is_lost_when_there_is_room_again(tmp_path):
    # Every row of game A is turned away: its dead letters do not fit into 4 KiB.
    frame = nba_rows("A", "B").with_columns(
        event=pl.when(pl.col("game_id") == "A").then(pl.lit("dunk")).otherwise(pl.col("event"))
    )
    data = recorded(tmp_path, frame)

    process = started(
        tmp_path, data, "--max-speed", sinks="dead_letters",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    said = ""
    for line in process.stderr:
        said = line
        if "bytes not written" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)

    assert "dead_letters.ndjson" in said
    assert "File too large" in said
    assert process.returncode == 4
    assert "did not finish within 10 s of the request to stop" in rest
    assert "Traceback" not in rest
    again = oddspipe(
        *("run", "--sport", "nba", "--state", tmp_path / "state", "--resume", "--max-speed"),
        *("--no-live", "--sinks", "dead_letters"),
        folder=tmp_path,
    )
    assert again.returncode == 0, again.stderr
    assert len(dead_letters(tmp_path)) == ROWS


@pytest.mark.proves("kill", "redis")
def test_an_embedded_redis_that_is_killed_is_started_again(tmp_path):
    data = recorded(tmp_path, nba_rows("A"))
    report = tmp_path / "report.json"
    process = started(tmp_path, data, "--speed", "60", "--report", report, sinks="current")
    pid = tmp_path / "state" / "redis" / "redis.pid"
    for line in process.stderr:
        if " 0 boards" not in line and "boards" in line:
            break
    os.kill(int(pid.read_text()), signal.SIGKILL)
    _, rest = process.communicate(timeout=100)

    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    told = json.loads(report.read_text())
    assert told["sinks"]["current"]["retries"] >= 1
    assert told["sinks"]["current"]["odds"] == told["odds_published"] > 0
