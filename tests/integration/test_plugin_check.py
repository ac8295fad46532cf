"""`oddspipe plugin check`: shipped models pass, and each fault is found by the right check."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from tests.plan_cases import plan
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.api import GameStates, JointGrid, NormalScores, Pmf
from oddspipe.core.conform.model import ModelCheck
from oddspipe.core.conform.states import states_of

pytestmark = pytest.mark.integration

NAMES = {
    "answers": "answers every scope with distributions that add up to 1",
    "leaves": "leaves the states as they are",
    "again": "gives the same answer to the same question",
    "alone": "answers a row alone as beside others",
    "unknown": "answers where an input is not known",
    "points": "takes no points back",
    "monotone": "home is likelier to win the further it leads",
    "agrees": "its four distributions agree",
    "doubts": "its doubt is a share below 1, or it says none",
    "speed": "is quick enough",
}


def states(rows=200):
    rng = np.random.default_rng(3)
    return GameStates(
        {
            "home_score": rng.integers(0, 30, rows).astype(float),
            "away_score": rng.integers(0, 30, rows).astype(float),
            "time_left": rng.uniform(0, 3600, rows),
        }
    )


class Good:
    """A lead that is kept, more or less."""

    def price(self, given):
        home, away, left = (
            np.nan_to_num(given[name]) for name in ("home_score", "away_score", "time_left")
        )
        further = left / 120
        return {
            "game": NormalScores(
                home, away, home - away, 1.0 + further / 3, home + away + further, 1.0 + further / 3
            )
        }


class NoSum(Good):
    def price(self, given):
        made = super().price(given)["game"]
        pmf = made.margin()
        return {"game": Fixed(made, margin=Pmf(pmf.first, pmf.mass * 1.01))}


class Fixed:
    """A distribution with one part of its own."""

    def __init__(self, made, **parts):
        self._made, self._parts = made, parts

    def __getattr__(self, name):
        if name in self._parts:
            return lambda: self._parts[name]
        return getattr(self._made, name)


class Nothing(Good):
    def price(self, _given):
        return {}


class Changes(Good):
    def price(self, given):
        given["home_score"][0] += 1
        return super().price(given)


class Remembers(Good):
    calls = 0

    def price(self, given):
        self.calls += 1
        return super().price(
            GameStates(dict(given.columns) | {"home_score": given["home_score"] + self.calls % 3})
        )


class LooksAround(Good):
    def price(self, given):
        pace = np.full(len(given), given["time_left"].mean())
        return super().price(GameStates(dict(given.columns) | {"time_left": pace}))


class NeedsAll(Good):
    def price(self, given):
        if np.isnan(given["time_left"]).any():
            raise ValueError("no clock")
        return super().price(given)


class Forgets(Good):
    def price(self, given):
        further = (given["time_left"] // 120).astype(np.int64)
        rows = np.arange(len(given))
        mass = np.zeros((len(given), 40, 40))
        mass[rows, further.clip(0, 39), 0] = 1.0
        nothing = np.zeros(len(given), np.int64)
        return {"game": JointGrid(nothing, nothing, mass)}


class Backwards(Good):
    def price(self, given):
        made = super().price(given)["game"]
        turned = NormalScores(
            made.home_score, made.away_score, -made.margin_mean, made.margin_sd, made.total_mean,
            made.total_sd,
        )  # fmt: skip
        return {"game": Fixed(made, margin=turned.margin())}


class Parted(Good):
    def price(self, given):
        made = super().price(given)["game"]
        home = made.home()
        return {"game": Fixed(made, home=Pmf(home.first + 9, home.mass))}


class Certain(Good):
    """Takes the deviation of its doubt for its share."""

    def price(self, given):
        made = super().price(given)["game"]
        return {"game": replace(made, margin_doubt=made.margin_sd, total_doubt=made.total_sd * 0)}


class OneDoubt(Good):
    def price(self, given):
        made = super().price(given)["game"]
        return {"game": replace(made, margin_doubt=np.full(1, 0.3), total_doubt=np.full(1, 0.3))}


class Slow(Good):
    def price(self, given):
        time.sleep(0.004 * len(given))
        return super().price(given)


def faults(model, given=None):
    found = ModelCheck(model, ("game",), given or states()).results()
    return {result.name: result for result in found if result.fault}


def test_a_good_model_has_no_fault():
    assert faults(Good()) == {}


@pytest.mark.parametrize(
    ("model", "check", "words"),
    [
        (NoSum, "answers", "adds up to 1.01"),
        (Nothing, "answers", "no distribution for scope 'game'"),
        (Changes, "leaves", "home_score"),
        (Remembers, "again", "another answer"),
        (LooksAround, "alone", "another answer alone"),
        (NeedsAll, "unknown", "without time_left: ValueError: no clock"),
        (Forgets, "points", "fewer points than are scored"),
        (Backwards, "monotone", "a point more for home"),
        (Parted, "agrees", "do not fit a margin"),
        (Certain, "doubts", "doubt() of scope 'game': margin is"),
        (OneDoubt, "doubts", "margin has shape (1,) for 200 states"),
    ],
)
def test_each_fault_is_found_by_its_check(model, check, words):
    found = faults(model())

    assert NAMES[check] in found
    assert words in found[NAMES[check]].fault
    assert found[NAMES[check]].advice


def test_a_slow_model_is_told():
    found = faults(Slow(), states(30))

    assert set(found) == {NAMES["speed"]}


@pytest.mark.parametrize("sport", ["nfl", "nba", "mlb"])
def test_made_up_states_are_those_of_games(sport):
    made = states_of(plan(sport))

    assert len(made) > 200
    assert set(made.columns) == set(plan(sport).model.inputs)
    assert np.nanmax(made["home_score"]) > 0


@pytest.mark.parametrize("name", ["nfl", "nba", "mlb"])
def test_the_shipped_models_pass(name):
    done = CliRunner().invoke(build(), ["plugin", "check", name, "--format", "json"])

    results = json.loads(done.output)
    assert [one["fault"] for one in results] == [""] * len(NAMES), done.output
    assert done.exit_code == 0


def test_a_model_that_no_sport_names_needs_one():
    done = CliRunner().invoke(build(), ["plugin", "check", "nfl_stern"])
    assert "no sport's spec names the model 'nfl_stern'" in str(done.exception)

    done = CliRunner().invoke(build(), ["plugin", "check", "nfl_stern", "--sport", "nfl"])
    assert done.exit_code == 0, done.output
    assert "10 passed, 0 failed" in done.output
