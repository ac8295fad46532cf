"""Every cross-check of a typed spec, in one call."""

from collections.abc import Iterator

from oddspipe.core.plan.checks.cases import case_problems
from oddspipe.core.plan.checks.event import event_problems
from oddspipe.core.plan.checks.expressions import expression_problems, scope_of
from oddspipe.core.plan.checks.odds import odds_problems
from oddspipe.core.plan.checks.timing import timing_problems
from oddspipe.core.plan.columns import layout_of
from oddspipe.core.problem import Problem
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec


def check(spec: SportSpec, platform: PlatformSpec | None = None) -> list[Problem]:
    """Return everything that is wrong with a typed sport; paths are those of its YAML.

    Args:
        spec: The sport.
        platform: The platform that it runs on; without it, workers and brokers are not checked.
    """
    return list(_problems(spec, platform))


def _problems(spec: SportSpec, platform: PlatformSpec | None) -> Iterator[Problem]:
    scope = scope_of(spec, layout_of(spec))
    yield from event_problems(spec.event)
    yield from expression_problems(spec, scope)
    yield from odds_problems(spec, scope)
    yield from timing_problems(spec, scope, platform)
    yield from case_problems(spec, scope)
