"""Reading an expression past its faults: what is refused is blanked out and the rest read again."""

from typing import Any

import polars as pl

from oddspipe.core.batch.sql_blank import Span, arguments, blanked, call_span
from oddspipe.core.batch.sql_tree import not_row_wise, tree_of
from oddspipe.core.batch.sql_words import (
    SqlFault,
    call_before,
    forbidden_words,
    syntax_fault,
    tokens_of,
)

_MAX_ROUNDS = 32


class Reading:
    """What an expression says, and what is wrong with its words and its form.

    Attributes:
        faults: What was found.
        expr, tree: What is left of it; None where it is not SQL.
        row_wise: Whether what is left is computed from one row alone, so that it may be tried.
        blanks: Whether something was blanked out, so that a NULL in the tree may be our own.
        tokens: Words of what is left, at their places in the text.
        inner: Texts to be read by themselves: arguments of what was blanked out, at their places.
    """

    def __init__(self, text: str) -> None:
        """Read a text."""
        self.faults: list[SqlFault] = []
        self.expr: pl.Expr | None = None
        self.tree: Any = None
        self.row_wise = False
        self.blanks = False
        self.inner: list[str] = []
        self._text = self._original = text
        self.tokens = tokens_of(text)
        if not self.tokens:
            self.faults.append(SqlFault("sql.syntax", "The expression is empty.", 0))
        elif self._without_forbidden_words():
            rounds = range(_MAX_ROUNDS)
            next((None for _ in rounds if not self._goes_on()), None)

    def _without_forbidden_words(self) -> bool:
        """Blank the calls of forbidden words; return whether the rest can be read."""
        self.faults += forbidden_words(self.tokens)
        end = 0
        for fault in list(self.faults):
            at = self._token_at(fault.offset)
            if at is None or self.tokens[at].at < end:
                continue  # within what was blanked for the word before
            if self.tokens[at].text.lower() == "over":
                at = call_before(self.tokens, at)
            span = None if at is None else self._blank_call(at)
            if span is None:
                return False
            end = span[1]
        self.tokens = tokens_of(self._text)
        return True

    def _goes_on(self) -> bool:
        """Read what is left; return whether something was blanked, so that it is to be read again.

        The tree stays None where the text is not SQL.
        """
        expr = parse_sql(self._text)
        if isinstance(expr, Exception):
            fault = syntax_fault(expr, self.tokens)
            told = fault.message.replace(self._text, self._original)
            self.faults.append(fault._replace(message=told))
            return self.faults[-1].code == "sql.unknown-function" and self._blank_fault()
        tree = tree_of(expr)
        found = list(not_row_wise(tree, self.tokens))
        self.faults += found
        if found and found[-1].code != "sql.guessed-format" and self._blank_fault():
            return True
        self.expr, self.tree, self.row_wise = expr, tree, not found
        return False

    def _blank_fault(self) -> bool:
        """Blank what the last fault is about; return whether that was possible."""
        fault = self.faults[-1]
        at = self._token_at(fault.offset)
        if at is None:
            return False
        if fault.code == "sql.alias":
            after = self.tokens[at + 1 : at + 2]
            end = after[0].at + len(after[0].text) if after else len(self._text)
            place = self.tokens[at].at
            self._text = self._text[:place] + " " * (end - place) + self._text[end:]
        elif self._blank_call(at) is None:
            return False
        self.tokens = tokens_of(self._text)
        return True

    def _blank_call(self, at: int) -> Span | None:
        span = call_span(self.tokens, at)
        if span is None or span[1] - span[0] < len("NULL"):
            return None
        self.inner += [
            " " * start + self._text[start:end] for start, end in arguments(self.tokens, at)
        ]
        self._text = blanked(self._text, span)
        self.blanks = True
        return span

    def _token_at(self, offset: int | None) -> int | None:
        return next((i for i, token in enumerate(self.tokens) if token.at == offset), None)


def parse_sql(text: str) -> pl.Expr | Exception:
    """Return what Polars makes of a text, or why it makes nothing of it."""
    try:
        return pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        return error
    except pl.exceptions.PanicException as error:
        return ValueError(str(error))  # a BaseException: must not end the check of the others
