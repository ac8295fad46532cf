"""Stop in order: no more intake, finish what was read, let the sinks finish, save, leave."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from oddspipe.core.runtime.hold import Release

INTERRUPTED = 130
"""Exit code of a second interrupt: left at once; `--resume` goes on."""


class StopSwitch:
    """Turned by SIGTERM, SIGINT or a caller; a second signal leaves at once.

    Attributes:
        release: Turned by SIGUSR1: partitions that are held for too many dead letters go on.
    """

    def __init__(self) -> None:
        """Begin turned on: run."""
        self._event = threading.Event()
        self.reason = ""
        self.on_second: Callable[[], None] = lambda: None
        self.release = Release()

    @property
    def requested(self) -> bool:
        """Whether the run shall drain and end."""
        return self._event.is_set()

    def request(self, reason: str) -> None:
        """Ask the run to drain."""
        if not self.reason:
            self.reason = reason
        self._event.set()

    def install(self) -> None:
        """Listen to SIGTERM, SIGINT and SIGUSR1; call it in the main thread."""
        signal.signal(signal.SIGTERM, self._heard)
        signal.signal(signal.SIGINT, self._heard)
        signal.signal(signal.SIGUSR1, lambda _number, _frame: self.release.turn())

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        if self._event.is_set():
            self.on_second()
            os._exit(INTERRUPTED)
        self.request(signal.Signals(number).name)
