"""What a model may offer besides prices: a fit to recorded seasons, and ratings of teams."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.ports.model import GameStates, OddsModel


class Ends(NamedTuple):
    """Final points of the games that states are of; one entry a state."""

    home: NDArray[np.float64]
    away: NDArray[np.float64]


class Fitting(Protocol):
    """Fit a model to recorded seasons: pure functions of rows; no I/O, time or randomness.

    A model offers it as `fitting`, a static method that returns one. The rows are those of
    `feed.recording.files` of the sport, in the order of the files, with a column `season`: the year
    in which it began. The core leaves seasons out, prices them by a fit without them and scores
    that, and keeps the parameters with what they were made of.

    Attributes:
        columns: Columns that it reads of the files, `season` aside.
        least_games: A fit to fewer games is refused.
        credit: Who is to be named for the data; kept with the parameters.
    """

    columns: ClassVar[tuple[str, ...]]
    least_games: ClassVar[int]
    credit: ClassVar[str]

    def ready(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that are fitted and scored, a state each; asked once, of all seasons."""
        ...

    def fit(self, rows: pl.DataFrame) -> Mapping[str, Any]:
        """Return parameters as JSON values: finite numbers, rounded, so that files stay small."""
        ...

    def model(self, parameters: Mapping[str, Any]) -> OddsModel:
        """Return the model with these parameters in place of those that it came with."""
        ...

    def states(self, rows: pl.DataFrame) -> GameStates:
        """Return the rows as the states that a run would give to the model."""
        ...

    def ends(self, rows: pl.DataFrame) -> Ends:
        """Return how the games of the rows ended."""
        ...

    def shipped(self) -> Mapping[str, Any] | None:
        """Return the document of parameters that comes with the model, None where none does."""
        ...


class Rater(Protocol):
    """Rate games by those finished on earlier days: a pure fold, which makes reference data.

    Attributes:
        rate_version: Raised when the same games begin to give other ratings.
    """

    rate_version: ClassVar[str]

    @staticmethod
    def rate(games: pl.DataFrame) -> pl.DataFrame:
        """Return one row a game, the columns that `feed.recording.tables` names among its own."""
        ...
