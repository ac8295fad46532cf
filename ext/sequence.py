"""The order: which twin runs is a decision, not an accident."""

from typing import TYPE_CHECKING

from oddspipe.ext import COMPILED
from oddspipe.ext._sequence_py import GIVEN_UP

if TYPE_CHECKING or COMPILED:
    from oddspipe.ext._sequence import Sequencer, gather, move_spans
else:
    from oddspipe.ext._sequence_py import Sequencer, gather, move_spans

__all__ = ["GIVEN_UP", "Sequencer", "gather", "move_spans"]
