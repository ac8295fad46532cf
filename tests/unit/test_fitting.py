"""Fits: what is held out, what is kept of one, and where two differ."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from oddspipe import plugins
from oddspipe.core.api import Ends, GameStates, NormalScores, UsageError
from oddspipe.core.errors import PluginError
from oddspipe.core.fitting.document import differences, read_document, text_of
from oddspipe.core.fitting.fit import Fit
from oddspipe.core.fitting.seasons import Seasons
from oddspipe.core.ports.registry import load_fitting, load_rater
from oddspipe.plugins.doubt import weight_error
from oddspipe.plugins.key_fit import Sample, key_tables
from oddspipe.plugins.weights import Parts, probit, probit_pull


class MeanFitting:
    """A model that says the mean margin of the games it was fitted to."""

    columns = ("home", "away")
    least_games = 2
    credit = "Nobody."

    def ready(self, rows):
        return rows

    def fit(self, rows):
        return {"mean": float((rows["home"] - rows["away"]).mean()), "games": rows.height}

    def model(self, parameters):
        def price(states):
            rows = len(states)
            mean, none = np.full(rows, parameters["mean"]), np.zeros(rows)
            return {"game": NormalScores(none, none, mean, none + 2.0, none + 40.0, none + 2.0)}

        return SimpleNamespace(price=price)

    def states(self, rows):
        return GameStates({"one": np.ones(rows.height)})

    def ends(self, rows):
        return Ends(*(rows[name].cast(pl.Float64).to_numpy() for name in ("home", "away")))

    def shipped(self):
        return None


def seasons(*margins_of):
    """Return seasons from 2001 on; of each, the home margins of its games."""
    rows = [
        {"game": f"{year}-{at}", "home": 20 + margin, "away": 20, "season": year}
        for year, margins in enumerate(margins_of, start=2001)
        for at, margin in enumerate(margins)
    ]
    years = tuple(range(2001, 2001 + len(margins_of)))
    return Seasons(pl.DataFrame(rows), "game", years, "2003-02-01", {"games.parquet": "ab"})


def quiet(_year, _scores):
    """Take no notice of progress."""


def test_each_season_is_scored_by_a_fit_without_it() -> None:
    fit = Fit("mean", MeanFitting(), seasons([10, 10], [-10, -10], [4, 4]))

    found = fit.held_out(fit.years, quiet)

    # 2001 by -3, 2002 by +7, 2003 by 0.
    assert {year: one["mae_margin"] for year, one in found.seasons.items()} == {
        "2001": 13.0, "2002": 17.0, "2003": 4.0,
    }  # fmt: skip
    assert found.scores["mae_margin"] == pytest.approx((13 + 17 + 4) / 3, abs=1e-4)
    assert found.left_out == {}
    assert fit.parameters() == {"mean": pytest.approx(4 / 3), "games": 6}


def test_a_season_that_is_not_scored_says_why() -> None:
    few = Fit("mean", MeanFitting(), seasons([1], [2, 3, 4]))

    assert few.held_out(few.years, quiet).left_out == {"2002": "the other seasons have 1 games"}
    assert few.held_out([2002], quiet).left_out == {
        "2001": "not asked for",
        "2002": "the other seasons have 1 games",
    }
    assert few.held_out([], quiet).scores == {}


def test_games_that_end_level_count_for_the_margin_but_not_for_who_wins() -> None:
    fit = Fit("mean", MeanFitting(), seasons([0, 0], [6, 6]))

    found = fit.held_out([2001, 2002], quiet)

    # 2002 by a fit to level games: 1/2, and home won both.
    assert found.scores["brier"] == found.seasons["2002"]["brier"] == 0.25
    assert found.scores["mae_margin"] == 6.0


def test_what_is_kept_names_the_model_the_games_and_the_day_of_the_newest() -> None:
    fit = Fit("mean", MeanFitting(), seasons([1, 2], [3, 4]))
    made = fit.document(fit.parameters(), fit.held_out(fit.years, quiet))

    origin = made["provenance"]
    assert (origin["model"], origin["date"], origin["credit"]) == ("mean", "2003-02-01", "Nobody.")
    assert (origin["seasons"], origin["games"], origin["rows"]) == ([2001, 2002], 4, 4)
    assert origin["data_sha256"] == {"games.parquet": "ab"}
    assert made["parameters"] == {"mean": 2.5, "games": 4}
    assert json.loads(text_of(made)) == made


def test_too_few_games_are_refused() -> None:
    with pytest.raises(UsageError, match=r"too few games: 1 of season 2001 .* wants 2 or more"):
        Fit("mean", MeanFitting(), seasons([1]))


def test_what_a_package_raises_is_its_own_fault() -> None:
    class Broken(MeanFitting):
        def fit(self, rows):
            return rows["absent"]

    with pytest.raises(PluginError, match=r"model 'mean' failed in fit\(\): ColumnNotFoundError"):
        Fit("mean", Broken(), seasons([1, 2])).parameters()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64(1), {1}])
def test_a_parameter_that_is_no_json_is_told_by_its_place(value) -> None:
    if isinstance(value, np.float64):  # a subclass of float: JSON has it
        assert text_of({"a": value}) == '{\n "a": 1.0\n}\n'
        return
    with pytest.raises(PluginError, match=r"parameters\.knots\[1\]\.x cannot be kept as JSON"):
        text_of({"parameters": {"knots": [{"x": 1}, {"x": value}]}})


def test_differences_name_the_parameter_and_by_how_much() -> None:
    kept = {"win": {"lead": [0.5, 0.25]}, "old": 1, "name": "x"}
    now = {"win": {"lead": [0.5, 0.5, 1.0]}, "new": 2, "name": "y"}

    assert [one.told() for one in differences(kept, now)] == [
        "win.lead[1]: 0.25 kept, 0.5 now (+0.25)",
        "old: 1 kept, absent now",
        "name: x kept, y now",
        "win.lead[2]: absent kept, 1.0 now",
        "new: absent kept, 2 now",
    ]
    assert differences(kept, kept) == []


@pytest.mark.parametrize(
    ("text", "said"), [("{", "is no JSON"), ("[]", "has no provenance"), ("{}", "and parameters")]
)
def test_a_file_that_is_no_document_is_told(tmp_path, text, said) -> None:
    (tmp_path / "p.json").write_text(text)

    with pytest.raises(UsageError, match=said):
        read_document(tmp_path / "p.json")


def test_a_model_that_offers_nothing_says_so() -> None:
    with pytest.raises(UsageError, match="'nfl_stern' cannot be fitted: it offers no fit") as fit:
        load_fitting("nfl_stern")
    with pytest.raises(UsageError, match="'nba' has no ratings: it offers no rate"):
        load_rater("nba")

    assert fit.value.hint == "See docs/how-to/write-a-model.md."


@pytest.mark.parametrize("sport", ["nfl", "nba", "mlb"])
def test_what_is_shipped_is_what_a_fit_writes(sport) -> None:
    made = load_fitting(sport).shipped()
    origin = made["provenance"]

    assert made.keys() == {"provenance", "parameters"}
    assert {"model", "made_by", "date", "seasons", "games", "rows", "credit"} < origin.keys()
    assert {len(digest) for digest in origin["data_sha256"].values()} == {64}
    assert origin["held_out"]["brier"] < 0.16
    text = (Path(plugins.__file__).parent / f"{sport}_fitted.json").read_text()
    assert text == text_of(made)


def test_key_numbers_find_the_margins_that_came_oftener() -> None:
    random = np.random.default_rng(1)
    rows = 500
    margin = np.where(random.random(rows) < 0.5, 3.0, np.round(random.normal(0, 8, rows)))
    none = np.zeros(rows)
    scores = NormalScores(none, none, none, none + 8.0, none + 40.0, none + 8.0)
    sample = Sample(none + 100.0, none, margin, scores, none + 0.5)

    made = key_tables(sample, (0.0, 100.0), 20)

    weights = np.array(made["size"][1]) + np.array(made["moved"][1])
    assert weights.argmax() == 3
    assert weights[3] - np.median(weights) > 1.0
    assert np.isfinite(made["size"]).all()  # no row is near the first knot


def test_the_error_of_weights_is_what_other_games_would_have_given():
    rng = np.random.default_rng(3)
    games, plays = 300, 8
    game = np.repeat(np.arange(games), plays)
    left = np.tile(np.linspace(1.0, 0.0, plays), games)

    def drawn():
        # One number a game, and one result: eight rows of it are not eight results.
        known = np.repeat(rng.normal(size=games), plays)
        won = np.repeat(rng.normal(size=games), plays) + known > 0
        return np.array([np.ones(len(game)), known]), won.astype(float)

    fits = []
    for _ in range(200):
        matrix, won = drawn()
        fits.append(probit(Parts.of(matrix), won, 1e-6))
    spread = np.cov(np.array(fits).T)
    pull, bend = probit_pull(fits[-1] @ matrix, won)
    each = np.einsum("ir,ij,jr->r", matrix, spread, matrix)
    wanted = np.sqrt(np.average(each, weights=bend))

    found = weight_error(Parts.of(matrix), pull, bend, 1e-6, game, left, (0.0, 1.0))

    assert found == pytest.approx([wanted, wanted], rel=0.25)
    naive = weight_error(Parts.of(matrix), pull, bend, 1e-6, np.arange(len(game)), left, (0.0, 1.0))
    assert np.all(naive < 0.5 * wanted)
