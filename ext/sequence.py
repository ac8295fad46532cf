"""The order: which twin runs is a decision, not an accident."""

from typing import TYPE_CHECKING

from oddspipe.ext import COMPILED

if TYPE_CHECKING or COMPILED:
    from oddspipe.ext._sequence import Sequencer, gather
else:
    from oddspipe.ext._sequence_py import Sequencer, gather

__all__ = ["Sequencer", "gather"]
