"""What models are asked about some cuts: their states, each once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.stages.fold import Folded
from oddspipe.core.stages.frame import StateFrame
from oddspipe.core.stages.isolate import Columns, Pricer, RawBoards
from oddspipe.ext import _fold_state as s


class Asked(NamedTuple):
    """The question.

    Attributes:
        cuts: Cuts that a price is asked for, of `total`.
        of_cut: The row of the states that each of them has.
        states: State and derived columns.
        rows: Number of states.
    """

    cuts: NDArray[np.int64]
    of_cut: NDArray[np.int64]
    states: Columns
    rows: int
    total: int

    def answered(self, pricer: Pricer, slots: int) -> tuple[RawBoards, dict[int, str]]:
        """Return the boards of all cuts, and the cuts that have no usable price, and why.

        Raises:
            PluginError: The model cannot be asked any more.
        """
        made = RawBoards.empty(self.rows, slots)
        bad = pricer.price(self.states, made)
        boards = RawBoards.empty(self.total, slots)
        boards.put(self.cuts, made.take(self.of_cut))
        return boards, {
            int(self.cuts[at]): bad[row]
            for at, row in enumerate(self.of_cut.tolist())
            if row in bad
        }


def asked_of(folded: Folded, frame: StateFrame, *, shorter_scopes: bool) -> Asked | None:
    """Return what is asked of all cuts but stale ones; None if nothing is.

    The end of a game settles by its scores; a model says how shorter scopes ended.
    """
    mode = folded.cuts[:, s.CUT_MODE]
    asked = np.flatnonzero((mode == s.PRICED) | ((mode == s.FINAL) & shorter_scopes))
    if not len(asked):
        return None
    # A state that did not change since the game's cut before has the price of that one.
    game = folded.cuts[asked, s.CUT_GAME]
    bits = folded.values[asked].view(np.int64)
    order = np.argsort(game, kind="stable")
    same = np.zeros(len(asked), bool)
    same[1:] = (game[order][1:] == game[order][:-1]) & (bits[order][1:] == bits[order][:-1]).all(
        axis=1
    )
    first = order[np.maximum.accumulate(np.where(same, 0, np.arange(len(asked))))]
    fresh, place = np.unique(first, return_inverse=True)
    of_cut = np.empty(len(asked), np.int64)
    of_cut[order] = place
    states = frame.with_derived(folded.values[asked[fresh]])
    return Asked(asked, of_cut, states, len(fresh), len(mode))
