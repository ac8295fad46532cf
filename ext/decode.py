"""The decoder: which twin runs is a decision, not an accident."""

from typing import TYPE_CHECKING

from oddspipe.ext import COMPILED

if TYPE_CHECKING or COMPILED:
    from oddspipe.ext._decode import DecodeTable, Names, decode
else:
    from oddspipe.ext._decode_py import DecodeTable, Names, decode

__all__ = ["DecodeTable", "Names", "decode"]
