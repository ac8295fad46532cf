"""A platform: what it names must be there."""

from collections.abc import Iterator

from oddspipe.core.near import near
from oddspipe.core.problem import Problem
from oddspipe.core.spec.platform import PlatformSpec


def platform_problems(platform: PlatformSpec, sports: tuple[str, ...]) -> Iterator[Problem]:
    """Yield what is wrong with a platform, given the names of the sports that there are."""
    for name, partner in platform.partners.items():
        for index, sport in enumerate(partner.sports):
            if sports and sport not in sports:
                yield Problem(
                    "partner.sport",
                    ("partners", name, "sports", index),
                    f"There is no sport {sport!r}.",
                    near(sport, sports),
                )
