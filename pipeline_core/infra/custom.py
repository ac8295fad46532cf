"""Objects of kinds that Kubernetes itself does not know, held against their projects' schemas.

The schemas are strict: an unknown field is refused, which a cluster would drop without a word.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

FOLDER: Final = ("templates", "infra", "crds")
OWN: Final = frozenset(
    {"", "apps", "batch", "autoscaling", "policy", "networking.k8s.io",
     "rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io"}
)  # fmt: skip
"""Groups of Kubernetes itself, whose schemas come with `kubernetes-validate`."""


@cache
def schema_of(version: str, kind: str) -> Mapping[str, Any] | None:
    """Return the schema of a kind, by its `apiVersion`; None where there is none."""
    name = f"{version.replace('/', '_')}_{kind}.json"
    file = files("oddspipe").joinpath(*FOLDER, name)
    found: Mapping[str, Any] | None = json.loads(file.read_text()) if file.is_file() else None
    return found


def custom_faults(objects: Iterable[Mapping[str, Any]], module: Any) -> list[str]:  # noqa: ANN401 - a library
    """Return what is wrong with custom resources, one line a fault; `module` is `jsonschema`."""
    faults: list[str] = []
    for one in objects:
        group = one["apiVersion"].rpartition("/")[0]
        if group in OWN:
            continue
        title = f"{one['kind']} {one['metadata']['name']}"
        schema = schema_of(one["apiVersion"], one["kind"])
        if schema is None:
            faults.append(f"{title}: there is no schema of {one['apiVersion']} {one['kind']}")
            continue
        found = module.Draft202012Validator(schema).iter_errors(one)
        faults += [f"{title} {list(e.absolute_path)}: {e.message[:300]}" for e in found]
    return faults
