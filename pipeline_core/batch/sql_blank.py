"""What an expression says besides a faulty call: that is blanked out and the rest is read again.

A blank is as long as what stood there, so that places in the text stay true.
"""

from collections.abc import Iterator, Sequence

from oddspipe.core.batch.sql_words import Token

Span = tuple[int, int]

_TAIL_WORDS = frozenset({"over", "filter", "within"})


def blanked(text: str, span: Span) -> str:
    """Return a text with NULL where a span stood.

    >>> blanked("NOW() > 3", (0, 5))
    'NULL  > 3'
    """
    start, end = span
    return text[:start] + "NULL".ljust(end - start) + text[end:]


def call_span(tokens: Sequence[Token], at: int) -> Span | None:
    """Return from where to where a call goes, or a word without brackets, or a subquery.

    What belongs to it behind its brackets (OVER, FILTER, WITHIN GROUP) is part of it.

    Args:
        tokens: The expression.
        at: Index of the token that begins it.

    Returns:
        The span; None where brackets are not closed.
    """
    word = tokens[at].text.lower()
    if word == "select":  # what is between the brackets, since `IN` needs them
        last = _closing(tokens, at - 1)
        return None if last is None else (tokens[at].at, tokens[last].at)
    end = at
    while _text(tokens, end + 1) == "(" or _text(tokens, end + 1) in _TAIL_WORDS:
        opening = next((i for i in (end + 1, end + 2, end + 3) if _text(tokens, i) == "("), None)
        closing = None if opening is None else _closing(tokens, opening)
        if closing is None:
            return None
        end = closing
    return tokens[at].at, _end(tokens[end])


def arguments(tokens: Sequence[Token], at: int) -> Iterator[Span]:
    """Yield the spans of the arguments of a call whose brackets are closed; EXISTS has none."""
    if tokens[at].text.lower() == "exists":
        return
    closing = _closing(tokens, at + 1)
    if closing is None:
        return
    depth, first = 0, at + 2
    for index in range(at + 2, closing + 1):
        mark = tokens[index].text
        depth += (mark == "(") - (mark == ")")
        if (mark == "," and depth == 0) or index == closing:
            first += _text(tokens, first) == "distinct"
            if first < index and tokens[first].text != "*":
                yield tokens[first].at, _end(tokens[index - 1])
            first = index + 1


def _closing(tokens: Sequence[Token], opening: int) -> int | None:
    """Return the index of the bracket that closes one; None where none does, or none opens."""
    if opening < 0 or _text(tokens, opening) != "(":
        return None
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    return None


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text.lower() if 0 <= index < len(tokens) else ""


def _end(token: Token) -> int:
    return token.at + len(token.text)
