"""Whatever sizes a sound spec names, what is rendered of it passes the checks of its readers."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan_cases import ROOT

from oddspipe.core.infra import verify
from oddspipe.core.infra.custom import custom_faults
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.infra.render import tree_of
from oddspipe.core.infra.terraform import units_of
from oddspipe.core.infra.waves import waves_of

pytestmark = pytest.mark.integration
PLATFORM = yaml.safe_load((ROOT / "platform.yaml").read_text())

infras = st.fixed_dictionaries({
    "least": st.integers(1, 60),
    "idle": st.integers(1, 60),
    "headroom": st.floats(1, 20).map(lambda one: round(one, 2)),
    "node_boot": st.integers(30, 1800).map(lambda one: f"{one}s"),
    "brokers": st.sampled_from((3, 6, 9)),
    "odds_kept": st.integers(1, 60).map(lambda one: f"{one}d"),
    "network": st.integers(0, 255).map(lambda one: f"10.{one}.0.0/16"),
    "machines": st.fixed_dictionaries({
        "workers": st.builds(
            "{}{}.{}".format, st.sampled_from("cmr"), st.sampled_from(("6i", "7g", "7i", "6id")),
            st.sampled_from(("large", "xlarge", "2xlarge", "16xlarge")),
        ),
    }),
})  # fmt: skip
sports = st.fixed_dictionaries({
    "load": st.fixed_dictionaries({
        "peak_rate": st.integers(100, 500_000).map(lambda one: f"{one}/s"),
        "games_at_once": st.integers(8, 16),
    }),
    "feed": st.fixed_dictionaries({"partitions": st.integers(2, 120)}),
})  # fmt: skip


@contextmanager
def checkout(sport, spec, infra):
    """Work in a folder with one sport and one environment of such sizes."""
    before = Path.cwd()
    platform = {**PLATFORM, "environments": {**PLATFORM["environments"]}}
    platform["environments"]["prod"] = {**platform["environments"]["prod"], "infra": infra}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "sports").mkdir()
        text = yaml.safe_dump({"extends": f"oddspipe.sports:{sport}.yaml", **spec})
        (folder / "sports" / f"{sport}.yaml").write_text(text)
        (folder / "platform.yaml").write_text(yaml.safe_dump(platform))
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


@settings(max_examples=25, deadline=None)
@given(sport=st.sampled_from(("nfl", "nba")), spec=sports, infra=infras)
def test_any_sound_spec_renders_to_what_its_readers_take(sport, spec, infra):
    helm = pytest.importorskip("helm_python", reason="helm-python-sdk is in the extra 'dev'")
    schemas = pytest.importorskip("kubernetes_validate", reason="it is in the extra 'dev'")
    jsonschema = pytest.importorskip("jsonschema", reason="it is in the extra 'dev'")
    promql = pytest.importorskip("promql_parser", reason="promql-parser is in the extra 'dev'")
    with checkout(sport, spec, infra) as folder:
        platform = folder / "platform.yaml"
        (fleet,) = fleets_of(["prod"], platform=platform, only=[sport], environ={})
        tree = tree_of(fleet)
        assert tree_of(fleet).texts() == tree.texts()
        out = folder / "generated/prod"
        tree.write(out)
        values = yaml.safe_load((out / f"helm/values-{sport}.yaml").read_text())
        root = verify.lay_down(out, folder / "chart", {**values, "image": verify.IMAGE})
        assert verify.lint(root, helm) == []
        objects = verify.render(root, sport, helm)
        for name in ("kubernetes", "argocd"):
            for file in sorted((out / name).glob("*.yaml")):
                objects += list(yaml.safe_load_all(file.read_text()))
        for query in verify.queries(out / f"grafana/{sport}.json"):
            promql.parse(query)
    assert verify.schema_faults(verify.VERSIONS[-1], objects, schemas)[0] == []
    assert custom_faults(objects, jsonschema) == []
    _numbers_agree(fleet.members[0], objects)
    assert sum(map(len, waves_of(units_of(fleet)))) == len(units_of(fleet))


def _numbers_agree(member, objects):
    """Check idle <= windows <= most <= partitions, and that no two objects have one name."""
    for load in member.workloads():
        assert 1 <= load.idle <= load.least <= load.most <= member.plan.feed.partitions
    for one in objects:
        if one["kind"] != "ScaledObject":
            continue
        spec = one["spec"]
        least, most = spec["minReplicaCount"], spec["maxReplicaCount"]
        floors = [
            int(trigger["metadata"]["desiredReplicas"])
            for trigger in spec["triggers"]
            if trigger["type"] == "cron"
        ]
        assert floors
        assert all(least <= floor <= most for floor in floors)
    names = [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects
    ]
    assert len(names) == len(set(names))
    for topic in member.topic_list():
        assert topic.partitions >= 1
        assert int(topic.configs["min.insync.replicas"]) <= topic.replication
