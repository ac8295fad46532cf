"""Recorded games in files of rows (Parquet, NDJSON): which there are, and their rows."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from oddspipe.core.batch.sql import Compiled, compile_sql
from oddspipe.core.errors import RunError, SpecError
from oddspipe.core.parts import RecordedTable, Recording, Schedule

BLOCK_ROWS: Final = 65_536
"""Rows that are read at once; games that follow each other in a file share a block."""
_FILES_KEPT: Final = 2  # games that overlap may lie in two files, never in more
_SECOND_US: Final = 1_000_000
_ADAPTER: Final = frozenset({"first_row", "last_row"})
_UNREADABLE: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


_TYPES: Final[Mapping[str, pl.DataType]] = {
    "uint32": pl.Int64(),
    "uint64": pl.Int64(),
    "int32": pl.Int64(),
    "int64": pl.Int64(),
    "double": pl.Float64(),
    "string": pl.String(),
    "bool": pl.Boolean(),
}

_KEY: Final = "\0game"  # no column of a file has such a name

Rating = Callable[[pl.DataFrame], pl.DataFrame]
"""Makes a row a game of finished games, each by the ones of earlier days alone."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recorded games: the first `games` in time, of one day or season; None takes all."""

    games: int | None = None
    day: str | None = None
    season: int | None = None

    def takes(self, local: dt.datetime, schedule: Schedule) -> bool:
        """Say whether a game that starts then is of the day and the season."""
        if self.day is not None and local.date().isoformat() != self.day:
            return False
        return self.season is None or season_of(local, schedule) == self.season

    def told(self) -> str:
        """Return the day and the season in words."""
        day = [f"on {self.day}"] if self.day is not None else []
        return " ".join([*day, *([f"in season {self.season}"] if self.season is not None else [])])


def season_of(local: dt.datetime, schedule: Schedule) -> int:
    """Return the season of a day; one that runs over New Year bears the year it began in."""
    over = schedule.season_from > schedule.season_to
    return local.year - (over and f"{local:%m-%d}" < schedule.season_from)


