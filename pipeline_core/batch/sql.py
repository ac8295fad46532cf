"""SQL over columns: row-wise expressions compiled by Polars, checked before anything runs.

The text is parsed by `polars.sql_expr` alone. Three things are added. The text is cut into tokens
(`sql_words`), so that a fault has a place and words that Polars folds into a constant are seen. The
compiled tree is held against a list of row-wise nodes (`sql_tree`) and run on a few rows
(`sql_types`). And what is refused is blanked out and the rest read again (`sql_reading`), so that
no fault hides another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from oddspipe.core.batch.sql_reading import Reading, parse_sql
from oddspipe.core.batch.sql_types import Probe, Want, enum_faults, type_faults, unknown_columns
from oddspipe.core.batch.sql_words import SqlFault
from oddspipe.core.errors import SpecError


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that is ready to run, and the columns that it reads, in their given order."""

    text: str
    expr: pl.Expr
    uses: tuple[str, ...]


def compile_sql(text: str, columns: Mapping[str, pl.DataType], *, want: Want = "any") -> Compiled:
    """Compile a row-wise expression.

    Args:
        text: The expression, e.g. `home_score >= was_home_score`.
        columns: The columns it may read, and their types.
        want: What it must give.

    Raises:
        SpecError: It has a fault; `check_sql` gives them all.

    >>> compile_sql("clock <= 900000", {"clock": pl.Int64()}, want="bool").uses
    ('clock',)
    """
    faults = check_sql(text, columns, want=want)
    if faults:
        raise SpecError(f"{text!r}: {faults[0].message}", hint=faults[0].hint)
    expr = pl.sql_expr(text)
    roots = set(expr.meta.root_names())
    return Compiled(text, expr, tuple(name for name in columns if name in roots))


def check_sql(
    text: str, columns: Mapping[str, pl.DataType], *, want: Want = "any"
) -> list[SqlFault]:
    """Return everything that is wrong with an expression, by place; empty when it is sound."""
    read = Reading(text)
    faults = read.faults
    if read.expr is not None:
        faults += unknown_columns(read.expr, read.tokens, columns)
        doubtful = {name for name in read.expr.meta.root_names() if not _readable(name, columns)}
        sound = {**columns, **dict.fromkeys(doubtful, pl.Null())}
        faults += enum_faults(read.tree, read.tokens, sound)
        if read.row_wise:
            probe = Probe(sound, read.tokens, frozenset(doubtful), blanks=read.blanks)
            faults += type_faults(read.expr, read.tree, probe, want)
    return _placed(faults, [check_sql(part, columns) for part in read.inner])


def check_sql_shape(text: str) -> list[SqlFault]:
    """Return what is wrong with an expression over columns that nobody knows yet.

    Syntax, functions and row-wise evaluation are checked; columns and types are not.
    """
    read = Reading(text)
    return _placed(read.faults, [check_sql_shape(part) for part in read.inner])


def _readable(name: str, columns: Mapping[str, pl.DataType]) -> bool:
    return name in columns and columns[name] != pl.Binary


def _placed(faults: list[SqlFault], inner: list[list[SqlFault]]) -> list[SqlFault]:
    """Return faults by place, each once."""
    every = dict.fromkeys([*faults, *(fault for found in inner for fault in found)])
    return sorted(every, key=lambda fault: -1 if fault.offset is None else fault.offset)


def columns_of(text: str) -> tuple[str, ...]:
    """Return the columns that a sound expression reads, in order of appearance."""
    expr = parse_sql(text)
    return () if isinstance(expr, Exception) else tuple(dict.fromkeys(expr.meta.root_names()))
