"""The records of a feed as Parquet files, in a folder or at an S3-compatible address.

`WHERE/TOPIC/partition=P/FIRST-LAST.parquet` with the columns offset, time_ms, key, value. What is
saved goes on where the files end, so a timer may run it; a file that stands twice counts once.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from oddspipe.core.adapters.kafka.committed import Committed, Kept
from oddspipe.core.errors import RunError

AT_ONCE: Final = 10_000
FILE_ROWS: Final = 1_000_000
"""Some 80 MB of NFL events before compression."""
_SCHEMA: Final = {"offset": pl.Int64, "time_ms": pl.Int64, "key": pl.Binary, "value": pl.Binary}


class FeedBackup:
    """Where a feed is kept.

    Args:
        where: Folder, or address such as `s3://bucket/feeds`; the environment's usual variables
            (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …) say how it is reached.
        topic: The feed's topic.
    """

    def __init__(self, where: str, topic: str) -> None:
        """Take the names; nothing is read yet."""
        self._where = f"{where.rstrip('/')}/{topic}"
        self._is_folder = "://" not in where

    def records(self, partition: int) -> Iterator[list[Kept]]:
        """Yield what is kept of a partition, in order, none twice.

        Raises:
            RunError: There is nothing, or it cannot be read.
        """
        at = 0
        try:
            rows = self._rows(partition)
            while len(part := rows.filter(pl.col("offset") >= at).pipe(_next).collect()):
                at = int(part["offset"][-1]) + 1
                yield [Kept(*row) for row in part.iter_rows()]
        except (PolarsError, OSError) as error:
            raise RunError(
                f"{self._where}: partition {partition} cannot be read: {error}",
                hint="Save it first: oddspipe feed save --to WHERE.",
            ) from error

    def save(self, partition: int, read: Committed, topic: str) -> int:
        """Write what has come since the last time; return how many records that is.

        Raises:
            RunError: The cluster does not answer, or the files cannot be written.
        """
        saved, waiting = 0, list[Kept]()
        for part in read.records(topic, partition, self._reached(partition)):
            waiting += part
            if len(waiting) >= FILE_ROWS:
                saved += self._write(partition, waiting)
                waiting = []
        return saved + (self._write(partition, waiting) if waiting else 0)

    def _rows(self, partition: int) -> pl.LazyFrame:
        return pl.scan_parquet(f"{self._folder(partition)}/*.parquet").select(*_SCHEMA)

    def _folder(self, partition: int) -> str:
        return f"{self._where}/partition={partition}"

    def _reached(self, partition: int) -> int:
        """Return the offset after the last one that is kept."""
        try:
            last = self._rows(partition).select(pl.col("offset").max()).collect().item()
        except (PolarsError, OSError):
            return 0  # nothing is there yet; if nothing can be there, writing says so
        return 0 if last is None else int(last) + 1

    def _write(self, partition: int, records: list[Kept]) -> int:
        rows = [(one.offset, one.time_ms, one.key, one.value) for one in records]
        frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
        folder, name = self._folder(partition), f"{rows[0][0]:020}-{rows[-1][0]:020}.parquet"
        try:
            if not self._is_folder:
                frame.write_parquet(f"{folder}/{name}")
                return len(rows)
            Path(folder).mkdir(parents=True, exist_ok=True)
            # Under another name first: a killed run must not leave half a file to be read.
            frame.write_parquet(f"{folder}/{name}.part")
            Path(f"{folder}/{name}.part").rename(f"{folder}/{name}")
        except (PolarsError, OSError) as error:
            raise RunError(f"{folder}: cannot be written: {error}") from error
        return len(rows)


def _next(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.unique("offset").sort("offset").head(AT_ONCE)
