"""What an odds model must do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Pmf:
    """Probability mass of a whole number, one distribution a row.

    Attributes:
        first: The number that column 0 stands for, one a row, shape (rows,), int64.
        mass: Shape (rows, width), float64; every row adds up to 1 within 1e-9.
    """

    first: NDArray[np.int64]
    mass: NDArray[np.float64]


class ScoreDistribution(Protocol):
    """A joint distribution of the points of home and away at the end of a scope, one a row.

    Everything is final points (scored so far plus still to come). The four marginals come from the
    same joint distribution, so that the markets made of them never contradict each other.
    """

    def margin(self) -> Pmf:
        """Return the distribution of home minus away."""
        ...

    def total(self) -> Pmf:
        """Return the distribution of home plus away."""
        ...

    def home(self) -> Pmf:
        """Return the distribution of the home side's points."""
        ...

    def away(self) -> Pmf:
        """Return the distribution of the away side's points."""
        ...


@dataclass(frozen=True, slots=True)
class Doubt:
    """How much of what may still happen is doubt about what to expect, one entry a row.

    Each array holds, for that number, the share of its deviation (not of its variance) that is
    doubt about its mean, at least 0 and below 1: what the sides are worth, as far as somebody
    better informed could know it, and the error of fitted parameters. 0 where nothing is in doubt.

    A distribution that has a method `doubt()` giving this has an interval with every price
    (`p_low`, `p_high`); without one these stay empty.
    """

    margin: NDArray[np.float64]
    total: NDArray[np.float64]
    home: NDArray[np.float64]
    away: NDArray[np.float64]


@runtime_checkable
class Doubted(Protocol):
    """A distribution that says how far its own prices can be relied on."""

    def doubt(self) -> Doubt | None:
        """Return the shares of doubt, or None where they are not known."""
        ...


@dataclass(frozen=True, slots=True)
class GameStates:
    """States of games, in columns; every array has one entry a row.

    Columns are those that the model's `inputs` name: state and derived columns of the spec, as
    float64 with NaN where absent.
    """

    columns: Mapping[str, NDArray[np.float64]]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return one column."""
        return self.columns[name]


class OddsModel(Protocol):
    """Price games: a pure function of the frame of states; no I/O, time, randomness or memory.

    A row's answer must not depend on the rows beside it.
    """

    version: ClassVar[str]
    scopes: ClassVar[tuple[str, ...]]
    inputs: ClassVar[tuple[str, ...]]
    Parameters: ClassVar[type[BaseModel]]

    def __init__(self, parameters: BaseModel) -> None:
        """Take validated parameters, an instance of `Parameters`."""
        ...

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return one distribution for each scope that the model declares, a row a state."""
        ...
