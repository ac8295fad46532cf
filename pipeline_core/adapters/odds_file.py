"""Every published price in one Parquet file, the same bytes for the same odds."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import polars as pl

from oddspipe.core.adapters.appended import replace_durably
from oddspipe.core.adapters.odds_rows import boards, prices
from oddspipe.core.errors import RetryableError, RunError, StateError
from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output

SMALL_SEGMENTS = 64
"""So many segments of one write each become one file, so that their number stays small."""
ROW_GROUP = 131_072
"""Rows of a row group; fixed, so that how segments were cut leaves no trace in the file."""
ROW_SCHEMA: Final[dict[str, pl.DataType]] = {
    "game_id": pl.String(),
    "odds_sequence": pl.Int64(),
    "cause_sequence": pl.Int64(),
    "event_time": pl.Datetime("us", "UTC"),
    "market": pl.String(),
    "line": pl.Float64(),
    "side": pl.String(),
    "p_fair": pl.Float64(),
    "p_push": pl.Float64(),
    "p_booked": pl.Float64(),
    "decimal": pl.Float64(),
    "status": pl.String(),
    "scope": pl.String(),
    "is_main": pl.Boolean(),
    "reason": pl.String(),
    "p_low": pl.Float64(),
    "p_high": pl.Float64(),
}


def published_prices(output: Output, *, from_number: int = 0) -> pl.DataFrame:
    """Return the price rows of messages `from_number` on, with the columns of `ROW_SCHEMA`."""
    heads = boards(output, from_number=from_number)
    rows = prices(output, from_number=from_number)
    shared = heads.select(
        pl.col("game_id", "odds_sequence", "cause_sequence", "event_time", "reason").gather(
            rows["board"]
        )
    )
    return (
        pl.concat([rows, shared], how="horizontal")
        .with_columns(
            pl.col("event_time").cast(ROW_SCHEMA["event_time"]),
        )
        .select(pl.col(name).cast(kind) for name, kind in ROW_SCHEMA.items())
    )


class OddsFile:
    """Keep segments of odds while the run goes on; merge them into one file at its end.

    A segment is an Arrow file named by the first number in it and the first number after it. It is
    written beside its place and renamed, so that it is there wholly or not at all.

    Args:
        path: The Parquet file to write.
        segments: Folder for the segments, of this run alone.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EFFECTIVELY_ONCE

    def __init__(self, path: Path, *, segments: Path, name: str = "odds_file") -> None:
        self.name = name
        self._path = path
        self._folder = segments
        self._next = 0
        self._small: list[Path] = []

    def open(self) -> None:
        """Find the segments of an earlier run and drop what its crash left half done."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            for torn in self._folder.glob("*.new"):
                torn.unlink()
            self._next = 0
            for segment in sorted(self._folder.glob("*.arrow"), key=_widest_first):
                first, after = _numbers(segment)
                if after <= self._next:
                    segment.unlink()  # merged into a wider one just before the crash
                elif first != self._next:
                    raise StateError(
                        f"{self._folder}: odds {self._next} to {first - 1} are missing",
                        hint="Remove the state folder and run again.",
                    )
                else:
                    self._next = after
        except OSError as error:
            raise RunError(f"{self._folder}: {error.strerror}") from error

    def wants(self, output: Output) -> bool:
        """Say whether this output has anything to write."""
        return len(output.odds) > 0

    def write(self, output: Output) -> None:
        """Write and return when it is durable."""
        self.write_many((output,))

    def write_many(self, outputs: Sequence[Output]) -> None:
        """Write several outputs as one segment, and return when it is durable."""
        after = max((int(o.odds.number[-1]) + 1 for o in outputs if len(o.odds)), default=0)
        if after <= self._next:
            return
        frames, start = [], self._next
        for output in outputs:
            frames.append(published_prices(output, from_number=start))
            start = max(start, int(output.odds.number[-1]) + 1 if len(output.odds) else 0)
        segment = self._keep(pl.concat(frames), self._next, after)
        self._next = after
        self._small.append(segment)
        if len(self._small) == SMALL_SEGMENTS:
            self._merge_small()

    def refresh(self) -> None:
        """Nothing here expires."""

    def close(self) -> None:
        """Write the Parquet file of all segments; the segments stay for a resumed run."""
        if not self._folder.is_dir():
            return
        segments = sorted(self._folder.glob("*.arrow"))
        written = self._path.with_name(self._path.name + ".new")
        try:
            if segments:
                rows = pl.concat([pl.scan_ipc(path) for path in segments])
                rows.sink_parquet(
                    written, compression="zstd", row_group_size=ROW_GROUP, maintain_order=True
                )
            else:
                pl.DataFrame(schema=ROW_SCHEMA).write_parquet(written, compression="zstd")
            replace_durably(self._path, written)
        except OSError as error:
            raise RunError(f"{self._path}: {error}") from error

    def _keep(self, rows: pl.DataFrame, first: int, after: int) -> Path:
        segment = self._folder / f"{first:020d}-{after:020d}.arrow"
        written = segment.with_suffix(".new")
        try:
            rows.write_ipc(written, compression="zstd")
            replace_durably(segment, written)
        except OSError as error:
            written.unlink(missing_ok=True)
            full = error.errno in {errno.ENOSPC, errno.EDQUOT} or "No space" in str(error)
            kind = RetryableError if full else RunError
            raise kind(f"{segment}: {os.strerror(error.errno or errno.EIO)}") from error
        return segment

    def _merge_small(self) -> None:
        rows = pl.concat([pl.read_ipc(path) for path in self._small])
        self._keep(rows, _numbers(self._small[0])[0], _numbers(self._small[-1])[1])
        for path in self._small:
            path.unlink()
        self._small = []


def _numbers(segment: Path) -> tuple[int, int]:
    first, _, after = segment.stem.partition("-")
    return int(first), int(after)


def _widest_first(segment: Path) -> tuple[int, int]:
    first, after = _numbers(segment)
    return first, -after
