"""Terraform itself reads what is rendered: its format, its contracts, its types."""

import json
import os
import re
import shutil
import subprocess

import pytest
from tests.plan_cases import ROOT
from tests.terraform_cases import MODULES, inputs, mocks, output

pytestmark = pytest.mark.integration
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
    values, others = inputs(folder)
    outputs = mocks(folder)
    values |= {name: GIVEN.get(name) or output(outputs, where) for name, where in others.items()}
    (contract(module, tmp_path) / "inputs.tfvars.json").write_text(json.dumps(values))

    said = terraform(tmp_path, "plan", "-no-color", "-var-file=inputs.tfvars.json")

    # Of this machine's own settings, not of ours.
    ours = said.replace("Warning: Unable to open CLI configuration file", "")
    assert "Warning" not in ours, said
