"""What a reader of schedules gives: entries with their lines, and what is wrong with others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NEEDED: Final = ("game_id", "kickoff", "home", "away", "venue")
OPTIONAL: Final = ("zone",)
COLUMNS: Final = (*NEEDED, *OPTIONAL)
"""Columns of a CSV file and keys of a JSON object."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A game as a file has it.

    Attributes:
        line: Where it begins, from 1.
        values: Text by the names in `COLUMNS`; `zone` is empty or left out where it has none.
    """

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something wrong in a file.

    Attributes:
        line: Where, from 1.
        message: What, and what to do about it.
    """

    line: int
    message: str


Found = list[Entry | Fault]
"""What a reader found, in the order of the file."""
