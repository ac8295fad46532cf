"""Terraform and Terragrunt: the cloud below the cluster, its sizes from the plan.

Modules are static and reviewed; what is made here is data (`inputs.json`) and who depends on whom.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oddspipe.core.adapters.redis.access import MEMORY_POLICY
from oddspipe.core.errors import UsageError
from oddspipe.core.infra.cache import CacheUser, users_of
from oddspipe.core.infra.fleet import Fleet, Member
from oddspipe.core.infra.text import as_json, head, packaged
from oddspipe.core.infra.tree import Artefact

USABLE: Final = 0.9
"""Share of a machine that pods get; the rest is the system's."""
GIB_A_CORE: Final = {"c": 2, "m": 4, "r": 8}
"""Memory of a core by the first letter of a machine's family."""
SPARE_DISK: Final = 1.5
DISK_STEP_GIB: Final = 100


@dataclass(frozen=True, slots=True)
class Unit:
    """One component: a state of its own.

    Attributes:
        needs: Inputs that are outputs of others: name to `component.output`, with what stands
            for it while nothing is applied.
        given: Inputs that come from the environment of who applies it: name to an HCL expression.
    """

    name: str
    inputs: Mapping[str, Any]
    needs: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)


def terraform_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the modules and the components of an environment that names its region."""
    first = fleet.members[0]
    region = str(first.values.get("region") or "")
    if not region:
        return
    for path, text in packaged("terraform", "modules"):
        yield Artefact(f"terraform/modules/{path}", text, "terraform")
    live = "terraform/live"
    source = "platform.yaml"
    yield Artefact(f"{live}/root.hcl", head(source) + _ROOT, "terraform")
    account = f'locals {{\n  environment = "{fleet.environment}"\n}}\n'
    yield Artefact(f"{live}/account.hcl", head(source) + account, "terraform")
    place = f'locals {{\n  region = "{region}"\n}}\n'
    yield Artefact(f"{live}/{region}/region.hcl", head(source) + place, "terraform")
    for unit in units_of(fleet):
        folder = f"{live}/{region}/{unit.name}"
        yield Artefact(f"{folder}/inputs.json", as_json(unit.inputs), "terraform")
        text = head("sports/*.yaml, platform.yaml") + _unit(unit)
        yield Artefact(f"{folder}/terragrunt.hcl", text, "terraform")


def units_of(fleet: Fleet) -> list[Unit]:
    """Return the components in the order in which they can be applied."""
    first, name = fleet.members[0], f"oddspipe-{fleet.environment}"
    infra = first.infra
    network = {
        "vpc_id": ("network.vpc_id", "vpc-00000000"),
        "subnet_ids": ("network.subnet_ids", ["subnet-a", "subnet-b", "subnet-c"]),
    }
    key = {"key_arn": ("keys.arns.data", _MOCK_KEY)}
    base = {"name": name, "clients": [infra.network]}
    logins = _logins(fleet)
    users = _cache_users(fleet)
    machines = infra.machines
    return [
        Unit("network", {"name": name, "cidr": infra.network, "nat_per_zone": infra.least > 1}),
        Unit("keys", {"name": name, "purposes": ["audit", "data"]}),
        Unit("buckets", {"name": name}, {**key, "audit_key_arn": ("keys.arns.audit", _MOCK_KEY)}),
        Unit("secrets", {"name": name, "path": fleet.environment, "logins": logins}, key),
        Unit(
            "kafka",
            {**base, "instance_type": machines.kafka, "brokers": infra.brokers,
             "volume_gib": disk_gib(fleet), "replication": first.replication,
             "partner_topics": fleet.partner_topics()},
            {**network, **key, "secret_arns": ("secrets.broker_arns", [])},
            {"partner_accounts": 'jsondecode(get_env("ODDS_PARTNER_ACCOUNTS", "{}"))'},
        ),
        Unit("topics", {"topics": _topics(fleet)}, {"cluster_arn": ("kafka.arn", _MOCK_CLUSTER)}),
        Unit(
            "cache",
            {**base, "node_type": machines.cache, "replicas": max(first.replication - 1, 1),
             "memory_policy": MEMORY_POLICY,
             "users": {path: one.access for path, one in users.items()}},
            {**network, **key,
             "secret_arns": ("secrets.arns", dict.fromkeys(users, _MOCK_SECRET))},
        ),
        Unit(
            "clickhouse",
            {**base, "instance_type": machines.clickhouse},
            {**network, **key, "bucket": ("buckets.names.backups", "backups"),
             "bucket_key_arn": ("keys.arns.data", _MOCK_KEY)},
            {"image_id": 'get_env("ODDS_CLICKHOUSE_IMAGE")'},
        ),
        Unit(
            "cluster",
            {"name": name, "secrets_path": fleet.environment,
             "pools": {member.sport: pool_of(member) for member in fleet.members},
             "system": {"instance_type": machines.system, "least": 2, "most": 4}},
            {"subnet_ids": network["subnet_ids"], **key},
            {"admins": 'split(",", get_env("ODDS_ADMIN_ROLES"))'},
        ),
    ]  # fmt: skip


def capacity(machine: str) -> tuple[int, int]:
    """Return cores and GiB of a machine by its name.

    >>> capacity("m7i.2xlarge"), capacity("r6id.large")
    ((8, 32), (2, 16))

    Raises:
        UsageError: The name says neither.
    """
    found = re.fullmatch(r"([a-z])[0-9][a-z-]*\.(?:(large)|(\d*)xlarge)", machine)
    if found is None or found[1] not in GIB_A_CORE:
        raise UsageError(
            f"infra.machines.workers: {machine} does not say how large it is",
            hint="Name a machine of the families c, m or r, e.g. m7i.2xlarge.",
        )
    cores = 2 if found[2] else 4 * int(found[3] or 1)
    return cores, cores * GIB_A_CORE[found[1]]


def pool_of(member: Member) -> dict[str, Any]:
    """Return the nodes of a sport: enough for all its pods at most, and one that may be away."""
    machine = member.infra.machines.workers
    cores, gib = capacity(machine)

    def nodes(wanted_cores: float, wanted_bytes: float) -> int:
        by_memory = wanted_bytes / (gib * USABLE * (1 << 30))
        return max(1, math.ceil(wanted_cores / (cores * USABLE)), math.ceil(by_memory))

    loads = member.workloads()
    least = nodes(
        sum(one.idle * one.cores for one in loads),
        sum(one.idle * one.memory_bytes for one in loads),
    )
    most = nodes(
        sum(one.most * one.cores for one in loads),
        sum(one.most * one.memory_bytes for one in loads),
    )
    return {"instance_type": machine, "least": least, "most": most + 1}


def disk_gib(fleet: Fleet) -> int:
    """Return the disk of a broker: what topics keep, with room, in steps."""
    kept = sum(topic.bytes_kept for member in fleet.members for topic in member.topic_list())
    wanted = kept * SPARE_DISK / fleet.members[0].infra.brokers / (1 << 30)
    return max(1, math.ceil(wanted / DISK_STEP_GIB)) * DISK_STEP_GIB


def _topics(fleet: Fleet) -> dict[str, Any]:
    return {
        topic.name: {
            "partitions": topic.partitions,
            "replication": topic.replication,
            "configs": dict(sorted(topic.configs.items())),
        }
        for member in fleet.members
        for topic in member.topic_list()
    }


def _cache_users(fleet: Fleet) -> dict[str, CacheUser]:
    """Return the cache's users by the path of their secret.

    In the cloud nobody logs in as a copy, and who administrates does it by the cloud's own means.
    """
    roles = {"writer", "reader", "exporter"}
    return {
        one.secret.path: one
        for one in users_of(fleet)
        if one.role in roles and one.secret is not None
    }


def _logins(fleet: Fleet) -> dict[str, dict[str, str]]:
    """Return the logins to the brokers and the cache, by their path."""
    found = {path: {"username": one.name} for path, one in _cache_users(fleet).items()}
    for member in fleet.members:
        for secret in member.secrets():
            name = str(member.security.get("username") or "oddspipe")
            found.setdefault(secret.path, {"username": name})
    return dict(sorted(found.items()))


def _unit(unit: Unit) -> str:
    """Return a component's `terragrunt.hcl`."""
    mocks: dict[str, dict[str, Any]] = {}
    for where, value in unit.needs.values():
        component, _, output = where.partition(".")
        place = mocks.setdefault(component, {})
        name, *inner = re.findall(r"[\w/-]+", output)
        if inner:
            place.setdefault(name, {})[inner[0]] = value
        else:
            place[name] = value
    parts = [_INCLUDE.replace("MODULE", unit.name)]
    for component, outputs in sorted(mocks.items()):
        parts.append(
            f'\ndependency "{component}" {{\n'
            f'  config_path = "../{component}"\n'
            f"  mock_outputs = jsondecode({json.dumps(json.dumps(outputs, sort_keys=True))})\n"
            '  mock_outputs_allowed_terraform_commands = ["init", "validate", "plan"]\n}\n'
        )
    given = {
        name: f"dependency.{component}.outputs.{output}"
        for name, (where, _) in unit.needs.items()
        for component, _, output in [where.partition(".")]
    } | dict(unit.given)
    parts.append('\ninputs = merge(jsondecode(file("inputs.json")), {\n')
    width = max(map(len, given), default=0)
    parts += [f"  {name.ljust(width)} = {text}\n" for name, text in given.items()]
    parts.append("})\n")
    return "".join(parts)


