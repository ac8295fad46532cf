"""The tree that Polars compiles SQL to, held against a list of row-wise nodes.

Polars compiles aggregates, window functions and subqueries without a word, and their value depends
on where a batch was cut.
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

import polars as pl

from oddspipe.core.batch.sql_words import AGGREGATES, SqlFault, Token, place, words_of

_NODES = frozenset({"Column", "Literal", "BinaryExpr", "Ternary", "Cast", "Function"})
_FUNCTIONS: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(
        words_of(
            "Abs Coalesce MaxHorizontal MinHorizontal Sql Pow Exp Log Log1p Sign Floor Ceil Round "
            "RoundSF Truncate Trigonometry Negate FillNull NullIf Clip Sqrt Cbrt Bitwise Atan2 "
            "TemporalExpr"
        )
    ),
    "Boolean": words_of(
        "IsNull IsNotNull Not IsNan IsNotNan IsFinite IsInfinite IsIn IsBetween AllHorizontal "
        "AnyHorizontal IsClose"
    ),
    "StringExpr": words_of(
        "StartsWith EndsWith Contains Slice Head Tail Uppercase Lowercase Titlecase LenChars "
        "LenBytes Replace Reverse StripChars StripCharsStart StripCharsEnd StripPrefix StripSuffix "
        "ConcatHorizontal PadStart PadEnd ZFill Strptime Extract Find CountMatches Split "
        "SplitExact SplitN Format ToInteger Normalize"
    ),
}
"""Row-wise functions of the compiled tree; None admits every variant."""


def tree_of(expr: pl.Expr) -> Any:  # noqa: ANN401 - JSON of Polars' own making
    """Return the compiled tree of an expression as plain JSON values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(expr.meta.serialize(format="json"))


def from_tree(tree: Any) -> pl.Expr:  # noqa: ANN401 - JSON of Polars' own making
    """Return the expression of a tree or of a part of one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Expr.deserialize(StringIO(json.dumps(tree)), format="json")


def nodes(tree: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON of Polars' own making
    """Yield every node of a tree: its name and what it holds."""
    if isinstance(tree, str):
        yield tree, None
        return
    ((node, content),) = tree.items()
    yield node, content
    for child in children(tree):
        yield from nodes(child)


def children(tree: Any) -> list[Any]:  # noqa: ANN401 - JSON of Polars' own making
    """Return the parts of a node that are expressions themselves."""
    if isinstance(tree, str):
        return []
    ((node, content),) = tree.items()
    match node:
        case "BinaryExpr":
            return [content["left"], content["right"]]
        case "Ternary":
            return [content["predicate"], content["truthy"], content["falsy"]]
        case "Cast":
            return [content["expr"]]
        case "Function":
            return list(content["input"])
        case _:
            return []


def _function(function: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON of Polars' own making
    if isinstance(function, str):
        return function, ""
    ((name, variant),) = function.items()
    if isinstance(variant, dict) and variant:
        variant = next(iter(variant))
    return name, variant if isinstance(variant, str) else ""


def not_row_wise(tree: Any, tokens: Sequence[Token]) -> Iterator[SqlFault]:  # noqa: ANN401 - JSON
    """Yield what is not computed from one row alone."""
    for node, content in nodes(tree):
        if node == "Function":
            name, variant = _function(content["function"])
            admitted = _FUNCTIONS.get(name, frozenset())
            if name == "StringExpr" and variant == "Strptime":
                yield from _loose_time(content, tokens)
            if admitted is None or variant in admitted:
                continue
            yield _refusal(variant or name, tokens)
            return
        if node not in _NODES:
            yield _refusal(node, tokens)
            return


def _loose_time(content: Any, tokens: Sequence[Token]) -> Iterator[SqlFault]:  # noqa: ANN401 - JSON
    options = content["function"]["StringExpr"]["Strptime"][1]
    if options.get("format") is None:
        yield SqlFault(
            "sql.guessed-format",
            "The format of this time would be guessed from the first row of a batch.",
            place(tokens, "date", "strptime", "timestamp", "time"),
            "Say it: STRPTIME(column, '%Y-%m-%d').",
        )


def _refusal(node: str, tokens: Sequence[Token]) -> SqlFault:
    for token, after in zip(tokens, (*tokens[1:], None), strict=True):
        called = after is not None and after.text == "("
        word = token.text.lower()
        if token.kind == "word" and called and word in AGGREGATES:
            return SqlFault(
                "sql.aggregate",
                f"{token.text!r} is an aggregate; its value would depend on where a batch was cut.",
                token.at,
                "Use GREATEST or LEAST over columns, or a column of the state "
                "(take: max, min, sum, count).",
            )
    if node == "Alias":
        return SqlFault(
            "sql.alias",
            "A name with AS has no place here.",
            place(tokens, "as"),
            "Leave the AS away; the key of the mapping is the name.",
        )
    if node in {"Selector", "Wildcard"}:
        return SqlFault(
            "sql.not-row-wise",
            "Name each column: wildcards have no place here.",
            place(tokens, "columns", "*"),
        )
    return SqlFault(
        "sql.not-row-wise",
        f"This is not computed from one row alone ({node}).",
        None,
        "Only row-wise functions are admitted; what needs other rows is a column of the state.",
    )
