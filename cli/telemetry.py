"""`--listen`: metrics, health and readiness of a run while it goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oddspipe.core.clock import Clock
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.telemetry.readings import Reading


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a run is served, if it is asked for, and of which sport it is: a name or a file."""

    address: str | None
    sport: str | Path


@contextmanager
def served(
    plan: "Plan",
    listen: Listen,
    read: Callable[["Clock"], "Reading"],
) -> Iterator[None]:
    """Serve a run where that is asked for, as long as the block goes on.

    Games that should be on are looked up in imported schedules, beside the spec too.

    Raises:
        OddspipeError: The address is none, or taken; an imported schedule cannot be read.
    """
    if listen.address is None:
        yield
        return
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import find_spec  # noqa: PLC0415 - as above
    from oddspipe.core.schedules.fixtures import fixtures_of  # noqa: PLC0415 - as above
    from oddspipe.core.telemetry.collect import RunCollector  # noqa: PLC0415 - as above
    from oddspipe.core.telemetry.serve import Telemetry  # noqa: PLC0415 - as above

    clock = SystemClock()

    def reading() -> "Reading":
        return read(clock)

    fixtures = fixtures_of(plan.sport, plan.schedule, find_spec(listen.sport))
    made = Telemetry(listen.address, RunCollector(plan, reading, clock, fixtures), reading)
    console.note(f"metrics, health and readiness: {made.url}/metrics")
    try:
        yield
    finally:
        made.close()
