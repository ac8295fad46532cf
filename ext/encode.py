"""The encoder: which twin runs is a decision, not an accident."""

from typing import TYPE_CHECKING

from oddspipe.ext import COMPILED

if TYPE_CHECKING or COMPILED:
    from oddspipe.ext._encode import encode
else:
    from oddspipe.ext._encode_py import encode

__all__ = ["encode"]
