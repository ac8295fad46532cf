"""`oddspipe feed`: be the provider, to try a sport on real services."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.adapters.pubsub.feed import PublishedFeed
    from oddspipe.core.adapters.websocket.server import PushServer
    from oddspipe.core.plan.model import Plan
    from oddspipe.core.ports.source import Source
    from oddspipe.core.runtime.drain import StopSwitch

LINE_S = 5.0
LOOK_S = 0.1
PUBSUB = "127.0.0.1:8085"
"""Where a Pub/Sub service listens unless `PUBSUB_EMULATOR_HOST` says otherwise."""


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(no_args_is_help=True, help="Be the provider of a feed.")
    group.callback()(_group)
    group.command(name="serve")(serve)
    group.command(name="save")(save)
    app.add_typer(group, name="feed")


def _group() -> None:
    """Be the provider of a feed."""


def serve(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="This spec in place of --sport.")] = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "dev",
    data: Annotated[
        Path | None, typer.Option(help="Folder of recorded games to make the feed around.")
    ] = None,
    games: Annotated[int | None, typer.Option(min=1, help="How many games.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same games.")] = 1,
    rate: Annotated[
        int | None, typer.Option(min=1, help="Events a second at the busiest moment.")
    ] = None,
    duration: Annotated[float | None, typer.Option(min=0.001, help="Seconds of it.")] = None,
    faults: Annotated[str, typer.Option(help="What it does wrong; see `oddspipe run`.")] = "",
    max_speed: Annotated[
        bool, typer.Option("--max-speed", help="As fast as the topic takes it.")
    ] = False,
) -> None:
    """Send a simulated feed to where the sport reads it.

    To a Kafka topic: each game has a partition, each event the game as key; what was sent is
    appended to a ledger that `oddspipe verify` reads. Over a WebSocket, at the spec's `feed.url` if
    that is of this machine: subscribers get the provider's JSON, each from its cursor on. To
    Pub/Sub: a service in memory at `PUBSUB_EMULATOR_HOST`, set for both commands, with the sport's
    subscription. There event times are moved to now. Stop it with Ctrl-C. Exit codes: 0 all sent
    or stopped; 1 the spec has faults; 2 wrong usage; 4 the topic does not take it, or the port is
    taken.
    """
    plan = plan_of(sport, spec, platform, env)
    if plan.feed.protocol not in {"kafka", "websocket", "pubsub"}:
        raise UsageError(f"{plan.sport}: a feed by {plan.feed.protocol} cannot be served yet")
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble import Input, source_of  # noqa: PLC0415 - as above
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above
    from oddspipe.core.runtime.drain import StopSwitch  # noqa: PLC0415 - as above

    given = Input(
        folder=str(data.resolve()) if data else "",
        games=games,
        seed=seed,
        rate=rate,
        duration_s=duration,
        faults=faults,
    )
    stop, clock = StopSwitch(), SystemClock()
    stop.install()
    source = source_of(plan, given, None if max_speed else 1.0)
    if plan.feed.protocol != "kafka":
        _push(plan, source, stop)
        return
    from oddspipe.core.assemble_kafka import feed_server_of  # noqa: PLC0415 - an extra's

    server = feed_server_of(plan)
    console.note(f"{plan.sport}: serving {server.topic}; ledger {server.ledger.file}")
    begun = clock.monotonic_ns()
    server.serve(source, lambda: stop.requested)
    seconds = (clock.monotonic_ns() - begun) / 1e9
    console.show(
        f"sent {server.sent:,} records in {seconds:.1f} s, {server.sent / seconds:,.0f} a second"
    )


def save(
    *,
    to: Annotated[
        str, typer.Option(help="Folder, or an S3-compatible address such as s3://bucket/feeds.")
    ],
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="This spec in place of --sport.")] = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "dev",
) -> None:
    """Keep the records of a feed's topic as Parquet files, from where they end now.

    `oddspipe run --correct --backup` reads them when the topic no longer holds a stretch. What has
    been saved is not written again, so it may run on a timer. Exit codes: 0 done; 1 the spec has
    faults; 2 wrong usage; 4 the cluster does not answer, or the files cannot be written.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble_kafka import save_feed  # noqa: PLC0415 - an extra's

    saved = save_feed(plan_of(sport, spec, platform, env), to)
    console.show(f"saved {sum(saved.values()):,} records of {len(saved)} partitions to {to}")


def _push(plan: "Plan", source: "Source", stop: "StopSwitch") -> None:
    """Serve a WebSocket or a Pub/Sub service until it is stopped; subscribers may come and go."""
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.assemble_live import (  # noqa: PLC0415 - an extra's
        published_feed_of,
        push_server_of,
    )
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above

    server: PushServer | PublishedFeed
    if plan.feed.protocol == "websocket":
        server = push_server_of(plan, SystemClock())
    else:
        address = os.environ.get("PUBSUB_EMULATOR_HOST", PUBSUB)
        server = published_feed_of(plan, SystemClock(), address)
    server.start()
    console.note(f"{plan.sport}: serving {server.place}; stop it with Ctrl-C")
    try:
        server.make(source, lambda: stop.requested)
        console.show(f"made {server.sent:,} messages; serving them until Ctrl-C")
        while not stop.requested:
            time.sleep(LOOK_S)
    finally:
        server.stop()
