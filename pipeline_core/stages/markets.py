"""Markets out of distributions: lines, fair and booked probabilities, prices; a row a game.

Every market of a scope is cut from the same joint distribution, so moneyline, spread and total
agree: prices are monotone in the line, and P(home -1.5) <= P(home wins) <= P(home +1.5).

The shape of a board is fixed by the plan: slot by slot the same scope, market, place of the line
around the main one, and side. What changes from row to row are the numbers. The line of a spread
is the home side's: at -3.5 home gives 3.5 points and away takes them, so that both sides of one
market share one line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import OddsError, PluginError
from oddspipe.core.names import Market, Side
from oddspipe.core.odds import NO_PRICE, probability_from_decimal, tick_below
from oddspipe.core.overround import METHODS, add_overround
from oddspipe.core.parts import MarketPlan
from oddspipe.core.ports.model import Doubted, Pmf, ScoreDistribution
from oddspipe.ext.normal import between

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LOWEST_OFFERED: Final = 0.01
HIGHEST_OFFERED: Final = 0.99
"""No price outside this band of fair probabilities, nor where a push is likelier than it."""

_SUM_OFF: Final = 1e-9
_HOME_AWAY: Final = (Side.HOME, Side.AWAY)
_OVER_UNDER: Final = (Side.OVER, Side.UNDER)
_AXIS: Final = {
    Market.MONEYLINE: "margin",
    Market.SPREAD: "margin",
    Market.TOTAL: "total",
    Market.TEAM_TOTAL_HOME: "home",
    Market.TEAM_TOTAL_AWAY: "away",
}


@dataclass(frozen=True)
class Slots:
    """What the columns of a board are; the same for every row of a plan.

    Attributes:
        plan: Which of the plan's markets, shape (slots,).
        scope, market, side: Words, one a slot.
        offset: Steps from the main line, shape (slots,); 0 is the main line.
        is_main: Whether the slot belongs to the main line, shape (slots,).
    """

    plan: IntArray
    scope: tuple[str, ...]
    market: tuple[Market, ...]
    side: tuple[Side, ...]
    offset: IntArray
    is_main: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.scope)


@dataclass(frozen=True, slots=True)
class Boards:
    """Prices of many games, one row each; every array but `valid` has shape (rows, slots).

    Attributes:
        slots: What the columns are.
        valid: Whether the model's distributions of the row are usable: finite, nowhere below 0,
            adding up to 1. Prices of other rows mean nothing; shape (rows,).
        line: Home handicap of a spread, points of a total, NaN for moneyline.
        p_fair: Probability given that there is no push; the two sides add up to 1.
        p_push: Share of the stake that comes back without a decision: the chance of a push, half of
            it for a quarter line, which is half a bet on each line beside it.
        p_booked: What the price costs, rounded up; 0 where no price is offered.
        decimal_milli: Decimal price in thousandths; 0 where no price is offered.
        p_low, p_high: What `p_fair` lies between, 5 and 95 %; NaN where the model does not say.
    """

    slots: Slots
    valid: NDArray[np.bool_]
    line: FloatArray
    p_fair: FloatArray
    p_push: FloatArray
    p_booked: FloatArray
    decimal_milli: IntArray
    p_low: FloatArray
    p_high: FloatArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.valid)


@dataclass(frozen=True)
class _Source:
    """One marginal that markets are cut from: which, and the pairs of each of its markets."""

    scope: str
    axis: str
    cuts: tuple["_Cut", ...]


@dataclass(frozen=True)
class _Cut:
    """One market on a source: where its pairs lie on the board, and how its lines are found.

    Lines are counted in quarter points, as thresholds of the marginal: home -3.5 is threshold +14.
    """

    pairs: slice
    offsets: IntArray
    is_spread: bool
    is_moneyline: bool
    whole: bool
    fixed: int | None
    quarters: bool


@dataclass(frozen=True)
class _Pricing:
    """Pairs that share a margin and limits; `pairs` is None when that is all of them."""

    method: str
    margin: float
    floor: int
    cap: int
    pairs: IntArray | None


@dataclass(frozen=True)
class _Layout:
    """Everything about a plan's markets that does not depend on a row."""

    slots: Slots
    sources: tuple[_Source, ...]
    pricings: tuple[_Pricing, ...]
    pairs: int
    line_factor: FloatArray


def marginals_of(markets: tuple[MarketPlan, ...]) -> list[tuple[str, str]]:
    """Return which marginals these markets are made of: scopes, and margin, total, home or away.

    Raises:
        OddsError: As `slots_of`.
    """
    return [(source.scope, source.axis) for source in _layout(markets).sources]


