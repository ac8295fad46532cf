"""`oddspipe run` on a feed that is received live: where its state lies, and when it ends."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from oddspipe.cli.run_kafka import IDLE_US, given_beside
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.adapters.live.source import LiveSource
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.runtime.drain import StopSwitch

LIVE_OPTIONS: Final = frozenset(
    {
        "sport",
        "spec",
        "platform",
        "env",
        "source",
        "until",
        "sinks",
        "state",
        "fresh",
        "resume",
        "odds_out",
        "report",
        "listen",
        "no_live",
    }
)
LOOK_S: Final = 0.2
PROTOCOLS: Final = frozenset({"websocket", "pubsub"})
"""Feeds that are received through a spool."""


def refuse_options(context: typer.Context, until: str | None) -> None:
    """Refuse options, and an end, that a live feed has no use for.

    Raises:
        UsageError: One of them was given.
    """
    if given := given_beside(context, LIVE_OPTIONS):
        raise UsageError(
            f"a run on a live feed does not take {given}",
            hint="It reads what the provider sends; for games of your own name --source.",
        )
    if until not in {None, "idle"}:
        raise UsageError(f"--until {until!r}: a live feed ends with --until idle only")


def state_of(plan: "Plan", named: Path | None, use: str = "live") -> Path:
    """Return the state folder: the one named, else one for the sport, environment and use."""
    if named is not None:
        return named
    root = Path(str(plan.deployment.values.get("state") or ".oddspipe"))
    return root / plan.sport / f"{plan.deployment.environment}-{use}"


def holds_state(folder: Path) -> bool:
    """Say whether an earlier run has left its state there; each start goes on with it."""
    return (folder / "run.json").exists()


def look_after(source: "LiveSource", stop: "StopSwitch", *, until_idle: bool, tell: bool) -> None:
    """Watch the connection from a thread: say when it breaks, and stop once the feed is silent."""
    thread = threading.Thread(
        target=_look, args=(source, stop, until_idle, tell), name="look", daemon=True
    )
    thread.start()


def _look(source: "LiveSource", stop: "StopSwitch", until_idle: bool, tell: bool) -> None:  # noqa: FBT001 - a thread's arguments
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    waits = threading.Event()
    while not stop.requested:
        for words in source.said():
            if tell:
                console.note(words or "the feed is received again")
        if until_idle and source.idle_us() > IDLE_US:
            stop.request("idle")
        waits.wait(LOOK_S)
