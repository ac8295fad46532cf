"""A model that fails on one game: the others go on, and the real command says what failed."""

import base64
import os

import polars as pl
import pytest
from tests.replay_cases import dead_letters, nba_rows, oddspipe, recorded, run

pytestmark = pytest.mark.integration

SPEC = """extends: oddspipe.sports:nba.yaml
sport: courts
model: {name: courts}
"""
METADATA = "Metadata-Version: 2.4\nName: oddspipe-courts\nVersion: 1.0\n"
ENTRY_POINTS = """[oddspipe.sports]
courts = courts:courts.yaml

[oddspipe.models]
courts = courts:Courts
"""
MODEL = """
import math
import time

import numpy as np
from oddspipe.core.api import JointGrid
from oddspipe.plugins.nba import NbaModel


class Courts(NbaModel):
    def price(self, states):
        bad = states["total_line"] > 240
        if bad.any():
            return self.fail(states, bad)
        return super().price(states)

    def fail(self, states, bad):
        {fail}
"""
JOINT = """home, away = (states[name].astype(np.int64) for name in ("home_score", "away_score"))
        mass = np.full((len(home), 2, 2), 0.25)
        {}
        grid = JointGrid(home, away, mass)
        return {{"game": grid, "first_half": grid}}"""
FAILURES = {
    "raises": ("raise ZeroDivisionError('no pace')", "ZeroDivisionError: no pace"),
    "nothing": ("return None", "TypeError: price() returned None"),
    "another scope": (
        "return {'second_half': super().price(states)['game']}",
        "the model gave no distribution for scope 'game'",
    ),
    "NaN": (
        JOINT.format("mass[bad] = math.nan"),
        "not a distribution: NaN, below 0 or does not add up to 1",
    ),
    "too much": (
        JOINT.format("mass[bad] *= 2"),
        "not a distribution: NaN, below 0 or does not add up to 1",
    ),
    "wrong shape": (
        JOINT.format("home, away, mass = home[1:], away[1:], mass[1:]"),
        "0 prices for 1 games",
    ),
    "not a distribution": (
        "return {'game': np.ones(len(bad))}",
        "AttributeError: 'numpy.ndarray' object has no attribute 'margin'",
    ),
}


def courts(folder, fail):
    """Write what an installed package `courts` is; return the environment to run in."""
    package = folder / "site" / "courts"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(MODEL.replace("{fail}", fail))
    (package / "courts.yaml").write_text(SPEC)
    info = folder / "site" / "oddspipe_courts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return {**os.environ, "PYTHONPATH": str(folder / "site")}


def games(folder, bad, good):
    """Record games that are played at once; the model fails on those with a total of 250."""
    frame = nba_rows(*bad, *good).with_columns(
        pre_total=pl.when(pl.col("game_id").is_in(list(bad))).then(250.0).otherwise(221.0)
    )
    return recorded(folder, frame)


def open_after_the_line(file):
    """Return the games with an open price made after the pregame line was known, at sequence 2."""
    later = pl.col("cause_sequence") > 1
    rows = pl.read_parquet(file).filter((pl.col("status") == "open") & later)
    return rows["game_id"].unique().to_list()


@pytest.mark.parametrize("name", FAILURES)
def test_a_model_that_fails_on_a_game_suspends_that_game_alone(tmp_path, name):
    fail, words = FAILURES[name]
    environ = courts(tmp_path, fail)
    odds = tmp_path / "odds.parquet"

    done, report = run(
        tmp_path, games(tmp_path, "A", "B"), "--odds-out", odds, sport="courts", environ=environ
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert report["balanced"]
    assert open_after_the_line(odds) == ["B"]
    found = dead_letters(tmp_path)
    assert {(one["reason"], one["text"]) for one in found} == {("PLUGIN", words)}
    assert all(b"\x1a\x01A" in base64.b64decode(one["payload"]) for one in found)
    assert report["model_failures"] == len(found)
    assert "dlq list" in done.stdout


@pytest.mark.proves("told", "price")
def test_a_model_that_hangs_is_left_and_stops_the_run_the_third_time(tmp_path):
    environ = courts(tmp_path, "time.sleep(60)")
    data = games(tmp_path, "A", "B")

    # Three events of A, one a second, each waited for in vain.
    done = oddspipe(
        *("run", "--sport", "courts", "--data", data, "--speed", "60", "--no-live"),
        *("--state", tmp_path / "state", "--sinks", "dead_letters"),
        folder=tmp_path,
        env=environ,
    )

    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "the model did not answer within 2 s, for the 3rd time" in done.stderr
    assert {one["text"] for one in dead_letters(tmp_path)} == {
        "the model did not answer within 2 s"
    }
