"""Whether games are alive and priced: a few array operations a step, read by metrics."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.layout import GAME_ID, INGEST_TIME, KIND
from oddspipe.core.names import Kind
from oddspipe.core.parts import KindPlan
from oddspipe.core.ports.output import Output

WANTED: Final = 1
BEGINS: Final = 2
ENDS: Final = 4


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
        ends = [kind.number for kind in kinds if kind.like == Kind.GAME_END]
        starts = [kind.number for kind in kinds if kind.like == Kind.GAME_START]
        # By kind, so that a step costs one look-up an event; tracking is nearly all of them.
        self._flags = np.zeros(max([*ends, *starts, *at_once, 0]) + 2, np.uint8)
        self._flags[list(at_once)] |= WANTED
        self._flags[starts] |= BEGINS
        self._flags[ends] |= ENDS
        self._wanted = np.zeros(0, np.int64)
        self._priced = np.zeros(0, np.int64)
        self._begun = np.zeros(0, np.bool_)
        self._over = np.zeros(0, np.bool_)

    def take(self, output: Output) -> None:
        """Take note of one step."""
        self._grow(len(output.games))
        events, odds = output.events, output.odds
        if len(events):
            ingest = events.words[INGEST_TIME]
            self.input_us = max(self.input_us, int(ingest.max()))
            flags = self._flags[np.minimum(events.words[KIND], len(self._flags) - 1)]
            rows = np.flatnonzero(flags)
            game, flags = events.words[GAME_ID][rows], flags[rows]
            self._begun[game] = True
            self._over[game[flags & ENDS > 0]] = True
            wanted = flags & WANTED > 0
            np.maximum.at(self._wanted, game[wanted], ingest[rows][wanted])
        if len(odds):
            self.odds_us = max(self.odds_us, int(odds.oldest_ingest_us.max()))
            np.maximum.at(self._priced, odds.game, odds.as_of_us)

    def live(self) -> int:
        """Return how many games have begun, by a start or a play, and are not over."""
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