def slots_of(markets: tuple[MarketPlan, ...]) -> Slots:
    """Return what the columns of a board of these markets are.

    Raises:
        OddsError: A line step that is not a multiple of a quarter point, or an unknown method.
    """
    return _layout(markets).slots


def make_boards(
    distributions: Mapping[str, ScoreDistribution], markets: tuple[MarketPlan, ...]
) -> Boards:
    """Make every market of the plan for every row of the model's distributions.

    A row's prices depend on nothing but its own distribution. The main line is the most even one
    of the market's grid (half lines, and whole ones if the plan says so); a fixed line stays, on
    the side that makes the favourite give the points.

    Args:
        distributions: What the model gave, by scope; all with the same number of rows.
        markets: The plan's markets.

    Raises:
        PluginError: A scope is missing, or an array has the wrong shape.
        OddsError: The plan's markets cannot be made; see `slots_of`.
    """
    layout = _layout(markets)
    marginals = [_marginal(distributions, source) for source in layout.sources]
    rows = len(marginals[0].first) if marginals else 0
    if any(len(pmf.first) != rows for pmf in marginals):
        raise PluginError("the model gave distributions with different numbers of rows")
    thresholds = np.empty((rows, layout.pairs), np.int64)
    below = np.empty((rows, layout.pairs))
    upto = np.empty((rows, layout.pairs))
    valid = np.ones(rows, np.bool_)
    for source, pmf in zip(layout.sources, marginals, strict=True):
        _cut(source, pmf, (thresholds, below, upto), valid)
    doubt = _doubt(distributions, layout, rows)
    return _priced(layout, (thresholds, below, upto), valid, doubt)


def _doubt(
    distributions: Mapping[str, ScoreDistribution], layout: _Layout, rows: int
) -> FloatArray | None:
    """Return the share of doubt of every pair, NaN where it is not known; None if it never is."""
    made: FloatArray | None = None
    for source in layout.sources:
        distribution = distributions[source.scope]
        said = distribution.doubt() if isinstance(distribution, Doubted) else None
        if said is None:
            continue
        share: FloatArray = getattr(said, source.axis)
        if share.shape != (rows,):
            raise PluginError(
                f"the model's doubt() of scope {source.scope!r} has {source.axis} of shape "
                f"{share.shape}: expected ({rows},)"
            )
        if made is None:
            made = np.full((rows, layout.pairs), np.nan)
        for cut in source.cuts:
            made[:, cut.pairs] = share[:, None]
    return made


def _marginal(distributions: Mapping[str, ScoreDistribution], source: _Source) -> Pmf:
    try:
        distribution = distributions[source.scope]
    except KeyError:
        raise PluginError(f"the model gave no distribution for scope {source.scope!r}") from None
    pmf: Pmf = getattr(distribution, source.axis)()
    if pmf.mass.ndim != 2 or pmf.first.shape != pmf.mass.shape[:1] or pmf.mass.shape[1] < 1:
        raise PluginError(
            f"the model's {source.axis}() of scope {source.scope!r} has shapes "
            f"{pmf.first.shape} and {pmf.mass.shape}: expected (rows,) and (rows, width)"
        )
    return pmf


def _cut(
    source: _Source,
    pmf: Pmf,
    out: tuple[IntArray, FloatArray, FloatArray],
    valid: NDArray[np.bool_],
) -> None:
    """Find the lines on one marginal and the mass below and up to each."""
    rows, width = pmf.mass.shape
    # Mass below each number. Added from left to right: zeros around a row change no bit of it.
    sums = np.zeros((rows, width + 1))
    np.cumsum(pmf.mass, axis=1, out=sums[:, 1:])
    valid &= (np.abs(sums[:, width] - 1.0) <= _SUM_OFF) & (pmf.mass.min(axis=1) >= -_SUM_OFF)
    flat = sums.ravel()
    start = np.arange(rows) * (width + 1)
    # The median: the first number up to which at least half of the mass lies.
    median = np.minimum((sums[:, 1:] < 0.5).sum(axis=1), width - 1)
    around = (pmf.first + median, flat[start + median], flat[start + median + 1])
    thresholds, below, upto = out
    for cut in source.cuts:
        main = _main_line(cut, pmf, flat, around)
        thresholds[:, cut.pairs] = main[:, None] + cut.offsets
    corner = start[:, None]
    for cut in source.cuts:
        line = thresholds[:, cut.pairs] - 4 * pmf.first[:, None]
        # A quarter line is half a bet on each line beside it.
        beside = (line >> 1, (line + 1) >> 1) if cut.quarters else (line >> 1,)
        low = [flat[corner + ((half + 1) >> 1).clip(0, width)] for half in beside]
        high = [flat[corner + ((half >> 1) + 1).clip(0, width)] for half in beside]
        below[:, cut.pairs] = sum(low) / len(beside)
        upto[:, cut.pairs] = sum(high) / len(beside)


