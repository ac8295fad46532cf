"""Write strict JSON Schemas of the custom resources that are rendered, from their projects' own.

`go mod download MODULE@VERSION` for each of `SOURCES`, then `python tests/crds/make_schemas.py`.
Only what is rendered is kept: one version, no descriptions, of Argo CD's generators the list.
What the projects say in CEL (`x-kubernetes-validations`) is left out: nothing here could run it.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parents[2] / "templates/infra/crds"
SOURCES = {
    "github.com/kedacore/keda/v2@v2.21.0": (
        ("config/crd/bases/keda.sh_scaledobjects.yaml", "v1alpha1"),
        ("config/crd/bases/keda.sh_triggerauthentications.yaml", "v1alpha1"),
    ),
    "github.com/argoproj/argo-cd/v3@v3.5.0": (
        ("manifests/crds/applicationset-crd.yaml", "v1alpha1"),
        ("manifests/crds/appproject-crd.yaml", "v1alpha1"),
    ),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        ("example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml", "v1"),
        ("example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml", "v1"),
    ),
    "github.com/external-secrets/external-secrets@v1.3.2": (
        ("config/crds/bases/external-secrets.io_externalsecrets.yaml", "v1"),
    ),
}
"""Modules of Go, all under the Apache License 2.0, with the files and the version of each kind."""
KEPT = {"type", "properties", "items", "required", "enum", "pattern", "minimum", "maximum",
        "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
        "additionalProperties", "anyOf", "oneOf", "allOf", "not"}  # fmt: skip


def strict(schema: Any) -> Any:
    """Return a schema without words, which refuses fields that it does not name."""
    if not isinstance(schema, dict):
        return schema
    made = {key: kept(key, value) for key, value in schema.items() if key in KEPT}
    if schema.get("x-kubernetes-int-or-string"):
        made = {**made, "type": ["integer", "string"]}
        made.pop("anyOf", None)
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if {"properties", "type"} <= set(made) and not open_ended:
        made.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def kept(key: str, value: Any) -> Any:
    """Return what a keyword says, strict all the way down."""
    if key == "properties":
        return {name: strict(one) for name, one in value.items()}
    if key in {"anyOf", "oneOf", "allOf"}:
        return [strict(one) for one in value]
    return strict(value)


def main() -> None:
    """Write a file a kind."""
    for module, parts in SOURCES.items():
        told = subprocess.run(
            ["go", "mod", "download", "-json", module],  # noqa: S607 - the one of the PATH
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        root = Path(json.loads(told)["Dir"])
        for path, version in parts:
            spec = yaml.safe_load((root / path).read_text(encoding="utf-8"))["spec"]
            (found,) = (one for one in spec["versions"] if one["name"] == version)
            schema = strict(found["schema"]["openAPIV3Schema"])
            if spec["names"]["kind"] == "ApplicationSet":
                generator = schema["properties"]["spec"]["properties"]["generators"]["items"]
                generator["properties"] = {"list": generator["properties"]["list"]}
            name = f"{spec['group']}_{version}_{spec['names']['kind']}.json"
            note = {"$comment": f"{module} {path} (Apache-2.0), by tests/crds/make_schemas.py"}
            text = json.dumps({**note, **schema}, separators=(",", ":"), sort_keys=True)
            # A line a field of the spec: a change of version can be read.
            (OUT / name).write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
