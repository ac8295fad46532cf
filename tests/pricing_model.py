"""A small model for tests: margin and total are normal around what the score and the lines say."""

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from oddspipe.core.ports.model import GameStates, Pmf

WIDTH = 121


def normal_pmf(mean: NDArray[np.float64], first: NDArray[np.int64], low: int) -> Pmf:
    """Return rows of mass, computed one after another so that none depends on its neighbours."""
    mass = np.empty((len(mean), WIDTH))
    for row, (middle, start) in enumerate(zip(mean.tolist(), first.tolist(), strict=True)):
        values = [
            math.exp(-0.5 * ((start + i - middle) / 9.0) ** 2) if start + i >= low else 0.0
            for i in range(WIDTH)
        ]
        total = math.fsum(values)
        mass[row] = [value / total for value in values]
    return Pmf(first, mass)


class Normal:
    def __init__(self, home: NDArray[np.float64], away: NDArray[np.float64], line) -> None:
        self._home, self._away, self._line = home, away, line

    def margin(self) -> Pmf:
        first = np.full(len(self._home), -60)
        return normal_pmf(self._home - self._away + self._line, first, -1000)

    def total(self) -> Pmf:
        now = self._home + self._away
        return normal_pmf(now + 20.25, now.astype(np.int64), 0)

    def home(self) -> Pmf:
        return normal_pmf(self._home + 10.0, self._home.astype(np.int64), 0)

    def away(self) -> Pmf:
        return normal_pmf(self._away + 10.0, self._away.astype(np.int64), 0)


class NoParameters(BaseModel):
    pass


class NormalModel:
    """Raises on a home score in `raises`, gives NaN on one in `nans`."""

    version: ClassVar[str] = "1"
    scopes: ClassVar[tuple[str, ...]] = ("game",)
    inputs: ClassVar[tuple[str, ...]] = ("home_score", "away_score", "spread_line")
    Parameters: ClassVar[type[BaseModel]] = NoParameters

    def __init__(self, *, raises: tuple[int, ...] = (), nans: tuple[int, ...] = ()) -> None:
        self.raises = raises
        self.nans = nans
        self.calls = 0

    def price(self, states: GameStates) -> dict[str, Normal]:
        self.calls += 1
        home = states["home_score"]
        if np.isin(home, self.raises).any():
            raise ZeroDivisionError("no time left")
        line = np.nan_to_num(states["spread_line"])
        line = np.where(np.isin(home, self.nans), np.nan, line)
        return {"game": Normal(home, states["away_score"], line)}
