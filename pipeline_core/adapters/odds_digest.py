"""A SHA-256 chain over published odds: the same odds give the same digest, however batched."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import StateError
from oddspipe.core.ports.output import Odds

BOARD = np.dtype(
    [
        ("game", "V16"),
        ("reason", "V16"),
        ("sequence", "<i8"),
        ("number", "<i8"),
        ("cause_sequence", "<i8"),
        ("cause_kind", "<i8"),
        ("cause_number", "<i8"),
        ("event_time", "<i8"),
        ("as_of_us", "<i8"),
        ("home_score", "<i8"),
        ("away_score", "<i8"),
        ("period", "<i8"),
        ("rows", "<i8"),
    ]
)
"""Canonical bytes of a message: words by the first 16 bytes of their SHA-256, then integers."""

ROW = np.dtype(
    [
        ("scope", "V16"),
        ("market", "V16"),
        ("side", "V16"),
        ("status", "V16"),
        ("line_milli", "<i8"),
        ("is_main", "<i8"),
        ("p_fair_micro", "<i8"),
        ("p_push_micro", "<i8"),
        ("p_booked_micro", "<i8"),
        ("p_low_micro", "<i8"),
        ("p_high_micro", "<i8"),
        ("decimal_milli", "<i8"),
    ]
)
"""Canonical bytes of a price row; no line and no interval are -2**63, probabilities millionths."""

NOTHING = -(2**63)


class OddsDigest:
    """Fold messages into 32 bytes: `state = SHA-256(state + board + rows)`, message by message."""

    def __init__(self) -> None:
        self._state = bytes(32)
        self._words: dict[str, int] = {}
        self._table = np.empty(0, "V16")

    def update(self, odds: Odds, games: Sequence[str]) -> None:
        """Fold in all messages of `odds`, whose number order is the chain's order."""
        if not len(odds):
            return
        ends = np.searchsorted(odds.board, np.arange(len(odds)), side="right")
        heads = self._boards(odds, games, np.diff(ends, prepend=0))
        rows = self._rows(odds).tobytes()
        head = heads.tobytes()
        state, start, sha256 = self._state, 0, hashlib.sha256
        for at, end in enumerate((ends * ROW.itemsize).tolist()):
            link = sha256(state)
            link.update(head[at * BOARD.itemsize : (at + 1) * BOARD.itemsize])
            link.update(rows[start:end])
            state, start = link.digest(), end
        self._state = state

    def hexdigest(self) -> str:
        """Return the digest of all messages so far; 64 zeros before the first."""
        return self._state.hex()

    def snapshot(self) -> bytes:
        """Return the state, 32 bytes."""
        return self._state

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        if len(state) != 32:
            raise StateError(f"odds digest: {len(state)} bytes in place of 32")
        self._state = state

    def _boards(
        self, odds: Odds, games: Sequence[str], rows: NDArray[np.int64]
    ) -> NDArray[np.void]:
        heads = np.zeros(len(odds), BOARD)
        heads["game"] = self._named([games[game] for game in odds.game.tolist()])
        heads["reason"] = self._named(odds.reason)
        for name in BOARD.names or ():
            if name not in {"game", "reason", "rows"}:
                heads[name] = getattr(odds, name)
        heads["rows"] = rows
        return heads

    def _rows(self, odds: Odds) -> NDArray[np.void]:
        rows = np.zeros(len(odds.board), ROW)
        for name in ("scope", "market", "side", "status"):
            rows[name] = self._named(getattr(odds, name))
        _whole(odds.line * 1e3, rows["line_milli"])
        rows["is_main"] = odds.is_main
        for name in ("p_fair", "p_push", "p_booked"):
            rows[f"{name}_micro"] = np.rint(getattr(odds, name) * 1e6)
        for name in ("p_low", "p_high"):
            _whole(getattr(odds, name) * 1e6, rows[f"{name}_micro"])
        rows["decimal_milli"] = odds.decimal_milli
        return rows

    def _named(self, words: list[str]) -> NDArray[np.void]:
        """Return the 16 bytes that stand for each word."""
        codes = self._words
        for word in set(words) - codes.keys():
            codes[word] = len(codes)
        if len(self._table) < len(codes):
            hashes = b"".join(hashlib.sha256(word.encode()).digest()[:16] for word in codes)
            self._table = np.frombuffer(hashes, "V16")
        return self._table[np.fromiter(map(codes.__getitem__, words), np.intp, len(words))]


def _whole(values: NDArray[np.float64], out: NDArray[np.int64]) -> None:
    """Write values to the nearest whole number, and what there is none of as such."""
    absent = np.isnan(values)
    out[:] = np.rint(np.where(absent, 0.0, values))
    out[absent] = NOTHING
