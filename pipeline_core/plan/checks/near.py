"""The likely fix of a word that is wrong."""

import difflib
from collections.abc import Iterable

SHOWN = 12


def near(word: str, among: Iterable[str]) -> str:
    """Return a hint: the nearest word, or what there is.

    >>> near("normalize", ["normalise", "order"])
    "Did you mean 'normalise'?"
    """
    words = sorted(among)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    more = ", …" if len(words) > SHOWN else ""
    return f"There are: {', '.join(words[:SHOWN])}{more}." if words else ""
