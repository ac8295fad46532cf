"""Ready-made joint score distributions, for models to give back.

Each row is computed alone. Arrays may be wider in a large batch than in a small one, but the extra
columns are exactly 0, so that the prices made of a row are the same bytes whatever is beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import OddsError
from oddspipe.core.ports.model import Doubt, Pmf
from oddspipe.ext.normal import lattice

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_REACH = 6.5
_WIDEST = 4096
_LOWEST = np.int64(-(2**40))


@dataclass(frozen=True, slots=True)
class Overtime:
    """What becomes of a tie at the end of regulation.

    Attributes:
        home_share: Chance that home wins the overtime, given that somebody does; shape (rows,).
        tie_share: Chance that the tie stands, shape (rows,): 0 where ties are impossible.
        margins: Chance that the winner wins by 1, 2, 3 … points; adds up to 1.
        points_mean, points_sd: Points of both sides together in overtime.
    """

    home_share: FloatArray
    tie_share: FloatArray
    margins: tuple[float, ...]
    points_mean: float
    points_sd: float


@dataclass(frozen=True, slots=True)
class KeyNumbers:
    """How much likelier some margins at the end of regulation are than a normal curve says.

    Each margin is weighed by its own size and by how far it is from the lead of now. What is kept
    is the chance of home, overtime included: where a tie becomes likelier, its share comes from the
    side that would win it.

    Attributes:
        left: Seconds left, shape (rows,).
        lead: Home minus away now, shape (rows,).
        knots: Seconds left at which the tables hold, rising, shape (knots,).
        size: Logarithm of the weight of a margin of 0, 1, 2 … either way, shape (knots, sizes);
            the last is of all larger ones.
        moved: The same of a further margin of 0, 1, 2 … either way.
        home_share: Chance that home wins the overtime, given that somebody does, shape (rows,).
    """

    left: FloatArray
    lead: FloatArray
    knots: FloatArray
    size: FloatArray
    moved: FloatArray
    home_share: FloatArray

    def weigh(self, pmf: Pmf) -> Pmf:
        """Return the distribution weighed; rows still add up to 1."""
        size, moved = self._tables()
        numbers = pmf.first[:, None] + np.arange(pmf.mass.shape[1])
        most = size.shape[1] - 1
        by = np.minimum(np.abs(numbers), most)
        far = np.minimum(np.abs(numbers - _whole(self.lead)[:, None]), most)
        mass = pmf.mass * np.take_along_axis(size, by, 1) * np.take_along_axis(moved, far, 1)
        home, away, level = numbers > 0, numbers < 0, numbers == 0
        before = np.stack([_total(np.where(k, pmf.mass, 0.0)) for k in (away, level, home)])
        wanted = self.split(before)
        for side, want in ((away, wanted[0]), (home, wanted[2])):
            there = _total(np.where(side, mass, 0.0))
            scale = want / np.where(there > 0.0, there, 1.0)
            np.multiply(mass, scale[:, None], out=mass, where=side)
        np.copyto(mass, wanted[1][:, None], where=level)
        return Pmf(pmf.first, mass)

    def split(self, before: FloatArray) -> FloatArray:
        """Return the weighed chances of away, a tie and home, shape (3, rows), of normal ones."""
        away, tie, home = before
        size, moved = self._tables()
        by = np.minimum(np.abs(_whole(self.lead)), size.shape[1] - 1)
        weight = size[:, 0] * moved[np.arange(len(by)), by]
        level = tie * weight / (1.0 - tie + tie * weight)
        most = [
            chance / np.where(share > 0.0, share, 1.0)
            for chance, share in ((home, self.home_share), (away, 1.0 - self.home_share))
        ]
        # Nothing is left of a side that only an overtime could save. A certain end stays as it is.
        level = np.minimum(level, tie + np.minimum(*most))
        won = tie - level
        return np.stack([away + won * (1.0 - self.home_share), level, home + won * self.home_share])

    def _tables(self) -> tuple[FloatArray, FloatArray]:
        """Return the weights of each row, shape (rows, sizes)."""
        at = np.interp(self.left, self.knots, np.arange(len(self.knots)))
        below = at.astype(np.int64).clip(max=len(self.knots) - 2)
        share = (at - below)[:, None]
        size, moved = (
            np.exp(table[below] * (1.0 - share) + table[below + 1] * share)
            for table in (self.size, self.moved)
        )
        return size, moved


@dataclass(frozen=True, slots=True)
class NormalScores:
    """Current score plus further points that are bivariate normal, counted in whole points.

    The further margin (home minus away) and the further total are uncorrelated, as when both
    sides' points vary alike. No side, and no total, ends below what is scored already. With
    deviation 0 a row is the final score itself.

    Attributes:
        home_score, away_score: Points so far, shape (rows,).
        margin_mean, margin_sd: Final margin expected now, and its deviation.
        total_mean, total_sd: Final total expected now, and its deviation.
        overtime: How a tie is resolved; None: it stands.
        keys: What margins of regulation are likelier than normal; None: none.
        margin_doubt, total_doubt: Share of each deviation that is doubt about the mean, in [0, 1);
            None: not known. See `Doubt`.
    """

    home_score: FloatArray
    away_score: FloatArray
    margin_mean: FloatArray
    margin_sd: FloatArray
    total_mean: FloatArray
    total_sd: FloatArray
    overtime: Overtime | None = None
    keys: KeyNumbers | None = None
    margin_doubt: FloatArray | None = None
    total_doubt: FloatArray | None = None

    def doubt(self) -> Doubt | None:
        """Return how much of the deviations is doubt about the means."""
        margin, total = self.margin_doubt, self.total_doubt
        if margin is None or total is None:
            return None
        whole = np.hypot(self.margin_sd, self.total_sd)
        off = np.hypot(margin * self.margin_sd, total * self.total_sd)
        side = np.where(whole > 0.0, off / np.where(whole > 0.0, whole, 1.0), 0.0)
        return Doubt(margin, total, side, side)

    def margin(self) -> Pmf:
        """Return the distribution of home minus away."""
        overtime = self.overtime
        room = len(overtime.margins) if overtime else 0
        pmf = _normal(self.margin_mean, self.margin_sd, None, room)
        if self.keys is not None:
            pmf = self.keys.weigh(pmf)
        if overtime:
            _resolve(pmf, overtime)
        return pmf

    def total(self) -> Pmf:
        """Return the distribution of home plus away."""
        return self._with_overtime(
            self.total_mean, self.total_sd, self.home_score + self.away_score, 1.0
        )

    def home(self) -> Pmf:
        """Return the distribution of the home side's points."""
        mean = 0.5 * (self.total_mean + self.margin_mean)
        return self._with_overtime(mean, self._side_sd(), self.home_score, 0.5)

    def away(self) -> Pmf:
        """Return the distribution of the away side's points."""
        mean = 0.5 * (self.total_mean - self.margin_mean)
        return self._with_overtime(mean, self._side_sd(), self.away_score, 0.5)

    def _side_sd(self) -> FloatArray:
        return 0.5 * np.sqrt(self.total_sd * self.total_sd + self.margin_sd * self.margin_sd)

    def _with_overtime(
        self, mean: FloatArray, sd: FloatArray, scored: FloatArray, share: float
    ) -> Pmf:
        """Mix the points of regulation with those of regulation and overtime."""
        floor = _whole(scored)
        if self.overtime is None:
            return _normal(mean, sd, floor, 0)
        tie = self._tie()
        more = share * self.overtime.points_mean
        longer_sd = np.sqrt(sd * sd + (share * self.overtime.points_sd) ** 2)
        longer_mean = mean + more
        first, width = _span(0.5 * (mean + longer_mean), longer_sd, int(more) + 2)
        pmf = _fill(mean, sd, floor, first, width)
        longer = _fill(longer_mean, longer_sd, floor, first, width)
        # In place: pmf + tie x (longer - pmf), without a new array for each step.
        np.subtract(longer.mass, pmf.mass, out=longer.mass)
        longer.mass[:] *= tie[:, None]
        pmf.mass[:] += longer.mass
        return pmf

    def _tie(self) -> FloatArray:
        """Return the chance that regulation ends level."""
        zero = np.zeros(len(self.margin_mean), np.int64)
        three = np.empty((len(zero), 3))
        lattice(
            _row(self.margin_mean), _row(self.margin_sd), zero - 1, np.full_like(zero, _LOWEST),
            three,
        )  # fmt: skip
        # The outer columns hold all that lies beyond them: away wins, level, home wins.
        tie: FloatArray = (three if self.keys is None else self.keys.split(three.T).T)[:, 1]
        return tie


