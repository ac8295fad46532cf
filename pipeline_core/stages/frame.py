"""Columns of events, states and boards as SQL sees them, and SQL over them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.names import ABSENT, FieldType
from oddspipe.core.parts import StateColumn

Columns = dict[str, pl.Series]

# Not in SQL: interned numbers and spans mean nothing there.
HIDDEN = frozenset({FieldType.STRING, FieldType.BYTES})


class Condition:
    """A row-wise SQL condition over columns."""

    def __init__(self, sql: str) -> None:
        """Compile the SQL once, and find out which columns it reads."""
        self.expression = pl.sql_expr(sql)
        self.reads = tuple(dict.fromkeys(self.expression.meta.root_names()))

    def is_true(self, columns: Columns) -> NDArray[np.bool_]:
        """Say where the condition is true; NULL is not."""
        return self._evaluate(columns, when_null=False)

    def is_false(self, columns: Columns) -> NDArray[np.bool_]:
        """Say where the condition is false; NULL is not."""
        return ~self._evaluate(columns, when_null=True)

    def _evaluate(self, columns: Columns, *, when_null: bool) -> NDArray[np.bool_]:
        rows = len(next(iter(columns.values())))
        frame = pl.DataFrame([columns[name].alias(name) for name in self.reads])
        answer = frame.select(holds=self.expression.fill_null(when_null))["holds"]
        if len(answer) != rows:  # a constant condition gives one row
            answer = answer.new_from_index(0, rows)
        return answer.to_numpy()


def event_columns(batch: Batch, layout: Layout, rows: NDArray[np.int64]) -> Columns:
    """Return the events' columns at `rows`, NULL where a field is absent."""
    whole = len(rows) == len(batch)
    present = batch.present if whole else batch.present[rows]
    found = {}
    for at, column in enumerate(layout.columns):
        if column.type not in HIDDEN:
            words = batch.words[at] if whole else batch.words[at][rows]
            there = (present >> np.uint64(at) & np.uint64(1)).astype(bool)
            found[column.name] = _event_column(column, words, there)
    return found


def _event_column(column: Column, words: NDArray[np.int64], there: NDArray[np.bool_]) -> pl.Series:
    if column.is_double:
        values = pl.Series(column.name, words.view(np.float64))
    elif column.type is FieldType.BOOL:
        values = pl.Series(column.name, words != 0)
    elif column.type is FieldType.ENUM:
        return _names(column, words, there)
    else:
        values = pl.Series(column.name, words)
    return values if there.all() else values.set(pl.Series(~there), None)


def _names(column: Column, words: NDArray[np.int64], there: NDArray[np.bool_]) -> pl.Series:
    """Return an enum column by its names."""
    names: list[str | None] = [name for name, _ in column.values]
    place = np.full(max((n for _, n in column.values), default=0) + 1, len(names), np.int64)
    place[[number for _, number in column.values]] = np.arange(len(names))
    known = there & (words >= 0) & (words < len(place))
    at = np.where(known, place[np.where(known, words, 0)], len(names))
    return pl.Series(column.name, [*names, None], pl.String).gather(at)


class FoldedColumns:
    """State columns as SQL and models see them."""

    def __init__(self, state: tuple[StateColumn, ...]) -> None:
        """Know names and types."""
        self._state = state

    def named(self, prefix: str, words: NDArray[np.int64]) -> Columns:
        """Return words of state, shape (rows, columns), as columns with NULL where absent."""
        found = {}
        for k, column in enumerate(self._state):
            mine = np.ascontiguousarray(words[:, k])
            if column.is_double and column.take != "count":
                values = pl.Series(prefix + column.name, mine.view(np.float64))
                gone = np.isnan(mine.view(np.float64))
            else:
                values = pl.Series(prefix + column.name, mine)
                gone = mine == ABSENT
            found[prefix + column.name] = (
                values.set(pl.Series(gone), None) if gone.any() else values
            )
        return found

    def of_values(self, values: NDArray[np.float64]) -> Columns:
        """Return states at cuts, NaN where absent, as columns with NULL there."""
        found = {}
        for k, column in enumerate(self._state):
            mine = pl.Series(column.name, np.ascontiguousarray(values[:, k]))
            mine = mine.fill_nan(None)
            whole = not column.is_double or column.take == "count"
            found[column.name] = mine.cast(pl.Int64) if whole else mine
        return found
