"""Plans of edited specs, for tests."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

from oddspipe.core.plan.load import read_platform
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.resolve import resolve
from oddspipe.core.plan.sports import find_spec
from oddspipe.core.spec.loader import load
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec

ROOT = Path(__file__).parents[1]
SPORTS = ("nfl", "nba", "mlb")


@cache
def _written(sport: str) -> dict[str, Any]:
    return load(find_spec(ROOT / "sports" / f"{sport}.yaml")).plain()


@cache
def platform() -> PlatformSpec:
    return read_platform(ROOT / "platform.yaml")


def written(sport: str) -> dict[str, Any]:
    """Return what the file of a sport says, `extends` followed."""
    return copy.deepcopy(_written(sport))


def edited(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the document with one value set; `a.0.b` leads through lists by number."""
    made = copy.deepcopy(document)
    *above, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = made
    for step in above:
        place = place[step]
    if isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return made


def plan_of(
    document: dict[str, Any], place: PlatformSpec | None = None, environment="local"
) -> Plan:
    return resolve(SportSpec.model_validate(document), place or platform(), environment)


@cache
def plan(sport: str) -> Plan:
    return plan_of(written(sport))
