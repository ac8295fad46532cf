"""What a recording says of its rows: which are scored, closing prices, and how games ended."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.adapters.recorded import compiled
from oddspipe.core.batch.layout import EVENT_TIME, GAME_ID, KIND, SEQUENCE
from oddspipe.core.names import Kind
from oddspipe.core.parts import Recording
from oddspipe.core.plan.model import Plan
from oddspipe.core.stages.mapping import Mapped

STATEFUL = (Kind.PLAY, Kind.SCORE, Kind.CLOCK, Kind.TRACKING)
"""A row of a recording is told by the last event of such a kind that it made."""

Table = pl.DataFrame


class Recorded:
    """Gathers the rows of a replay; is what `ReplaySource` shows them to.

    Attributes:
        finals: Points of home and away at the end of each game whose rows were shown.
        closing_totals: The total that the market closed at, NaN where unknown, by game.
    """

    def __init__(self, plan: Plan, recording: Recording, data: Path) -> None:
        """Take the plan's layout and what it scores."""
        self._plan = plan
        self._recording = recording
        self._data = data
        self._like = np.zeros(256, np.int64)
        for kind in Kind:
            self._like[kind] = kind
        for own in plan.kinds:
            self._like[own.number] = own.like
        self.finals: dict[str, tuple[float, float]] = {}
        self.closing_totals: dict[str, float] = {}
        self._parts: list[Table] = []

    def __call__(self, frame: Table, mapped: Mapped) -> None:
        """Take rows, and the events that they became."""
        kinds = self._like[mapped.words[KIND]]
        names = mapped.strings[GAME_ID]
        self._take_ends(mapped, np.flatnonzero(kinds == Kind.GAME_END), names)
        at = np.flatnonzero(np.isin(kinds, STATEFUL))
        last = np.append(np.diff(mapped.record[at]) > 0, np.ones(min(len(at), 1), np.bool_))
        at = at[last]
        told = frame.select(self._columns(frame))[mapped.record[at]]
        events = Table(
            {
                "game_id": [names[number] for number in mapped.words[GAME_ID, at].tolist()],
                "event_sequence": mapped.words[SEQUENCE, at],
                "event_time": mapped.words[EVENT_TIME, at],
            },
            schema_overrides={"game_id": pl.String},
        )
        rows = pl.concat([events, told], how="horizontal")
        self._parts.append(rows)
        closing = rows.group_by("game_id").agg(pl.col("closing_total").first())
        for game, total in closing.iter_rows():
            self.closing_totals[game] = np.nan if total is None else total

    def rows(self) -> Table:
        """Return all rows: game, sequence, event, `scored`, `segment`, closing prices, finals."""
        ends = Table(
            [(game, home, away) for game, (home, away) in self.finals.items()],
            schema={"game_id": pl.String, "home": pl.Float64, "away": pl.Float64},
            orient="row",
        )
        return pl.concat(self._parts).join(ends, on="game_id", how="left", maintain_order="left")

    def _take_ends(self, mapped: Mapped, at: NDArray[np.int64], names: list[str]) -> None:
        index = self._plan.layout.index
        home, away = (index[name] for name in ("home_score", "away_score"))
        both = np.uint64(1 << home | 1 << away)
        for row in at[(mapped.present[at] & both) == both].tolist():
            game = names[int(mapped.words[GAME_ID, row])]
            self.finals[game] = (float(mapped.words[home, row]), float(mapped.words[away, row]))

    def _columns(self, frame: Table) -> list[pl.Expr]:
        types, scoring = dict(frame.schema), self._recording.scoring

        def made(sql: str | None, kind: pl.DataType) -> pl.Expr:
            if sql is None:
                return pl.lit(None, kind)
            return compiled(sql, types, self._data).expr.cast(kind)

        segment = pl.coalesce(
            pl.when(made(where, pl.Boolean())).then(pl.lit(name))
            for name, where in (*scoring.segments, ("all", "TRUE"))
        )
        return [
            pl.col(self._recording.order).cast(pl.Int64).alias("sequence"),
            made(scoring.where or "TRUE", pl.Boolean()).fill_null(value=False).alias("scored"),
            segment.alias("segment"),
            made(scoring.closing_home, pl.Float64()).fill_nan(None).alias("closing_home"),
            made(scoring.closing_total, pl.Float64()).fill_nan(None).alias("closing_total"),
        ]