def _main_line(
    cut: _Cut, pmf: Pmf, flat: FloatArray, around: tuple[IntArray, FloatArray, FloatArray]
) -> IntArray:
    """Return the threshold of each row's main line, in quarter points."""
    median, under, upto = around
    if cut.is_moneyline:
        return np.zeros(len(median), np.int64)
    if cut.fixed is not None:
        if not cut.is_spread:
            return np.full(len(median), cut.fixed, np.int64)
        return np.where(_home_is_favourite(pmf, flat), cut.fixed, -cut.fixed)
    # The half lines next to the median: under it and over it.
    unevenness_low = 1.0 - 2.0 * under
    unevenness_high = 2.0 * upto - 1.0
    main = 2 * median + np.where(unevenness_low < unevenness_high, -1, 1)
    if cut.whole:
        decided = under + (1.0 - upto)
        uneven = np.abs(1.0 - upto - under) / np.where(decided > 0, decided, 1.0)
        best = np.minimum(unevenness_low, unevenness_high)
        main = np.where((decided > 0) & (uneven < best), 2 * median, main)
    return 2 * main


def _home_is_favourite(pmf: Pmf, flat: FloatArray) -> NDArray[np.bool_]:
    width = pmf.mass.shape[1]
    start = np.arange(len(pmf.first)) * (width + 1)
    lost = flat[start + (-pmf.first).clip(0, width)]
    won = 1.0 - flat[start + (1 - pmf.first).clip(0, width)]
    return np.asarray(won >= lost)


def _priced(
    layout: _Layout,
    cuts: tuple[IntArray, FloatArray, FloatArray],
    valid: NDArray[np.bool_],
    doubt: FloatArray | None,
) -> Boards:
    """Turn thresholds and the mass around them into probabilities and prices."""
    thresholds, below, upto = cuts
    rows = len(valid)
    over = 1.0 - upto
    decided = over + below
    possible = decided > 1e-12
    first = np.where(possible, over / np.where(possible, decided, 1.0), 0.5)
    fair = np.empty((rows, layout.pairs, 2))
    np.round(first.clip(0.0, 1.0), 6, out=fair[:, :, 0])
    np.round(1.0 - fair[:, :, 0], 6, out=fair[:, :, 1])
    push = np.round((upto - below).clip(0.0, 1.0), 6)
    side = fair[:, :, 0]
    offered = (side >= LOWEST_OFFERED) & (side <= HIGHEST_OFFERED) & (push <= HIGHEST_OFFERED)
    safe = np.where(offered[:, :, None], fair, 0.5)
    milli = np.empty((rows, layout.pairs, 2), np.int64)
    for pricing in layout.pricings:
        if pricing.pairs is None:
            milli = _prices(safe, pricing)
        else:
            milli[:, pricing.pairs] = _prices(safe[:, pricing.pairs], pricing)
    milli *= offered[:, :, None]
    shape = (rows, layout.pairs * 2)
    # + 0.0 turns the -0.0 of a level spread into 0.0.
    line = thresholds * layout.line_factor + 0.0
    return Boards(
        layout.slots,
        valid,
        np.repeat(line, 2, axis=1),
        fair.reshape(shape),
        np.repeat(push, 2, axis=1),
        probability_from_decimal(milli).reshape(shape),
        milli.reshape(shape),
        *(end.reshape(shape) for end in _ends(fair, doubt)),
    )


