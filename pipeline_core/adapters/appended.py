"""A file that only grows by whole lines, and survives a kill at any byte."""

import errno
import os
from pathlib import Path

from oddspipe.core.errors import RetryableError, RunError, StateError

READ_BACK = 64 * 1024
"""Bytes read at a time when looking for the last whole line."""


class AppendedLines:
    """Append lines durably; a line that a crash tore is cut off when the file is opened.

    Args:
        path: The file; its folder is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._size = 0

    def open(self) -> bytes:
        """Cut off a torn tail and return the last whole line, or nothing for a new file.

        Raises:
            RunError: The file cannot be opened for writing.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            length = os.fstat(self._fd).st_size
            self._size = self._end_of_last_line(length)
            if self._size < length:
                os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            _sync_folder(self._path.parent)
        except OSError as error:
            self.close()
            raise RunError(f"{self._path}: cannot be opened: {error.strerror}") from error
        if not self._size:
            return b""
        start = self._end_of_last_line(self._size - 1)
        return os.pread(self._fd, self._size - 1 - start, start)

    def append(self, lines: bytes) -> None:
        """Append `lines`, which end in a newline, and return when they are on the disk.

        Raises:
            RetryableError: The disk is full; what was written of `lines` has been taken back.
            RunError: The disk failed.
        """
        if not lines:
            return
        if self._fd < 0:
            raise StateError(f"{self._path}: is closed")
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
            os.fdatasync(self._fd)
        except OSError as error:
            self._take_back()
            full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
            kind = RetryableError if full else RunError
            raise kind(
                f"{self._path}: {len(lines)} bytes not written: {error.strerror}",
                hint="Free space on this disk." if full else "",
            ) from error
        self._size += len(lines)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take_back(self) -> None:
        os.ftruncate(self._fd, self._size)
        os.lseek(self._fd, self._size, os.SEEK_SET)

    def _end_of_last_line(self, before: int) -> int:
        """Return the place after the last newline in the first `before` bytes."""
        while before > 0:
            start = max(0, before - READ_BACK)
            at = os.pread(self._fd, before - start, start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            before = start
        return 0


def replace_durably(path: Path, written: Path) -> None:
    """Put the file `written` in the place of `path`, on the disk when this returns."""
    fd = os.open(written, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    written.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
