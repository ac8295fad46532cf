"""What services are started with, before anything is started."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.plan_cases import ROOT

from oddspipe.core.services import clickhouse, kafka, local, postgres, redis

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
PORTS = {"kafka": kafka.PORT, "redis": redis.PORT, "postgres": postgres.PORT,
         "clickhouse": clickhouse.PORT}  # fmt: skip
OF_A_CONTAINER = {"listeners", "log.dirs", "controller.quorum.voters"}
"""Settings that name a folder or an address of this machine."""


def test_an_id_that_would_begin_with_a_dash_begins_with_a_letter() -> None:
    assert kafka.cluster_id(bytes([0xFB] * 16)) == "e_v7-_v7-_v7-_v7-_v7-w"


@given(st.binary(min_size=16, max_size=16))
def test_no_id_of_a_cluster_is_taken_for_an_option(drawn: bytes) -> None:
    assert kafka.cluster_id(drawn)[0].isalpha()
    assert len(kafka.cluster_id(drawn)) == 22


def test_compose_has_the_services_that_are_started_here() -> None:
    assert set(COMPOSE) == set(local.STARTS) == set(PORTS)


@pytest.mark.parametrize("name", sorted(PORTS))
def test_a_service_of_compose_listens_where_dev_looks_for_it(name: str) -> None:
    (port,) = COMPOSE[name]["ports"]
    assert port == f"127.0.0.1:{PORTS[name]}:{PORTS[name]}"
    dev = yaml.safe_load((ROOT / "platform.yaml").read_text())["environments"]["dev"]
    defaults = {
        value["env"]: value["default"]
        for place in dev.values()
        if isinstance(place, dict)
        for value in place.values()
        if isinstance(value, dict) and "env" in value
    }
    if local.VARIABLES[name] in defaults:
        assert f"localhost:{PORTS[name]}" in defaults[local.VARIABLES[name]]
    assert COMPOSE[name]["healthcheck"]["test"][0] == "CMD"


def test_the_broker_of_compose_is_that_of_services_up() -> None:
    assert COMPOSE["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    told = kafka._properties(Path("/x"), kafka.PORT, 9093, 4)
    wanted = dict(line.split("=", 1) for line in told.splitlines())
    given = COMPOSE["kafka"]["environment"]
    assert set(given) == {f"KAFKA_{name.upper().replace('.', '_')}" for name in wanted}
    for name, value in wanted.items():
        if name not in OF_A_CONTAINER:
            assert given[f"KAFKA_{name.upper().replace('.', '_')}"] == value, name