@dataclass(frozen=True, slots=True)
class Game:
    """A recorded game: its rows lie between `first` and `last` of the file, alone or mixed."""

    name: str
    file: Path
    rows: int
    first: int
    last: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of a file from `first` to before `stop`."""

    first: int
    stop: int
    frame: pl.DataFrame


class RecordedGames:
    """Games in the files that a recording names.

    Args:
        recording: How rows become events.
        schedule: The season of the sport.
        data: Folder that the files lie below.
        rate: Makes the columns of tables that hold finished games.
        scored: Read what a back-test scores as well.
    """

    def __init__(
        self,
        recording: Recording,
        schedule: Schedule,
        data: Path,
        *,
        rate: Rating | None = None,
        scored: bool = False,
    ) -> None:
        """Find the files; read none yet.

        Raises:
            RunError: There is none.
        """
        self.recording = self._recording = recording
        self._schedule = schedule
        self._data = data
        self._files = sorted(data.glob(recording.files))
        if not self._files:
            raise _no_file(recording.files, data)
        self._uses = sorted(_columns_read(recording, scored=scored))
        self._rate = rate
        self._tables: list[pl.DataFrame] | None = None
        self._blocks: dict[Path, _Block] = {}

    def games(self, selection: Selection) -> list[Game]:
        """Return the games that are asked for, in the order of their starts.

        Raises:
            RunError: A file cannot be read, or no game is as asked for.
        """
        found = [game for file in self._files for game in self._games_of(file)]
        wanted = [game for local, game in found if selection.takes(local, self._schedule)]
        if not wanted:
            days = sorted(local.date().isoformat() for local, _ in found)
            raise RunError(
                f"no recorded game {selection.told()}: those below {self._data} are of "
                f"{days[0]} to {days[-1]}",
                hint="Choose among them with --day YYYY-MM-DD or --season YEAR.",
            )
        wanted.sort(key=lambda game: (game.start_us, game.name))
        return wanted[: selection.games]

    def rows(self, games: Sequence[Game]) -> pl.DataFrame:
        """Return the rows of some games, each in its order, whole numbers in 64 bits.

        Raises:
            RunError: A file cannot be read.
        """
        recording = self._recording
        parts = []
        for file in dict.fromkeys(game.file for game in games):
            mine = [game for game in games if game.file == file]
            first, stop = min(g.first for g in mine), max(g.last for g in mine) + 1
            names = pl.Series([game.name for game in mine]).implode()
            block = self._block(file, first, stop)
            part = block.frame[first - block.first : stop - block.first]
            parts.append(part.filter(pl.col(recording.game).cast(pl.String).is_in(names)))
        try:
            frame = _wide(pl.concat(parts, how="vertical_relaxed"))
        except pl.exceptions.PolarsError as error:
            files = ", ".join(str(part) for part in dict.fromkeys(game.file for game in games))
            raise RunError(f"{files}: columns of different types: {error}") from error
        frame = frame.sort(recording.game, recording.order, maintain_order=True)
        game = pl.col(recording.game)
        for table in self._joined():
            frame = frame.with_columns(game.cast(pl.String).alias(_KEY))
            frame = frame.join(table, on=_KEY, how="left", maintain_order="left").drop(_KEY)
        return frame.with_columns(
            first_row=(game != game.shift(1)).fill_null(value=True),
            last_row=(game != game.shift(-1)).fill_null(value=True),
        )

    def close(self) -> None:
        """Let go of the rows that are in memory."""
        self._blocks.clear()

    def _joined(self) -> list[pl.DataFrame]:
        """Return the tables with a row a game, read once."""
        if self._tables is None:
            self._tables = [self._table(table) for table in self._recording.tables]
        return self._tables

    def _table(self, table: RecordedTable) -> pl.DataFrame:
        """Return the columns of one table; no rows where there is no such file.

        Raises:
            RunError: The file cannot be read, or lacks a column.
        """
        file = self._data / table.file
        wanted = {name: _TYPES[kind] for name, kind in table.columns}
        if not file.exists() or (table.rate and self._rate is None):
            return pl.DataFrame(schema={_KEY: pl.String(), **wanted})
        frame = read_rows(file, _scanned(file))
        if table.rate and self._rate is not None:
            frame = self._rate(frame)
        missing = [name for name in (table.key, *wanted) if name not in frame.columns]
        if missing:
            raise RunError(
                f"{file}: no column {', '.join(map(repr, missing))}",
                hint=f"`feed.recording.tables` reads it; there is {', '.join(frame.columns)}.",
            )
        floats = [name for name, kind in frame.schema.items() if kind.is_float()]
        frame = frame.with_columns(pl.col(floats).fill_nan(None))
        columns = [pl.col(name).cast(kind) for name, kind in wanted.items()]
        return frame.select(pl.col(table.key).cast(pl.String).alias(_KEY), *columns).unique(
            _KEY, keep="first", maintain_order=True
        )

    def _games_of(self, file: Path) -> Iterator[tuple[dt.datetime, Game]]:
        recording = self._recording
        scan = scan_of(file, self._uses, "`feed.recording`")
        types = dict(_wide(pl.DataFrame(schema=scan.collect_schema())).schema)
        starts = compiled(recording.starts, types, file)
        elapsed = compiled(recording.elapsed, types, file)
        needed = list(dict.fromkeys([recording.game, *starts.uses, *elapsed.uses]))
        table = read_rows(
            file,
            scan.select(needed)
            .with_columns(*_widened())
            .select(
                pl.col(recording.game).cast(pl.String).alias("game"),
                starts.expr.cast(pl.String).alias("starts"),
                elapsed.expr.cast(pl.Float64).fill_nan(0.0).fill_null(0.0).alias("elapsed"),
                pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
            )
            .group_by("game", maintain_order=True)
            .agg(
                pl.len(),
                pl.col("row").min().alias("first"),
                pl.col("row").max().alias("last"),
                pl.col("starts").first(),
                pl.col("elapsed").max(),
            ),
        )
        if table.is_empty():
            raise RunError(f"{file}: no rows", hint="Take the file away, or record it again.")
        if table["game"].null_count():
            raise RunError(f"{file}: column {recording.game!r} is NULL in some rows")
        zone = ZoneInfo(recording.zone)
        for name, rows, first, last, starts_at, length in table.iter_rows():
            local = _local(starts_at, name, file)
            start_us = int(local.replace(tzinfo=zone).timestamp()) * _SECOND_US
            end_us = start_us + round(length * _SECOND_US) + rows * 3
            yield local, Game(name, file, rows, first, last, start_us, end_us)

    def _block(self, file: Path, first: int, stop: int) -> _Block:
        """Return a block that has these rows; it is kept for the games that follow."""
        block = self._blocks.pop(file, None)
        if block is None or not block.first <= first < stop <= block.stop:
            rows = max(stop - first, BLOCK_ROWS)
            frame = read_rows(
                file, scan_of(file, self._uses, "`feed.recording`").slice(first, rows)
            )
            block = _Block(first, first + frame.height, frame)
        while len(self._blocks) >= _FILES_KEPT:
            self._blocks.pop(next(iter(self._blocks)))
        self._blocks[file] = block
        return block


def clusters(games: Sequence[Game]) -> list[list[Game]]:
    """Group games that overlap in time; between the groups nothing is on."""
    groups: list[list[Game]] = []
    until = 0
    for game in games:
        if not groups or game.start_us > until:
            groups.append([])
        groups[-1].append(game)
        until = max(until, game.end_us)
    return groups


def compiled(text: str, types: Mapping[str, pl.DataType], file: Path) -> Compiled:
    """Compile an expression over the columns of a file.

    Raises:
        RunError: It does not fit them.
    """
    try:
        return compile_sql(text, types)
    except SpecError as error:
        raise RunError(f"{file}: {error.message}", hint=error.hint) from error


def scan_of(file: Path, names: Sequence[str], reader: str) -> pl.LazyFrame:
    """Return a scan of some columns of a file, for who reads them.

    Raises:
        RunError: It cannot be read, or lacks a column.
    """
    scan = _scanned(file)
    try:
        there = scan.collect_schema().names()
    except _UNREADABLE as error:
        raise _unreadable(file, error) from error
    if missing := [name for name in names if name not in there]:
        raise RunError(
            f"{file}: no column {', '.join(map(repr, missing))}",
            hint=f"{reader} reads it; the file has {', '.join(there)}.",
        )
    return scan.select(names)


def _scanned(file: Path) -> pl.LazyFrame:
    return pl.scan_parquet(file) if file.suffix == ".parquet" else pl.scan_ndjson(file)


def read_rows(file: Path, scan: pl.LazyFrame) -> pl.DataFrame:
    """Return what a scan of a file gives.

    Raises:
        RunError: The file cannot be read.
    """
    try:
        return scan.collect()
    except _UNREADABLE as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: BaseException) -> RunError:
    said = str(error).strip().split("\n", 1)[0]
    return RunError(
        f"{file}: cannot be read: {said}", hint="The file is damaged: copy or record it again."
    )


def _no_file(pattern: str, data: Path) -> RunError:
    if not data.is_dir():
        return RunError(f"--data {data}: there is no such folder")
    return RunError(
        f"no file {pattern} below {data}",
        hint="--data is the folder above it; it may hold *.ndjson of captured messages, too.",
    )


def _widened() -> tuple[pl.Expr, pl.Expr]:
    """Return whole numbers as Int64: files keep seconds in 16 bits, and SQL makes them ms."""
    return pl.selectors.integer().cast(pl.Int64), pl.selectors.float().cast(pl.Float64)


def _wide(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(*_widened())


def _columns_read(recording: Recording, *, scored: bool) -> set[str]:
    texts = [recording.starts, recording.elapsed]
    if scored:
        scoring = recording.scoring
        texts += [sql for _, sql in scoring.segments]
        given = (scoring.where, scoring.closing_home, scoring.closing_total)
        texts += [sql for sql in given if sql is not None]
    for event in recording.events:
        texts += [sql for _, sql in event.fields]
        texts += [event.where] if event.where else []
    names = {name for text in texts for name in pl.sql_expr(text).meta.root_names()}
    joined = {name for table in recording.tables for name, _ in table.columns}
    return (names | {recording.game, recording.order}) - _ADAPTER - joined


def _local(text: str | None, game: str, file: Path) -> dt.datetime:
    try:
        return dt.datetime.strptime(text or "", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - zone follows
    except ValueError as error:
        raise RunError(f"{file}: game {game} starts at {text!r}, not YYYY-MM-DD HH:MM") from error
