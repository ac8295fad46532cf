"""A simulated feed with faults, as a user runs it: around recorded games, killed and resumed."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.integration

FAULTS = (
    "duplicates=1%,swaps=0.5%,gaps=0.2%,late=0.2%,corrupt=0.2%,out_of_range=0.2%,"
    "corrections=50%,silence=2s/5s"
)
SECONDS, RATE = 8, 3000
PLAYS = 30


def command(folder: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-c", "from oddspipe.cli.app import main; main()", "run", "--sport", "nfl",
        "--source", "simulator", "--rate", str(RATE), "--games", "3", "--duration", str(SECONDS),
        "--faults", FAULTS, "--seed", "4", "--no-live", "--state", str(folder / "state"),
        "--report", str(folder / "report.json"), "--odds-out", str(folder / "odds.parquet"), *more,
    ]  # fmt: skip


def finish(folder: Path, *more: str) -> dict:
    done = subprocess.run(
        command(folder, *more), check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text())


def outcome(folder: Path) -> dict:
    """Return what the sinks that are files hold."""
    state = folder / "state"
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
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("whole")
    report = finish(folder, "--max-speed")
    return report, outcome(folder)


def test_the_report_tells_what_was_injected_and_the_books_agree(whole) -> None:
    report, _ = whole

    injected, stages = report["injected"], {stage["stage"]: stage for stage in report["stages"]}
    assert report["events_in"] > 0.5 * SECONDS * RATE
    assert report["rejects"] == {
        name.upper(): injected[name] for name in ("truncated", "malformed", "out_of_range")
    }
    assert stages["order"]["duplicates"] == injected["duplicates"] > 50
    assert injected["late"] > 0
    assert injected["silences"] == 1


@pytest.mark.parametrize(("pace", "within"), [("--max-speed", (0.8, 2.5)), ("--speed=2", (1.5, 4))])
@pytest.mark.parametrize("seed", range(2))
def test_killed_and_resumed_equals_a_run_without_a_kill(
    whole, tmp_path, seed, pace, within
) -> None:
    wanted_report, wanted = whole
    made = random.Random(seed)

    for _ in range(3):
        begun = (tmp_path / "state" / "run.json").exists()
        process = subprocess.Popen(
            command(tmp_path, pace, *(["--resume"] if begun else [])),
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.communicate(timeout=made.uniform(*within))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    begun = (tmp_path / "state" / "run.json").exists()
    report = finish(tmp_path, "--max-speed", *(["--resume"] if begun else []))

    assert report["odds_sha256"] == wanted_report["odds_sha256"]
    assert report["stages"] == wanted_report["stages"]
    assert report["injected"] == wanted_report["injected"]
    assert outcome(tmp_path) == wanted


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Make two recorded games of some minutes, on different days."""
    rows = [
        {
            "game_id": f"2024_0{game}_A_B", "seq": seq, "game_date": f"2024-09-0{game + 1}",
            "kickoff_et": "13:00", "qtr": 1, "game_seconds_remaining": 3600 - seq * 5,
            "qtr_seconds_remaining": 900 - seq * 5, "home_team": "B", "away_team": "A",
            "posteam": "A", "home_score": seq // 10 * 7, "away_score": seq // 15 * 3,
            "down": 1 + seq % 4, "ydstogo": 10, "yardline_100": 99 - seq, "home_timeouts": 3,
            "away_timeouts": 3, "play_type": "run", "spread_line": 2.5, "total_line": 44.5,
            "result": 11, "total": 17,
        }
        for game in range(2)
        for seq in range(PLAYS)
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "nfl").mkdir()
    pl.DataFrame(rows).write_parquet(folder / "nfl" / "pbp_2024.parquet")
    return folder


def test_recorded_games_are_played_at_once_among_made_up_events(recorded, tmp_path) -> None:
    words = [
        sys.executable, "-c", "from oddspipe.cli.app import main; main()", "run", "--sport", "nfl",
        "--source", "simulator", "--data", str(recorded), "--rate", "50", "--max-speed",
        "--no-live", "--state", str(tmp_path / "state"), "--report", str(tmp_path / "report.json"),
        "--odds-out", str(tmp_path / "odds.parquet"),
    ]  # fmt: skip
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["games"] == 2
    assert report["rejects"] == {}
    # 29 plays of 5 s game clock, 15.5 s on the wall; 50 events a second of both games.
    assert report["events_in"] == pytest.approx(50 * 29 * 15.5, rel=0.02)
    odds = pl.read_parquet(tmp_path / "odds.parquet")
    assert sorted(odds["game_id"].unique().to_list()) == ["2024_00_A_B", "2024_01_A_B"]
    assert odds.filter(pl.col("status") == "settled")["game_id"].n_unique() == 2
