"""From a plan to what writes to a ClickHouse server; nothing of its client is loaded before."""

from typing import TYPE_CHECKING

from oddspipe.core.adapters.secrets import secret
from oddspipe.core.errors import UsageError
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.digest import model_digest
from oddspipe.core.plan.model import Plan

if TYPE_CHECKING:
    from oddspipe.core.adapters.clickhouse.client import Stored
    from oddspipe.core.adapters.clickhouse.history import ClickHouseEvents, ClickHouseHistory
    from oddspipe.core.adapters.clickhouse.rows import ShadowModel
    from oddspipe.core.adapters.clickhouse.server import Place


def history_of(plan: Plan, sink: SinkPlan, *, shadow: bool = False) -> "ClickHouseHistory":
    """Make what keeps the history of odds on a server, or that of the shadow.

    Raises:
        RunError: The password cannot be read.
    """
    from oddspipe.core.adapters.clickhouse.history import ClickHouseHistory  # noqa: PLC0415

    return ClickHouseHistory(
        place_of(plan, sink),
        plan.sport,
        plan.logic_digest,
        name=f"{sink.name}.shadow" if shadow else sink.name,
        shadow=shadow_model_of(plan) if shadow else None,
    )


def store_of(plan: Plan) -> "ClickHouseHistory":
    """Return the history of odds on the environment's ClickHouse server.

    Raises:
        UsageError: It has none.
        RunError: The password cannot be read.
    """
    for sink in plan.published:
        if sink.kind == "clickhouse":
            return history_of(plan, sink)
    raise UsageError(
        f"environment {plan.deployment.environment!r} has no ClickHouse server",
        hint="Give it `clickhouse: {url: …}` in platform.yaml, or leave --env out: the run's own "
        "store is asked.",
    )


def events_of(plan: Plan, sink: SinkPlan) -> "ClickHouseEvents":
    """Make what keeps normalised events on a server.

    Raises:
        RunError: The password cannot be read.
    """
    from oddspipe.core.adapters.clickhouse.history import ClickHouseEvents  # noqa: PLC0415

    stored, name = stored_of(plan, sink), f"{sink.name}_events"
    return ClickHouseEvents(place_of(plan, sink), stored, name=name)


def stored_of(plan: Plan, sink: SinkPlan) -> "Stored":
    """Return what of a sport is stored, and under which names."""
    from oddspipe.core.adapters.clickhouse.client import Stored  # noqa: PLC0415

    store = dict(sink.options["store"])
    shadow = shadow_model_of(plan)
    return Stored(plan.sport, plan.layout, plan.kinds, store, plan.logic_digest, shadow)


def shadow_model_of(plan: Plan) -> "ShadowModel | None":
    """Return whose prices those of the plan's shadow are; None without one."""
    from oddspipe.core.adapters.clickhouse.rows import ShadowModel  # noqa: PLC0415

    if plan.shadow is None:
        return None
    model = plan.shadow.model
    return ShadowModel(model.name, model.version, model_digest(model))


def place_of(plan: Plan, sink: SinkPlan) -> "Place":
    """Return the server that a sink names.

    Raises:
        RunError: The password cannot be read.
    """
    from oddspipe.core.adapters.clickhouse.server import Place  # noqa: PLC0415

    place = plan.deployment.values.get("clickhouse") or {}
    login = None
    if name := place.get("username"):
        word = place.get("password")
        login = (str(name), secret(str(word)) if word else "")
    return Place(plan.clickhouse_url(sink), str(place.get("database") or "oddspipe"), login)
