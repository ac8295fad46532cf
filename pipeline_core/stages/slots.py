"""What a board's fixed slots mean to guards and books."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.names import Market, Side
from oddspipe.core.parts import MarketPlan
from oddspipe.core.stages.markets import slots_of

TOTALS = (Market.TOTAL, Market.TEAM_TOTAL_HOME, Market.TEAM_TOTAL_AWAY)


@dataclass
class Shape:
    """The slots of a board in the order of their markets, and masks over them.

    Attributes:
        scope, market, side: One word a slot.
        group: Which of the plan's markets each slot belongs to; rising.
        is_main: Whether the slot is of its market's main line.
        starts: First slot of each market.
        partner: The other side of each slot's line.
        sign: 1 for home and over, -1 for away and under.
    """

    scope: list[str]
    market: list[str]
    side: list[str]
    group: NDArray[np.int64]
    offset: NDArray[np.int64]
    is_main: NDArray[np.bool_]
    starts: NDArray[np.int64] = field(init=False)
    partner: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Find the markets and, for each slot, the other side of its line."""
        self.starts = np.flatnonzero(np.diff(self.group, prepend=-1))
        keys = list(zip(self.group.tolist(), self.offset.tolist(), strict=True))
        self.partner = np.array(
            [
                next(j for j, k in enumerate(keys) if k == key and j != i)
                for i, key in enumerate(keys)
            ],
            np.int64,
        )
        names = np.array(self.market)
        self.sign = np.where(np.isin(self.side, [Side.HOME, Side.OVER]), 1.0, -1.0)
        self.is_game = np.array(self.scope) == "game"
        self.is_spread = names == Market.SPREAD
        self.has_line = names != Market.MONEYLINE
        self.has_points = np.isin(names, TOTALS)
        self.of_home = np.where(names == Market.TEAM_TOTAL_AWAY, 0.0, 1.0)
        of_away = np.where(self.has_points, 1.0, -1.0)
        self.of_away = np.where(names == Market.TEAM_TOTAL_HOME, 0.0, of_away)

    @staticmethod
    def of(markets: tuple[MarketPlan, ...]) -> "Shape":
        """Take the slots of a plan's markets.

        Raises:
            OddsError: The markets cannot be made.
        """
        slots = slots_of(markets)
        return Shape(
            list(slots.scope),
            [str(market) for market in slots.market],
            [str(side) for side in slots.side],
            slots.plan.astype(np.int64),
            slots.offset.astype(np.int64),
            slots.is_main,
        )

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.scope)

    @property
    def markets(self) -> int:
        """Return the number of markets."""
        return len(self.starts)

    def any_of_market(self, of_slots: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say of which markets some slot is marked; (cuts, slots) to (cuts, markets)."""
        return np.logical_or.reduceat(of_slots, self.starts, axis=1)

    def points(self, home: NDArray[np.float64], away: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each slot's line is measured against, (cuts,) to (cuts, slots)."""
        return self.of_home * home[:, None] + self.of_away * away[:, None]
