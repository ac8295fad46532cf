"""Small made-up recordings of the NBA, and the real command on them."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl

ODDSPIPE = Path(sys.executable).with_name("oddspipe")
ROWS = 12
"""Rows of a game; with its start, opening lines and end it makes 15 events."""


def nba_rows(*games, rows=ROWS, day="2023-01-10", start="19:10", step=20):
    """Return the rows of games that all start at once: a basket of two points every third row."""
    return pl.DataFrame(
        [
            {
                "game_id": game,
                "seq": seq,
                "game_date": day,
                "wall_clock_et": start,
                "elapsed_seconds": seq * step,
                "pre_margin": 2.5,
                "pre_total": 221.0,
                "spread_line": None,
                "total_line": None,
                "period": 1,
                "period_seconds_remaining": 720 - seq * step,
                "home_score": seq // 3 * 2,
                "away_score": 0,
                "poss_home": seq % 2,
                "event": "made_shot" if seq % 3 == 0 and seq else "rebound",
                "action_code": 0,
                "team": "home",
                "points": 2 if seq % 3 == 0 and seq else 0,
                "final_home": (rows - 1) // 3 * 2,
                "final_away": 0,
            }
            for game in games
            for seq in range(rows)
        ],
        schema_overrides={"spread_line": pl.Float64, "total_line": pl.Float64},
    )


def recorded(folder, frame, name="pbp_2022_23.parquet"):
    """Write rows where the NBA's recording is looked for; return the data folder."""
    (folder / "nba").mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "nba" / name)
    return folder


def oddspipe(*words, folder, **more):
    """Run the real command in a folder of its own."""
    return subprocess.run(
        [ODDSPIPE, *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,
    )


def run(folder, data, *words, sinks="dead_letters", sport="nba", environ=None):
    """Replay `data` at full speed; return the finished process and its report, if there is one."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    done = oddspipe(
        *("run", "--sport", sport, "--data", data, "--max-speed", "--no-live", "--fresh"),
        *("--state", folder / "state", "--report", report, "--sinks", sinks, *words),
        folder=folder,
        env=environ,
    )
    return done, json.loads(report.read_text()) if report.exists() else None


def dead_letters(folder):
    """Return the dead letters of the run in `folder`."""
    told = oddspipe("dlq", "list", "--state", folder / "state", "--format", "json", folder=folder)
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]
