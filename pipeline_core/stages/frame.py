"""SQL over events and over states, as the fold and the price need it."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Layout
from oddspipe.core.batch.sql import compile_sql, event_types, frame
from oddspipe.core.names import ABSENT
from oddspipe.core.parts import DerivedColumn, StateColumn

Types = dict[str, pl.DataType]
Strings = Mapping[int, Sequence[str]]


class Condition:
    """A row-wise SQL condition over columns of known types."""

    def __init__(self, sql: str, types: Types) -> None:
        """Compile the SQL once.

        Raises:
            SpecError: The SQL has a fault.
        """
        compiled = compile_sql(sql, types, want="bool")
        self.uses = compiled.uses
        self._expression = compiled.expr

    def is_true(self, rows: pl.DataFrame) -> NDArray[np.bool_]:
        """Say where the condition is true; NULL is not."""
        return self._evaluate(rows, when_null=False)

    def is_false(self, rows: pl.DataFrame) -> NDArray[np.bool_]:
        """Say where the condition is false; NULL is not."""
        return ~self._evaluate(rows, when_null=True)

    def _evaluate(self, rows: pl.DataFrame, *, when_null: bool) -> NDArray[np.bool_]:
        # with_columns stretches a constant over all rows, select would not.
        holds = self._expression.fill_null(when_null).alias("")
        return rows.with_columns(holds)[""].to_numpy()


class EventFrame:
    """The events' columns that some conditions read."""

    def __init__(self, layout: Layout, uses: set[str], strings: Strings) -> None:
        """Take those of `uses` that are columns of events, and one to count the rows by."""
        self._layout = layout
        self._strings = strings
        self._uses = tuple(n for n in event_types(layout) if n in uses or n == "ingest_time")

    def of(self, batch: Batch) -> pl.DataFrame:
        """Return the columns of a batch, NULL where a field is absent."""
        return frame(batch, self._layout, self._uses, self._strings)


class StateFrame:
    """State columns as SQL and the model see them: float64, absent as NULL or NaN."""

    def __init__(
        self, state: tuple[StateColumn, ...], derived: tuple[DerivedColumn, ...] = ()
    ) -> None:
        """Compile the derived columns; one may read those before it.

        Raises:
            SpecError: The SQL of a derived column has a fault.
        """
        self.names = tuple(column.name for column in state)
        self._doubles = np.array([c.is_double and c.take != "count" for c in state], bool)
        types = self.types()
        self._derived: list[tuple[str, pl.Expr]] = []
        for column in derived:
            compiled = compile_sql(column.sql, types, want="number")
            self._derived.append((column.name, compiled.expr.cast(pl.Float64)))
            types[column.name] = pl.Float64()

    def types(self, prefix: str = "") -> Types:
        """Return the state columns and their types in SQL."""
        return {prefix + name: pl.Float64() for name in self.names}

    def of_words(self, words: NDArray[np.int64], prefix: str) -> pl.DataFrame:
        """Return words of state, shape (rows, columns), as columns with NULL where absent."""
        absent = words == ABSENT
        values = np.where(absent, np.nan, words.astype(np.float64))
        values[:, self._doubles] = words.view(np.float64)[:, self._doubles]
        return self._columns(values, prefix)

    def with_derived(self, values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return state and derived columns by name, NaN where absent."""
        if not self._derived:
            return dict(zip(self.names, np.ascontiguousarray(values.T), strict=True))
        rows = self._columns(values, "")
        for name, expression in self._derived:
            rows = rows.with_columns(expression.alias(name))
        rows = rows.fill_null(np.nan)
        return {name: rows[name].to_numpy() for name in rows.columns}

    def _columns(self, values: NDArray[np.float64], prefix: str) -> pl.DataFrame:
        columns = np.ascontiguousarray(values.T)
        return pl.DataFrame(
            [
                pl.Series(prefix + name, column, nan_to_null=True)
                for name, column in zip(self.names, columns, strict=True)
            ]
        )
