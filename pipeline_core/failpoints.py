"""Named places at which a test may kill the process, to prove that it may die there.

`ODDSPIPE_FAILPOINTS=spool.written=3` kills it (SIGKILL, as `kill -9` and a power cut would) when
that place is passed for the third time. Without the variable a place costs one look at an empty
mapping; they stand at boundaries of steps and transactions, never where single events pass.
"""

import os
import signal
from typing import Final

from oddspipe.core.errors import UsageError

VARIABLE: Final = "ODDSPIPE_FAILPOINTS"
POINTS: Final = frozenset(
    {
        "fused.stepped", "fused.handed_out", "fused.snapshot", "fused.held",
        "fused.drained",
        "state.prepared", "state.renamed", "state.published", "state.committed",
        "lane.writing", "lane.written", "lane.acknowledged",
        "spool.writing", "spool.flushing", "spool.written", "spool.segment",
        "kafka.begun", "kafka.stepped", "kafka.pushed", "kafka.saved", "kafka.offsets",
        "kafka.committing", "kafka.committed", "kafka.taken_up", "kafka.held",
        "ingest.pushed", "ingest.committing", "ingest.committed", "ingest.acknowledged",
        "publish.writing", "publish.written", "publish.noted",
        "correct.committing", "correct.committed",
        "round.noted", "round.writing", "round.written", "round.done",
    }
)  # fmt: skip
"""Every place, by the part of the program that it is in."""


def armed(text: str) -> dict[str, int]:
    """Return after how many times each place of a setting kills.

    >>> armed("spool.written=3, kafka.begun")
    {'spool.written': 3, 'kafka.begun': 1}

    Raises:
        UsageError: There is no such place, or the number is none.
    """
    found: dict[str, int] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, count = one.partition("=")
        if name not in POINTS or not (count or "1").isdecimal() or count == "0":
            raise UsageError(f"{VARIABLE}: {one!r} is no place", hint=", ".join(sorted(POINTS)))
        found[name] = int(count or 1)
    return found


_left = armed(os.environ.get(VARIABLE, ""))


def passed(name: str) -> None:
    """Note that a place is passed; the process dies here if that was asked for."""
    if name in _left:
        _left[name] -= 1
        if _left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
