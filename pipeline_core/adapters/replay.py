"""Recorded games as a feed: every game in its recorded time, merged over all games."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Payloads
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.batch.layout import (
    EVENT_ID,
    EVENT_TIME,
    GAME_ID,
    INGEST_TIME,
    KIND,
    SCHEMA_VERSION,
    SEQUENCE,
)
from oddspipe.core.batch.sql import Compiled, compile_sql
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import RunError, SpecError
from oddspipe.core.names import Kind
from oddspipe.core.parts import Recording
from oddspipe.core.plan.model import Plan
from oddspipe.core.stages.mapping import Mapped, Mapper, row_as_json

INGEST_DELAY_US: Final = 50_000  # a provider's usual way to us; the same for every event
_SECOND_US: Final = 1_000_000
_ADAPTER: Final = {"first_row": pl.Boolean(), "last_row": pl.Boolean()}
_FILES_KEPT: Final = 2  # games that overlap may lie in two files, never in more


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recorded games: the first `games` in time, of one day or season; None takes all."""

    games: int | None = None
    day: str | None = None
    season: int | None = None


@dataclass(frozen=True, slots=True)
class _Game:
    name: str
    file: Path
    rows: int
    start_us: int
    end_us: int


class ReplaySource:
    """Replays recorded games; the same games give the same payloads at the same positions.

    Args:
        plan: What runs; its `feed.recording` says how rows become events.
        data: Folder that the recording's files lie below.
        speed: Times real time; None is as fast as it goes. Pacing never changes recorded times.
        selection: Which games.
        clock: What pacing goes by.
    """

    name: Final = "replay"
    finite: Final = True

    def __init__(
        self,
        plan: Plan,
        data: Path,
        speed: float | None = None,
        selection: Selection | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Check that there is something to replay; read nothing yet.

        Raises:
            RunError: The sport has no recording, or no file of it is there.
        """
        if plan.feed.recording is None:
            raise RunError(f"{plan.sport} has no recorded games", hint="Add `feed.recording`.")
        self._plan = plan
        self._recording = plan.feed.recording
        self._speed = speed
        self._selection = selection or Selection()
        self._clock = clock or SystemClock()
        self._files = sorted(data.glob(self._recording.files))
        if not self._files:
            raise RunError(f"no file {self._recording.files} below {data}", hint="Check `--data`.")
        self._encoder = Encoder(plan.layout)
        self._uses = _columns_read(self._recording)
        self._frames: dict[Path, pl.DataFrame] = {}
        self._clusters: list[list[_Game]] | None = None
        self._at = 0
        self._position = 0
        self._skip_to = 0
        self._pending: Payloads | None = None
        self._began: tuple[int, int] | None = None

    def open(self, position: int, token: bytes = b"") -> None:
        """Go to `position`; a token saves mapping what lies before it."""
        if self._clusters is None:
            self._clusters = _clusters(self._games())
        self._at, self._position = 0, 0
        if token:
            at, before = (int(part) for part in token.split(b":"))
            if before <= position:
                self._at, self._position = at, before
        self._skip_to, self._pending, self._began = position, None, None

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what is due; at full speed, all games that overlap in time at once."""
        if self._pending is None:
            self._pending = self._load()
        if self._pending is None or self._speed is None:
            payloads, self._pending = self._pending, None
            return payloads
        return self._due(self._pending, timeout_us)

    def acknowledge(self, position: int) -> None:
        """Do nothing; a recording stays where it is."""

    def total(self) -> int | None:
        """Return how many rows there are to replay; heartbeats come on top."""
        if self._clusters is None:
            return None
        return sum(game.rows for cluster in self._clusters for game in cluster)

    def close(self) -> None:
        """Let go of the files that are in memory."""
        self._frames.clear()

    def _due(self, pending: Payloads, timeout_us: int) -> Payloads:
        first = int(pending.ingest_us[0])
        now = self._clock.monotonic_ns() // 1000
        speed = self._speed or 1.0
        if self._began is None:
            self._began = (now, first)
        recorded = self._began[1] + round((now - self._began[0]) * speed)
        if recorded < first:
            wait_us = min(timeout_us, round((first - recorded) / speed))
            self._clock.sleep(wait_us / _SECOND_US)
            now = self._clock.monotonic_ns() // 1000
            recorded = self._began[1] + round((now - self._began[0]) * speed)
        count = int(np.searchsorted(pending.ingest_us, recorded, side="right"))
        due = replace(pending.part(0, count), arrived_ns=self._clock.monotonic_ns())
        self._pending = pending.part(count, len(pending)) if count < len(pending) else None
        return due

    def _load(self) -> Payloads | None:
        """Return the next group of games, from the position that was asked for on."""
        clusters = self._clusters or []
        while self._at < len(clusters):
            token = f"{self._at}:{self._position}".encode()
            payloads = self._merged(clusters[self._at], token)
            self._at += 1
            self._position += len(payloads)
            if self._position > self._skip_to:
                first = max(0, self._skip_to - int(payloads.positions[0]))
                return payloads.part(first, len(payloads))
        return None

    def _games(self) -> list[_Game]:
        games = [game for file in self._files for game in self._games_of(file)]
        games.sort(key=lambda game: (game.start_us, game.name))
        if not games:
            raise RunError("no recorded game fits the selection", hint="Check day and season.")
        return games[: self._selection.games]

    def _games_of(self, file: Path) -> list[_Game]:
        recording = self._recording
        frame = _wide(self._read(file))
        types = dict(frame.schema) | _ADAPTER
        starts = _compiled(recording.starts, types, file).expr
        elapsed = _compiled(recording.elapsed, types, file).expr
        table = (
            frame.lazy()
            .select(
                pl.col(recording.game).cast(pl.String).alias("game"),
                starts.cast(pl.String).alias("starts"),
                elapsed.cast(pl.Float64).fill_nan(0.0).fill_null(0.0).alias("elapsed"),
            )
            .group_by("game", maintain_order=True)
            .agg(pl.len(), pl.col("starts").first(), pl.col("elapsed").max())
            .collect()
        )
        zone = ZoneInfo(recording.zone)
        games = []
        for name, rows, starts_at, length in table.iter_rows():
            local = _local(starts_at, name, file)
            if not self._selected(local):
                continue
            start_us = int(local.replace(tzinfo=zone).timestamp()) * _SECOND_US
            end_us = start_us + round(length * _SECOND_US) + rows * 3
            games.append(_Game(name, file, rows, start_us, end_us))
        return games

    def _selected(self, local: dt.datetime) -> bool:
        day, season = self._selection.day, self._selection.season
        if day is not None and local.date().isoformat() != day:
            return False
        if season is None:
            return True
        # A season that runs over New Year bears the year in which it began.
        first = self._plan.schedule.season_from
        over = first > self._plan.schedule.season_to
        year = local.year - (1 if over and f"{local:%m-%d}" < first else 0)
        return year == season

    def _read(self, file: Path) -> pl.DataFrame:
        if file in self._frames:
            return self._frames[file]
        try:
            parquet = file.suffix == ".parquet"
            scan = pl.scan_parquet(file) if parquet else pl.scan_ndjson(file)
            missing = sorted(self._uses - set(scan.collect_schema().names()))
            if missing:
                raise RunError(f"{file}: no column {missing[0]!r}", hint="Compare with `feed`.")
            frame = scan.select(sorted(self._uses)).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise RunError(f"{file}: cannot be read: {error}") from error
        if frame.is_empty():
            raise RunError(f"{file}: no rows")
        while len(self._frames) >= _FILES_KEPT:
            self._frames.pop(next(iter(self._frames)))
        self._frames[file] = frame
        return frame

    def _merged(self, games: list[_Game], token: bytes) -> Payloads:
        """Map the games and merge them by recorded time, heartbeats in between."""
        parts = [
            part
            for file in dict.fromkeys(game.file for game in games)
            for part in self._of_file(file, [game for game in games if game.file == file])
        ]
        ingest = np.concatenate([part.ingest for part in parts])
        order = np.argsort(ingest, kind="stable")
        blobs = [part.blobs[row] for part in parts for row in range(len(part.blobs))]
        why = [text for part in parts for text in part.why]
        times = ingest[order]
        payloads = [blobs[row] for row in order]
        reasons = [why[row] for row in order]
        beats = _silences(times, self._plan.feed.heartbeat_us)
        if len(beats):
            at = np.searchsorted(times, beats)
            heart = self._heartbeats(beats)
            whole = np.insert(times, at, beats)
            mine = np.zeros(len(whole), np.bool_)
            mine[at + np.arange(len(beats))] = True
            events, hearts = iter(zip(payloads, reasons, strict=True)), iter(heart)
            woven = [(next(hearts), "") if own else next(events) for own in mine.tolist()]
            payloads, reasons, times = [p for p, _ in woven], [r for _, r in woven], whole
        made = Payloads.of(payloads, ingest_us=times, first_position=self._position)
        unmapped = {self._position + row: text for row, text in enumerate(reasons) if text}
        return Payloads(
            made.data,
            made.starts,
            made.ends,
            made.ingest_us,
            made.positions,
            self._clock.monotonic_ns(),
            token,
            unmapped,
        )

    def _heartbeats(self, times: NDArray[np.int64]) -> list[bytes]:
        words = np.zeros((len(self._plan.layout), len(times)), np.int64)
        words[KIND], words[EVENT_TIME], words[INGEST_TIME] = Kind.HEARTBEAT, times, times
        bits = 1 << KIND | 1 << EVENT_TIME | 1 << INGEST_TIME
        data, starts, ends = self._encoder.encode(words, np.full(len(times), bits, np.uint64), {})
        return [data[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]

    def _of_file(self, file: Path, games: list[_Game]) -> "list[_Timed]":
        recording = self._recording
        frame = self._read(file)
        names = [game.name for game in games]
        frame = frame.filter(
            pl.col(recording.game).cast(pl.String).is_in(pl.Series(names).implode())
        )
        frame = _wide(frame).sort(recording.game, recording.order, maintain_order=True)
        game = pl.col(recording.game)
        frame = frame.with_columns(
            first_row=(game != game.shift(1)).fill_null(value=True),
            last_row=(game != game.shift(-1)).fill_null(value=True),
        )
        try:
            mapper = Mapper(
                self._plan.layout, self._plan.kinds, recording.events, dict(frame.schema)
            )
        except SpecError as error:
            raise RunError(f"{file}: {error.message}", hint=error.hint) from error
        return [self._timed(frame, mapper.map(frame), games)]

    def _timed(self, frame: pl.DataFrame, mapped: Mapped, games: list[_Game]) -> "_Timed":
        """Number and time the mapped events, and put the rows that did not map in between."""
        recording = self._recording
        of_row = frame[recording.game].cast(pl.String)
        numbers = {game.name: at for at, game in enumerate(games)}
        game = of_row.replace_strict(numbers, return_dtype=pl.Int64).to_numpy()
        elapsed = frame.select(
            _compiled(recording.elapsed, dict(frame.schema), Path()).expr.cast(pl.Float64)
        )
        seconds = elapsed.to_series().fill_nan(0.0).fill_null(0.0).to_numpy()
        start = np.array([each.start_us for each in games])
        at = start[game] + np.round(seconds * _SECOND_US).astype(np.int64)
        failed = np.fromiter(mapped.failed, np.int64, len(mapped.failed))
        rows = np.concatenate([mapped.record, failed])
        order = np.argsort(rows, kind="stable")
        times = _rising(at[rows[order]], game[rows[order]])
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        good = times[place[: len(mapped)]]
        self._complete(mapped, frame[recording.order], game, good, [each.name for each in games])
        data, starts, ends = self._encoder.encode(
            mapped.words, mapped.present, mapped.strings, mapped.side
        )
        blobs = [data[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]
        blobs += [row_as_json(frame, int(row)) for row in failed]
        why = [""] * len(mapped) + [mapped.failed[int(row)] for row in failed]
        return _Timed(times + INGEST_DELAY_US, [blobs[i] for i in order], [why[i] for i in order])

    def _complete(
        self,
        mapped: Mapped,
        order: pl.Series,
        game: NDArray[np.int64],
        times: NDArray[np.int64],
        names: list[str],
    ) -> None:
        """Fill in what the recording itself decides: id, game, sequence and times."""
        words, of_event = mapped.words, game[mapped.record]
        starts = np.flatnonzero(np.diff(of_event, prepend=-1))
        lengths = np.diff(np.append(starts, len(of_event)))
        first = self._plan.order.first_sequence
        words[SEQUENCE] = np.arange(len(of_event)) - np.repeat(starts, lengths) + first
        words[GAME_ID], mapped.strings[GAME_ID] = of_event, names
        words[EVENT_TIME], words[INGEST_TIME] = times, times + INGEST_DELAY_US
        words[SCHEMA_VERSION] = self._plan.schema_version
        fixed = (GAME_ID, SEQUENCE, EVENT_TIME, INGEST_TIME, SCHEMA_VERSION)
        mapped.present |= np.uint64(sum(1 << column for column in fixed))
        given = mapped.present >> np.uint64(EVENT_ID) & np.uint64(1)
        if not given.all():
            kinds = {kind.number: kind.name for kind in self._plan.kinds}
            values = order.to_list()
            ids = [
                f"{values[row]}:{kinds[kind]}".encode()
                for row, kind in zip(mapped.record.tolist(), words[KIND].tolist(), strict=True)
            ]
            lengths = np.fromiter(map(len, ids), np.int64, len(ids))
            ends = np.cumsum(lengths) + len(mapped.side)
            mine = given == 0
            words[EVENT_ID, mine] = ((ends - lengths) << SPAN_LENGTH_BITS | lengths)[mine]
            mapped.side = np.concatenate([mapped.side, np.frombuffer(b"".join(ids), np.uint8)])
            mapped.present |= np.uint64(1 << EVENT_ID)


@dataclass(frozen=True, slots=True)
class _Timed:
    """Payloads of some games with their recorded times; `why` is set where one did not map."""

    ingest: NDArray[np.int64]
    blobs: list[bytes]
    why: list[str]


def _rising(times: NDArray[np.int64], game: NDArray[np.int64]) -> NDArray[np.int64]:
    """Make the times of each game rise by at least a microsecond from event to event."""
    out = times.copy()
    for start, stop in _runs(game):
        steps = np.arange(stop - start)
        out[start:stop] = np.maximum.accumulate(times[start:stop] - steps) + steps
    return out


def _runs(game: NDArray[np.int64]) -> list[tuple[int, int]]:
    starts = np.flatnonzero(np.diff(game, prepend=-1)).tolist()
    return list(zip(starts, [*starts[1:], len(game)], strict=True))


def _silences(times: NDArray[np.int64], every_us: int) -> NDArray[np.int64]:
    """Return when the feed would have said that it is alive."""
    gaps = np.diff(times)
    counts = np.maximum((gaps - 1) // every_us, 0)
    before = np.cumsum(counts) - counts
    steps = np.arange(1, counts.sum() + 1) - np.repeat(before, counts)
    beats: NDArray[np.int64] = np.repeat(times[:-1], counts) + steps * every_us
    return beats


def _clusters(games: list[_Game]) -> list[list[_Game]]:
    """Group games that overlap in time; between the groups nothing is on."""
    groups: list[list[_Game]] = []
    until = 0
    for game in games:
        if not groups or game.start_us > until:
            groups.append([])
        groups[-1].append(game)
        until = max(until, game.end_us)
    return groups


def _wide(frame: pl.DataFrame) -> pl.DataFrame:
    """Return whole numbers as Int64: files keep seconds in 16 bits, and SQL makes them ms."""
    return frame.with_columns(
        pl.selectors.integer().cast(pl.Int64), pl.selectors.float().cast(pl.Float64)
    )


def _columns_read(recording: Recording) -> set[str]:
    texts = [recording.starts, recording.elapsed]
    for event in recording.events:
        texts += [sql for _, sql in event.fields]
        texts += [event.where] if event.where else []
    names = {name for text in texts for name in pl.sql_expr(text).meta.root_names()}
    return (names | {recording.game, recording.order}) - set(_ADAPTER)


def _compiled(text: str, types: Mapping[str, pl.DataType], file: Path) -> Compiled:
    try:
        return compile_sql(text, types)
    except SpecError as error:
        raise RunError(f"{file}: {error.message}", hint=error.hint) from error


def _local(text: str | None, game: str, file: Path) -> dt.datetime:
    try:
        return dt.datetime.strptime(text or "", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - zone follows
    except ValueError as error:
        raise RunError(f"{file}: game {game} starts at {text!r}, not YYYY-MM-DD HH:MM") from error
