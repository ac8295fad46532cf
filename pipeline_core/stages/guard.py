"""Guards: what must hold before a price leaves. An impossible one suspends its market."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.names import Policy, Status
from oddspipe.core.parts import Guard, KindPlan
from oddspipe.core.stages.frame import Conditions, Types
from oddspipe.core.stages.isolate import RawBoards
from oddspipe.core.stages.slots import Shape

SUM_TOLERANCE = 1.1e-6
"""Two probabilities rounded to 1e-6 may add up to this much beside 1."""
BUILT_IN = ("impossible_price", "line_below_score", "open_after_end", "frozen_feed")
"""Codes of the guards that every sport has, in the order of their numbers."""
IMPOSSIBLE, BELOW_SCORE, AFTER_END, FROZEN = range(4)
MAX_GUARDS = 50
"""Guards that a spec may have: each takes a bit of a word, beside those that are built in."""


def guard_types(kinds: tuple[KindPlan, ...], state: tuple[str, ...] = ()) -> Types:
    """Return the columns of a board's rows and their types, as the SQL of guards sees them."""
    text, number = pl.String(), pl.Float64()
    return dict.fromkeys(state, number) | {
        "market": text,
        "scope": text,
        "side": text,
        "line": number,
        "is_main": pl.Boolean(),
        "p_fair": number,
        "p_push": number,
        "p_booked": number,
        "p_low": number,
        "p_high": number,
        "decimal": number,
        "status": text,
        "was_p_fair": number,
        "home_score": number,
        "away_score": number,
        "period": number,
        "kind": pl.Enum([kind.name for kind in kinds]),
        "at_once": pl.Boolean(),
    }


@dataclass(frozen=True, slots=True)
class Cause:
    """What guards know of each cut, arrays of shape (cuts,): its cause and the state."""

    kind: NDArray[np.int64]
    at_once: NDArray[np.bool_]
    home_score: NDArray[np.float64]
    away_score: NDArray[np.float64]
    period: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]]
    """Columns of state by name, NaN where absent."""


class Guards:
    """The spec's guards and those that are always on."""

    def __init__(
        self,
        guards: tuple[Guard, ...],
        slots: Shape,
        kinds: tuple[KindPlan, ...],
        state: tuple[str, ...],
    ) -> None:
        """Compile every guard.

        Raises:
            SpecError: The SQL of a guard has a fault.
        """
        self._types = guard_types(kinds, state)
        self._conditions = Conditions([guard.sql for guard in guards], self._types)
        self.names = (*BUILT_IN, *(guard.name for guard in guards))
        self._only_alerts = [guard.policy == Policy.ALERT for guard in guards]
        # At least one column, so that a constant condition has rows.
        self.uses = self._uses = self._conditions.uses | {"line"}
        self._slots = slots
        self._fixed: tuple[int, dict[str, pl.Series]] = (0, {})
        self._kind_names = pl.Series("kind", [k.name for k in kinds], self._types["kind"])
        self._kind_place = np.zeros(max((k.number for k in kinds), default=0) + 1, np.int64)
        self._kind_place[[kind.number for kind in kinds]] = np.arange(len(kinds))

    def built_in(self, boards: RawBoards, cause: Cause) -> NDArray[np.int64]:
        """Return the guard in `names` that suspends each market, -1 for none; (cuts, markets)."""
        slots = self._slots
        p, push = boards.p_fair, boards.p_push
        with np.errstate(invalid="ignore"):
            both = p + p[:, slots.partner]
            fine = (p >= 0) & (p <= 1) & (push >= 0) & (push <= 1)
            fine &= (boards.p_booked >= 0) & (boards.p_booked <= 1)
            fine &= np.abs(both - 1) <= SUM_TOLERANCE
            fine &= np.isfinite(boards.line) | ~slots.has_line
            offered = boards.decimal_milli > 0
            fine &= ~offered | (boards.decimal_milli > 1000)
            scored = slots.points(cause.home_score, cause.away_score)
            low = slots.has_points & slots.is_game & offered & (boards.line < scored)
        fired = np.where(slots.any_of_market(low), BELOW_SCORE, -1)
        return np.where(slots.any_of_market(~fine), IMPOSSIBLE, fired)

    def fired(
        self, boards: RawBoards, was_p_fair: NDArray[np.float64], cause: Cause
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the first of the spec's guards that suspends each market, -1 for none; and all.

        The second has the bit of each guard that fires, those that only alert among them. Only
        rows at which a price is offered are looked at.
        """
        shape = len(boards.line), self._slots.markets
        verdict, bits = np.full(shape, -1, np.int64), np.zeros(shape, np.uint64)
        if not len(self._conditions) or not len(boards.line):
            return verdict, bits
        offered = boards.decimal_milli > 0
        fired = self._conditions.true(self._frame(boards, was_p_fair, cause))
        for at, fires in reversed(list(enumerate(fired, len(BUILT_IN)))):
            if not fires.any():
                continue
            found = self._slots.any_of_market(fires.reshape(offered.shape) & offered)
            bits[found] |= np.uint64(1 << at)
            if not self._only_alerts[at - len(BUILT_IN)]:
                verdict[found] = at
        return verdict, bits

    def _frame(
        self, boards: RawBoards, was_p_fair: NDArray[np.float64], cause: Cause
    ) -> pl.DataFrame:
        """Lay out what the guards read, one row a slot of a cut."""
        count, width = boards.line.shape
        places = self._kind_place[cause.kind.clip(0, len(self._kind_place) - 1)]

        def number(name: str, values: NDArray[np.float64]) -> pl.Series:
            return pl.Series(name, values.ravel(), nan_to_null=True)

        def spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.repeat(values, width)

        makers = {
            "line": lambda: number("line", boards.line),
            "p_fair": lambda: number("p_fair", boards.p_fair),
            "p_push": lambda: number("p_push", boards.p_push),
            "p_booked": lambda: number("p_booked", boards.p_booked),
            "p_low": lambda: number("p_low", boards.p_low),
            "p_high": lambda: number("p_high", boards.p_high),
            "decimal": lambda: number("decimal", boards.decimal_milli / 1000),
            "was_p_fair": lambda: number("was_p_fair", was_p_fair),
            "home_score": lambda: number("home_score", spread(cause.home_score)),
            "away_score": lambda: number("away_score", spread(cause.away_score)),
            "period": lambda: number("period", spread(cause.period)),
            "kind": lambda: self._kind_names.gather(np.repeat(places, width)),
            "at_once": lambda: pl.Series("at_once", np.repeat(cause.at_once, width)),
        }
        fixed = self._fixed_columns(count)
        states = [
            name
            for name in cause.columns
            if name in self._uses and name not in makers and name not in fixed
        ]
        return pl.DataFrame(
            [column.head(count * width) for column in fixed.values()]
            + [makers[name]() for name in makers if name in self._uses]
            + [number(name, spread(cause.columns[name])) for name in states]
        )

    def _fixed_columns(self, count: int) -> dict[str, pl.Series]:
        """Return the columns that are the same for every cut, for `count` cuts or more."""
        made, columns = self._fixed
        if made < count:
            made, slots = max(count, 2 * made), self._slots
            columns = {
                name: pl.Series(name, list(values)).gather(np.tile(np.arange(len(slots)), made))
                for name, values in (
                    ("market", slots.market),
                    ("scope", slots.scope),
                    ("side", slots.side),
                    ("is_main", slots.is_main),
                    ("status", [str(Status.OPEN)] * len(slots)),
                )
                if name in self._uses
            }
            self._fixed = made, columns
        return columns
