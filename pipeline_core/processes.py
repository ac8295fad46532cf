"""Processes by their handles."""

import contextlib
import select
import signal


def ended(handle: int, what: signal.Signals, within_s: float) -> bool:
    """Send a signal to a process, and say whether it has ended some time later.

    Args:
        handle: Of `os.pidfd_open`; of any number, which `select` would not take from 1,024 on.
        what: The signal; no harm is done to a process that is gone.
        within_s: How long to wait for its end.
    """
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, what)
    waiting = select.poll()
    waiting.register(handle, select.POLLIN)
    return bool(waiting.poll(within_s * 1000))
