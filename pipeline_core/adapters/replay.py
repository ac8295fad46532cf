"""Recorded games as a feed: every game in its recorded time, merged over all games."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.adapters.captured import CapturedSource, captured_files
from oddspipe.core.adapters.pace import Pace
from oddspipe.core.adapters.recorded import (
    Game,
    Rating,
    RecordedGames,
    Selection,
    clusters,
    compiled,
)
from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Payloads
from oddspipe.core.batch.encode import Encoder, with_originals
from oddspipe.core.batch.layout import (
    EVENT_ID,
    EVENT_TIME,
    GAME_ID,
    INGEST_TIME,
    KIND,
    SCHEMA_VERSION,
    SEQUENCE,
)
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import RunError, SpecError
from oddspipe.core.names import Kind
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.source import Source
from oddspipe.core.stages.mapping import Mapped, Mapper, row_as_json

INGEST_DELAY_US: Final = 50_000  # a provider's usual way to us; the same for every event
_SECOND_US: Final = 1_000_000
Watch = Callable[[pl.DataFrame, Mapped], None]
_OURS: Final = (GAME_ID, SEQUENCE, EVENT_TIME, INGEST_TIME, SCHEMA_VERSION)


def replay_of(  # noqa: PLR0913 - what may be left out is named
    plan: Plan,
    data: Path,
    speed: float | None = None,
    selection: Selection | None = None,
    clock: Clock | None = None,
    *,
    rate: Rating | None = None,
    watch: Watch | None = None,
) -> Source:
    """Return what replays a folder: its recorded games, or messages that were captured in it.

    Args:
        plan: What runs; its `feed.recording` says how rows become events.
        data: Folder that the recording's files lie below.
        speed: Times real time; None is as fast as it goes. Pacing never changes recorded times.
        selection: Which games.
        clock: What pacing goes by.
        rate: The model's ratings of finished games, for tables that hold them.
        watch: Is shown the rows of each group of games, and the events that they became.

    Raises:
        RunError: There is nothing to replay.
    """
    clock = clock or SystemClock()
    selection = selection or Selection()
    pace = Pace(speed, clock)
    recording = plan.feed.recording
    files = captured_files(data, plan.sport)
    if files and not (recording and any(data.glob(recording.files))):
        if selection != Selection():
            raise RunError(
                f"{files[0]}: captured messages are replayed whole",
                hint="Leave --games, --day and --season away; --limit and --until end a run early.",
            )
        return CapturedSource(plan, files, pace, INGEST_DELAY_US, clock)
    if recording is None:
        raise RunError(
            f"{plan.sport} has no recorded games, and {data} no *.ndjson",
            hint="Add `feed.recording` to the spec, or capture messages of the feed.",
        )
    scored = watch is not None
    games = RecordedGames(recording, plan.schedule, data, rate=rate, scored=scored)
    return ReplaySource(plan, games, selection, pace, watch)


class ReplaySource:
    """Replays recorded games; the same games give the same payloads at the same positions."""

    name: Final = "replay"
    finite: Final = True

    def __init__(
        self,
        plan: Plan,
        recorded: RecordedGames,
        selection: Selection,
        pace: Pace,
        watch: Watch | None = None,
    ) -> None:
        """Take what there is to replay; read nothing yet."""
        self._plan = plan
        self._recording = recorded.recording
        self._recorded = recorded
        self._watch = watch
        kinds = [event.kind for event in recorded.recording.events]
        self._repeats = len(set(kinds)) < len(kinds)
        self._selection = selection
        self._pace = pace
        self._encoder = Encoder(plan.layout)
        self._mappers: dict[tuple[tuple[str, pl.DataType], ...], Mapper] = {}
        self._clusters: list[list[Game]] | None = None
        self._at = 0
        self._position = 0
        self._skip_to = 0
        self._pending: Payloads | None = None
        self._closed = False

    def open(self, position: int, token: bytes = b"") -> None:
        """Go to `position`; a token saves mapping what lies before it."""
        if self._clusters is None:
            self._clusters = clusters(self._recorded.games(self._selection))
        self._at, self._position = 0, 0
        if token:
            at, before = (int(part) for part in token.split(b":"))
            if before <= position:
                self._at, self._position = at, before
        self._skip_to, self._pending, self._closed = position, None, False
        self._pace.restart()

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what is due; at full speed, all games that overlap in time at once."""
        if self._pending is None and not self._closed:
            self._pending = self._load()
        if self._pending is None:
            return None
        due, self._pending = self._pace.due(self._pending, timeout_us)
        return due

    def acknowledge(self, position: int) -> None:
        """Do nothing; a recording stays where it is."""

    def total(self) -> int | None:
        """Return how many payloads there will be: rows, in the proportion seen so far."""
        groups = self._clusters
        if groups is None:
            return None
        rows = [sum(game.rows for game in group) for group in groups]
        read = sum(rows[: self._at])
        left = sum(rows[self._at :])
        return self._position + round(left * self._position / read) if read else left

    def close(self) -> None:
        """Let go of the rows that are in memory, and give nothing more."""
        self._pending, self._closed = None, True
        self._recorded.close()

    def _load(self) -> Payloads | None:
        """Return the next group of games, from the position that was asked for on."""
        groups = self._clusters or []
        while self._at < len(groups):
            token = f"{self._at}:{self._position}".encode()
            payloads = self._merged(groups[self._at], token)
            self._position += len(payloads)
            self._at += 1
            if self._position > self._skip_to:
                first = max(0, self._skip_to - int(payloads.positions[0]))
                return payloads.part(first, len(payloads))
        return None

    def _merged(self, games: list[Game], token: bytes) -> Payloads:
        """Map the games and merge them by recorded time, heartbeats in between."""
        frame = self._recorded.rows(games)
        mapped = self._mapper(frame, games).map(frame)
        failed = np.array(sorted(mapped.failed), np.int64)
        times = self._times(frame, games, np.concatenate([mapped.record, failed]))
        beats = _silences(np.sort(times), self._plan.feed.heartbeat_us)
        self._complete(mapped, frame, games, times[: len(mapped)] - INGEST_DELAY_US)
        if self._watch is not None:
            self._watch(frame, mapped)
        self._add_heartbeats(mapped, beats)
        # Heartbeats come first, so that they stay before what has the same time.
        ingest = np.concatenate([beats, times])
        order = np.argsort(ingest, kind="stable")
        events = len(beats) + len(times) - len(failed)
        made, stay = np.flatnonzero(order < events), np.flatnonzero(order >= events)
        encoded = self._encoder.encode(
            mapped.words[:, order[made]],
            mapped.present[order[made]],
            mapped.strings,
            mapped.side,
        )
        rows = failed[order[stay] - events].tolist()
        if rows:
            encoded = with_originals(encoded, made, stay, [row_as_json(frame, r) for r in rows])
        data, starts, ends = encoded
        why = zip((stay + self._position).tolist(), rows, strict=True)
        return Payloads(
            data,
            starts,
            ends,
            ingest[order],
            np.arange(self._position, self._position + len(order), dtype=np.int64),
            token=token,
            unmapped={position: mapped.failed[row] for position, row in why},
        )

    def _mapper(self, frame: pl.DataFrame, games: list[Game]) -> Mapper:
        """Return the mapping for rows of these types."""
        key = tuple(frame.schema.items())
        if key not in self._mappers:
            plan = self._plan
            try:
                self._mappers[key] = Mapper(
                    plan.layout, plan.kinds, self._recording.events, frame.schema
                )
            except SpecError as error:
                raise RunError(f"{games[0].file}: {error.message}", hint=error.hint) from error
        return self._mappers[key]

    def _numbers(self, frame: pl.DataFrame, games: list[Game]) -> NDArray[np.int64]:
        """Return the number of each row's game."""
        numbers = {game.name: at for at, game in enumerate(games)}
        names = frame[self._recording.game].cast(pl.String)
        return names.replace_strict(numbers, return_dtype=pl.Int64).to_numpy()

    def _times(
        self, frame: pl.DataFrame, games: list[Game], rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return when the events of these rows were received, each later than its game's last."""
        types = dict(frame.schema)
        elapsed = compiled(self._recording.elapsed, types, games[0].file).expr
        seconds = frame.select(elapsed.cast(pl.Float64).fill_nan(0.0).fill_null(0.0).alias("s"))
        game = self._numbers(frame, games)
        start = np.array([each.start_us for each in games])
        at = start[game] + np.round(seconds["s"].to_numpy() * _SECOND_US).astype(np.int64)
        order = np.argsort(rows, kind="stable")
        times = np.empty(len(rows), np.int64)
        times[order] = _rising(at[rows[order]], game[rows[order]]) + INGEST_DELAY_US
        return times

    def _complete(
        self, mapped: Mapped, frame: pl.DataFrame, games: list[Game], times: NDArray[np.int64]
    ) -> None:
        """Fill in what the recording itself decides: id, game, sequence and times."""
        words, of_event = mapped.words, self._numbers(frame, games)[mapped.record]
        starts = np.flatnonzero(np.diff(of_event, prepend=-1))
        lengths = np.diff(np.append(starts, len(of_event)))
        first = self._plan.order.first_sequence
        words[SEQUENCE] = np.arange(len(of_event)) - np.repeat(starts, lengths) + first
        words[GAME_ID], mapped.strings[GAME_ID] = of_event, [each.name for each in games]
        words[EVENT_TIME], words[INGEST_TIME] = times, times + INGEST_DELAY_US
        words[SCHEMA_VERSION] = self._plan.schema_version
        mapped.present |= np.uint64(sum(1 << column for column in _OURS))
        mine = (mapped.present >> np.uint64(EVENT_ID) & np.uint64(1)) == 0
        if mine.any():
            kinds = {kind.number: kind.name for kind in self._plan.kinds}
            names = pl.Series(words[KIND]).replace_strict(kinds, return_dtype=pl.String)
            ids = frame[self._recording.order].gather(mapped.record).cast(pl.String) + ":" + names
            if self._repeats:
                ids = _told_apart(ids, mapped.record)
            sizes = ids.str.len_bytes().to_numpy().astype(np.int64)
            ends = np.cumsum(sizes) + len(mapped.side)
            words[EVENT_ID, mine] = ((ends - sizes) << SPAN_LENGTH_BITS | sizes)[mine]
            blob = np.frombuffer(str(ids.str.join().item()).encode(), np.uint8)
            mapped.side = np.concatenate([mapped.side, blob])
            mapped.present |= np.uint64(1 << EVENT_ID)

    def _add_heartbeats(self, mapped: Mapped, times: NDArray[np.int64]) -> None:
        """Put heartbeats before the events."""
        words = np.zeros((len(mapped.words), len(times)), np.int64)
        words[KIND], words[EVENT_TIME], words[INGEST_TIME] = Kind.HEARTBEAT, times, times
        bits = np.uint64(1 << KIND | 1 << EVENT_TIME | 1 << INGEST_TIME)
        mapped.words = np.concatenate([words, mapped.words], axis=1)
        mapped.present = np.concatenate([np.full(len(times), bits), mapped.present])


def _told_apart(ids: pl.Series, record: NDArray[np.int64]) -> pl.Series:
    """Return ids in which the second event of one kind that a row makes ends in `:2`."""
    before = pl.int_range(pl.len()).over("record", "id")
    count = pl.when(before > 0).then(pl.format(":{}", before + 1)).otherwise(pl.lit(""))
    return pl.DataFrame({"id": ids, "record": record}).select(pl.col("id") + count)["id"]


def _rising(times: NDArray[np.int64], game: NDArray[np.int64]) -> NDArray[np.int64]:
    """Make the times of each game rise by at least a microsecond from event to event."""
    out = times.copy()
    starts = np.flatnonzero(np.diff(game, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(game)], strict=True):
        steps = np.arange(stop - start)
        out[start:stop] = np.maximum.accumulate(times[start:stop] - steps) + steps
    return out


def _silences(times: NDArray[np.int64], every_us: int) -> NDArray[np.int64]:
    """Return when the feed would have said that it is alive."""
    gaps = np.diff(times)
    counts = np.maximum((gaps - 1) // every_us, 0)
    before = np.cumsum(counts) - counts
    steps = np.arange(1, counts.sum() + 1) - np.repeat(before, counts)
    beats: NDArray[np.int64] = np.repeat(times[:-1], counts) + steps * every_us
    return beats
