"""How good published chances were: each finished game scores its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import msgspec
import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Tenths of the chance by which calibration is looked at."""
CLOSEST = 1e-6
"""Chances are rounded to this, so that a certainty that was wrong costs 13.8 and not for ever."""
COUNT, TOTAL, SQUARES, LOG_WON, LOG_LOST = range(5)
SUMS = 5 + 2 * BINS
"""Of a game: number of chances, sums of p, p², log p, log(1 - p); number and sum of p a bin."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Scores of the finished games of a run; a game counts once, however often it was priced.

    Attributes:
        games: Games that ended with a winner and had a published chance.
        brier, log_loss: Sums over games of the mean of each game's chances.
        bins: Share of a game's chances in a bin, their sum, and the sum of results; (3, BINS).
    """

    games: int
    brier: float
    log_loss: float
    bins: Floats

    @staticmethod
    def none() -> "Accuracy":
        """Return the scores of no game."""
        return Accuracy(0, 0.0, 0.0, np.zeros((3, BINS)))

    def plus(self, other: "Accuracy") -> "Accuracy":
        """Return the scores of both."""
        return Accuracy(
            self.games + other.games,
            self.brier + other.brier,
            self.log_loss + other.log_loss,
            self.bins + other.bins,
        )

    @property
    def drift(self) -> float:
        """Return the expected calibration error: how far chances are from what came of them.

        With few games it is large by chance alone: about .4 / sqrt(games) where nothing is wrong.
        """
        return float(np.abs(self.bins[1] - self.bins[2]).sum() / max(self.games, 1))

    def as_report(self) -> dict[str, float | int]:
        """Return the entry of a run's report; means over games."""
        games = max(self.games, 1)
        return {
            "games": self.games,
            "brier": round(self.brier / games, 6),
            "log_loss": round(self.log_loss / games, 6),
            "calibration_error": round(self.drift, 6),
        }


def all_of(scores: Sequence[Accuracy]) -> Accuracy:
    """Return the scores of several partitions as one."""
    return reduce(Accuracy.plus, scores, Accuracy.none())


class _Saved(msgspec.Struct, array_like=True):
    games: bytes
    sums: bytes
    scored: int
    brier: float
    log_loss: float
    bins: bytes


class Scorer:
    """Adds up the chances of games under way, and scores them when a game has ended."""

    def __init__(self) -> None:
        """Begin without games."""
        self.scored = Accuracy.none()
        self._sums: dict[int, Floats] = {}

    def take(self, game: NDArray[np.int64], p_home: Floats) -> None:
        """Take published chances of the home side, in the order in which they went out."""
        p = p_home.clip(CLOSEST, 1 - CLOSEST)
        rows = np.zeros((len(p), SUMS))
        rows[:, COUNT], rows[:, TOTAL], rows[:, SQUARES] = 1, p, p * p
        rows[:, LOG_WON], rows[:, LOG_LOST] = np.log(p), np.log1p(-p)
        at = 5 + np.minimum((p * BINS).astype(np.int64), BINS - 1)
        place = np.arange(len(p))
        rows[place, at], rows[place, at + BINS] = 1, p
        for row, one in enumerate(game.tolist()):
            # One by one, so that sums do not depend on where a batch was cut.
            self._sums[one] = self._sums.get(one, 0.0) + rows[row]

    def end(self, game: int, home: float, away: float) -> None:
        """Score a game by its result; one without a winner or a chance is left out."""
        sums = self._sums.pop(game, None)
        if sums is None or home == away or np.isnan(home + away):
            return
        won, count = float(home > away), sums[COUNT]
        share, mean = sums[5 : 5 + BINS] / count, sums[5 + BINS :] / count
        brier = (sums[SQUARES] - 2 * won * sums[TOTAL]) / count + won
        log_loss = -float(sums[LOG_WON if won else LOG_LOST]) / count
        bins = np.stack([share, mean, share * won])
        self.scored = self.scored.plus(Accuracy(1, float(brier), float(log_loss), bins))

    def snapshot(self) -> bytes:
        """Return the sums of games under way, and the scores."""
        games, done = sorted(self._sums), self.scored
        sums = np.array([self._sums[game] for game in games]).tobytes()
        ids = np.array(games, np.int64).tobytes()
        return msgspec.msgpack.encode(
            _Saved(ids, sums, done.games, done.brier, done.log_loss, done.bins.tobytes())
        )

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        saved = msgspec.msgpack.decode(state, type=_Saved)
        games = np.frombuffer(saved.games, np.int64).tolist()
        sums = np.frombuffer(saved.sums).reshape(-1, SUMS)
        self._sums = {game: sums[at].copy() for at, game in enumerate(games)}
        bins = np.frombuffer(saved.bins).reshape(3, BINS).copy()
        self.scored = Accuracy(saved.scored, saved.brier, saved.log_loss, bins)
