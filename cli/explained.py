"""How an explanation looks: sections of aligned facts, at most 100 columns wide."""

from collections.abc import Sequence

from oddspipe.cli import console
from oddspipe.core.explain.facts import Fact, SinkFacts, Store
from oddspipe.core.explain.memory import MemoryLine
from oddspipe.core.explain.page import Explanation
from oddspipe.core.explain.stages import StageFacts
from oddspipe.core.explain.timing import Delay
from oddspipe.core.plan.catalogue import size_text
from oddspipe.core.plan.checks.timing import duration_text

LABEL = 10
"""Room for the words on the left, so that all sections line up."""


def show(found: Explanation) -> None:
    """Print the page."""
    console.page(
        console.Text.assemble(
            (found.title, "bold"), f" ({found.sport}), environment ", (found.environment, "bold"),
            f", from {found.source}",
        ),
        console.facts({
            "logic": found.logic_digest,
            "deployment": found.deployment_digest,
        }),
    )  # fmt: skip
    _section("stages", "in the order in which an event goes through them")
    for stage in found.stages:
        _stage(stage)
    _section("placement")
    _facts(found.placement)
    _section("sinks", "what each keeps, and why")
    for sink in found.sinks:
        _sink(sink)
    _section("stored")
    _stores(found.stores)
    _section("recovery")
    _facts(found.recovery)
    _section("memory", "at most, at the peak of the load profile, in one process")
    _memory(found)
    _section("latency", "from ingest to the acknowledgement of a sink")
    _latency(found.latency, found.latency_us)
    _section("load")
    _facts(found.load)
    _section("owner and alerts")
    _facts(found.ownership)


def _section(name: str, more: str = "") -> None:
    console.page("", console.Text.assemble((name.upper(), "bold cyan"), ("  " + more, "dim")))


def _facts(facts: Sequence[Fact], indent: int = 2) -> None:
    rows, last = [], ""
    for fact in facts:
        # A word that stands for several facts is said once.
        rows.append(("" if fact.about == last else fact.about.ljust(LABEL), fact.says))
        last = fact.about
    console.page(console.grid(rows, indent=indent))


def _stage(stage: StageFacts) -> None:
    console.page(console.Text.assemble("  ", (stage.name, "bold"), (f"  {stage.does}", "dim")))
    _facts(stage.facts, indent=4)


def _sink(sink: SinkFacts) -> None:
    keeps = sink.keeps.replace("_", " ")
    claims = "" if sink.claims == sink.keeps else f", claims {sink.claims.replace('_', ' ')}"
    style = "yellow" if sink.keeps == "at_least_once" else "green"
    console.page(
        console.Text.assemble(
            "  ", (sink.name, "bold"), f"  {sink.kind.replace('_', ' ')}  ", (keeps, style), claims
        )
    )
    _facts([Fact("why", sink.why), Fact("crash", sink.crash), Fact("where", sink.place)], indent=4)


def _stores(stores: Sequence[Store]) -> None:
    rows = [
        (store.kind, console.Text.assemble(store.name, (f"  {store.holds}; {store.kept}", "dim")))
        for store in stores
    ]
    console.page(console.grid(rows, indent=2))


def _memory(found: Explanation) -> None:
    rows: list[tuple[object, object, object]] = [
        (line.name, size_text(line.bytes), console.Text(_formula(line), style="dim"))
        for line in found.memory
    ]
    total, calm = size_text(found.memory_bytes), size_text(found.memory_without_gaps_bytes)
    rows += [
        (console.Text("total", style="bold"), console.Text(total, style="bold"), ""),
        ("without gaps", calm, console.Text("while no game waits for a missing event", "dim")),
    ]
    console.page(console.grid(rows, indent=2, styles=(), right=(1,)))


def _formula(line: MemoryLine) -> str:
    return f"measured: {line.formula}" if line.measured else line.formula


def _latency(delays: Sequence[Delay], total_us: int) -> None:
    rows: list[tuple[object, object, object]] = [
        (delay.name, duration_text(delay.at_most_us), console.Text(delay.why, style="dim"))
        for delay in delays
    ]
    on_path = " + ".join(delay.name for delay in delays if delay.on_path)
    total = console.Text(duration_text(total_us), style="bold")
    rows.append((console.Text("a price", style="bold"), total, f"{on_path}, then the store's own"))
    console.page(console.grid(rows, indent=2, styles=(), right=(1,)))
