"""All artefacts of an environment as one tree."""

from collections.abc import Iterator

from oddspipe import __version__
from oddspipe.core.infra.alerts import alerts_of
from oddspipe.core.infra.cache import cache_of
from oddspipe.core.infra.clickhouse import clickhouse_of
from oddspipe.core.infra.delivery import delivery_of, variables_of
from oddspipe.core.infra.deploy import deploy_of
from oddspipe.core.infra.fleet import Fleet
from oddspipe.core.infra.helm import chart_of
from oddspipe.core.infra.kafka import kafka_of
from oddspipe.core.infra.mirror import mirror_of
from oddspipe.core.infra.observe import observe_of
from oddspipe.core.infra.platform_alerts import platform_alerts_of
from oddspipe.core.infra.questions import questions_of
from oddspipe.core.infra.recovery import recovery_of
from oddspipe.core.infra.remedies import holds_of
from oddspipe.core.infra.store_jobs import store_jobs_of
from oddspipe.core.infra.terraform import terraform_of
from oddspipe.core.infra.text import head
from oddspipe.core.infra.tree import Artefact, Tree
from oddspipe.core.plan.graph import graph_of, mermaid
from oddspipe.core.render.templates import rendered

EMITTERS = (
    chart_of,
    kafka_of,
    holds_of,
    mirror_of,
    cache_of,
    clickhouse_of,
    observe_of,
    platform_alerts_of,
    recovery_of,
    store_jobs_of,
    questions_of,
    deploy_of,
    terraform_of,
    delivery_of,
)


def tree_of(fleet: Fleet) -> Tree:
    """Return everything that is rendered of an environment."""
    made = [*_parts(fleet), *_pages(fleet)]
    facts = {
        "oddspipe": __version__,
        "sports": {
            member.sport: {
                "logic": member.plan.logic_digest,
                "deployment": member.plan.deployment_digest,
            }
            for member in fleet.members
        },
        "inputs": {
            one.name: {"value": one.value, "is_default": one.is_default} for one in fleet.inputs
        },
    }
    return Tree.of(fleet.environment, made, facts)


def _parts(fleet: Fleet) -> Iterator[Artefact]:
    for emit in EMITTERS:
        yield from emit(fleet)


def _pages(fleet: Fleet) -> Iterator[Artefact]:
    """Yield what people read first."""
    values = {
        "head": head("sports/*.yaml, platform.yaml", mark="[//]: #"),
        "fleet": fleet,
        "variables": variables_of(fleet),
        "alerts": {member.sport: alerts_of(member) for member in fleet.members},
    }
    yield Artefact("README.md", rendered("infra/README.md.j2", values), "page")
    for member in fleet.members:
        graph = mermaid(graph_of(member.plan))
        text = f"{head(f'sports/{member.sport}.yaml', mark='[//]: #')}\n# {member.plan.title}\n\n"
        yield Artefact(
            f"architecture/{member.sport}.md", f"{text}```mermaid\n{graph}```\n", "page",
            member.sport,
        )  # fmt: skip