_MOCK_KEY: Final = "arn:aws:kms:us-east-1:000000000000:key/mock"
_MOCK_CLUSTER: Final = "arn:aws:kafka:us-east-1:000000000000:cluster/mock/mock"
_MOCK_SECRET: Final = "arn:aws:secretsmanager:us-east-1:000000000000:secret:mock"  # noqa: S105 - none
_INCLUDE: Final = """include "root" {
  path = find_in_parent_folders("root.hcl")
}

terraform {
  source = "../../../modules//MODULE"
}
"""
_ROOT: Final = """
# One state a component, locked by a file beside it. In another account than the one named here
# nothing is done.
locals {
  environment = read_terragrunt_config(find_in_parent_folders("account.hcl")).locals.environment
  region      = read_terragrunt_config(find_in_parent_folders("region.hcl")).locals.region
  account     = get_env("ODDS_ACCOUNT")
}

remote_state {
  backend = "s3"
  generate = {
    path      = "backend.tf"
    if_exists = "overwrite_terragrunt"
  }
  config = {
    bucket              = "oddspipe-state-${local.environment}-${local.account}"
    key                 = "${path_relative_to_include()}/terraform.tfstate"
    region              = local.region
    encrypt             = true
    use_lockfile        = true
    allowed_account_ids = [local.account]
  }
}

generate "provider" {
  path      = "provider.tf"
  if_exists = "overwrite_terragrunt"
  contents  = <<-EOF
    provider "aws" {
      region              = "${local.region}"
      allowed_account_ids = ["${local.account}"]
      default_tags {
        tags = {
          "oddspipe.io/environment" = "${local.environment}"
          "oddspipe.io/managed-by"  = "terraform"
        }
      }
    }
  EOF
}
"""
