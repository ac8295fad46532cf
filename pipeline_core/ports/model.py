"""What an odds model must do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

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
