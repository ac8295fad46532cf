"""`oddspipe backtest` through the real command, on a small made-up recording."""

import json
import re

import numpy as np
import polars as pl
import pytest
from tests.replay_cases import ROWS, nba_rows, oddspipe, recorded

from oddspipe.core.api import GameStates
from oddspipe.core.backtest.forecasts import above, below
from oddspipe.plugins.nba import NbaModel, NbaParameters

pytestmark = pytest.mark.integration


def two_seasons():
    """Five games; home wins all but C, and the market closed on A and B."""
    frame = pl.concat(
        [nba_rows("A", "B"), nba_rows("C", "D", day="2023-11-08"), nba_rows("E", day="2023-11-09")]
    )
    lost = pl.col("game_id") == "C"
    return frame.with_columns(
        away_score=pl.when(lost).then(pl.col("home_score") + 1).otherwise(0),
        final_away=pl.when(lost).then(pl.col("final_home") + 1).otherwise(0),
        spread_line=pl.when(pl.col("game_id").is_in(["A", "B"])).then(9.0),
        total_line=pl.when(pl.col("game_id").is_in(["A", "B"])).then(230.0),
    )


@pytest.fixture
def data(tmp_path):
    return recorded(tmp_path / "data", two_seasons())


def backtest(folder, data, *words):
    return oddspipe(
        "backtest", "--sport", "nba", "--data", data, *words,
        "--predictions", "p.parquet", "--json", "r.json", folder=folder,
    )  # fmt: skip


def test_there_is_one_forecast_a_row_and_it_is_of_the_state_after_it(tmp_path, data):
    done = backtest(tmp_path, data)

    assert done.returncode == 0, done.stderr
    made = pl.read_parquet(tmp_path / "p.parquet")
    frame = two_seasons()
    told = frame.select("game_id", pl.col("seq").cast(pl.Int64).alias("sequence"))
    assert (
        made.select("game_id", "sequence")
        .sort("game_id", "sequence")
        .equals(told.sort("game_id", "sequence"))
    )
    assert made["p_home"].null_count() == 0
    row = frame.row(by_predicate=(pl.col("game_id") == "D") & (pl.col("seq") == 6), named=True)
    states = {
        "home_score": row["home_score"], "away_score": row["away_score"], "period": 1,
        "time_left": 2160 + row["period_seconds_remaining"],
        "possession": 1 if row["poss_home"] else 2, "home_throws": 0, "away_throws": 0,
        "home_half": np.nan, "away_half": np.nan, "spread_line": row["pre_margin"],
        "total_line": row["pre_total"],
    }  # fmt: skip
    model = NbaModel(NbaParameters())
    said = model.price(GameStates({k: np.array([float(v)]) for k, v in states.items()}))["game"]
    found = made.row(
        by_predicate=(pl.col("game_id") == "D") & (pl.col("sequence") == 6), named=True
    )
    assert found["p_home"] == pytest.approx(above(said.margin(), np.zeros(1))[0])
    assert found["p_home_minus_1_5"] == pytest.approx(above(said.margin(), np.array([1.5]))[0])
    assert found["p_away_minus_1_5"] == pytest.approx(below(said.margin(), np.array([-1.5]))[0])
    assert found["p_over_close"] is None


def test_scores_are_of_the_forecasts_that_were_written(tmp_path, data):
    assert backtest(tmp_path, data).returncode == 0
    report = json.loads((tmp_path / "r.json").read_text())
    made = pl.read_parquet(tmp_path / "p.parquet")

    won = (made["game_id"] != "C").cast(pl.Float64)
    assert report["scores"]["home_wins"]["rows"] == made.height == 5 * ROWS
    assert report["scores"]["home_wins"]["brier"]["value"] == pytest.approx(
        ((made["p_home"] - won) ** 2).mean()
    )
    assert report["without_forecast"] == report["rejected"] == 0


def test_a_prior_is_chosen_and_a_closing_line_goes_before_a_rating(tmp_path, data):
    chance = {}
    for prior in ("none", "rating", "closing", "all"):
        assert backtest(tmp_path, data, "--prior", prior).returncode == 0
        made = pl.read_parquet(tmp_path / "p.parquet").filter(pl.col("sequence") == 0)
        chance[prior] = dict(made.select("game_id", "p_home").iter_rows())

    # 9 points of the market, 2.5 of the rating, and 2.5 of home where nothing is known.
    assert chance["all"]["A"] == chance["closing"]["A"] > chance["rating"]["A"]
    assert chance["all"]["D"] == chance["rating"]["D"] != chance["closing"]["D"]
    assert chance["closing"]["D"] == chance["none"]["D"]


def test_seasons_games_and_another_model_are_chosen(tmp_path, data):
    done = backtest(tmp_path, data, "--seasons", "2023", "--games", "2")
    assert done.returncode == 0
    assert set(pl.read_parquet(tmp_path / "p.parquet")["game_id"]) == {"C", "D"}

    done = backtest(tmp_path, data, "--prior", "none", "--model", "nba@home_edge=12")
    assert done.returncode == 0
    assert json.loads((tmp_path / "r.json").read_text())["model"]["parameters"]["home_edge"] == 12
    first = pl.read_parquet(tmp_path / "p.parquet").filter(pl.col("sequence") == 0)
    assert first["p_home"].min() > 0.7


def test_forecasts_are_compared_with_a_file_with_a_model_and_with_the_market(tmp_path, data):
    assert backtest(tmp_path, data).returncode == 0
    (tmp_path / "p.parquet").rename(tmp_path / "other.parquet")

    done = backtest(tmp_path, data, "--against", "other.parquet")
    assert done.returncode == 0
    found = json.loads((tmp_path / "r.json").read_text())["against"]
    assert (found["rows"], found["brier"]["difference"]["value"]) == (5 * ROWS, 0.0)

    done = backtest(tmp_path, data, "--against", "nba@home_edge=-20", "--prior", "none")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "r.json").read_text())["against"]
    assert found["brier"]["difference"]["value"] < 0

    done = backtest(tmp_path, data, "--against", "closing")
    assert done.returncode == 4
    assert "the recording has no closing chance of home" in done.stderr


def test_the_page_needs_nothing_else(tmp_path, data):
    done = backtest(tmp_path, data, "--html", "r.html")

    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 5
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)
    assert "<script" not in page
    again = backtest(tmp_path, data, "--html", "again.html")
    assert again.returncode == 0
    assert (tmp_path / "again.html").read_text() == page


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--seasons", "20x9"], 2, "'20x9' is no year"),
        (["--seasons", "2031"], 4, "no recorded game in season 2031"),
        (["--against", "nothing.parquet"], 2, "cannot be read"),
        (["--model", "nfl"], 2, "does not give"),
        (["--model", "nba@pace=3"], 3, "pace: Extra inputs are not permitted"),
        (["--model", "nba@home_edge"], 2, "is not key=value"),
        (["--html", "no/where.html"], 2, "does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_message(tmp_path, data, words, code, said):
    done = oddspipe("backtest", "--sport", "nba", "--data", data, *words, folder=tmp_path)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
