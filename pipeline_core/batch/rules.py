"""Rules over a batch: a frame of its columns, and every rule in one pass over it."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.batch.sql import compile_sql
from oddspipe.core.batch.sql_types import column_type, event_types
from oddspipe.core.names import ABSENT, TIMER_KINDS, FieldType

_TIMERS = np.array(sorted(TIMER_KINDS), np.int64)


def frame(
    batch: Batch,
    layout: Layout,
    uses: Sequence[str],
    strings: Mapping[int, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Return the columns `uses` of a batch for expressions; what a payload lacked is NULL.

    Args:
        batch: The events.
        layout: The columns of its words.
        uses: Names of the columns to take.
        strings: Names of interned strings by column index; needed for string columns only.
    """
    if not len(batch):
        return pl.DataFrame(schema={name: event_types(layout)[name] for name in uses})
    everywhere = int(np.bitwise_and.reduce(batch.present))
    return pl.DataFrame(
        [_series(batch, layout, layout.index[name], everywhere, strings or {}) for name in uses]
    )


class RuleSet:
    """The rules about single events, compiled once, evaluated a batch at a time.

    Args:
        rules: Pairs of SQL and the kind numbers that it applies to (empty: all).
        layout: The columns of events.
    """

    def __init__(self, rules: Sequence[tuple[str, tuple[int, ...]]], layout: Layout) -> None:
        """Compile every rule.

        Raises:
            SpecError: A rule has a fault.
        """
        types = event_types(layout)
        self._layout = layout
        compiled = [compile_sql(sql, types, want="bool") for sql, _ in rules]
        self._kind = layout.index["kind"]
        self._kinds = [np.array(kinds, np.int64) for _, kinds in rules]
        read = {name for one in compiled for name in one.uses}
        self.uses = tuple(name for name in types if name in read)
        self._exprs = [
            one.expr.fill_null(value=True).alias(str(at)) for at, one in enumerate(compiled)
        ]

    def __len__(self) -> int:
        """Return the number of rules."""
        return len(self._exprs)

    def holds(
        self, batch: Batch, strings: Mapping[int, Sequence[str]] | None = None
    ) -> NDArray[np.bool_]:
        """Return whether each rule holds on each row, shape (rules, n).

        NULL holds; heartbeats and ticks are under no rule.
        """
        held = np.ones((len(self), len(batch)), np.bool_)
        if not self._exprs or not len(batch):
            return held
        # A rule without columns is a constant: `len` rows come from the frame's own height.
        given = frame(batch, self._layout, self.uses or ("kind",), strings)
        answers = given.with_columns(self._exprs)
        kinds = batch.words[self._kind]
        for at, on in enumerate(self._kinds):
            answer = answers[str(at)]
            if answer.all():  # nearly always, and then the kinds do not matter
                continue
            held[at] = answer.to_numpy()
            if len(on):
                held[at] |= ~_among(kinds, on)
            held[at, _among(kinds, _TIMERS)] = True
        return held

    def failed(
        self, batch: Batch, strings: Mapping[int, Sequence[str]] | None = None
    ) -> NDArray[np.int16]:
        """Return the index of the first rule that each row breaks, -1 for none, shape (n,)."""
        held = self.holds(batch, strings)
        if held.all():
            return np.full(len(batch), -1, np.int16)
        first = held.argmin(axis=0)
        return np.where(held.all(axis=0), -1, first).astype(np.int16)


def _among(kinds: NDArray[np.int64], on: NDArray[np.int64]) -> NDArray[np.bool_]:
    # A handful of kinds: comparing each is three times as fast as np.isin, which sorts.
    found: NDArray[np.bool_] = kinds == on[0]
    for number in on[1:]:
        found |= kinds == number
    return found


def _series(
    batch: Batch,
    layout: Layout,
    at: int,
    everywhere: int,
    strings: Mapping[int, Sequence[str]],
) -> pl.Series:
    column = layout.columns[at]
    words = batch.words[at]
    absent = None if everywhere >> at & 1 else (batch.present >> np.uint64(at)) & np.uint64(1) == 0
    if column.type is FieldType.DOUBLE:
        series = pl.Series(column.name, words.view(np.float64))
    elif column.type is FieldType.ENUM:
        series = _enum_series(column, words)
    elif column.type is FieldType.STRING:
        names = pl.Series(column.name, strings.get(at, ()), pl.String)
        within = (words >= 0) & (words < len(names))
        series = (
            names.gather(pl.Series(np.where(within, words, 0), dtype=pl.UInt32))
            if len(names)
            else pl.Series(column.name, [None] * len(words), pl.String)
        )
    elif column.type is FieldType.BOOL:
        series = pl.Series(column.name, words != 0)
    else:
        series = pl.Series(column.name, words)
        # Columns that are not in the payload but made by the pipeline mark absence by the word.
        absent = None if absent is None else absent | (words == ABSENT)
    if absent is not None:
        series = series.set(pl.Series(absent), None)
    return series


def _enum_series(column: Column, words: NDArray[np.int64]) -> pl.Series:
    numbers = np.array([number for _, number in column.values], np.int64)
    if len(numbers) and (numbers == np.arange(len(numbers))).all():
        codes = words
    else:
        order = np.argsort(numbers)
        codes = order[np.searchsorted(numbers, words, sorter=order).clip(0, len(numbers) - 1)]
    # A gather works in every release; the cast from codes to an enum changed its name.
    names = pl.Series(column.name, [name for name, _ in column.values], column_type(column))
    inside = numbers[codes.clip(0, len(numbers) - 1)] == words
    series = names.gather(pl.Series(np.where(inside, codes, 0).astype(np.uint32)))
    return series if inside.all() else series.set(pl.Series(~inside), None)
