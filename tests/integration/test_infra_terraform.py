"""Terraform itself reads what is rendered: its format, its contracts, its types."""

import json
import os
import re
import shutil
import subprocess

import pytest
from tests.plan_cases import ROOT

pytestmark = pytest.mark.integration
MODULES = sorted((ROOT / "templates/infra/terraform/modules").iterdir())
# A region's folder of each environment that has a cloud.
LIVE = sorted((ROOT / "generated").glob("*/terraform/live/*/"))
GIVEN = {
    "partner_accounts": {"acme": "123456789012"},
    "image_id": "ami-0123456789abcdef0",
    "admins": ["arn:aws:iam::123456789012:role/admin"],
}
"""What the one who applies it gives."""


def terraform(folder, *words, code=0):
    """Run Terraform without a network and a provider; return what it says."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("Terraform is not installed")
    done = subprocess.run(
        [program, f"-chdir={folder}", *words],
        env={**os.environ, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def contract(module, folder):
    """Lay down what a module takes and refuses, without what it makes: no provider is needed."""
    for name in ("variables.tf", "contract.tftest.hcl"):
        shutil.copy(module / name, folder / name)
    terraform(folder, "init", "-backend=false", "-no-color")
    return folder


def test_modules_are_in_the_usual_format():
    terraform(ROOT / "templates/infra/terraform", "fmt", "-check", "-diff", "-recursive")


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.name)
def test_a_module_takes_what_is_right_and_refuses_what_is_wrong(tmp_path, module):
    said = terraform(contract(module, tmp_path), "test", "-no-color")

    runs = re.findall(r'^run "refuses_', (module / "contract.tftest.hcl").read_text(), re.MULTILINE)
    assert runs
    assert f"{len(runs) + 1} passed, 0 failed" in said


def test_environments_have_a_cloud():
    assert {one.parts[-4] for one in LIVE} == {"staging", "prod"}


@pytest.mark.parametrize("live", LIVE, ids=lambda one: one.parts[-4])
@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.name)
def test_what_is_rendered_for_a_module_is_of_the_types_that_it_takes(tmp_path, live, module):
    """An input that is not declared is a warning only: any warning fails."""
    folder = live / module.name
    values = json.loads((folder / "inputs.json").read_text())
    text = (folder / "terragrunt.hcl").read_text()
    outputs = {
        name: json.loads(json.loads(mock))
        for name, mock in re.findall(
            r'^dependency "(\w+)" \{.*?jsondecode\((".*?[^\\]")\)$', text, re.MULTILINE | re.DOTALL
        )
    }
    for name, value in re.findall(
        r"^  (\w+) += (.+)$", text.split("inputs = merge", 1)[1], re.MULTILINE
    ):
        values[name] = GIVEN[name] if name in GIVEN else mocked(outputs, value)
    (contract(module, tmp_path) / "inputs.tfvars.json").write_text(json.dumps(values))

    said = terraform(tmp_path, "plan", "-no-color", "-var-file=inputs.tfvars.json")

    # Of this machine's own settings, not of ours.
    ours = said.replace("Warning: Unable to open CLI configuration file", "")
    assert "Warning" not in ours, said


def mocked(outputs, path):
    """Return what stands for an output of another component."""
    _, component, _, *names = re.findall(r"[\w/-]+", path)
    found = outputs[component]
    for name in names:
        found = found[name]
    return found
