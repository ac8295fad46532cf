"""The rows of recorded seasons that a fit reads, and what says which they were."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from oddspipe.core.adapters.recorded import (
    RecordedGames,
    Selection,
    read_rows,
    scan_of,
    season_of,
)
from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.plan.model import Plan

SEASON = "season"


@dataclass(frozen=True, slots=True)
class Seasons:
    """Recorded games.

    Attributes:
        rows: What was asked for of the files, and `season`, in the order of the files.
        game: Name of the column that tells games apart.
        years: The seasons, by the year in which they began.
        newest: Day of the last game, as `2023-02-12`.
        files: SHA-256 of each file that was read, by its path below the folder.
    """

    rows: pl.DataFrame
    game: str
    years: tuple[int, ...]
    newest: str
    files: Mapping[str, str]


def seasons_of(plan: Plan, data: Path, years: Sequence[int], columns: Sequence[str]) -> Seasons:
    """Read recorded seasons.

    Args:
        plan: Whose recording.
        data: Folder that the files lie below.
        years: Which seasons; none for all.
        columns: What to read of the files.

    Raises:
        UsageError: There is no such folder, file, season or column, or a file cannot be read.
    """
    try:
        return _read(plan, data, years, columns)
    except RunError as error:
        raise UsageError(error.message, hint=error.hint) from error


def _read(plan: Plan, data: Path, years: Sequence[int], columns: Sequence[str]) -> Seasons:
    recording = plan.feed.recording
    if recording is None:
        raise UsageError(
            f"{plan.sport} has no recorded games", hint="Add `feed.recording` to the spec."
        )
    zone, key = ZoneInfo(recording.zone), recording.game
    games = RecordedGames(recording, plan.schedule, data).games(Selection())
    starts = {game.name: datetime.fromtimestamp(game.start_us / 1e6, zone) for game in games}
    season = {name: season_of(start, plan.schedule) for name, start in starts.items()}
    there = sorted(set(season.values()))
    see_seasons(years, there, f"{data}: no recorded game of {plan.sport}")
    wanted = [game for game in games if not years or season[game.name] in years]
    files = sorted({game.file for game in wanted})
    names = list(dict.fromkeys([key, *(name for name in columns if name != SEASON)]))
    reader = f"The fit of model {plan.model.name}"
    parts = [read_rows(file, scan_of(file, names, reader)) for file in files]
    rows = _joined(parts, files).with_columns(pl.col(key).cast(pl.String))
    table = pl.DataFrame(
        {key: [game.name for game in wanted], SEASON: [season[game.name] for game in wanted]},
        schema={key: pl.String, SEASON: pl.Int64},
    ).unique(key)
    return Seasons(
        rows.join(table, on=key, how="inner", maintain_order="left"),
        key,
        tuple(sorted({season[game.name] for game in wanted})),
        max(starts[game.name] for game in wanted).date().isoformat(),
        {file.relative_to(data).as_posix(): digest_of(file) for file in files},
    )


def _joined(parts: Sequence[pl.DataFrame], files: Iterable[Path]) -> pl.DataFrame:
    try:
        return pl.concat(parts, how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        told = ", ".join(map(str, files))
        raise RunError(
            f"{told}: columns of different types: {error}", hint="Record them alike."
        ) from error


def see_seasons(years: Iterable[int], there: Sequence[int], none: str) -> None:
    """See that seasons are among those that there are.

    Raises:
        UsageError: Some are not; it begins with `none`.
    """
    if absent := [year for year in years if year not in there]:
        raise UsageError(
            f"{none} in season {_listed(absent)}", hint=f"There are the seasons {_listed(there)}."
        )


def _listed(years: Iterable[int]) -> str:
    return ", ".join(map(str, years))


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
