"""`--listen`: metrics, health and readiness of a run while it goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oddspipe.core.clock import Clock
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.telemetry.readings import Reading


@contextmanager
def served(
    plan: "Plan", listen: str | None, read: Callable[["Clock"], "Reading"]
) -> Iterator[None]:
    """Serve a run where that is asked for, as long as the block goes on.

    Raises:
        OddspipeError: The address is none, or taken.
    """
    if listen is None:
        yield
        return
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above
    from oddspipe.core.telemetry.collect import RunCollector  # noqa: PLC0415 - as above
    from oddspipe.core.telemetry.serve import Telemetry  # noqa: PLC0415 - as above

    clock = SystemClock()

    def reading() -> "Reading":
        return read(clock)

    made = Telemetry(listen, RunCollector(plan, reading, clock), reading)
    console.note(f"metrics, health and readiness: {made.url}/metrics")
    try:
        yield
    finally:
        made.close()
