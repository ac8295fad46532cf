"""Workflows that are rendered: what they may do, what they are given, and what they take over."""

import re

import pytest
import yaml
from tests.plan_cases import ROOT

from oddspipe.core.infra.actions import VARIABLES, with_notes
from oddspipe.core.infra.delivery import delivery_of, variables_of
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.infra.pins import PINS
from oddspipe.core.infra.terraform import Unit, units_of
from oddspipe.core.infra.waves import waves_of

ENVIRONMENTS = ("dev", "staging", "prod")


@pytest.fixture(scope="module")
def fleets():
    made = fleets_of((), platform=ROOT / "platform.yaml", environ={})
    return {one.environment: one for one in made}


@pytest.fixture(scope="module")
def files(fleets):
    """Return the text of every workflow, by environment and name."""
    return {
        (name, one.path): one.text
        for name, fleet in fleets.items()
        for one in delivery_of(fleet)
        if one.path.endswith(".yaml")
    }


@pytest.fixture(scope="module")
def workflows(files):
    return {place: yaml.safe_load(text) for place, text in files.items()}


def jobs(workflows):
    return [
        (*place, name, job) for place, one in workflows.items() for name, job in one["jobs"].items()
    ]


def test_actions_are_pinned_by_a_commit_that_was_looked_up(files):
    used = set()
    for text in files.values():
        for action, commit, version in re.findall(
            r"uses: (\S+)@(\S+) # (\S+)$", text, re.MULTILINE
        ):
            assert re.fullmatch(r"[0-9a-f]{40}", commit)
            assert (PINS[action].commit, PINS[action].version) == (commit, version)
            assert PINS[action].seen
            used.add(action)
        assert text.count("uses:") == len(re.findall(r"uses: \S+@[0-9a-f]{40} # v", text))
    assert used == set(PINS)
    with pytest.raises(KeyError):
        with_notes("uses: somebody/else")


def test_a_job_may_do_only_what_it_says(workflows):
    for one in workflows.values():
        assert one["permissions"] == {}
        assert one["concurrency"]["cancel-in-progress"] is False
    writes = {
        (path, name): {key for key, value in job["permissions"].items() if value == "write"}
        for _, path, name, job in jobs(workflows)
    }
    assert {key for allowed in writes.values() for key in allowed} == {
        "id-token", "contents", "pull-requests",
    }  # fmt: skip
    for (_, name), allowed in writes.items():
        # Who can write to the repository has no role in the cloud, and the other way round.
        assert allowed in (set(), {"id-token"}, {"contents", "pull-requests"})
        assert (allowed == {"contents", "pull-requests"}) == (name == "propose")
    for _, _, _, job in jobs(workflows):
        assert job["timeout-minutes"] <= 120
        assumes = any("configure-aws" in step.get("uses", "") for step in job["steps"])
        assert assumes == ("id-token" in job["permissions"])
        # A role is bound to an environment, whose rules GitHub holds.
        assert not assumes or job["environment"]


def test_no_secret_and_nothing_from_outside_stands_in_a_program(files, workflows):
    for text in files.values():
        assert "secrets." not in text
        assert "pull_request_target" not in text
    for _, _, _, job in jobs(workflows):
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_what_is_given_is_said_wanted_and_refused_where_it_is_missing(fleets, files, workflows):
    for (name, path), text in files.items():
        inputs = {one.name for one in fleets[name].inputs}
        for variable in set(re.findall(r"vars\.(\w+)", text)):
            assert (variable in VARIABLES) != (variable in inputs), path
    for _, _, _, job in jobs(workflows):
        wanted = set(re.findall(r": \"\$\{(\w+):\?", job["steps"][0].get("run", "")))
        given = set(re.findall(r"vars\.(ODDS_\w+)", yaml.safe_dump(job))) & set(VARIABLES)
        assert given == wanted
    named = {one for fleet in fleets.values() for one in variables_of(fleet)}
    assert named == set(VARIABLES)
    for name, fleet in fleets.items():
        readme = (ROOT / "generated" / name / "README.md").read_text()
        assert all(f"`{one}`" in readme for one in variables_of(fleet))


def test_an_image_comes_by_way_of_the_environments_before(workflows, files):
    assert "build" in workflows["dev", "github/image.yaml"]["jobs"]
    for name, before in (("staging", "dev"), ("prod", "staging")):
        one = workflows[name, "github/image.yaml"]
        assert one["on"]["push"]["paths"] == [f"generated/{before}/overrides/image.yaml"]
        assert set(one["jobs"]) == {"verify", "propose"}
        # Only the workflow that builds may have signed.
        assert (
            "/.github/workflows/dev-image.yaml@refs/heads/main" in files[name, "github/image.yaml"]
        )
    for name in ENVIRONMENTS:
        steps = workflows[name, "github/image.yaml"]["jobs"]["propose"]["steps"]
        assert steps[-1]["env"]["TARGET"] == f"generated/{name}/overrides/image.yaml"
        apps = (ROOT / f"generated/{name}/argocd/applicationset.yaml").read_text()
        assert "../../overrides/image.yaml" in apps


def test_a_component_is_planned_when_all_that_it_needs_is_applied(fleets, workflows):
    for name in ("staging", "prod"):
        waves = waves_of(units_of(fleets[name]))
        at = {one: number for number, wave in enumerate(waves) for one in wave}
        units = units_of(fleets[name])
        assert set(at) == {unit.name for unit in units}
        for unit in units:
            needed = {where.partition(".")[0] for where, _ in unit.needs.values()}
            assert all(at[one] < at[unit.name] for one in needed)
        made = workflows[name, "github/terraform.yaml"]["jobs"]
        for number, wave in enumerate(waves, start=1):
            plan, apply = made[f"plan-{number}"], made[f"apply-{number}"]
            for job in (plan, apply):
                assert job["steps"][-1]["env"]["COMPONENTS"].split() == wave
            assert apply["needs"] == [f"plan-{number}"]
            assert apply["environment"] == name
            assert plan["environment"] == f"{name}-plan"
            assert plan.get("needs", []) == (
                [f"plan-{number - 1}", f"apply-{number - 1}"] if number > 1 else []
            )
    with pytest.raises(ValueError, match="need each other"):
        waves_of([Unit("a", {}, {"x": ("b.id", "")}), Unit("b", {}, {"x": ("a.id", "")})])
