"""Ask a model for prices so that one bad game does not take the others with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import PluginError
from oddspipe.core.parts import MarketPlan
from oddspipe.core.ports.model import GameStates, ScoreDistribution
from oddspipe.core.stages.markets import Boards, make_boards

Distributions = Mapping[str, ScoreDistribution]
Columns = Mapping[str, NDArray[np.float64]]


class Prices(Protocol):
    """What is asked for prices: an odds model, or what watches over one."""

    def price(self, states: GameStates) -> Distributions:
        """Return one distribution for each scope, a row a state."""
        ...


class HungError(PluginError):
    """The model did not answer in time; the same rows may not be asked again one by one."""

    code = "plugin.hung"


class CrashedError(HungError):
    """The model's process ended; the same rows may not be asked again one by one."""

    code = "plugin.crashed"


@dataclass(frozen=True, slots=True)
class RawBoards:
    """Prices of every slot at every cut, before guards; arrays of shape (cuts, slots).

    Attributes:
        line: NaN for moneyline.
        p_fair, p_push, p_booked: Probabilities, rounded to 1e-6.
        decimal_milli: Decimal price in thousandths; 0 where none is offered.
        p_low, p_high: What `p_fair` lies between, 5 and 95 %; NaN where the model does not say.
    """

    line: NDArray[np.float64]
    p_fair: NDArray[np.float64]
    p_push: NDArray[np.float64]
    p_booked: NDArray[np.float64]
    decimal_milli: NDArray[np.int64]
    p_low: NDArray[np.float64]
    p_high: NDArray[np.float64]

    @staticmethod
    def empty(cuts: int, slots: int) -> "RawBoards":
        """Make room for boards, all of them unusable."""
        shape = (cuts, slots)
        line, p_fair, p_push, p_booked, p_low, p_high = (np.full(shape, np.nan) for _ in range(6))
        none = np.zeros(shape, np.int64)
        return RawBoards(line, p_fair, p_push, p_booked, none, p_low, p_high)

    def take(self, rows: NDArray[np.int64]) -> "RawBoards":
        """Return the boards of these rows."""
        return RawBoards(*(array[rows] for array in self.arrays()))

    def put(self, rows: NDArray[np.int64], other: "RawBoards") -> None:
        """Write the boards of `other` at these rows."""
        for mine, theirs in zip(self.arrays(), other.arrays(), strict=True):
            mine[rows] = theirs

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays in the order of the fields."""
        return (
            self.line, self.p_fair, self.p_push, self.p_booked, self.decimal_milli,
            self.p_low, self.p_high,
        )  # fmt: skip


class Pricer:
    """A model and the markets that are made of its answers."""

    def __init__(self, model: Prices, markets: tuple[MarketPlan, ...]) -> None:
        """Take the model and the markets."""
        self._model = model
        self._markets = markets

    def price(self, columns: Columns, boards: RawBoards) -> dict[int, str]:
        """Fill `boards`; return the rows that the model has no usable price for, and why.

        Raises:
            PluginError: The model cannot be asked any more.
        """
        bad: dict[int, str] = {}
        self._try(columns, np.arange(len(boards.line)), boards, bad)
        return bad

    def _try(
        self,
        columns: Columns,
        rows: NDArray[np.int64],
        boards: RawBoards,
        bad: dict[int, str],
    ) -> None:
        """Price some rows; where that fails, find the rows at fault by halves."""
        whole = len(rows) == len(boards.line)
        try:
            part = columns if whole else {name: c[rows] for name, c in columns.items()}
            made = self._ask(part, len(rows))
        except HungError as hung:
            bad |= dict.fromkeys(rows.tolist(), hung.message)
        except PluginError:
            raise
        except Exception as failed:  # noqa: BLE001 - a guest may raise anything
            if len(rows) == 1:
                said = isinstance(failed, _UnusableError)
                bad[int(rows[0])] = str(failed) if said else f"{type(failed).__name__}: {failed}"
                return
            for half in np.array_split(rows, 2):
                self._try(columns, half, boards, bad)
        else:
            boards.put(rows, _raw(made))
            for at in np.flatnonzero(~made.valid):
                bad[int(rows[at])] = "not a distribution: NaN, below 0 or does not add up to 1"

    def _ask(self, columns: Columns, count: int) -> Boards:
        """Return what the markets make of the model's answer."""
        answer = self._model.price(GameStates(columns))
        try:
            # NaN in an answer is found by `valid`; a warning about it would say nothing more.
            with np.errstate(all="ignore"):
                made = make_boards(answer, self._markets)
        except PluginError as unusable:
            raise _UnusableError(unusable.message) from unusable
        if len(made) != count:
            raise _UnusableError(f"{len(made)} prices for {count} games")
        return made


def _raw(made: Boards) -> RawBoards:
    return RawBoards(
        made.line, made.p_fair, made.p_push, made.p_booked, made.decimal_milli,
        made.p_low, made.p_high,
    )  # fmt: skip


class _UnusableError(Exception):
    """The model answered with something that is not what its contract says."""
