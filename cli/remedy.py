"""`oddspipe remedy`: what mends a running deployment; jobs in the cluster call it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.core.errors import UsageError

Spec = Annotated[Path | None, typer.Option(help="This spec in place of --sport.")]


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(
        no_args_is_help=True, help="Mend a deployment in a cluster, as its jobs do by themselves."
    )
    group.command(name="free-slots")(free_slots)
    group.command(name="rebuild-cache")(rebuild_cache)
    app.add_typer(group, name="remedy")


def free_slots(
    *,
    sport: Annotated[str, typer.Option(help="Name of a sport, as in the label of its pods.")],
    after: Annotated[
        int, typer.Option(min=0, help="Seconds after which a pod should have been gone.")
    ] = 120,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Name the pods, and leave them alone.")
    ] = False,
) -> None:
    """Free the slots of pods that should have ended and whose node does not answer.

    In the namespace of the pod that it runs in. A pod that runs on all the same is fenced: what it
    does is refused by the brokers. Exit codes: 0 done, or nothing to do; 2 it runs in no cluster; 4
    Kubernetes does not answer, or refuses.
    """
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above
    from oddspipe.core.remedies import slots  # noqa: PLC0415 - as above
    from oddspipe.core.remedies.cluster import own_cluster  # noqa: PLC0415 - as above

    now = datetime.fromtimestamp(SystemClock().now_us() / 1e6, UTC)
    labels = {"oddspipe.io/sport": sport, "app.kubernetes.io/name": "oddspipe"}
    found = slots.free_slots(own_cluster(), labels, now, timedelta(seconds=after), dry=dry_run)
    word = "would be freed" if dry_run else "freed"
    console.show(*(f"{name}: {word}" for name in found) if found else ["no slot is stuck"])


def rebuild_cache(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Spec = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "dev",
    publisher: Annotated[str, typer.Option(help="StatefulSet of the publisher.")],
    hours: Annotated[
        int, typer.Option(min=1, max=168, help="How far back odds are read again.")
    ] = 12,
) -> None:
    """Fill the cache anew from the odds topic, after it has lost what it had.

    The publisher is stopped, set back and started; it reads the odds of the last hours again. Odds
    that the cache has newer ones of are refused by their sequence. Exit codes: 0 done; 1 the spec
    has faults; 2 wrong usage, or it runs in no cluster; 4 the brokers or Kubernetes do not answer,
    or refuse: the publisher runs as before.
    """
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - an extra's

    from oddspipe.cli import console  # noqa: PLC0415 - as above
    from oddspipe.core.adapters.kafka.access import cluster_of  # noqa: PLC0415 - as above
    from oddspipe.core.assemble_stages import group_of, topics_of  # noqa: PLC0415 - as above
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - as above
    from oddspipe.core.remedies.cache import Publisher, rebuild  # noqa: PLC0415 - as above
    from oddspipe.core.remedies.cluster import own_cluster  # noqa: PLC0415 - as above

    plan = plan_of(sport, spec, platform, env)
    caches = [one.name for one in plan.published if one.kind == "redis"]
    if not caches:
        raise UsageError(f"{plan.sport} keeps no odds in a cache in {env}")
    cluster, clock = own_cluster(), SystemClock()
    admin = AdminClient(cluster_of(plan).settings())
    since_ms = clock.now_us() // 1000 - hours * 3_600_000
    for name in caches:
        group = f"{group_of(plan, None)}.{name}"
        made = Publisher(cluster, publisher, group, topics_of(plan).odds)
        places = rebuild(admin, made, since_ms, clock, console.note)
        console.show(f"{group}: reads {len(places)} partitions again, {hours} h back")
