"""The programs inside rendered workflows, run: what they write, and what they refuse."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.plan_cases import ROOT

pytestmark = pytest.mark.integration

GENERATED = ROOT / "generated"
DIGEST = f"sha256:{'ab' * 32}"
# Neither Terragrunt nor a cloud is here: these keep what they are given, as those would.
TERRAGRUNT = """#!/bin/sh
case $1 in
  plan)
    for word; do
      case $word in -out=*) echo "plan of $(basename "$PWD")" > "${word#-out=}" ;; esac
    done
    echo providers > .terraform.lock.hcl
    exit "$PLAN_CODE" ;;
  show) echo shown ;;
  apply) for word; do last=$word; done; cat "$last" >> "$APPLIED" ;;
esac
"""
AWS = """#!/bin/sh
# s3 cp --recursive --only-show-errors FROM TO [--exclude X --include PATTERN]
from=$(echo "$5" | sed "s|s3://|$STORE/|"); to=$(echo "$6" | sed "s|s3://|$STORE/|")
mkdir -p "$to"
for file in "$from"/${10:-*}; do [ ! -f "$file" ] || cp "$file" "$to"; done
"""


def workflow(environment, name):
    return yaml.safe_load((GENERATED / environment / f"github/{name}.yaml").read_text())


def step(environment, name, job, title):
    found = [s for s in workflow(environment, name)["jobs"][job]["steps"] if s["name"] == title]
    assert len(found) == 1
    return found[0]


def ran(program, folder, env):
    done = subprocess.run(
        ["/bin/bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", program],
        cwd=folder, env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def cloud(tmp_path):
    """Return a folder with components, and what the steps of a run see."""
    for name, text in (("terragrunt", TERRAGRUNT), ("aws", AWS)):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    for one in ("network", "keys"):
        (tmp_path / "live" / one).mkdir(parents=True)
    return {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path / "runner"),
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "STORE": str(tmp_path / "store"), "APPLIED": str(tmp_path / "applied"), "PLAN_CODE": "2",
        "COMPONENTS": "network keys", "LIVE": "live", "PLANS": "s3://state/plans/7",
    }  # fmt: skip


def outputs(cloud):
    lines = Path(cloud["GITHUB_OUTPUT"]).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_plan_that_was_approved_is_applied_and_no_other(cloud, tmp_path):
    plan = step("prod", "terraform", "plan-1", "Plan")["run"]
    apply = step("prod", "terraform", "apply-1", "Apply")["run"]
    code, words = ran(plan, tmp_path, cloud)
    assert code == 0, words
    told = outputs(cloud)
    assert told["changes"] == "true"
    elsewhere = {**cloud, "RUNNER_TEMP": str(tmp_path / "other"), "DIGEST": told["digest"]}
    code, words = ran(apply, tmp_path, elsewhere)
    assert code == 0, words
    applied = tmp_path / "applied"
    assert applied.read_text() == "plan of network\nplan of keys\n"
    applied.unlink()
    (tmp_path / "store/state/plans/7/keys.tfplan").write_text("another plan\n")
    third = {**elsewhere, "RUNNER_TEMP": str(tmp_path / "third")}
    code, words = ran(apply, tmp_path, third)
    assert code == 1
    assert "not the plans that were approved" in words
    assert not applied.exists()


@pytest.mark.parametrize(("code", "changes"), [("0", "false"), ("2", "true"), ("1", None)])
def test_a_plan_says_whether_anything_changes(cloud, tmp_path, code, changes):
    plan = step("staging", "terraform", "plan-1", "Plan")["run"]
    ended, _ = ran(plan, tmp_path, {**cloud, "PLAN_CODE": code})
    if changes is None:
        assert ended == 1
        assert not (tmp_path / "output").exists()
    else:
        assert (ended, outputs(cloud)["changes"]) == (0, changes)


def test_an_input_that_is_missing_or_no_digest_stops_the_job(tmp_path):
    one = step("dev", "image", "build", "Inputs are there")
    given = dict.fromkeys(workflow("dev", "image")["jobs"]["build"]["env"], f"image@{DIGEST}")
    assert ran(one["run"], tmp_path, given)[0] == 0
    for name in given:
        code, words = ran(one["run"], tmp_path, {**given, name: ""})
        assert code != 0
        assert f"set the variable {name} in GitHub" in words
    code, words = ran(one["run"], tmp_path, {**given, "ODDS_RUN_IMAGE": "python:3.13"})
    assert (code, "ODDS_RUN_IMAGE is no digest" in words) == (1, True)


def test_an_image_is_proposed_once_and_found_by_who_promotes_it(tmp_path):
    place = {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    make = """git init -q --bare remote.git -b main && git clone -q remote.git here && cd here
git switch -q -c main && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first
git push -q origin main && mkdir -p ../bin && printf '#!/bin/sh\\necho "$@" >> ../told\\n
case $2 in view) exit 1 ;; esac\\n' > ../bin/gh && chmod +x ../bin/gh"""
    code, words = ran(make, tmp_path, place)
    assert code == 0, words
    here = tmp_path / "here"
    one = step("dev", "image", "propose", "Propose")
    env = {
        **place, **one["env"], "DIGEST": DIGEST, "ODDS_REGISTRY": "registry.example.com/odds",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GH_TOKEN": "x",
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip
    code, words = ran(one["run"], here, env)
    assert code == 0, words
    written = yaml.safe_load((here / "generated/dev/overrides/image.yaml").read_text())
    assert written == {"image": {"repository": "registry.example.com/odds", "digest": DIGEST}}
    assert "pr create --base main --head dev-image-abababababab" in (tmp_path / "told").read_text()
    code, words = ran("git ls-remote --heads origin", here, env)
    assert "refs/heads/dev-image-abababababab" in words
    # Asked again for what runs already, it proposes nothing.
    (tmp_path / "told").unlink()
    code, words = ran(one["run"], here, env)
    assert code == 0, words
    assert "already" in (tmp_path / "summary").read_text()
    assert not (tmp_path / "told").exists()
    which = step("staging", "image", "verify", "Which image")
    found = {**env, **which["env"], "GITHUB_OUTPUT": str(tmp_path / "output")}
    code, words = ran(which["run"], here, found)
    assert code == 0, words
    assert (tmp_path / "output").read_text() == f"digest={DIGEST}\n"


def test_workflows_are_laid_where_github_reads_them(tmp_path):
    for environment in ("dev", "prod"):
        place = tmp_path / "generated" / environment
        place.mkdir(parents=True)
        assert ran(f"cp -r {GENERATED / environment / 'github'} {place}", tmp_path, {})[0] == 0
        install = f"generated/{environment}/github/install.sh"
        assert ran(f"{install} --check", tmp_path, {})[0] != 0
        assert ran(install, tmp_path, {})[0] == 0
        assert ran(f"{install} --check", tmp_path, {})[0] == 0
    laid = sorted(one.name for one in (tmp_path / ".github/workflows").iterdir())
    assert laid == [
        "dev-check.yaml", "dev-image.yaml",
        "prod-check.yaml", "prod-image.yaml", "prod-terraform.yaml",
    ]  # fmt: skip
    (tmp_path / ".github/workflows/prod-image.yaml").write_text("name: mine\n")
    code, words = ran("generated/prod/github/install.sh --check", tmp_path, {})
    assert code != 0
    assert "prod-image.yaml" in words
