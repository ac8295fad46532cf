"""Where events and odds lie, what each sink keeps of them, and what a crash does there."""

from collections.abc import Iterator, Mapping
from typing import Any

from oddspipe.core.adapters.clickhouse.ddl import table
from oddspipe.core.adapters.places import CLICKHOUSE_FOLDER, DEAD_LETTERS_FILE, REDIS_FOLDER
from oddspipe.core.adapters.redis.commands import current_key, memory_key
from oddspipe.core.explain.facts import Fact, SinkFacts, Store
from oddspipe.core.explain.over_kafka import (
    is_over_kafka,
    sink_over_kafka,
    tables_kept,
    topics_kept,
)
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.graph import counted
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.shown import without_login
from oddspipe.core.ports.registry import origin

CRASH = {
    "redis": "what was not acknowledged is written again and refused where it is not newer; the "
    "current odds outlive us by {ttl}, then a missing key says that nobody publishes",
    "clickhouse": "on --resume each table is asked for its largest number and rows up to it are "
    "skipped; a block is there wholly or not at all",
    "partner_log": "on --resume a torn last line is cut off and messages up to the last number are "
    "skipped",
    "kafka": "an open transaction is aborted, readers of committed records never saw it; the batch "
    "is written again",
    "dead_letters": "on --resume a torn last line is cut off; letters that are there are skipped",
    "plugin": "what was not acknowledged is given again; the package's sink skips by number what "
    "it has",
}

OF_RUN = "as long as the folder of the run"


def sinks_of(plan: Plan) -> list[SinkFacts]:
    """Return what each sink keeps, and why."""
    if is_over_kafka(plan):
        return [sink_over_kafka(plan, sink, _place(plan, sink)) for sink in plan.sinks]
    return [
        SinkFacts(
            sink.name,
            sink.kind,
            sink.claims.value,
            sink.keeps.value,
            sink.why,
            CRASH[sink.kind].format(ttl=duration_text(sink.options.get("ttl", 0))),
            _place(plan, sink),
        )
        for sink in plan.sinks
    ]


def stores_of(plan: Plan) -> list[Store]:
    """Return every place where something of this sport is kept."""
    if is_over_kafka(plan):
        return list(_over_kafka(plan))
    stores = list(_inputs(plan))
    for sink in plan.sinks:
        stores += _STORES[sink.kind](plan, sink)
    snapshots = f"newest 2, every {duration_text(plan.snapshot_interval_us)}"
    stores.append(
        Store("file", f"{_state(plan)}/snapshot-*.bin", "state of every stage", snapshots)
    )
    return stores


def _over_kafka(plan: Plan) -> Iterator[Store]:
    yield from topics_kept(plan)
    for sink in plan.sinks:
        if sink.kind == "redis":
            yield from _redis(plan, sink)
        elif sink.kind == "clickhouse":
            yield from tables_kept(plan, sink)


def placement_of(plan: Plan) -> list[Fact]:
    """Return how games lie on partitions, and partitions on workers."""
    values, feed, load = plan.deployment.values, plan.feed, plan.load
    games, count = load.games_at_once, feed.partitions
    workers = values.get("replicas", 1)
    facts = [
        Fact("partitions", f"{count}, by {feed.key}: the events of a game share one, in order"),
        Fact("workers", f"{workers}: at most {counted(-(-count // workers), 'partition')} each"),
    ]
    if count == 1:
        facts.append(Fact("games", f"all {games} of the peak in one set of stages, one process"))
        return facts
    alone = 1.0
    for game in range(games):
        alone *= max(0, count - game) / count
    facts.append(
        Fact(
            "games",
            f"placed by a hash of the id: of {games} at once on {count} partitions two share one "
            f"with a chance of {1 - alone:.0%}; that one then carries "
            f"{2 * load.peak_rate // games:,}/s",
        )
    )
    return facts


def _state(plan: Plan) -> str:
    return f"{plan.deployment.values.get('state', '.oddspipe')}/{plan.sport}/RUN"


def _inputs(plan: Plan) -> Iterator[Store]:
    topic = plan.feed.options.get("topic")
    if topic and plan.deployment.source == plan.feed.protocol:
        kept = duration_text(plan.feed.retention_us)
        yield Store("topic", topic, f"feed, {counted(plan.feed.partitions, 'partition')}", kept)


