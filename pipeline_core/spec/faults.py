"""What each code of a fault means and what to do about it; the words stand in `faults.toml`."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class FaultKind(NamedTuple):
    """One code.

    Attributes:
        means: What is wrong, one sentence.
        do: What to do about it, one sentence.
    """

    means: str
    do: str


@cache
def faults() -> dict[str, FaultKind]:
    """Return every code that `oddspipe validate` may give."""
    text = files("oddspipe.core.spec").joinpath("faults.toml").read_text(encoding="utf-8")
    return {code: FaultKind(*told) for code, told in tomllib.loads(text).items()}