def _ends(fair: FloatArray, doubt: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Return what both sides' probabilities lie between, NaN where that is not known."""
    low, high = np.full((2, *fair.shape), np.nan)
    if doubt is not None:
        first = fair[:, :, 0]
        # `fair` is rounded: so are its ends, and none of them passes it by that.
        low[:, :, 0], high[:, :, 0] = np.round(between(first, doubt), 6)
        low[:, :, 1] = np.round(1.0 - high[:, :, 0], 6)
        high[:, :, 1] = np.round(1.0 - low[:, :, 0], 6)
    return low, high


def _prices(fair: FloatArray, pricing: _Pricing) -> IntArray:
    """Return decimal prices with margin, on the ladder, within the limits."""
    booked = add_overround(
        fair.reshape(-1, 2), overround=pricing.margin, method=pricing.method
    ).reshape(fair.shape)
    longest = np.minimum(1000.0 / booked, pricing.cap).astype(np.int64)
    milli = tick_below(np.where(longest > 1000, longest, NO_PRICE))
    # A price under the floor becomes the floor, unless that paid more than is fair.
    at_floor = np.where(fair * pricing.floor <= 1000.0, pricing.floor, NO_PRICE)
    return np.where(milli < pricing.floor, at_floor, milli)


@lru_cache(maxsize=64)
def _layout(markets: tuple[MarketPlan, ...]) -> _Layout:
    """Lay out the board of these markets once."""
    sources: dict[tuple[str, str], list[_Cut]] = {}
    limits: dict[tuple[str, float, int, int], list[int]] = {}
    words: list[tuple[int, MarketPlan, int]] = []
    for number, plan in enumerate(markets):
        offsets = _offsets(plan)
        pairs = range(len(words), len(words) + len(offsets))
        words += [(number, plan, offset) for offset in offsets]
        cut = _Cut(
            slice(pairs.start, pairs.stop),
            np.array(offsets, np.int64) * _step(plan),
            plan.market is Market.SPREAD,
            plan.market is Market.MONEYLINE,
            plan.whole,
            _fixed(plan),
            plan.step % 0.5 != 0 or (plan.fixed_line or 0.0) % 0.5 != 0,
        )
        sources.setdefault((plan.scope, _AXIS[plan.market]), []).append(cut)
        limits.setdefault(_limits(plan), []).extend(pairs)
    return _Layout(
        _slots(words),
        tuple(_Source(scope, axis, tuple(cuts)) for (scope, axis), cuts in sources.items()),
        tuple(
            _Pricing(*limit, None if len(limits) == 1 else np.array(pairs, np.int64))
            for limit, pairs in limits.items()
        ),
        len(words),
        np.array([_line_factor(plan.market) for _, plan, _ in words]),
    )


def _offsets(plan: MarketPlan) -> range:
    if plan.market is Market.MONEYLINE:
        return range(1)
    return range(-plan.alternates, plan.alternates + 1)


def _step(plan: MarketPlan) -> int:
    """Return the signed distance of neighbouring thresholds, in quarter points."""
    if plan.market is Market.MONEYLINE:
        return 0
    quarters = 4 * plan.step
    if quarters != int(quarters) or (plan.alternates and quarters < 1):
        raise OddsError(
            f"lines of {plan.market} can stand multiples of 0.25 apart, not {plan.step}"
        )
    step = int(quarters)
    if not plan.whole and step % 4 == 2:
        # Half lines alone are whole points apart.
        step += 2
    return -step if plan.market is Market.SPREAD else step


def _fixed(plan: MarketPlan) -> int | None:
    if plan.fixed_line is None or plan.market is Market.MONEYLINE:
        return None
    quarters = 4 * plan.fixed_line
    if quarters != int(quarters):
        raise OddsError(f"a fixed line is a multiple of 0.25, not {plan.fixed_line}")
    return abs(int(quarters)) if plan.market is Market.SPREAD else int(quarters)


def _limits(plan: MarketPlan) -> tuple[str, float, int, int]:
    if plan.margin_method not in METHODS:
        known = ", ".join(METHODS)
        raise OddsError(
            f"no margin method is called {plan.margin_method!r}", hint=f"one of {known}"
        )
    floor, cap = round(1000 * plan.price_floor), round(1000 * plan.price_cap)
    return plan.margin_method, plan.margin, floor, cap


def _line_factor(market: Market) -> float:
    if market is Market.MONEYLINE:
        return float("nan")
    return -0.25 if market is Market.SPREAD else 0.25


def _slots(words: list[tuple[int, MarketPlan, int]]) -> Slots:
    """Return the two slots of every pair."""
    twice = [word for word in words for _ in range(2)]
    offset = np.array([offset for _, _, offset in twice], np.int64)
    sides = [
        _HOME_AWAY if plan.market in {Market.MONEYLINE, Market.SPREAD} else _OVER_UNDER
        for _, plan, _ in words
    ]
    return Slots(
        np.array([number for number, _, _ in twice], np.int64),
        tuple(plan.scope for _, plan, _ in twice),
        tuple(plan.market for _, plan, _ in twice),
        tuple(side for pair in sides for side in pair),
        offset,
        offset == 0,
    )
