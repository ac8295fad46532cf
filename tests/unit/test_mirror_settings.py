"""Settings of a mirror: what is rendered is sound, and each setting that is spoilt is refused."""

import shutil

import pytest
from tests.plan_cases import ROOT

from oddspipe.core.infra.mirror_check import mirror_faults, read_properties

FOLDER = ROOT / "generated" / "prod"
FILE = FOLDER / "kafka" / "mirror" / "west.properties"


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_what_is_rendered_is_sound(environment):
    folder = ROOT / "generated" / environment
    assert mirror_faults(folder, folder / "kafka/mirror/west.properties") == []


SPOILT = [
    ("clusters", "home, east", "clusters is"),
    ("replication.policy.class", "DefaultReplicationPolicy", "replication.policy.class is"),
    ("home->west.enabled", "false", "home->west.enabled is"),
    ("west->home.enabled", "true", "west->home.enabled is"),
    ("home.consumer.isolation.level", "read_uncommitted", "isolation.level is"),
    ("west.exactly.once.source.support", "preparing", "exactly.once.source.support is"),
    ("west.exactly.once.source.support", None, "exactly.once.source.support is None"),
    ("dedicated.mode.enable.internal.rest", "false", "internal.rest is"),
    ("home->west.sync.topic.acls.enabled", "true", "acls.enabled is"),
    ("west.bootstrap.servers", "kafka.prod.odds.example.com:9096", "are not two"),
    ("home.bootstrap.servers", None, "are not two"),
    ("home.sasl.jaas.config", 'x required password="secret";', "holds a password"),
    ("home->west.topics", "nfl.*", "must not be mirrored"),
    ("home->west.topics", "nfl\\.odds\\.v1", "mlb.odds.v1 is not mirrored"),
    ("home->west.topics", "nfl\\.ods\\.v1", "no topic is nfl\\.ods\\.v1"),
    ("home->west.replication.factor", "1", "topics at home have 3"),
    ("west.offset.storage.replication.factor", "2", "topics at home have 3"),
    ("home->west.sync.group.offset.enabled", "true", "MirrorMaker has no"),
    ("home->west.topic", "x", "MirrorMaker has no"),
]


@pytest.mark.parametrize(("key", "value", "told"), SPOILT, ids=[f"{k} {v}" for k, v, _ in SPOILT])
def test_a_setting_that_is_spoilt_is_refused(tmp_path, key, value, told):
    found = read_properties(FILE.read_text())
    if value is None:
        del found[key]
    else:
        found[key] = value
    shutil.copytree(FOLDER / "kafka", tmp_path / "kafka")
    file = tmp_path / "kafka/mirror/west.properties"
    file.write_text("".join(f"{k} = {v}\n".replace("\\", "\\\\") for k, v in found.items()))
    assert any(told in one for one in mirror_faults(tmp_path, file)), mirror_faults(tmp_path, file)
