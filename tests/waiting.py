"""Wait for what has to come, not for a number of seconds."""

import time
from collections.abc import Callable
from typing import Any


def until(holds: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Wait for something; return what held, or what it was when the time was over: assert it."""
    ends = time.monotonic() + within_s
    while not (held := holds()) and time.monotonic() < ends:
        time.sleep(0.02)
    return held
