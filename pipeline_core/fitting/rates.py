"""Reference data of a sport: what its model makes of finished games, with what it was made of."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from oddspipe import __version__
from oddspipe.core.adapters.recorded import read_rows
from oddspipe.core.errors import PluginError, RunError, UsageError
from oddspipe.core.fitting.document import Difference
from oddspipe.core.fitting.seasons import SEASON, digest_of, see_seasons
from oddspipe.core.parts import RecordedTable
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.fitting import Rater

HOLDS = "oddspipe"
"""Key of the file's metadata that says what it was made of, as JSON."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """Reference data.

    Attributes:
        rows: One row a game, in the order of the games.
        key: The column that names the game.
        provenance: What they were made of and by.
    """

    rows: pl.DataFrame
    key: str
    provenance: Mapping[str, Any]

    def parquet(self) -> bytes:
        """Return them as a Parquet file; the same bytes for the same values."""
        written = io.BytesIO()
        self.rows.write_parquet(written, metadata={HOLDS: json.dumps(self.provenance)})
        return written.getvalue()

    def differences(self, other: pl.DataFrame) -> Iterator[Difference]:
        """Tell where the rows of another file are not the same."""
        key = self.key
        if key not in other.columns:
            yield Difference(f"column {key}", None, "there")
            return
        for name in dict.fromkeys([*self.rows.columns, *other.columns]):
            if (name in self.rows.columns) != (name in other.columns):
                here = name in self.rows.columns
                yield Difference(f"column {name}", *((None, "there") if here else ("there", None)))
        both = [name for name in self.rows.columns if name != key and name in other.columns]
        before = {row[key]: row for row in other.iter_rows(named=True)}
        after = {row[key]: row for row in self.rows.iter_rows(named=True)}
        for game in dict.fromkeys([*before, *after]):
            if game not in before or game not in after:
                yield Difference(
                    f"game {game}", *((None, "there") if game in after else ("there", None))
                )
                continue
            for name in both:
                kept, now = before[game][name], after[game][name]
                if kept != now:
                    yield Difference(f"game {game}, {name}", kept, now)


def ratings_of(
    plan: Plan, name: str, rater: type[Rater], data: Path, years: Sequence[int]
) -> Ratings:
    """Rate the finished games of a folder.

    Seasons choose which rows are kept; the fold always begins with the first game that there is.

    Args:
        plan: Whose `feed.recording.tables` name the file of finished games and what is made of it.
        name: Of the model.
        rater: The model.
        data: Folder that the file lies below.
        years: Which seasons; none for all.

    Raises:
        UsageError: There is no such table, file or season, or it cannot be read.
        PluginError: The model's own code fails.
    """
    table = _table(plan)
    file = data / table.file
    if not data.is_dir():
        raise UsageError(f"--data {data}: there is no such folder")
    if not file.exists():
        raise UsageError(
            f"no file {table.file} below {data}",
            hint="It holds the finished games, a row each; --data is the folder above it.",
        )
    try:
        games = read_rows(file, pl.scan_parquet(file))
    except RunError as error:
        raise UsageError(error.message, hint=error.hint) from error
    if games.is_empty():
        raise UsageError(f"{file}: no games", hint="A row is a finished game.")
    rows = _kept(_rated(name, rater, games, table), games, table, years)
    return Ratings(
        rows,
        table.key,
        {
            "model": name,
            "rate_version": rater.rate_version,
            "made_by": f"oddspipe {__version__}",
            "seasons": list(years) or "all",
            "games": rows.height,
            "data_sha256": {table.file: digest_of(file)},
        },
    )


def _table(plan: Plan) -> RecordedTable:
    tables = plan.feed.recording.tables if plan.feed.recording else ()
    found = next((table for table in tables if table.rate), None)
    if found is None:
        raise UsageError(
            f"the spec of {plan.sport} names no table of finished games",
            hint="Add one with `rate: true` to `feed.recording.tables`.",
        )
    return found


def _rated(
    name: str, rater: type[Rater], games: pl.DataFrame, table: RecordedTable
) -> pl.DataFrame:
    try:
        rows = rater.rate(games)
    except Exception as error:
        raise PluginError(
            f"model {name!r} failed in rate(): {type(error).__name__}: {error}",
            hint=f"Its columns are {', '.join(games.columns)}.",
        ) from error
    wanted = [table.key, *(column for column, _ in table.columns)]
    if missing := [column for column in wanted if column not in rows.columns]:
        raise PluginError(
            f"model {name!r}: rate() gives no column {', '.join(missing)}",
            hint="`feed.recording.tables` of the spec names them.",
        )
    return rows


def _kept(
    rows: pl.DataFrame, games: pl.DataFrame, table: RecordedTable, years: Sequence[int]
) -> pl.DataFrame:
    if not years:
        return rows
    if SEASON not in games.columns:
        raise UsageError(f"{table.file} has no column {SEASON!r} to choose by")
    there = games[SEASON].cast(pl.Int64).unique().sort().to_list()
    see_seasons(years, there, f"{table.file}: no game")
    chosen = games.filter(pl.col(SEASON).is_in(list(years)))[table.key].implode()
    return rows.filter(pl.col(table.key).is_in(chosen))
