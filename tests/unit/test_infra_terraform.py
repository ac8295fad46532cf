"""What Terraform reads, held against the provider's schema, the modules' variables, the plan."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tests.plan_cases import ROOT
from tests.terraform_cases import MODULES, inputs, mocks

from oddspipe.core.errors import UsageError
from oddspipe.core.infra.terraform import USABLE, capacity

hcl2 = pytest.importorskip("hcl2", reason="python-hcl2 is in the extra 'dev'")

SCHEMA = json.loads((ROOT / "tests/aws/schema.json").read_text())["blocks"]
ENVIRONMENTS = ("staging", "prod")
ALWAYS = {"count", "for_each", "depends_on", "lifecycle", "provider"}


def live(environment: str) -> Path:
    """Return the folder of an environment's components."""
    return ROOT / "generated" / environment / "terraform/live/us-east-1"


def plain(value):
    """Return what the parser gave without its notes and the quotes around names and texts."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items() if not k.startswith("__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


def parsed(file: Path):
    return plain(hcl2.loads(file.read_text()))


def faults(where: str, given: dict, schema: dict) -> list[str]:
    """Return the arguments that a provider does not know, and those that it misses."""
    written = {name: value for name, value in given.items() if name not in {*ALWAYS, "dynamic"}}
    for one in given.get("dynamic", []):
        written |= {block: content["content"] for block, content in one.items()}
    found = []
    for name, value in written.items():
        if name not in schema:
            found.append(f"{where}: no argument {name}")
        elif "block" in schema[name] and isinstance(value, list):
            bodies = [one for one in value if isinstance(one, dict)]
            found += [
                x for one in bodies for x in faults(f"{where}.{name}", one, schema[name]["block"])
            ]
    missing = {name for name, one in schema.items() if one["required"]} - set(written)
    return found + [f"{where}: {name} is required" for name in sorted(missing)]


def resources(module: Path):
    """Yield kind, type, name and body of all that a module makes and reads."""
    document = parsed(module / "main.tf")
    for kind in ("resource", "data", "ephemeral"):
        for one in document.get(kind, []):
            for type_, named in one.items():
                for name, body in named.items():
                    yield kind, type_, name, body


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.name)
def test_every_argument_is_one_that_the_provider_has(module):
    found = list(resources(module))

    assert found
    for kind, type_, name, body in found:
        schema = SCHEMA.get(f"{kind} {type_}")
        if kind == "ephemeral" and schema is None:
            continue  # values that are drawn: in no package that could be read
        assert schema is not None, f"{type_} is not in tests/aws/schema.json: run make_schema.py"
        assert faults(f"{module.name}: {type_}.{name}", body, schema) == []


def test_wrong_arguments_are_found():
    schema = SCHEMA["resource aws_msk_cluster"]
    _, _, _, body = next(
        one for one in resources(ROOT / "templates/infra/terraform/modules/kafka")
        if one[1] == "aws_msk_cluster"
    )  # fmt: skip

    missing = {k: v for k, v in body.items() if k != "kafka_version"}
    nodes = [{**body["broker_node_group_info"][0], "instance": "kafka.m7g.large"}]

    assert faults("x", missing, schema) == ["x: kafka_version is required"]
    assert faults("x", {**body, "brokers": 3}, schema) == ["x: no argument brokers"]
    assert faults("x", {**body, "broker_node_group_info": nodes}, schema) == [
        "x.broker_node_group_info: no argument instance"
    ]


def variables(module: str):
    """Return the variables of a module: name to whether it must be given."""
    document = parsed(ROOT / "templates/infra/terraform/modules" / module / "variables.tf")
    return {
        name: "default" not in body
        for one in document["variable"] for name, body in one.items()
    }  # fmt: skip


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_input_is_declared_and_none_is_missing(environment):
    folders = [one for one in live(environment).iterdir() if one.is_dir()]

    assert {one.name for one in folders} == {one.name for one in MODULES}
    for folder in folders:
        values, others = inputs(folder)
        declared = variables(folder.name)
        assert not set(values) & set(others)
        assert set(values) | set(others) <= set(declared), folder.name
        assert {name for name, must in declared.items() if must} <= set(values) | set(others)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_a_component_needs_is_an_output_and_nothing_waits_for_itself(environment):
    needs = {}
    for folder in live(environment).iterdir():
        if not folder.is_dir():
            continue
        _, others = inputs(folder)
        named = set(mocks(folder))
        used = {}
        for value in others.values():
            if value.startswith("dependency."):
                _, component, _, output = re.split(r"[.\[]", value)[:4]
                used.setdefault(component, set()).add(output)
        assert named == set(used)
        for component, outputs in used.items():
            module = ROOT / "templates/infra/terraform/modules" / component
            there = set(
                re.findall(r'^output "(\w+)"', (module / "outputs.tf").read_text(), re.MULTILINE)
            )
            assert outputs <= there, f"{folder.name} needs {outputs - there} of {component}"
        needs[folder.name] = named
    while needs:
        ready = {name for name, wanted in needs.items() if not wanted & set(needs)}
        assert ready, f"these wait for each other: {sorted(needs)}"
        needs = {name: wanted for name, wanted in needs.items() if name not in ready}


def keys(value):
    """Return the shape of data: names only."""
    if isinstance(value, dict):
        return {name: keys(one) for name, one in value.items()}
    return None


def test_environments_differ_in_sizes_only():
    for folder in live("prod").iterdir():
        if folder.is_dir():
            staging, prod = inputs(live("staging") / folder.name), inputs(folder)
            assert keys(staging[0]) == keys(prod[0])
            assert staging[1] == prod[1]


def test_an_environment_without_a_region_has_no_cloud():
    assert not (ROOT / "generated/dev/terraform").exists()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_pods_of_a_sport_fit_on_its_nodes(environment):
    pools = inputs(live(environment) / "cluster")[0]["pools"]
    for sport, pool in pools.items():
        values = yaml.safe_load(
            (ROOT / "generated" / environment / f"helm/values-{sport}.yaml").read_text()
        )
        cores, gib = capacity(pool["instance_type"])
        wanted_cores = wanted_gib = 0.0
        for one in values["workers"].values():
            wanted_cores += one["most"] * cpu(one["cpu"])
            wanted_gib += one["most"] * memory_gib(one["memory"])
        # One node may be away.
        assert wanted_cores <= (pool["most"] - 1) * cores * USABLE
        assert wanted_gib <= (pool["most"] - 1) * gib * USABLE


def cpu(text):
    return float(text[:-1]) / 1000 if str(text).endswith("m") else float(text)


def memory_gib(text):
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", text).groups()
    return int(number) / (1024 if unit == "Mi" else 1)


@pytest.mark.parametrize("machine", ["", "m7i", "t3.large", "m7i.metal", "kafka.m7g.large"])
def test_a_machine_of_unknown_size_is_refused(machine):
    with pytest.raises(UsageError, match="does not say how large it is"):
        capacity(machine)
