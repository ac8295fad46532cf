"""Tails of a fixed length behind byte strings, in plain Python: the meaning of `_tail.pyx`."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


def put_tails(
    data: Bytes, starts: Places, ends: Places, tails: Bytes
) -> tuple[Bytes, Places, Places]:
    """Copy each span of a buffer and put its tail behind it.

    Args:
        data: A buffer.
        starts: Where spans of it begin, shape (n,).
        ends: Where they end.
        tails: A tail a span, all of one length, shape (n, length).

    Returns:
        The spans with their tails, end to end, and where each starts and ends.

    Raises:
        ValueError: A span lies outside the buffer, or there are not as many tails as spans.
    """
    check(data, starts, ends)
    if len(tails) != len(starts):
        raise ValueError(f"there are {len(starts)} spans and {len(tails)} tails")
    raw = data.tobytes()
    parts = [
        raw[start:end] + tail.tobytes()
        for start, end, tail in zip(starts.tolist(), ends.tolist(), tails, strict=True)
    ]
    upto = np.cumsum(ends - starts + tails.shape[1], dtype=np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), _begins(upto), upto


def take_tails(data: Bytes, starts: Places, ends: Places, length: int) -> Bytes:
    """Return the last `length` bytes of each span, shape (n, length); zeros of a shorter one.

    Raises:
        ValueError: A span lies outside the buffer.
    """
    check(data, starts, ends)
    found = np.zeros((len(starts), length), np.uint8)
    for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if end - start >= length:
            found[row] = data[end - length : end]
    return found


def check(data: Bytes, starts: Places, ends: Places) -> None:
    """See that every span lies in the buffer.

    Raises:
        ValueError: One does not.
    """
    if len(starts) != len(ends):
        raise ValueError(f"there are {len(starts)} starts and {len(ends)} ends")
    if len(starts) and ((starts < 0) | (ends < starts) | (ends > len(data))).any():
        raise ValueError("a span reaches past its buffer")


def _begins(upto: Places) -> Places:
    begins = np.zeros_like(upto)
    begins[1:] = upto[:-1]
    return begins
