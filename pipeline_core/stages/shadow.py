"""A second model beside the one that is published: asked the same, kept apart, never in its way."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import PluginError
from oddspipe.core.parts import MarketPlan
from oddspipe.core.ports.output import Odds
from oddspipe.core.stages.accuracy import Scorer
from oddspipe.core.stages.asked import Asked
from oddspipe.core.stages.board import Published
from oddspipe.core.stages.isolate import Pricer, Prices, RawBoards
from oddspipe.ext import _fold_state as s


@dataclass
class Patience:
    """How many failures of a shadow are borne since the start, for all partitions together.

    Attributes:
        most: Prices that may fail; with the last of them it is off.
        tell: Is told the first failure, and that it is off.
        failed: Prices that failed.
        off: Why it is not asked any more; empty while it is.
    """

    most: int
    tell: Callable[[str], None] = field(default=lambda _: None)
    failed: int = 0
    off: str = ""

    def count(self, bad: dict[int, str]) -> int | None:
        """Count failures by cut, in order; return the cut at which it is off, if it is."""
        for cut, why in sorted(bad.items()):
            self.failed += 1
            if self.failed == 1:
                self.tell(f"the shadow gave no price, and the published odds go on: {why}")
            if self.failed >= self.most and not self.off:
                self.give_up(f"{self.failed} prices failed, the last one: {why}")
                return cut
        return None

    def give_up(self, why: str) -> None:
        """Ask it no more until the next start."""
        self.off = why
        self.tell(f"the shadow is off until the next start: {why}")


@dataclass(frozen=True, slots=True)
class Shadowed:
    """What a shadow said of some cuts.

    Attributes:
        boards: Its prices, shape (cuts, slots).
        given: Cuts that it has a price for.
    """

    boards: RawBoards
    given: NDArray[np.bool_]

    def odds(self, odds: Odds, published: Published) -> Odds:
        """Return its prices of what was published, message by message and row by row.

        Numbers, sequences and statuses are those that were published; line and prices are its own.
        Rows that it has no price for are left out, and messages without a row.
        """
        cut = published.cut[published.board]
        keep = np.flatnonzero(self.given[cut])
        heads, board = np.unique(published.board[keep], return_inverse=True)
        said = {
            one.name: getattr(self.boards, one.name)[cut[keep], published.slot[keep]]
            for one in fields(self.boards)
        }
        made: dict[str, Any] = {}
        for one in fields(odds):
            values = getattr(odds, one.name)
            rows = heads if one.name in _HEADS else keep
            is_list = isinstance(values, list)
            made[one.name] = [values[at] for at in rows.tolist()] if is_list else values[rows]
        return replace(Odds(**made), **said, board=board.astype(np.int64))


class _Saved(msgspec.Struct, array_like=True):
    model: str
    scores: bytes


class Shadow:
    """Ask a second model what the first was asked, and score it at the same prices.

    Whatever it raises is counted and goes no further.

    Args:
        model: The model, or what watches over it.
        markets: The plan's markets.
        identity: Which model it is; scores of another one are not taken up.
        patience: How many failures are borne.
    """

    def __init__(
        self, model: Prices, markets: tuple[MarketPlan, ...], identity: str, patience: Patience
    ) -> None:
        """Begin without scores."""
        self.patience = patience
        self.scorer = Scorer()
        self._pricer = Pricer(model, markets)
        self._identity = identity

    def price(self, asked: Asked, cuts: NDArray[np.int64], slots: int) -> Shadowed | None:
        """Return its prices; None once it is off."""
        if self.patience.off:
            return None
        try:
            boards, bad = asked.answered(self._pricer, slots)
        except PluginError as error:
            self.patience.failed += len(asked.cuts)
            self.patience.give_up(error.message)
            return None
        given = np.zeros(asked.total, np.bool_)
        given[asked.cuts] = cuts[asked.cuts, s.CUT_MODE] == s.PRICED
        given[list(bad)] = False
        off = self.patience.count(bad)
        if off is not None:
            given[off:] = False
        return Shadowed(boards, given)

    def snapshot(self) -> bytes:
        """Return its scores."""
        return msgspec.msgpack.encode(_Saved(self._identity, self.scorer.snapshot()))

    def restore(self, state: bytes) -> None:
        """Take up scores that `snapshot` gave; those of another model, or none, begin anew."""
        self.scorer = Scorer()
        if state:
            saved = msgspec.msgpack.decode(state, type=_Saved)
            if saved.model == self._identity:
                self.scorer.restore(saved.scores)


_HEADS = frozenset(
    {
        *("game", "sequence", "number", "cause_sequence", "cause_kind", "cause_number"),
        *("event_time", "as_of_us", "oldest_ingest_us", "reason"),
        *("home_score", "away_score", "period"),
    }
)
"""Fields of odds that have one entry a message; the others have one a row."""
