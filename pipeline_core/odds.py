"""Prices: decimal, American, fractional and probability; exact, and rounded against the customer.

A decimal price is a whole number of thousandths (`1909` is 1.909), so that no two machines print
it differently. 0 stands for "no price". Every conversion from a probability or between notations
rounds down: the customer is never paid more than the price that was computed.

All functions take an array or a single number and give an array of the same shape.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oddspipe.core.errors import OddsError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

NO_PRICE = 0
"""The decimal price of an outcome on which no bet is offered."""

LARGEST_MILLI = 10_000_000

TICKS: tuple[tuple[int, int], ...] = (
    (1_010, 10),
    (2_000, 20),
    (3_000, 50),
    (4_000, 100),
    (6_000, 200),
    (10_000, 500),
    (20_000, 1_000),
    (30_000, 2_000),
    (50_000, 5_000),
    (100_000, 10_000),
)
"""The exchange ladder: from this price on (thousandths), prices are this far apart."""

# Traditional fractions, shortest first. A price in between becomes the next one below.
FRACTIONS: tuple[tuple[int, int], ...] = (
    *((1, n) for n in (1000, 500, 250, 200, 150, 100, 80, 66, 50, 40, 33, 28, 25, 22, 20, 18, 16)),
    *((1, 14), (1, 12), (1, 11), (1, 10), (1, 9), (1, 8), (2, 15), (1, 7), (2, 13), (1, 6)),
    *((2, 11), (1, 5), (2, 9), (1, 4), (2, 7), (3, 10), (1, 3), (4, 11), (2, 5), (4, 9), (1, 2)),
    *((8, 15), (4, 7), (8, 13), (4, 6), (8, 11), (4, 5), (5, 6), (10, 11), (20, 21), (1, 1)),
    *((21, 20), (11, 10), (6, 5), (5, 4), (11, 8), (7, 5), (6, 4), (13, 8), (7, 4), (15, 8)),
    *((2, 1), (17, 8), (9, 4), (5, 2), (11, 4), (3, 1), (10, 3), (7, 2), (4, 1), (9, 2), (5, 1)),
    *((11, 2), (6, 1), (13, 2), (7, 1), (15, 2), (8, 1), (17, 2), (9, 1), (10, 1), (11, 1)),
    *((n, 1) for n in (12, 14, 16, 18, 20, 22, 25, 28, 33, 40, 50, 66, 80, 100, 125, 150, 200)),
    *((n, 1) for n in (250, 300, 400, 500, 750, 1000)),
)

_TICK_FROM = np.array([start for start, _ in TICKS], np.int64)
_TICK_SIZE = np.array([size for _, size in TICKS], np.int64)
_FRACTION_MILLI = np.array([1000 + 1000 * num // den for num, den in FRACTIONS], np.int64)


def decimal_from_probability(probability: ArrayLike) -> IntArray:
    """Return the longest decimal price, in thousandths, that costs this probability or more.

    Args:
        probability: Booked probability, in (0, 1]; 1 is the price 1.000.

    Raises:
        OddsError: A probability outside (0, 1].

    >>> decimal_from_probability([0.5, 0.5238, 1.0]).tolist()
    [2000, 1909, 1000]
    """
    p = np.asarray(probability, np.float64)
    if not np.all((p > 0) & (p <= 1)):
        raise OddsError("a probability outside (0, 1] has no price")
    return np.floor(np.minimum(1000.0 / p, LARGEST_MILLI)).astype(np.int64)


def probability_from_decimal(milli: ArrayLike) -> FloatArray:
    """Return the probability that a price costs, rounded up to a millionth; 0 for no price.

    >>> probability_from_decimal([2000, 1909, 0]).tolist()
    [0.5, 0.523835, 0.0]
    """
    price = _prices(milli)
    booked = -(-1_000_000_000 // np.where(price == NO_PRICE, 1, price))
    return np.where(price == NO_PRICE, 0, booked) / 1_000_000.0


def decimal_from_american(american: ArrayLike) -> IntArray:
    """Return the decimal price of an American one, rounded down to thousandths.

    Args:
        american: At least +100 or at most -100; 0 is no price.

    Raises:
        OddsError: A number strictly between -100 and +100 other than 0.

    >>> decimal_from_american([150, -110, 100, -100, -10000]).tolist()
    [2500, 1909, 2000, 2000, 1010]
    """
    line = np.asarray(american, np.int64)
    if np.any((np.abs(line) < 100) & (line != 0)):
        raise OddsError("American prices between -100 and +100 do not exist")
    risk = np.where(line < 0, -line, 100)
    paid = np.where(line > 0, 10 * line, 100_000 // risk)
    return np.where(line == 0, NO_PRICE, 1000 + paid)


def american_from_decimal(milli: ArrayLike) -> IntArray:
    """Return the longest American price that pays no more than a decimal one; 0 for no price.

    Even money is +100. What `decimal_from_american` gives comes back as it was, as far as
    thousandths can tell two prices apart; of several that they cannot, the shortest comes back.

    Raises:
        OddsError: A price at or below 1.000.

    >>> american_from_decimal([2500, 1909, 2000, 1010, 0]).tolist()
    [150, -110, 100, -10000, 0]
    """
    price = _prices(milli)
    win = np.where(price == NO_PRICE, 1000, price - 1000)
    risk = 100_000 // win
    # -110 pays 0.90909 and stands for 1.909: thousandths are rounded down on both ways.
    risk += 100_000 // np.maximum(risk, 1) > win
    american = np.where(win >= 1000, win // 10, -risk)
    return np.where(price == NO_PRICE, 0, american)


def fraction_from_decimal(milli: int) -> str:
    """Return the longest traditional fraction that pays no more than a decimal price.

    A price below the ladder's first rung, and no price, give an empty text.

    >>> fraction_from_decimal(1909), fraction_from_decimal(2000), fraction_from_decimal(7000)
    ('10/11', '1/1', '6/1')
    """
    rung = int(np.searchsorted(_FRACTION_MILLI, milli, side="right")) - 1
    if milli == NO_PRICE or rung < 0:
        return ""
    num, den = FRACTIONS[rung]
    return f"{num}/{den}"


def decimal_from_fraction(fraction: str) -> int:
    """Return the decimal price of a fraction, rounded down to thousandths.

    Raises:
        OddsError: The text is not a fraction of two whole numbers above 0.

    >>> decimal_from_fraction("10/11"), decimal_from_fraction("6/4")
    (1909, 2500)
    """
    num, slash, den = fraction.partition("/")
    if not slash or not num.isdecimal() or not den.isdecimal() or int(num) < 1 or int(den) < 1:
        raise OddsError(f"{fraction!r} is not a fractional price such as 10/11")
    return 1000 + 1000 * int(num) // int(den)


def tick_below(milli: ArrayLike) -> IntArray:
    """Return the highest rung of the exchange ladder at or below a price; below 1.01 no price.

    >>> tick_below([1909, 2019, 3049, 7150, 1004]).tolist()
    [1900, 2000, 3000, 7000, 0]
    """
    price = _prices(milli)
    size = tick_size(price)
    # Every ladder section starts on a multiple of its own tick.
    return np.where(price < TICKS[0][0], NO_PRICE, price - price % size)


def tick_size(milli: ArrayLike) -> IntArray:
    """Return the distance from a price's rung to the next one up, in thousandths.

    >>> tick_size([1500, 2000, 5000]).tolist()
    [10, 20, 100]
    """
    section = np.searchsorted(_TICK_FROM, np.asarray(milli, np.int64), side="right") - 1
    return _TICK_SIZE[np.maximum(section, 0)]


def _prices(milli: ArrayLike) -> IntArray:
    price = np.asarray(milli, np.int64)
    if np.any((price <= 1000) & (price != NO_PRICE)):
        raise OddsError("a decimal price is above 1.000, or 0 for no price")
    return price
