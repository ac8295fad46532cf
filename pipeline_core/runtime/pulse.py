"""Whether games are alive and priced: a few array operations a step, read by metrics."""

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.layout import GAME_ID, INGEST_TIME, KIND
from oddspipe.core.names import Kind
from oddspipe.core.parts import KindPlan
from oddspipe.core.ports.output import Output
from oddspipe.core.stages.normalise import timers_of


class Pulse:
    """The games of one partition: which are on, and which wait for odds.

    Args:
        kinds: The sport's kinds.
        at_once: Numbers of the kinds that are priced at once.

    Attributes:
        input_us, odds_us: Ingest time of the newest event, and of the newest with odds; 0 for none.
    """

    def __init__(self, kinds: tuple[KindPlan, ...], at_once: tuple[int, ...]) -> None:
        """Begin without games."""
        self.input_us = 0
        self.odds_us = 0
        self._ends = np.array([k.number for k in kinds if k.like == Kind.GAME_END], np.int64)
        self._timers = np.array(timers_of(kinds), np.int64)
        self._at_once = np.array(at_once, np.int64)
        self._wanted = np.zeros(0, np.int64)
        self._priced = np.zeros(0, np.int64)
        self._begun = np.zeros(0, np.bool_)
        self._over = np.zeros(0, np.bool_)

    def take(self, output: Output) -> None:
        """Take note of one step."""
        self._grow(len(output.games))
        events, odds = output.events, output.odds
        if len(events):
            kind, ingest = events.words[KIND], events.words[INGEST_TIME]
            game = events.words[GAME_ID]
            self.input_us = max(self.input_us, int(ingest.max()))
            self._begun[game[~np.isin(kind, self._timers)]] = True
            self._over[game[np.isin(kind, self._ends)]] = True
            rows = np.isin(kind, self._at_once)
            np.maximum.at(self._wanted, game[rows], ingest[rows])
        if len(odds):
            self.odds_us = max(self.odds_us, int(odds.oldest_ingest_us.max()))
            np.maximum.at(self._priced, odds.game, odds.as_of_us)

    def live(self) -> int:
        """Return how many games have begun and are not over."""
        return int(np.count_nonzero(self._begun & ~self._over))

    def unpriced(self, after_us: int) -> int:
        """Return how many live games have waited for odds for longer than `after_us`."""
        waits = (self._wanted > self._priced) & (self.input_us - self._wanted > after_us)
        return int(np.count_nonzero(waits & ~self._over))

    def _grow(self, games: int) -> None:
        missing = games - len(self._begun)
        if missing > 0:
            self._wanted, self._priced = (
                _longer(self._wanted, missing),
                _longer(self._priced, missing),
            )
            self._begun = np.append(self._begun, np.zeros(missing, np.bool_))
            self._over = np.append(self._over, np.zeros(missing, np.bool_))


def _longer(values: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    return np.append(values, np.zeros(by, np.int64))
