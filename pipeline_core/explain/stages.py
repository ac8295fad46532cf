"""What each stage does in this sport, in sentences with the plan's own numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from oddspipe.core.batch.layout import ENVELOPE_COLUMNS
from oddspipe.core.explain.facts import Fact
from oddspipe.core.explain.over_kafka import is_over_kafka, publish_over_kafka
from oddspipe.core.names import LatePolicy, Policy
from oddspipe.core.parts import Isolation, MarketPlan, ModelPlan
from oddspipe.core.plan.catalogue import ListedRule, kind_names, rules, size_text
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.graph import counted, mapped_by
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.shown import without_login
from oddspipe.core.stages.slots import Shape

LATE = {
    LatePolicy.AMEND: "amend: folded in at its place, priced again, published as a correction "
    "(tracking, clock and market events are stored, not folded)",
    LatePolicy.DLQ: "dlq: becomes a dead letter (LATE)",
    LatePolicy.DROP: "drop: counted and thrown away (LATE)",
}


@dataclass(frozen=True, slots=True)
class StageFacts:
    """One stage and what it does."""

    name: str
    does: str
    facts: list[Fact]


def stages_of(plan: Plan) -> list[StageFacts]:
    """Return the stages in the order in which an event goes through them."""
    listed = rules(plan)
    return [
        StageFacts("ingest", "Receives payloads and notes when.", list(_ingest(plan))),
        StageFacts(
            "normalise",
            "Decodes, checks every field, applies rules.",
            list(_normalise(plan, listed)),
        ),
        StageFacts("order", "Drops copies and puts each game in sequence.", list(_order(plan))),
        StageFacts("price", "Folds state, prices it, guards it.", list(_price(plan, listed))),
        StageFacts("publish", "Writes to every sink, each at its own pace.", list(_publish(plan))),
    ]


def _ingest(plan: Plan) -> Iterator[Fact]:
    feed, source = plan.feed, plan.deployment.source
    place = feed.options.get("topic") or feed.options.get("url") or feed.options.get("subscription")
    own = f"{feed.protocol} {without_login(str(place))}" if place else feed.protocol
    here = "" if source == feed.protocol else f"; in this environment {source}"
    yield Fact("feed", f"{own}{here}")
    longest = f"at most {size_text(plan.max_payload_bytes)}"
    if entries := mapped_by(plan):
        yield Fact(
            "payload",
            f"records, {longest}; {counted(entries, 'entry', 'entries')} of the mapping make "
            "events of them; what does not map becomes a dead letter (MAPPING)",
        )
    else:
        yield Fact("payload", f"the event as protobuf, {longest}")
    yield Fact("alive", f"says so at least every {duration_text(feed.heartbeat_us)}")


def _normalise(plan: Plan, listed: list[ListedRule]) -> Iterator[Fact]:
    columns = plan.layout.columns
    ranged = sum(column.low is not None for column in columns)
    yield Fact(
        "fields",
        f"{len(columns)}: {ENVELOPE_COLUMNS} of the envelope, {len(columns) - ENVELOPE_COLUMNS} of "
        f"this sport; {ranged} with a range; a value outside becomes a dead letter",
    )
    yield Fact("kinds", ", ".join(kind.name for kind in plan.kinds))
    yield from _rules(listed, "row")


def _rules(listed: list[ListedRule], kind: str) -> Iterator[Fact]:
    for rule in listed:
        if rule.kind == kind:
            on = f"  ({', '.join(rule.on)})" if rule.on else ""
            yield Fact("rule", f"{rule.name}: {rule.sql}{on}")


def _order(plan: Plan) -> Iterator[Fact]:
    order = plan.order
    yield Fact(
        "duplicates",
        "an event whose game_id, event_id and revision came less than "
        f"{duration_text(plan.duplicates.window_us)} before is dropped and counted",
    )
    yield Fact(
        "gaps",
        f"from sequence {order.first_sequence}; an event ahead of a gap waits "
        f"{duration_text(order.window_us)}, at most {order.max_held:,} a game, then the gap is "
        f"given up; more than {order.max_gap:,} ahead is a dead letter (SEQUENCE_JUMP)",
    )
    yield Fact("late", LATE[order.late])
    yield Fact("finished", "what comes for a game that has ended is a dead letter (FINISHED_GAME)")


def _price(plan: Plan, listed: list[ListedRule]) -> Iterator[Fact]:
    odds, model = plan.odds, plan.model
    yield Fact("state", ", ".join(column.name for column in plan.state))
    if plan.derived:
        yield Fact("derived", ", ".join(column.name for column in plan.derived))
    yield from _rules(listed, "temporal")
    yield Fact("model", f"{_model(model)}; {_where(plan.isolation)}")
    if (shadow := plan.shadow) is not None:
        yield Fact(
            "shadow",
            f"{_model(shadow.model)}; {_where(shadow.isolation)}; asked about the same states, "
            f"recorded, never published; off after {shadow.failures} failures or three answers "
            "that come too late",
        )
    for market in odds.markets:
        yield Fact("market", _market(market))
    yield Fact(
        "board", f"{len(Shape.of(odds.markets))} prices a game, in {', '.join(odds.formats)}"
    )
    kinds = kind_names(plan.kinds, odds.at_once)
    yield Fact(
        "cadence",
        f"{', '.join(kinds)} at once; other kinds at most every "
        f"{duration_text(odds.conflate_us)} a game",
    )
    for guard in odds.guards:
        yield Fact("guard", f"{guard.name}: {guard.policy} when {guard.sql}")
    built_in = [rule.name for rule in listed if rule.kind == "built-in guard"]
    yield Fact("guard", f"always: {', '.join(built_in)}")
    yield Fact(
        "stale",
        f"no sign of life for {duration_text(odds.stale_after_us)}: open markets are suspended",
    )
    if odds.frozen_after_us is not None:
        policy = dict(odds.policies).get("frozen_feed", Policy.SUSPEND)
        still = duration_text(odds.frozen_after_us)
        yield Fact("frozen", f"plays, score and clock stand still for {still}: {policy}")


def _model(model: ModelPlan) -> str:
    given = ", ".join(f"{name} {value}" for name, value in model.parameters.items())
    return f"{model.name} {model.version}" + (f" with {given}" if given else "")


def _where(isolation: Isolation) -> str:
    """Say where a model runs and what it may take."""
    limit = f"{duration_text(isolation.deadline_us)} a batch at most"
    if not isolation.process:
        return limit
    return f"in a process of its own, {limit}, {size_text(isolation.memory_bytes)} once loaded"


def _market(market: MarketPlan) -> str:
    words = [market.market.value]
    if market.scope != "game":
        words.append(f"of {market.scope}")
    if market.fixed_line is not None:
        words.append(f"at {market.fixed_line:g}")
    elif market.step:
        words.append("at the line nearest to even")
    if market.alternates:
        words.append(f"and {market.alternates} lines each side, {market.step:g} apart")
    margin = f"overround {market.margin:.2%} by {market.margin_method}"
    return f"{' '.join(words)}; {margin}; {market.price_floor:g} to {market.price_cap:g}"


def _publish(plan: Plan) -> Iterator[Fact]:
    if is_over_kafka(plan):
        yield from publish_over_kafka(plan)
        return
    yield Fact("sinks", f"{len(plan.sinks)}, see below; a slow one slows the feed, none loses any")
    yield Fact("commit", "the input is acknowledged when every sink has it")
