"""Sums of features whose weights change with the time that is left; fitted, kept as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.api import KeyNumbers

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """A function of the time that is left: straight between its knots, level beyond them."""

    knots: Reals
    values: Reals

    def __call__(self, at: Reals) -> Reals:
        """Return its value at each time, shape (rows,)."""
        return np.interp(at, self.knots, self.values)


@dataclass(frozen=True, slots=True)
class Sum:
    """Features, each times its own curve."""

    terms: Mapping[str, Curve]

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Sum":
        """Read `{knots: […], terms: {feature: [value at each knot, …]}}`."""
        knots = np.array(document["knots"], np.float64)
        return Sum(
            {
                name: Curve(knots[: len(values)], np.array(values, np.float64))
                for name, values in document["terms"].items()
            }
        )

    def __call__(self, at: Reals, features: Mapping[str, Reals]) -> Reals:
        """Return the sum for each row."""
        total = np.zeros(len(at))
        for name, curve in self.terms.items():
            total += curve(at) * features[name]
        return total


def document(name: str) -> Mapping[str, Any]:
    """Return what `oddspipe model fit` wrote beside the models: `provenance`, `parameters`."""
    made: Mapping[str, Any] = json.loads(
        files("oddspipe.plugins").joinpath(name).read_text("utf-8")
    )
    return made


def fitted(name: str) -> Mapping[str, Any]:
    """Return the parameters of a document that lies beside the models."""
    parameters: Mapping[str, Any] = document(name)["parameters"]
    return parameters


@dataclass(frozen=True, slots=True)
class KeyTables:
    """Fitted tables of key numbers; see `KeyNumbers`."""

    knots: Reals
    size: Reals
    moved: Reals

    @staticmethod
    def of(document: Mapping[str, Any]) -> "KeyTables":
        """Read them; behind the last knot stands one at which nothing is weighed."""
        knots, size, moved = (np.array(document[name]) for name in ("knots", "size", "moved"))
        nothing = np.zeros((1, size.shape[1]))
        return KeyTables(np.append(knots, NEVER), np.vstack([size, nothing]),
                         np.vstack([moved, nothing]))  # fmt: skip

    def at(self, left: Reals, lead: Reals, home_share: Reals) -> KeyNumbers:
        """Return the weights of rows; none where `left` is `NEVER`."""
        return KeyNumbers(left, lead, self.knots, self.size, self.moved, home_share)


NEVER = 1e9
"""Seconds left for rows whose margins are not weighed."""


def known(values: Reals, default: float | Reals) -> Reals:
    """Return values with a stand-in for what is not known."""
    return np.where(np.isnan(values), default, values)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and deviation of a normal margin; its chance to be above 0 is that of `score`.

    Two forecasts meet in it: `score` of who wins, and `middle` of by how much. Where the game is
    open they say the same; where it is not, the deviation gives way, within `BOUNDS` of the usual.
    Where who wins is certain, by how much is left: a lead of 40 with seconds to go stays one of 40.
    """

    mean: Reals
    deviation: Reals

    @staticmethod
    def of(score: Reals, middle: Reals, deviation: Reals) -> "Spread":
        """Return it for a normal score of winning, a median margin and the usual deviation."""
        share = np.minimum(np.abs(score) / OPEN, 1.0)
        safe = np.where(np.abs(score) < 1e-9, 1e-9, score)
        wanted = share * middle / safe + (1.0 - share) * deviation
        made = wanted.clip(BOUNDS[0] * deviation, BOUNDS[1] * deviation)
        mean = score * made
        sure = (np.abs(score) - SURE).clip(0.0, 1.0)
        beyond = (np.abs(middle) > np.abs(mean)) & (middle * mean > 0.0)
        return Spread(np.where(beyond, (1.0 - sure) * mean + sure * middle, mean), made)


OPEN = 0.5
"""Within so many deviations of an even game the usual deviation counts as well."""
SURE = 4.0
"""From so many deviations on (one game in 30,000) the median margin takes over, within one more."""
BOUNDS = (0.5, 2.0)