def _has_topic(plan: Plan) -> bool:
    """Say whether partners' messages go to Kafka: where there is one and no folder for them."""
    values = plan.deployment.values
    return bool(values.get("kafka")) and not (values.get("partners") or {}).get("folder")


def _address(plan: Plan, sink: SinkPlan, below: str) -> str:
    """Return where a server is: its address, or the folder of the embedded one.

    A secret is shown as the reference that it is; who logs in, and how, is cut out of an address.
    """
    url = sink.options.get("url") or (plan.deployment.values.get(sink.kind) or {}).get("url")
    if not url:
        return f"embedded, {_state(plan)}/{below}"
    return without_login(str(url))


def _place(plan: Plan, sink: SinkPlan) -> str:
    match sink.kind:
        case "redis" | "clickhouse":
            below = REDIS_FOLDER if sink.kind == "redis" else CLICKHOUSE_FOLDER
            return _address(plan, sink, below)
        case "kafka":
            return f"topic {sink.options['topic']}"
        case "partner_log" if _has_topic(plan):
            return f"topic {plan.sport}.odds.v1"
        case "partner_log":
            return f"{_state(plan)}/{_partners_folder(plan)}"
        case "plugin":
            return f"where {sink.options['name']} of {origin('sinks', sink.options['name'])} says"
        case _:
            return f"{_state(plan)}/{DEAD_LETTERS_FILE}"


def _partners_folder(plan: Plan) -> str:
    return (plan.deployment.values.get("partners") or {}).get("folder") or "partners"


def _redis(plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    ttl, memory = (duration_text(sink.options[name]) for name in ("ttl", "memory"))
    yield Store("key", current_key(plan.sport, "GAME"), "current odds of a game", ttl)
    yield Store("key", memory_key(plan.sport, "GAME"), "its last odds sequence", memory)


def _clickhouse(plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    kept = _kept(sink, of_run=_place(plan, sink).startswith("embedded"))
    if not plan.clickhouse_url(sink):
        yield from _events_kept(plan, sink, kept)
    yield Store("table", table(plan.sport, "odds_history"), "every published price", kept)
    yield Store("view", table(plan.sport, "odds_latest"), "the newest price of each market", kept)


def _events_kept(plan: Plan, sink: SinkPlan, kept: str) -> Iterator[Store]:
    """Yield the tables that only a run in one process fills."""
    modes: Mapping[str, Any] = sink.options["store"]
    raw = [kind for kind, mode in modes.items() if mode == "raw"]
    held = f"events one by one ({', '.join(raw)})" if raw else "events one by one"
    yield Store("table", table(plan.sport, "events"), held, kept)
    if "by_second" in modes.values():
        yield Store(
            "table", table(plan.sport, "tracking_by_second"), "tracking by game and second", kept
        )


def _partner_log(plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    takers = plan.deployment.values.get("partner_list") or {}
    if _has_topic(plan):
        yield Store(
            "topic", f"{plan.sport}.odds.v1", "odds messages for partners", "as the topic says"
        )
        return
    for name, partner in takers.items():
        file = f"{_place(plan, sink)}/{name}/{plan.sport}.odds.v1.ndjson"
        yield Store("file", file, f"odds messages in {', '.join(partner['formats'])}", OF_RUN)


def _kept(sink: SinkPlan, *, of_run: bool) -> str:
    """Return for how long: what lies in the folder of a run is never dropped from it."""
    asked = duration_text(sink.options["keep"])
    return f"{OF_RUN} (the spec asks for {asked})" if of_run else asked


def _kafka(_plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    kept = duration_text(sink.options["keep"])
    yield Store("topic", sink.options["topic"], "odds messages for partners", kept)


def _dead_letters(plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    kept = _kept(sink, of_run=True)
    yield Store("file", _place(plan, sink), "what was turned away, with its bytes", kept)


def _plugin(plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    yield Store("plug-in", _place(plan, sink), "events and odds", "as it says")


_STORES = {
    "redis": _redis,
    "clickhouse": _clickhouse,
    "partner_log": _partner_log,
    "kafka": _kafka,
    "dead_letters": _dead_letters,
    "plugin": _plugin,
}
