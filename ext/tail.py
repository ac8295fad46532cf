"""Tails behind byte strings: which twin runs is a decision, not an accident."""

from typing import TYPE_CHECKING

from oddspipe.ext import COMPILED

if TYPE_CHECKING or COMPILED:
    from oddspipe.ext._tail import put_tails, take_tails
else:
    from oddspipe.ext._tail_py import put_tails, take_tails

__all__ = ["put_tails", "take_tails"]
