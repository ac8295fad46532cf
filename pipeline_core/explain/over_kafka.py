"""Where odds lie and what a crash does where an environment has Kafka."""

from collections.abc import Iterator
from typing import Final

from oddspipe.core.adapters.clickhouse.ddl import SHADOW, table
from oddspipe.core.adapters.kafka.topics import Topics, corrections_topic, ingest_topic
from oddspipe.core.explain.facts import Fact, SinkFacts, Store
from oddspipe.core.names import Guarantee
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.graph import counted
from oddspipe.core.plan.model import Plan

IN_TRANSACTION: Final = {"partner_log": "odds", "dead_letters": "dead_letters"}
"""Sinks that are topics over Kafka, by the name of theirs."""
COMMITTED: Final = (
    "they, the state and the position in the input are committed in one transaction; readers of "
    "committed records see each once"
)
ABORTED: Final = (
    "what was not committed is aborted, and made again from the last commit: the same bytes"
)
ROUNDS: Final = (
    "what a round holds is noted with its token in the group's offsets before it is written; the "
    "server passes over a token that it has"
)
AGAIN: Final = "whoever comes next finds the note, and writes the same round with the same token"
BEHIND: Final = (
    "the odds topic is read again from where the sink last stood; what is not newer is refused; "
    "the current odds outlive us by {ttl}"
)
NOT_FED: Final = "not fed over Kafka"
AS_TOPIC: Final = "as the topic says"


def is_over_kafka(plan: Plan) -> bool:
    """Say whether the sport runs over Kafka in its environment."""
    return bool(plan.deployment.values.get("kafka")) and plan.deployment.source in {
        plan.feed.protocol,
        "feed",
        "kafka",
    }


def sink_over_kafka(plan: Plan, sink: SinkPlan, place: str) -> SinkFacts:
    """Return what a sink keeps, and why.

    Args:
        plan: The plan.
        sink: One of its sinks.
        place: Where it is, if it is a server.
    """
    keeps, why, crash = sink.keeps, sink.why, ABORTED
    if sink.kind in IN_TRANSACTION:
        keeps, why = Guarantee.EXACTLY_ONCE, COMMITTED
        place = f"topic {getattr(_topics(plan), IN_TRANSACTION[sink.kind])}"
    elif sink.kind == "redis":
        crash = BEHIND.format(ttl=duration_text(sink.options["ttl"]))
    elif sink.kind == "clickhouse" and plan.clickhouse_url(sink):
        keeps, why, crash = Guarantee.EXACTLY_ONCE, ROUNDS, AGAIN
    else:
        crash = place = NOT_FED
    claims = sink.claims.value
    return SinkFacts(sink.name, sink.kind, claims, keeps.value, why, crash, place)


def topics_kept(plan: Plan) -> Iterator[Store]:
    """Yield the topics of the sport."""
    names, kept = _topics(plan), duration_text(plan.feed.retention_us)
    parts = counted(plan.feed.partitions, "partition")
    is_ours = plan.feed.protocol != "kafka"
    yield Store("topic", names.feed, f"{'raw messages' if is_ours else 'feed'}, {parts}", kept)
    if is_ours:
        yield Store("topic", ingest_topic(plan.sport), "how far it was brought", "compacted")
    if plan.apart:
        yield Store("topic", names.normalised, "sound events, once and in order", kept)
    yield Store("topic", names.odds, "odds messages; partners read them", AS_TOPIC)
    yield Store("topic", corrections_topic(names), "odds corrected afterwards", AS_TOPIC)
    if names.shadow:
        yield Store("topic", names.shadow, "what the shadow says", AS_TOPIC)
    yield Store("topic", names.dead_letters, "what was turned away, with its bytes", AS_TOPIC)
    for one in (names.of_normalise(), names.of_price()) if plan.apart else (names,):
        yield Store("topic", one.snapshots, "state of each partition", "compacted")


def tables_kept(plan: Plan, sink: SinkPlan) -> Iterator[Store]:
    """Yield the tables of a ClickHouse server."""
    if not plan.clickhouse_url(sink):
        return
    kept = duration_text(sink.options["keep"])
    if plan.apart:
        yield Store("table", table(plan.sport, "events"), "events one by one", kept)
        seconds = "tracking by game and second, in parts"
        yield Store("table", table(plan.sport, "tracking_by_second"), seconds, kept)
    yield Store("table", table(plan.sport, "odds_history"), "every published price", kept)
    yield Store("view", table(plan.sport, "odds_latest"), "the newest price of each market", kept)
    if plan.shadow is not None:
        yield Store("table", table(plan.sport, SHADOW), "every price of the shadow", kept)


def publish_over_kafka(plan: Plan) -> Iterator[Fact]:
    """Yield how odds reach the sinks."""
    fed = len(plan.published)
    yield Fact(
        "sinks",
        f"{counted(fed, 'sink')} fed from the topics, each by a group of its own: one that is slow "
        "or away falls behind there and holds nothing up",
    )
    yield Fact(
        "commit",
        "odds, dead letters, state and the position in the input in one transaction, about every "
        "100ms",
    )


def recovery_over_kafka(plan: Plan, again: str) -> Iterator[Fact]:
    """Yield what is kept to go on from, and what a crash costs.

    Args:
        plan: The plan.
        again: What is read again, and how long that takes.
    """
    interval = duration_text(plan.snapshot_interval_us)
    yield Fact("snapshot", f"every {interval} a partition, in the transaction of what it made")
    yield Fact("read again", again)
    yield Fact(
        "retention",
        f"the feed can be read again for {duration_text(plan.feed.retention_us)}, "
        f"{plan.feed.retention_us // plan.snapshot_interval_us:,} times the interval",
    )
    yield Fact("lost", "nothing that the feed's topic holds; nothing twice, to who reads committed")
    yield Fact("stop", "SIGTERM commits what was read, with the state; nothing is read again then")


def _topics(plan: Plan) -> Topics:
    feed = plan.feed.options.get("topic")
    return Topics.of(plan.sport, feed, shadow=plan.shadow is not None)
