"""The likely fix of a word that is wrong."""

import difflib
from collections.abc import Iterable

SHOWN = 24


def near(word: str, among: Iterable[str]) -> str:
    """Return a hint: the nearest word, or what there is; empty where there is nothing.

    >>> near("normalize", ["normalise", "order"])
    "Did you mean 'normalise'?"
    >>> near("x", ["normalise", "order"])
    'There are: normalise, order.'
    """
    words = {one.lower(): one for one in sorted(among)}
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {words[close[0]]!r}?"
    more = ", …" if len(words) > SHOWN else ""
    return f"There are: {', '.join(list(words.values())[:SHOWN])}{more}." if words else ""
