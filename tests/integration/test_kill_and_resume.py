"""`kill -9` at any moment, then --resume: every sink holds what a run without a kill leaves."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from oddspipe.core.adapters.state_folder import StateFolder

pytestmark = pytest.mark.integration

GAMES, PLAYS = 4, 400
LOOK = """
import sys
from pathlib import Path
from oddspipe.core.adapters.clickhouse.client import open_embedded
client = open_embedded(Path(sys.argv[1]))
for table in ("nfl_events", "nfl_tracking_by_second", "nfl_odds_history"):
    columns = "* EXCEPT (inserted_at)" if "inserted_at" in str(
        client.query(f"DESCRIBE {table}").result_rows) else "*"
    print(table, client.query(
        f"SELECT count(), sum(cityHash64(toString(tuple({columns})))) FROM {table}").result_rows)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Make recorded games with scores that rise, and a few that fall: dead letters."""
    made, rows = random.Random(5), []
    for game in range(GAMES):
        home = away = 0
        for seq in range(PLAYS):
            left = 3600 - seq * 3600 // PLAYS
            if made.random() < 0.05:
                home, away = home + made.choice([0, 3, 7]), away + made.choice([0, 3, 7])
            told = home - 3 if made.random() < 0.02 and home > 3 else home
            rows.append(
                {
                    "game_id": f"2024_01_A{game}_B{game}", "seq": seq, "game_date": "2024-09-08",
                    "kickoff_et": "13:00", "qtr": min(4, 1 + (3600 - left) // 900),
                    "game_seconds_remaining": left, "qtr_seconds_remaining": left % 900,
                    "home_team": f"B{game}", "away_team": f"A{game}", "posteam": f"A{game}",
                    "home_score": told, "away_score": away, "down": made.randint(1, 4),
                    "ydstogo": made.randint(1, 20), "yardline_100": made.randint(1, 99),
                    "home_timeouts": 3, "away_timeouts": 3, "play_type": "run",
                    "spread_line": 2.5, "total_line": 44.5, "result": 0, "total": 0,
                }
            )  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(
        result=(pl.col("home_score") - pl.col("away_score")).last().over("game_id"),
        total=(pl.col("home_score") + pl.col("away_score")).last().over("game_id"),
    )
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "nfl").mkdir()
    frame.write_parquet(folder / "nfl" / "pbp_2024.parquet")
    return folder


def command(recorded: Path, folder: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-c", "from oddspipe.cli.app import main; main()", "run", "--sport", "nfl",
        "--data", str(recorded), "--max-speed", "--no-live", "--state", str(folder / "state"),
        "--report", str(folder / "report.json"), "--odds-out", str(folder / "odds.parquet"), *more,
    ]  # fmt: skip


def finish(recorded: Path, folder: Path, *more: str) -> dict:
    done = subprocess.run(
        command(recorded, folder, *more), check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text())


def outcome(folder: Path) -> dict:
    """Return what every sink holds."""
    state = folder / "state"
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(state / "clickhouse")],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    letters = [json.loads(x) for x in (state / "dead_letters.ndjson").read_text().splitlines()]
    return {
        "odds": (folder / "odds.parquet").read_bytes(),
        "partners": {
            str(path.relative_to(state)): path.read_bytes()
            for path in sorted((state / "partners").rglob("*.ndjson"))
        },
        "letters": sorted(
            (le["stage"], le["position"], le["reason"], le["payload"]) for le in letters
        ),
        "clickhouse": looked.stdout,
    }


@pytest.fixture(scope="module")
def whole(recorded, tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("whole")
    report = finish(recorded, folder)
    return report, outcome(folder)


@pytest.mark.proves("books", "normalise", "order", "price")
def test_the_report_has_its_keys_and_the_books_balance(whole) -> None:
    report, _ = whole

    assert {
        "plan", "seconds", "events_in", "events_out", "events_per_second", "stages", "latency_ms",
        "odds_published", "odds_sha256", "peak_rss_mb",
    } <= report.keys()  # fmt: skip
    assert {"p50", "p99", "max"} <= report["latency_ms"].keys()
    for stage in report["stages"]:
        gone = stage["out"] + stage["duplicates"] + stage["held_after"]
        gone += sum(stage["rejected"].values()) + sum(stage["dropped"].values())
        assert stage["in"] + stage["held_before"] == gone
    assert report["rejects"]["TEMPORAL_RULE"] > 0
    assert report["odds_published"] > 500


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.proves(
    "kill", "recorded", "normalise", "order", "price", "clickhouse", "partners", "dead_letters"
)
@pytest.mark.proves("loss", "clickhouse", "partners", "dead_letters")
@pytest.mark.proves("twice", "clickhouse", "partners", "dead_letters")
@pytest.mark.proves("same", "recorded", "price", "partners")
def test_killed_and_resumed_equals_a_run_without_a_kill(whole, recorded, tmp_path, seed) -> None:
    wanted_report, wanted = whole
    made, begun = random.Random(seed), False

    for _ in range(3):
        begun = (tmp_path / "state" / "run.json").exists()
        process = subprocess.Popen(
            command(recorded, tmp_path, *(["--resume"] if begun else [])),
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.communicate(timeout=made.uniform(0.6, 2.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    begun = (tmp_path / "state" / "run.json").exists()
    report = finish(recorded, tmp_path, *(["--resume"] if begun else []))

    assert report["odds_sha256"] == wanted_report["odds_sha256"]
    assert report["stages"] == wanted_report["stages"]
    assert report["odds_published"] == wanted_report["odds_published"]
    assert outcome(tmp_path) == wanted


def test_sigterm_drains_and_a_resume_goes_on(whole, recorded, tmp_path) -> None:
    wanted_report, wanted = whole
    paced = [word for word in command(recorded, tmp_path) if word != "--max-speed"]
    # The hour of each game takes six minutes: however long a busy machine lets this process wait,
    # the run is not at its end when it is stopped.
    process = subprocess.Popen([*paced, "--speed", "10"], stderr=subprocess.PIPE, text=True)
    store = StateFolder(tmp_path / "state")
    while store.committed() < 20:
        _wait(process)
    process.terminate()
    _, said = process.communicate(timeout=120)

    assert process.returncode == 0, said
    stopped = json.loads((tmp_path / "report.json").read_text())
    assert stopped["stopped_by"] == "SIGTERM"
    assert 0 < stopped["events_in"] < wanted_report["events_in"]
    report = finish(recorded, tmp_path, "--resume")
    assert report["odds_sha256"] == wanted_report["odds_sha256"]
    assert outcome(tmp_path) == wanted


def _wait(process: subprocess.Popen) -> None:
    """Give the run a tenth of a second."""
    try:
        process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(process.communicate()[1])


def test_a_second_run_on_the_folder_is_refused_clearly(recorded, tmp_path) -> None:
    store = StateFolder(tmp_path / "state")
    store.acquire()
    try:
        done = subprocess.run(
            command(recorded, tmp_path), check=False, capture_output=True, text=True, timeout=60
        )
    finally:
        store.release()

    assert done.returncode == 4
    assert "is in use by process" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_used_folder_asks_for_resume_or_fresh(whole, recorded, tmp_path) -> None:
    finish(recorded, tmp_path, "--limit", "100")
    done = subprocess.run(
        command(recorded, tmp_path), check=False, capture_output=True, text=True, timeout=60
    )
    anew = finish(recorded, tmp_path, "--fresh")

    assert done.returncode == 4
    assert "--resume" in done.stderr
    assert "--fresh" in done.stderr
    assert anew["odds_sha256"] == whole[0]["odds_sha256"]


@pytest.mark.proves("told", "recorded")
def test_a_second_signal_ends_at_once() -> None:
    code = (
        "import os; from oddspipe.core.runtime.drain import StopSwitch\n"
        "stop = StopSwitch(); stop.install(); stop.on_second = lambda: print('left', flush=True)\n"
        "os.kill(os.getpid(), 15); assert stop.reason == 'SIGTERM'\n"
        "os.kill(os.getpid(), 2); print('still here', flush=True)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (130, "left\n")
