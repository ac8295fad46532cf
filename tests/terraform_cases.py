"""What is rendered for Terraform, read back: modules, and what each component is given."""

import json
import re

from tests.plan_cases import ROOT

MODULES = sorted((ROOT / "templates/infra/terraform/modules").iterdir())


def inputs(folder):
    """Return the inputs of a component as data, and where the others come from."""
    text = (folder / "terragrunt.hcl").read_text().split("inputs = merge", 1)[1]
    others = dict(re.findall(r"^  (\w+) += (.+)$", text, re.MULTILINE))
    return json.loads((folder / "inputs.json").read_text()), others


def mocks(folder):
    """Return what stands for the outputs of the components that one depends on, by their names."""
    text = (folder / "terragrunt.hcl").read_text()
    found = re.findall(
        r'^dependency "(\w+)" \{.*?jsondecode\((".*?[^\\]")\)$', text, re.MULTILINE | re.DOTALL
    )
    return {name: json.loads(json.loads(mock)) for name, mock in found}


def output(outputs, path):
    """Return an output of another component, `dependency.NAME.outputs.…`."""
    _, component, _, *names = re.findall(r"[\w/-]+", path)
    found = outputs[component]
    for name in names:
        found = found[name]
    return found