@dataclass(frozen=True, slots=True)
class JointGrid:
    """An explicit joint distribution of both sides' final points.

    Attributes:
        home_first, away_first: The points that index 0 stands for, one a row, shape (rows,).
        mass: Shape (rows, home points, away points); every row adds up to 1.
    """

    home_first: IntArray
    away_first: IntArray
    mass: FloatArray

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together."""
        rows = self.mass.shape[:1]
        if self.mass.ndim != 3 or self.home_first.shape != rows or self.away_first.shape != rows:
            raise OddsError("a joint grid has mass of (rows, home, away), and first points a row")

    def margin(self) -> Pmf:
        """Return the distribution of home minus away."""
        rows, home, away = self.mass.shape
        out = np.zeros((rows, home + away - 1))
        for points in range(home):
            out[:, points : points + away] += self.mass[:, points, ::-1]
        return Pmf(self.home_first - self.away_first - (away - 1), out)

    def total(self) -> Pmf:
        """Return the distribution of home plus away."""
        rows, home, away = self.mass.shape
        out = np.zeros((rows, home + away - 1))
        for points in range(home):
            out[:, points : points + away] += self.mass[:, points, :]
        return Pmf(self.home_first + self.away_first, out)

    def home(self) -> Pmf:
        """Return the distribution of the home side's points."""
        return Pmf(self.home_first, np.cumsum(self.mass, axis=2)[:, :, -1])

    def away(self) -> Pmf:
        """Return the distribution of the away side's points."""
        return Pmf(self.away_first, np.cumsum(self.mass, axis=1)[:, -1, :])


