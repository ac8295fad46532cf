"""What SQL reads and gives: columns that exist, types that fit, words that an enum has."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.batch.sql_tree import children, from_tree, nodes
from oddspipe.core.batch.sql_words import SqlFault, Token, place
from oddspipe.core.names import FieldType
from oddspipe.core.near import near

Want = Literal["bool", "number", "int", "str", "any"]
"""What an expression must give; a number may also be a truth value (0 or 1)."""

_PROBE_ROWS = 4


def column_type(column: Column) -> pl.DataType:
    """Return the type that SQL sees in a column of events.

    Integers are Int64 whatever their size on the wire, an enum compares with its names.
    """
    if column.type is FieldType.ENUM:
        return pl.Enum([name for name, _ in column.values])
    return {
        FieldType.DOUBLE: pl.Float64(),
        FieldType.STRING: pl.String(),
        FieldType.BYTES: pl.Binary(),
        FieldType.BOOL: pl.Boolean(),
    }.get(column.type, pl.Int64())


def event_types(layout: Layout) -> dict[str, pl.DataType]:
    """Return the columns of events and their types, as SQL sees them."""
    return {column.name: column_type(column) for column in layout.columns}


def unknown_columns(
    expr: pl.Expr, tokens: Sequence[Token], columns: Mapping[str, pl.DataType]
) -> Iterator[SqlFault]:
    """Yield the columns that are not there, or that SQL here does not read."""
    for name in dict.fromkeys(expr.meta.root_names()):
        at = place(tokens, name)
        if name not in columns:
            yield SqlFault(
                "sql.unknown-column",
                f"There is no column {name!r} here.",
                at,
                near(name, columns),
            )
        elif columns[name] == pl.Binary:
            yield SqlFault(
                "sql.bytes-column",
                f"Column {name!r} holds bytes, which SQL here does not read.",
                at,
            )


@dataclass(frozen=True, slots=True)
class Probe:
    """What an expression is tried on.

    Attributes:
        columns: Columns and their types.
        tokens: Words of the expression.
        doubtful: Columns of unknown type, which are NULL here.
        blanks: Whether a NULL in the expression may stand for a part of unknown type.
    """

    columns: Mapping[str, pl.DataType]
    tokens: Sequence[Token]
    doubtful: frozenset[str] = frozenset()
    blanks: bool = False

    def frame(self, uses: Sequence[str]) -> pl.DataFrame:
        """Return a few rows of some columns."""
        return pl.DataFrame(
            [_probe_series(name, self.columns[name]) for name in dict.fromkeys(uses)]
            or [pl.Series("_", range(_PROBE_ROWS))]
        )

    def doubts(self, tree: Any) -> bool:  # noqa: ANN401 - JSON of Polars' own making
        """Say whether a part of an expression reads something of unknown type."""
        if self.blanks and '"Null"' in json.dumps(tree):
            return True
        return bool(self.doubtful) and not self.doubtful.isdisjoint(
            from_tree(tree).meta.root_names()
        )


def type_faults(
    expr: pl.Expr,
    tree: Any,  # noqa: ANN401 - JSON of Polars' own making
    probe: Probe,
    want: Want,
) -> Iterator[SqlFault]:
    """Yield types that do not fit, else a wrong result, else answers that depend on other rows."""
    rows = probe.frame(expr.meta.root_names())
    try:
        whole = rows.select(expr.alias("gives"))
    except pl.exceptions.PolarsError as error:
        found = _operand_faults(tree, probe, rows)
        if not found and not probe.doubts(tree):
            found = [SqlFault("sql.wrong-type", str(error))]
        yield from found
        return
    gives = whole.schema["gives"]
    if not _fits(gives, want):
        wanted = {"bool": "a truth value", "number": "a number", "int": "a whole number"}
        yield SqlFault(
            "sql.wrong-result",
            f"The expression gives {_type_name(gives)}; it must give {wanted.get(want, 'text')}.",
            None,
            "Compare it with something: `… > 0`, `… = 'play'`." if want == "bool" else "",
        )
    elif not probe.doubts(tree):
        yield from _probe_faults(expr, rows, whole)


def _fits(gives: pl.DataType, want: Want) -> bool:
    if gives == pl.Null or want == "any":
        return True
    match want:
        case "bool":
            return gives == pl.Boolean
        case "number":
            return gives.is_numeric() or gives == pl.Boolean
        case "int":
            return gives.is_integer() or gives == pl.Boolean
        case "str":
            return gives in {pl.String, pl.Categorical} or isinstance(gives, pl.Enum)


def _operand_faults(tree: Any, probe: Probe, rows: pl.DataFrame) -> list[SqlFault]:  # noqa: ANN401 - JSON
    """Find the smallest parts of a tree that do not run, and say which columns are in them."""
    failure = _failure(from_tree(tree), rows)
    if failure is None:
        return []
    failing = [child for child in children(tree) if _failure(from_tree(child), rows)]
    if failing:
        return [fault for child in failing for fault in _operand_faults(child, probe, rows)]
    if probe.doubts(tree):
        return []
    names = list(dict.fromkeys(from_tree(tree).meta.root_names()))
    kinds = " and ".join(f"{name!r} is {_type_name(rows.schema[name])}" for name in names)
    return [
        SqlFault(
            "sql.wrong-type",
            f"The types do not fit: {kinds or 'of the constants'} ({failure}).",
            place(probe.tokens, names[0]) if names else None,
            "Compare text with text and numbers with numbers, or CAST one of them.",
        )
    ]


def enum_faults(
    tree: Any,  # noqa: ANN401 - JSON of Polars' own making
    tokens: Sequence[Token],
    columns: Mapping[str, pl.DataType],
) -> Iterator[SqlFault]:
    """Find enums compared with words they never have: Polars takes such a comparison for NULL."""
    for node, content in nodes(tree):
        sides = _compared(node, content)
        names = [side["Column"] for side in sides if isinstance(side, dict) and "Column" in side]
        enums = [name for name in names if isinstance(columns[name], pl.Enum)]
        if not enums:
            continue
        values = _enum_words(columns[enums[0]])
        for side in sides:
            for word in _words(side):
                if word not in values:
                    at = next((t.at for t in tokens if t.text == f"'{word}'"), None)
                    yield SqlFault(
                        "sql.unknown-value",
                        f"{enums[0]!r} never has the value {word!r}.",
                        place(tokens, enums[0]) if at is None else at,
                        near(word, values),
                    )


def _compared(node: str, content: Any) -> list[Any]:  # noqa: ANN401 - JSON of Polars' own making
    if node == "BinaryExpr" and content["op"] in {"Eq", "NotEq", "EqValidity", "NotEqValidity"}:
        return [content["left"], content["right"]]
    if node == "Function" and "IsIn" in json.dumps(content["function"]):
        return list(content["input"])
    return []


def _words(tree: Any) -> list[str]:  # noqa: ANN401 - JSON of Polars' own making
    if not isinstance(tree, dict) or "Literal" not in tree:
        return []
    values = pl.select(from_tree(tree).alias("words"))["words"]
    if isinstance(values.dtype, pl.List):
        values = values.explode()
    return [str(word) for word in values if word is not None]


def _enum_words(dtype: pl.DataType) -> tuple[str, ...]:
    return tuple(map(str, dtype.categories)) if isinstance(dtype, pl.Enum) else ()


def _failure(expr: pl.Expr, probe: pl.DataFrame) -> str | None:
    try:
        probe.select(expr.alias("gives"))
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]
    return None


def _probe_faults(expr: pl.Expr, probe: pl.DataFrame, whole: pl.DataFrame) -> Iterator[SqlFault]:
    """Run the expression on the rows in two parts as well: a row's answer must be its own."""
    # A constant gives one row whatever is asked: it is row-wise by nature.
    if not expr.meta.root_names():
        return
    half = len(probe) // 2
    parts = [part.select(expr.alias("gives")) for part in (probe[:half], probe[half:])]
    if len(whole) != len(probe) or not whole.equals(pl.concat(parts)):
        yield SqlFault(
            "sql.not-row-wise",
            "A row's answer depends on the rows beside it.",
            None,
            "What needs other rows is a column of the state.",
        )


def _probe_series(name: str, dtype: pl.DataType) -> pl.Series:
    values: list[Any]
    if isinstance(dtype, pl.Enum):
        words = _enum_words(dtype)
        values = [words[0], words[-1], None, words[0]] if words else [None] * _PROBE_ROWS
    elif dtype == pl.String:
        # Which text there will be is not known; only the types are tried.
        values = [None] * _PROBE_ROWS
    elif dtype == pl.Boolean:
        values = [True, False, None, True]
    elif dtype.is_float():
        values = [1.5, -2.0, None, 40.25]
    elif dtype.is_integer():
        values = [1, 3, None, 40]
    else:
        values = [None] * _PROBE_ROWS
    return pl.Series(name, values, dtype)


def _type_name(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Enum):
        return "an enum"
    if dtype == pl.Boolean:
        return "a truth value"
    if dtype == pl.String:
        return "text"
    if dtype.is_integer():
        return "a whole number"
    if dtype.is_float():
        return "a number"
    return str(dtype)
