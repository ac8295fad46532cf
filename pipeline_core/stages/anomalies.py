"""Anomalies of games: which hold now, so that each counts when it begins and not at every price."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.stages.breaker import ERROR_RATE
from oddspipe.core.stages.guard import BUILT_IN

STALE = "stale_input"
"""Code of the anomaly that a game gave no sign of life for `odds.stale_after`."""
NOBODY = -1
"""No rule holds a game's markets back."""

Bits = NDArray[np.uint64]
Int64s = NDArray[np.int64]


class _Saved(msgspec.Struct, array_like=True):
    games: bytes
    active: bytes
    held: bytes


class Anomalies:
    """What guards and rules found of every game up to now.

    A guard that fires has a bit, in each market where it does. A rule with the policy `suspend`
    holds a game's markets from the event that broke it to the next event that is priced at once.
    """

    def __init__(self, markets: int) -> None:
        """Begin without games."""
        self._active = np.zeros((0, markets), np.uint64)
        self._held = np.zeros(0, np.int64)

    def make_room(self, games: int) -> None:
        """Let games below `games` have anomalies."""
        have = len(self._held)
        if games > have:
            size = max(games, 2 * have, 16)
            active = np.zeros((size, self._active.shape[1]), np.uint64)
            held = np.full(size, NOBODY, np.int64)
            active[:have], held[:have] = self._active, self._held
            self._active, self._held = active, held

    def hold(self, game: Int64s, sets: NDArray[np.bool_], rule: Int64s) -> Int64s:
        """Return the rule that holds each cut's game back, or NOBODY.

        Args:
            game: Game of each cut, in the order of the cuts.
            sets: Cuts that say anew whether one does.
            rule: What they say.
        """
        found = np.full(len(game), NOBODY, np.int64)
        if not (sets & (rule != NOBODY)).any() and not (self._held != NOBODY).any():
            return found
        order, first = _by_game(game)
        place = np.arange(len(order))
        said = np.maximum.accumulate(np.where(sets[order], place, -1))
        begins = np.maximum.accumulate(np.where(first, place, 0))
        now = np.where(said >= begins, rule[order][said], self._held[game[order]])
        found[order] = now
        last = np.r_[first[1:], True]
        self._held[game[order][last]] = now[last]
        return found

    def begun(self, game: Int64s, bits: Bits, ends: NDArray[np.bool_]) -> Bits:
        """Return what of `bits`, shape (cuts, markets), did not hold at the game's cut before.

        Args:
            game: Game of each cut, in the order of the cuts.
            bits: Guards that fire.
            ends: Cuts at which a game ended.
        """
        fresh = np.zeros_like(bits)
        if not bits.any() and not self._active.any():
            return fresh
        order, first = _by_game(game)
        mine = bits[order]
        before = np.empty_like(mine)
        before[1:] = mine[:-1]
        before[first] = self._active[game[order][first]]
        fresh[order] = mine & ~before
        last = np.r_[first[1:], True]
        self._active[game[order][last]] = mine[last]
        self._active[game[ends]] = 0
        self._held[game[ends]] = NOBODY
        return fresh

    def snapshot(self) -> bytes:
        """Return what holds now; games without an anomaly are left out."""
        games = np.flatnonzero(self._active.any(axis=1) | (self._held != NOBODY))
        return msgspec.msgpack.encode(
            _Saved(games.tobytes(), self._active[games].tobytes(), self._held[games].tobytes())
        )

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        saved = msgspec.msgpack.decode(state, type=_Saved)
        games = np.frombuffer(saved.games, np.int64)
        markets = self._active.shape[1]
        self._active, self._held = np.zeros((0, markets), np.uint64), np.zeros(0, np.int64)
        self.make_room(int(games.max(initial=-1)) + 1)
        self._active[games] = np.frombuffer(saved.active, np.uint64).reshape(-1, markets)
        self._held[games] = np.frombuffer(saved.held, np.int64)


class Named(Protocol):
    """A rule or a guard, of a plan or of a spec."""

    @property
    def name(self) -> str:
        """Return its code."""
        ...


def codes_of(rules: Sequence[Named], guards: Sequence[Named]) -> tuple[str, ...]:
    """Return the code of every anomaly that a plan can find, each once."""
    named = (*(guard.name for guard in guards), *(rule.name for rule in rules))
    return tuple(dict.fromkeys((STALE, ERROR_RATE, *BUILT_IN, *named)))


def _by_game(game: Int64s) -> tuple[Int64s, NDArray[np.bool_]]:
    """Return the order that puts each game's cuts together, and where a game begins in it."""
    order = np.argsort(game, kind="stable")
    return order, np.diff(game[order], prepend=-1) != 0
