"""What was received, on disk: batches end to end in segment files, read again from any position.

A batch is durable once `append` returns, together with the provider's cursor after it; a torn end
(power cut, kill) is cut off when the spool is opened, and the provider is asked for it again.
Damage before the end is no such thing: it is told, and nothing is cut off.
"""

import os
import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import RunError
from oddspipe.core.failpoints import passed

SEGMENT_BYTES: Final = 8 << 20
"""A segment that has grown to this is followed by another one."""
_FRONT: Final = struct.Struct("<4sIIIH")  # magic, messages, bytes, own, cursor
_CHECK: Final = struct.Struct("<I")  # check sum of what is before it and what follows
_HEAD_BYTES: Final = _FRONT.size + _CHECK.size
_MAGIC: Final = b"OSP1"
_ROW: Final = 12  # received, length


class Block(NamedTuple):
    """Messages that were received together.

    Attributes:
        first: Position of the first of them.
        own: They are events of ours (ticks), not the provider's messages.
        received_us: When each was received, shape (n,).
        data: Their bytes end to end.
        starts, ends: Where each lies in `data`, shape (n,).
        cursor: The provider's cursor after them.
    """

    first: int
    own: bool
    received_us: NDArray[np.int64]
    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    cursor: bytes = b""

    def part(self, skip: int) -> "Block":
        """Return it without its first `skip` messages."""
        return Block(
            self.first + skip, self.own, self.received_us[skip:], self.data, self.starts[skip:],
            self.ends[skip:], self.cursor,
        )  # fmt: skip


@dataclass(slots=True)
class _Segment:
    """A file, the positions that it holds, and where each of its batches begins."""

    path: Path
    first: int
    count: int = 0
    size: int = 0
    batches: list[tuple[int, int]] = field(default_factory=list)


