"""`oddspipe up`: all processes of a sport over Kafka, on this machine, kept running."""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.services.supervise import Child

MAIN = "from oddspipe.cli.app import main; main()"
COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(name="up")(up)


def up(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="This spec in place of --sport.")] = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "dev",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many price games, and normalise with `stages: apart`; the environment's "
            "`replicas`.",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="`idle`: end when the feed is silent and every stage has drained."),
    ] = None,
    listen: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_000,
            help="Port of the first process's /metrics, /health and /ready; the others follow.",
        ),
    ] = None,
) -> None:
    """Run all stages of a sport over Kafka, each in its own process, and keep them running.

    A live feed has an ingest; then come the workers that normalise, where that is a stage of its
    own, and those that price, one a slot, and what brings topics to sinks. A process that ends is
    started again within a second, more slowly if it keeps ending. All of them end with this one: in
    order on Ctrl-C or SIGTERM, at once when it is killed; nothing is lost either way. SIGUSR1 goes
    to all of them: what is held for too many dead letters goes on. Exit codes: 0 stopped or
    drained; 1 the spec has faults; 2 wrong usage; 3 a plug-in is at fault; 4 a process cannot go
    on.
    """
    if until not in {None, "idle"}:
        raise UsageError(f"--until {until!r}: this ends with --until idle only")
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above
    from oddspipe.core.runtime.drain import StopSwitch  # noqa: PLC0415 - as above
    from oddspipe.core.services.local import endpoints  # noqa: PLC0415 - as above
    from oddspipe.core.services.supervise import Supervisor  # noqa: PLC0415 - as above

    plan = plan_of(sport, spec, platform, env)
    if not plan.deployment.values.get("kafka"):
        raise UsageError(
            f"environment {env!r} has no Kafka: there is one process, `oddspipe run`",
            hint="Name an environment with `kafka` by --env.",
        )
    asked = ["--env", env]
    for name, value in (("--sport", sport), ("--spec", spec), ("--platform", platform)):
        asked += [name, str(value)] if value is not None else []
    count = workers or int(plan.deployment.values.get("replicas") or 1)
    levels = _levels(plan, asked, count, listen)
    children = [child for level in levels for child in level]
    colours = {child.name: COLOURS[at % len(COLOURS)] for at, child in enumerate(children)}
    width = max(map(len, colours))
    console.note(f"{plan.sport}: {', '.join(colours)}; stop them with Ctrl-C")

    def tell(name: str, line: str) -> None:
        head = console.Text(f"{name:<{width}} │ ", style=colours[name])
        console.note(console.Text.assemble(head, line))

    stop = StopSwitch()
    stop.install()
    supervisor = Supervisor(levels, {**endpoints(), **os.environ}, tell, SystemClock())
    stop.release.on_turn = lambda: supervisor.pass_on(signal.SIGUSR1)
    supervisor.run(lambda: stop.requested, until_idle=until is not None)
    again = sum(child.starts - 1 for child in children if child.starts)
    console.show(f"{plan.sport}: all stages have ended; started again: {again}")


def _levels(
    plan: "Plan", asked: list[str], workers: int, listen: int | None
) -> list[list["Child"]]:
    """Return the processes, by how they follow each other."""
    from oddspipe.core.services.supervise import Child  # noqa: PLC0415 - as above

    made: list[Child] = []

    def child(name: str, *words: str) -> Child:
        port = [] if listen is None else ["--listen", f"127.0.0.1:{listen + len(made)}"]
        command = [sys.executable, "-c", MAIN, "run", *asked, *words, *port, "--no-live"]
        made.append(Child(name, command, ("--until", "idle")))
        return made[-1]

    ingest = [child("ingest", "--stage", "ingest")] if plan.feed.protocol != "kafka" else []
    stages = ["normalise", "price"] if plan.apart else ["price"]
    work = [
        [child(f"{stage}-{slot}", "--stage", stage, "--slot", str(slot)) for slot in range(workers)]
        for stage in stages
    ]
    publish = [child("publish", "--stage", "publish")] if plan.published else []
    return [ingest, *work, publish]
