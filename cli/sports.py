"""The plan that a command is about, in an environment, with services of this machine filled in."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.plan.model import Plan


def plan_of(sport: str | None, spec: Path | None, platform: Path | None, env: str) -> "Plan":
    """Return the plan of a sport or a spec file.

    Where `oddspipe services up` has started servers below this folder, their addresses stand in for
    the variables that the environment does not set.

    Raises:
        OddspipeError: Neither or both are named, or the spec has faults.
    """
    from oddspipe.core.plan.load import plan_for  # noqa: PLC0415 - `--help` needs no Polars
    from oddspipe.core.services.local import endpoints  # noqa: PLC0415 - as above

    if (sport is None) == (spec is None):
        raise UsageError("name either a sport (--sport nfl) or a spec (--spec FILE)")
    environ = {**endpoints(), **os.environ}
    return plan_for(spec or sport or "", platform=platform, environment=env, environ=environ)