def _total(mass: FloatArray) -> FloatArray:
    """Return the sum of each row, added from left to right: zeros around it change no bit."""
    total: FloatArray = np.cumsum(mass, axis=1)[:, -1]
    return total


def _row(values: FloatArray) -> FloatArray:
    return np.ascontiguousarray(values, np.float64)


def _whole(values: FloatArray) -> IntArray:
    return np.nan_to_num(values, nan=0.0).astype(np.int64)


def _span(mean: FloatArray, sd: FloatArray, room: int) -> tuple[IntArray, int]:
    """Return the first number of each row, and a width in which all rows fit."""
    # The widest row decides the width; the narrower ones get columns that are exactly 0.
    widest = float(np.nanmax(sd, initial=0.0))
    half = int(min(_REACH * widest + 2.0, _WIDEST)) + room
    centre = np.nan_to_num(np.floor(mean), nan=0.0).clip(-1e9, 1e9).astype(np.int64)
    return centre - half, 2 * half + 2


def _fill(
    mean: FloatArray, sd: FloatArray, floor: IntArray | None, first: IntArray, width: int
) -> Pmf:
    mass = np.empty((len(mean), width))
    least = np.full(len(mean), _LOWEST) if floor is None else floor
    # A row that starts above all of its mass would lose it: never start above the floor's own.
    lattice(_row(mean), _row(sd), first, np.minimum(least, first + (width - 1)), mass)
    return Pmf(first, mass)


def _normal(mean: FloatArray, sd: FloatArray, floor: IntArray | None, room: int) -> Pmf:
    at_least = mean if floor is None else np.maximum(mean, floor)
    first, width = _span(at_least, sd, room)
    return _fill(mean, sd, floor, first, width)


def _resolve(pmf: Pmf, overtime: Overtime) -> None:
    """Move the mass at margin 0 to the margins of overtime, in place."""
    rows, width = pmf.mass.shape
    zero = -pmf.first
    inside = (zero >= 0) & (zero < width)
    at = np.arange(rows)
    column = np.where(inside, zero, 0)
    tie = np.where(inside, pmf.mass[at, column], 0.0)
    decided = tie * (1.0 - overtime.tie_share)
    weights = np.array(overtime.margins)
    by = np.arange(1, len(weights) + 1)
    pmf.mass[at, column] -= np.where(inside, decided, 0.0)
    row = at[:, None]
    # Where there is mass at 0 there is room on both sides of it; elsewhere 0 is added.
    up = (zero[:, None] + by).clip(0, width - 1)
    pmf.mass[row, up] += (decided * overtime.home_share)[:, None] * weights
    down = (zero[:, None] - by).clip(0, width - 1)
    pmf.mass[row, down] += (decided * (1.0 - overtime.home_share))[:, None] * weights
