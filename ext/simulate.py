"""The writer of simulated payloads: which twin runs is a decision, not an accident."""

from typing import TYPE_CHECKING

from oddspipe.ext import COMPILED

if TYPE_CHECKING or COMPILED:
    from oddspipe.ext._simulate import write
else:
    from oddspipe.ext._simulate_py import write

__all__ = ["write"]
