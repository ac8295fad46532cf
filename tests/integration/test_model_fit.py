"""`oddspipe model fit` and `model rate` through the real command, on made-up seasons."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.fit_cases import (
    GAMES,
    mlb_games,
    mlb_season,
    nba_season,
    nfl_season,
    recordings,
)
from tests.replay_cases import oddspipe

from oddspipe.core.fitting.document import differences, text_of
from oddspipe.plugins.mlb_fit import MlbFitting
from oddspipe.plugins.nba_fit import NbaFitting
from oddspipe.plugins.nfl_fit import NflFitting

pytestmark = pytest.mark.integration
RECORDED = Path(__file__).parents[2] / "../shared/data"
"""Whole recorded seasons, where they are; made-up ones stand in for them."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    recordings(folder, "mlb", (2015, 2016))
    mlb_games(2016).write_parquet(folder / "mlb" / "games.parquet")
    return folder


def fit(folder, data, *words, sport="mlb"):
    return oddspipe("model", "fit", "--sport", sport, "--data", data, *words, folder=folder)


def rate(folder, data, *words, sport="mlb"):
    return oddspipe("model", "rate", "--sport", sport, "--data", data, *words, folder=folder)


def test_a_fit_writes_parameters_with_where_they_are_from_and_what_they_score(tmp_path, data):
    done = fit(tmp_path, data)

    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "mlb_fitted.json").read_text())
    origin = made["provenance"]
    assert (origin["model"], origin["seasons"], origin["games"]) == ("mlb", [2015, 2016], 2 * GAMES)
    assert origin["date"] == "2016-06-10"
    assert origin["data_sha256"].keys() == {"mlb/pbp_2015.parquet", "mlb/pbp_2016.parquet"}
    assert origin["held_out_by_season"].keys() == {"2015", "2016"}
    assert 0.1 < origin["held_out"]["brier"] < 0.25
    assert made["parameters"].keys() == MlbFitting().shipped()["parameters"].keys()
    assert f"{origin['held_out']['brier']:.4f}" in done.stdout


def test_the_same_games_give_the_same_bytes(tmp_path, data):
    for name in ("one.json", "two.json"):
        done = fit(tmp_path, data, "--out", name, "--date", "2026-09-01", "--held-out", "2016")
        assert done.returncode == 0, done.stderr

    text = (tmp_path / "one.json").read_bytes()
    assert text == (tmp_path / "two.json").read_bytes()
    origin = json.loads(text)["provenance"]
    assert origin["date"] == "2026-09-01"
    assert origin["held_out_by_season"].keys() == {"2016"}
    assert "2015 is not scored: not asked for" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"one.json", "two.json"}


def test_a_check_says_which_parameter_differs_by_how_much(tmp_path, data):
    assert fit(tmp_path, data, "--held-out", "none").returncode == 0
    file = tmp_path / "mlb_fitted.json"
    kept = file.read_bytes()

    same = fit(tmp_path, data, "--check", "--out", file)
    assert (same.returncode, file.read_bytes()) == (0, kept)
    assert same.stdout.startswith(f"same: {2 * GAMES} games, parameters of mlb")

    document = json.loads(kept)
    document["parameters"]["inning_tilts"]["top"][2] += 0.5
    file.write_text(json.dumps(document))
    told = fit(tmp_path, data, "--check", "--out", file)
    assert told.returncode == 1
    assert "inning_tilts.top[2]: " in told.stdout
    assert "(-0.5)" in told.stdout
    listed = fit(tmp_path, data, "--check", "--out", file, "--format", "json")
    assert [one["path"] for one in json.loads(listed.stdout)["differences"]] == [
        "inning_tilts.top[2]"
    ]


def test_made_up_games_are_not_those_that_the_shipped_parameters_are_of(tmp_path, data):
    done = fit(tmp_path, data, "--check", "--seasons", "2015")

    assert done.returncode == 1, done.stderr
    assert "the games are not the files that the kept parameters were fitted to" in done.stdout
    assert "home_chance: 0.536 kept" in done.stdout


def test_the_shipped_parameters_come_of_the_recorded_games(tmp_path, data):
    recorded = RECORDED if (RECORDED / "mlb" / "pbp_2016.parquet").is_file() else None
    if recorded is None:  # made-up seasons: parameters that were just fitted to them
        assert fit(tmp_path, data, "--held-out", "none").returncode == 0
        words = ["--out", "mlb_fitted.json"]
    else:
        words = []

    done = fit(tmp_path, recorded or data, "--check", *words)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "same: " in done.stdout


NBA_YEARS = (2021, 2022, 2023, 2024)
MADE = {
    "nfl": (NflFitting(), lambda: pl.concat([nfl_season(2015), nfl_season(2016, seed=2)])),
    "nba": (NbaFitting(), lambda: pl.concat([nba_season(y, seed=y) for y in NBA_YEARS])),
    "mlb": (MlbFitting(), lambda: pl.concat([mlb_season(2015), mlb_season(2016, seed=2)])),
}