class Spool:
    """A bounded queue on disk with a reader; safe for one writer and one reader thread.

    Args:
        folder: Where the segments lie; it is made.
        limit_bytes: `append` waits while more than this lies there.

    Attributes:
        limit_bytes: As given.
        cursor: The provider's cursor after the last message; empty before the first.
        first, end: Position of the oldest message, and of the next one to come.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Open what is there.

        Raises:
            RunError: The folder cannot be used, or what lies there is damaged before its end.
        """
        self._folder = folder
        self.limit_bytes = limit_bytes
        self._segment_bytes = max(64 << 10, min(SEGMENT_BYTES, limit_bytes // 4))
        self._changed = threading.Condition()
        self._segments: list[_Segment] = []
        self._closed = False
        self._broken = False
        self.cursor = b""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.spool")):
                self._take_up(path)
            self._file = self._open_last()
        except OSError as error:
            raise RunError(f"{folder}: the spool cannot be used: {error.strerror}") from error

    @property
    def first(self) -> int:
        """Return the position of the oldest message."""
        with self._changed:
            return self._segments[0].first

    @property
    def end(self) -> int:
        """Return the position of the next message to come."""
        with self._changed:
            last = self._segments[-1]
            return last.first + last.count

    @property
    def size(self) -> int:
        """Return the bytes that lie there."""
        with self._changed:
            return sum(segment.size for segment in self._segments)

    def has_room(self) -> bool:
        """Say whether `append` may be called: what is received otherwise has nowhere to go."""
        return self.size < self.limit_bytes

    def append(
        self, messages: Sequence[bytes], received_us: int, cursor: bytes, *, own: bool = False
    ) -> None:
        """Write messages and the cursor after them; they are on the disk when this returns.

        Raises:
            RunError: The disk does not take it.
        """
        lengths = np.fromiter(map(len, messages), np.uint32, len(messages))
        times = np.full(len(messages), received_us, np.int64)
        body = b"".join([cursor, times.tobytes(), lengths.tobytes(), *messages])
        size = int(lengths.sum(dtype=np.int64))
        front = _FRONT.pack(_MAGIC, len(messages), size, own, len(cursor))
        head = front + _CHECK.pack(zlib.crc32(body, zlib.crc32(front)))
        if self._broken:
            raise RunError(f"{self._folder}: the spool could not be written before")
        try:
            if self._segments[-1].size >= self._segment_bytes:
                self._file.close()
                self._file = self._begin(self.end)
            passed("spool.writing")
            self._file.write(head + body)
            self._file.flush()
            passed("spool.flushing")
            os.fdatasync(self._file.fileno())
            passed("spool.written")
        except OSError as error:
            self._broken = True  # half a batch may lie there: only a start cuts it off
            raise RunError(
                f"{self._folder}: the spool cannot be written: {error.strerror}",
                hint="Nothing that was acknowledged is lost; make room and start again.",
            ) from error
        with self._changed:
            last = self._segments[-1]
            last.batches.append((last.first + last.count, last.size))
            last.count += len(messages)
            last.size += len(head) + len(body)
            self.cursor = cursor
            self._changed.notify_all()

    def read(self, position: int, timeout_s: float) -> Block | None:
        """Return the messages from `position` on that were received together; None if none came.

        Raises:
            RunError: The position was trimmed, or the file is damaged.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ends_after(position), timeout_s)
            if not self._ends_after(position):
                return None
            if position < self._segments[0].first:
                raise RunError(
                    f"{self._folder}: message {position} is no longer there, the oldest is "
                    f"{self._segments[0].first}",
                    hint="The state is older than the spool: begin anew with --fresh.",
                )
            segment = next(s for s in reversed(self._segments) if s.first <= position)
            at = int(np.searchsorted([first for first, _ in segment.batches], position, "right"))
            first, offset = segment.batches[at - 1]
            path = segment.path
        block, _ = _batch(path, offset, first)
        return block.part(position - first)

    def trim(self, position: int) -> None:
        """Remove segments whose messages all lie before `position`."""
        with self._changed:
            while len(self._segments) > 1 and self._segments[1].first <= position:
                self._segments.pop(0).path.unlink(missing_ok=True)
            self._changed.notify_all()

    def begin_after(self, cursor: bytes) -> None:
        """Say where the provider's messages go on, of a spool that has taken none yet."""
        if self.end == 0:
            self.cursor = cursor

    def close(self) -> None:
        """Close the file; who waits in `read` returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._file.close()

    def _ends_after(self, position: int) -> bool:
        last = self._segments[-1]
        return last.first + last.count > position

    def _open_last(self) -> BinaryIO:
        if not self._segments:
            return self._begin(0)
        return self._segments[-1].path.open("ab")

    def _begin(self, first: int) -> BinaryIO:
        path = self._folder / f"{first:020d}.spool"
        file = path.open("xb")
        _keep_names(self._folder)
        passed("spool.segment")
        with self._changed:
            self._segments.append(_Segment(path, first))
        return file

    def _take_up(self, path: Path) -> None:
        """Read the heads of a segment; cut off what is torn at its end."""
        segment = _Segment(path, int(path.stem))
        if self._segments and self._segments[-1].first + self._segments[-1].count != segment.first:
            raise RunError(
                f"{path}: messages before it are missing",
                hint="Restore the spool, or begin anew with --fresh.",
            )
        end = path.stat().st_size
        while segment.size < end:
            try:
                block, length = _batch(path, segment.size, segment.first + segment.count)
            except RunError:
                if _goes_on(path, segment.size):
                    raise
                os.truncate(path, segment.size)
                break
            segment.batches.append((block.first, segment.size))
            segment.count += len(block.starts)
            segment.size += length
            self.cursor = block.cursor
        self._segments.append(segment)


def _batch(path: Path, offset: int, first: int) -> tuple[Block, int]:
    """Read one batch; return it and its length in the file.

    Raises:
        RunError: It is torn or damaged.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            head = file.read(_HEAD_BYTES)
            if len(head) == _HEAD_BYTES and head[:4] == _MAGIC:
                _, count, size, own, cursor = _FRONT.unpack_from(head)
                (check,) = _CHECK.unpack_from(head, _FRONT.size)
                length = cursor + _ROW * count + size
                body = file.read(length)
                if (
                    len(body) == length
                    and zlib.crc32(body, zlib.crc32(head[: _FRONT.size])) == check
                ):
                    times = np.frombuffer(body, np.int64, count, cursor)
                    lengths = np.frombuffer(body, np.uint32, count, cursor + 8 * count)
                    ends = np.cumsum(lengths, dtype=np.int64)
                    data = np.frombuffer(body, np.uint8, size, cursor + _ROW * count)
                    block = Block(
                        first, bool(own), times, data, ends - lengths, ends, body[:cursor]
                    )
                    return block, _HEAD_BYTES + length
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    raise RunError(
        f"{path}: damaged at byte {offset}",
        hint="Restore the file, or begin anew with --fresh.",
    )


def _goes_on(path: Path, offset: int) -> bool:
    """Say whether a whole batch follows what is damaged at `offset`: then it is no torn end."""
    data = path.read_bytes()
    at = data.find(_MAGIC, offset + 1)
    while at >= 0:
        try:
            _batch(path, at, 0)
        except RunError:
            at = data.find(_MAGIC, at + 1)
        else:
            return True
    return False


def _keep_names(folder: Path) -> None:
    """Write the folder itself: a new file that a power cut took from it would be lost whole."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
