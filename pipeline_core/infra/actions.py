"""What GitHub's workflows are made of: jobs that may do little, checked inputs, pinned actions."""

import re
from collections.abc import Mapping
from typing import Any, Final

from oddspipe.core.infra.pins import PINS

RUNNER: Final = "ubuntu-24.04"
PATIENCE_MIN: Final = 30
VARIABLES: Final = {
    "ODDS_REGISTRY": "images, e.g. `123456789012.dkr.ecr.us-east-1.amazonaws.com/oddspipe`",
    "ODDS_REGISTRY_REGION": "its region",
    "ODDS_IMAGE_ROLE": "ARN of the role that writes to it, and reads from it",
    "ODDS_BUILD_IMAGE": "by digest: Python 3.13 of Debian 13 with a compiler",
    "ODDS_RUN_IMAGE": "by digest: a distroless one, which gets the rest",
    "ODDS_BUILDKIT_IMAGE": "by digest: what builds",
    "ODDS_ACCOUNT": "the account that may be changed",
    "ODDS_ADMIN_ROLES": "ARNs of the cluster's administrators, with commas",
    "ODDS_CLICKHOUSE_IMAGE": "AMI with ClickHouse and its keeper",
    "ODDS_PARTNER_ACCOUNTS": "`{}`, or partners' accounts as JSON",
    "ODDS_PLAN_ROLE": "ARN of a role that reads, and writes below `plans/` of the state's bucket",
    "ODDS_APPLY_ROLE": "ARN of the role that changes the account",
    "ODDS_TERRAGRUNT_VERSION": "release of Terragrunt, e.g. `0.99.0`",
    "ODDS_TERRAGRUNT_SHA256": "SHA-256 of its `terragrunt_linux_amd64`",
}  # fmt: skip
"""Variables of GitHub, by name: what a workflow is given from outside."""
BY_DIGEST: Final = frozenset({"ODDS_BUILD_IMAGE", "ODDS_RUN_IMAGE", "ODDS_BUILDKIT_IMAGE"})
OIDC: Final = {"contents": "read", "id-token": "write"}
"""To read the repository, and to take over a role."""
Step = dict[str, Any]


def with_notes(text: str) -> str:
    """Return a workflow with what YAML's writer cannot say: pins, and what a permission is for.

    >>> with_notes("uses: actions/checkout")
    'uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2'
    >>> with_notes("id-token: write")
    'id-token: write # a role is taken over, an image signed, without a secret'
    """
    found = re.sub(
        r"uses: ([\w./-]+)$", lambda m: f"uses: {m[1]}@{PINS[m[1]].found}", text, flags=re.MULTILINE
    )
    return re.sub(
        r"([\w-]+): write$", lambda m: f"{m[0]} # {_WHY_WRITE[m[1]]}", found, flags=re.MULTILINE
    )


_WHY_WRITE: Final = {
    "id-token": "a role is taken over, an image signed, without a secret",
    "contents": "the branch that proposes an image",
    "pull-requests": "the proposal itself",
}


def workflow(
    name: str, on: Mapping[str, Any], jobs: Mapping[str, Any], group: str = ""
) -> dict[str, Any]:
    """Return a workflow that may do what its jobs say only, and of which one runs at a time."""
    return {
        "name": name,
        "on": dict(on),
        "permissions": {},
        # What is under way is finished: half an image or half a cloud is worse than a late one.
        "concurrency": {"group": group or name.replace(" ", "-"), "cancel-in-progress": False},
        "defaults": {"run": {"shell": "bash"}},
        "jobs": dict(jobs),
    }


def job(
    name: str,
    permissions: Mapping[str, str],
    steps: list[Step],
    given: tuple[str, ...] = (),
    **more: Any,  # noqa: ANN401 - YAML
) -> dict[str, Any]:
    """Return a job, with variables that must be there before it does anything."""
    env = {**more.pop("env", {}), **{name: f"${{{{ vars.{name} }}}}" for name in given}}
    checked = [{"name": "Inputs are there", "run": _wanted(given)}] if given else []
    return {
        "name": name,
        "runs-on": RUNNER,
        "timeout-minutes": PATIENCE_MIN,
        **more,
        "permissions": dict(permissions),
        **({"env": env} if env else {}),
        "steps": [*checked, *steps],
    }


def _wanted(names: tuple[str, ...]) -> str:
    lines = [f': "${{{name}:?set the variable {name} in GitHub}}"' for name in names]
    lines += [
        f'case "${name}" in *@sha256:*) ;; *) echo "{name} is no digest"; exit 1 ;; esac'
        for name in names if name in BY_DIGEST
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def uses(action: str, name: str, **given: str) -> Step:
    """Return a step that an action does."""
    return {"name": name, "uses": action, **({"with": given} if given else {})}


def checkout(*, ref: str = "") -> Step:
    """Return the step that fetches the repository and keeps no credentials."""
    return {
        "name": "Fetch",
        "uses": "actions/checkout",
        "with": {"persist-credentials": False, **({"ref": ref} if ref else {})},
    }


def assume(role: str, region: str) -> Step:
    """Return the step that takes over a role by OIDC."""
    return uses(
        "aws-actions/configure-aws-credentials", "Take over the role",
        **{"role-to-assume": f"${{{{ vars.{role} }}}}", "aws-region": region},
    )  # fmt: skip