@pytest.mark.parametrize("sport", MADE)
def test_the_fit_of_a_sport_has_the_shape_of_what_is_shipped_and_fits(sport) -> None:
    fitting, rows = MADE[sport]
    frame = rows()
    year = pl.col("game_id").str.extract(r"(20\d\d)").cast(pl.Int64)
    ready = fitting.ready(frame.with_columns(season=year))

    made = fitting.fit(ready)

    shipped = fitting.shipped()["parameters"]
    assert made.keys() == shipped.keys()
    told = {path.path for path in differences(shipped, made) if path.now is None}
    assert sport == "mlb" or told == set()
    pmf = fitting.model(made).price(fitting.states(ready))["game"].margin()
    mean = (pmf.mass * (pmf.first[:, None] + np.arange(pmf.mass.shape[1]))).sum(axis=1)
    ends = fitting.ends(ready)
    off = mean - (ends.home - ends.away)
    # Fitted to these games, it explains much of how they end.
    assert np.mean(off**2) < 0.7 * np.var(ends.home - ends.away)
    assert json.loads(text_of({"parameters": made}))["parameters"] == json.loads(json.dumps(made))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--data", "nowhere"], 2, "--data nowhere: there is no such folder"),
        (["--data", "."], 2, "no file mlb/pbp_*.parquet below ."),
        (["--seasons", "2031"], 2, "no recorded game of mlb in season 2031"),
        (["--seasons", "15x"], 2, "'15x' is no year"),
        (["--held-out", "2031"], 2, "season 2031 is none of those that are fitted"),
        (["--date", "2026-02-30"], 2, "--date '2026-02-30' is no day"),
        (["--out", "no/where.json"], 2, "Name a file in a folder that exists"),
        (["--check", "--out", "none.json"], 2, "none.json: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_fitted_is_one_message(tmp_path, data, words, code, said):
    done = fit(tmp_path, data, *words)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_a_fit_says_so_and_where_to_read(tmp_path, data):
    done = fit(tmp_path, data, "--model", "nfl_stern", sport="nfl")

    assert done.returncode == 2
    assert "model 'nfl_stern' cannot be fitted: it offers no fit" in done.stderr
    assert "docs/how-to/write-a-model.md" in done.stderr


def test_few_games_damaged_files_and_lacking_columns_are_told(tmp_path):
    frame = mlb_season(2015)
    file = tmp_path / "few" / "mlb" / "pbp_2015.parquet"
    file.parent.mkdir(parents=True)
    frame.filter(pl.col("game_id") < "H20150120").write_parquet(file)
    told = fit(tmp_path, tmp_path / "few")
    assert (told.returncode, told.stderr.split(":")[1]) == (2, " too few games")
    assert "12 of season 2015 can be fitted, and model 'mlb' wants 50 or more" in told.stderr

    frame.drop("game_end").write_parquet(file)
    told = fit(tmp_path, tmp_path / "few")
    assert (told.returncode, "no column 'game_end'" in told.stderr) == (2, True)
    assert "The fit of model mlb reads it" in told.stderr

    file.write_bytes(b"no parquet")
    told = fit(tmp_path, tmp_path / "few")
    assert (told.returncode, f"{file}: cannot be read" in told.stderr) == (2, True)

    frame.with_columns(outs_after=pl.lit("x")).write_parquet(file)
    told = fit(tmp_path, tmp_path / "few")
    assert (told.returncode, "Traceback" in told.stderr) == (3, False)
    assert "the fit of model 'mlb' failed in " in told.stderr


def test_one_season_alone_is_fitted_and_said_to_be_unscored(tmp_path, data):
    done = fit(tmp_path, data, "--seasons", "2015", "--format", "json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["held_out"] == {}
    assert told["not_held_out"] == {"2015": "the other seasons have 0 games"}


def test_ratings_are_written_with_their_version_and_compared(tmp_path, data):
    done = rate(tmp_path, data)
    assert done.returncode == 0, done.stderr

    file = tmp_path / "mlb_ratings.parquet"
    made = pl.read_parquet(file)
    assert made.columns == ["game_id", "rated_chance", "rated_total"]
    assert made.height == GAMES
    origin = json.loads(pl.read_parquet_metadata(file)["oddspipe"])
    assert (origin["model"], origin["rate_version"]) == ("mlb", "1")
    assert origin["data_sha256"].keys() == {"mlb/games.parquet"}
    kept = file.read_bytes()
    assert rate(tmp_path, data).returncode == 0
    assert file.read_bytes() == kept
    assert rate(tmp_path, data, "--check").returncode == 0

    last = made["game_id"][-1]
    made.with_columns(
        rated_total=pl.when(pl.col("game_id") == last).then(9.9).otherwise("rated_total")
    ).write_parquet(file)
    told = rate(tmp_path, data, "--check")
    assert told.returncode == 1
    assert f"game {last}, rated_total: 9.9 kept" in told.stdout


@pytest.mark.parametrize(
    ("sport", "words", "said"),
    [
        ("nfl", [], "model 'nfl' has no ratings: it offers no rate"),
        ("mlb", ["--data", "nowhere"], "--data nowhere: there is no such folder"),
        ("mlb", ["--data", "."], "no file mlb/games.parquet below ."),
        ("mlb", ["--seasons", "2031"], "mlb/games.parquet: no game in season 2031"),
        ("mlb", ["--check"], "mlb_ratings.parquet: there is no such file"),
    ],
)
def test_what_cannot_be_rated_is_one_message(tmp_path, data, sport, words, said):
    done = rate(tmp_path, data, *words, sport=sport)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
