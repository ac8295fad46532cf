import json
from importlib.metadata import EntryPoint
from typing import Literal

import pytest
from pydantic import BaseModel, Field
from tests.plan_cases import plan
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.plan import catalogue
from oddspipe.core.ports import registry
from oddspipe.core.stages.guard import BUILT_IN


class Parameters(BaseModel):
    """What the test's model takes."""

    sd: float = Field(gt=0, le=40, description="Deviation.", json_schema_extra={"unit": "points"})
    method: Literal["a", "b"] = "a"


class Model:
    """Price by nothing at all.

    Further words.
    """

    version = "7"
    scopes = ("game", "first_half")
    inputs = ("lead",)
    Parameters = Parameters

    def price(self):
        raise NotImplementedError


class NoParameters(Model):
    Parameters = 3


def entry(name: str, value: str, dist: str | None = None) -> EntryPoint:
    found = EntryPoint(name, value, "oddspipe.models")
    if dist is not None:

        class Distribution:
            pass

        of = Distribution()
        of.name, of.version = dist, "1.2"
        vars(found).update(dist=of)
    return found


@pytest.fixture
def install(monkeypatch):
    def with_entries(*found):
        def entries(group):
            return found if group == "models" else ()

        monkeypatch.setattr(registry, "entries", entries)
        monkeypatch.setattr(catalogue, "entries", entries)

    return with_entries


def test_a_model_is_listed_with_package_inputs_and_parameters(install) -> None:
    install(entry("mine", f"{__name__}:Model", "mine-odds"))

    (found,) = catalogue.models()

    assert (found.name, found.package, found.version) == ("mine", "mine-odds", "1.2")
    assert found.own_version == "7"
    assert found.does == "Price by nothing at all."
    assert found.facts == {"scopes": ["game", "first_half"], "inputs": ["lead"]}
    assert found.parameters == [
        catalogue.Parameter("sd", "number", "needed", "above 0, up to 40", "points", "Deviation."),
        catalogue.Parameter("method", "a | b", "a", "", "", ""),
    ]
    assert found.fault == ""


def test_two_packages_that_claim_a_name_are_a_clash(install) -> None:
    install(entry("mine", f"{__name__}:Model", "one"), entry("mine", "x:Model", "other"))

    (found,) = catalogue.models()

    assert found.fault == (
        f"clash: claimed by one 1.2 ({__name__}:Model), other 1.2 (x:Model); uninstall all but one"
    )


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("gone", "no_such_package:Model", "does not load: ModuleNotFoundError"),
        ("Bad-Name", f"{__name__}:Model", "no spec can name it"),
        ("function", f"{__name__}:entry", "lacks version, scopes, inputs, Parameters, price"),
        ("bare", f"{__name__}:NoParameters", "its Parameters are no pydantic model"),
    ],
)
def test_a_broken_model_is_listed_with_what_is_wrong_beside_the_others(
    install, name, value, fault
) -> None:
    install(entry(name, value), entry("sound", f"{__name__}:Model"))

    found = {one.name: one for one in catalogue.models()}

    assert fault in found[name].fault
    assert found["sound"].fault == ""


def test_the_shipped_models_are_listed_with_units() -> None:
    found = {one.name: one for one in catalogue.models()}

    assert set(found) >= {"mlb", "nba", "nfl"}
    sd = next(one for one in found["nfl_stern"].parameters if one.name == "margin_sd")
    assert (sd.type, sd.default, sd.bounds, sd.unit) == (
        "number", "13.2", "above 0, up to 40", "points",
    )  # fmt: skip


def test_sinks_say_what_they_keep_and_their_parameters_as_written() -> None:
    found = {one.name: one for one in catalogue.sinks()}

    assert set(found) >= {"redis", "clickhouse", "partner_log", "kafka", "dead_letters"}
    assert found["redis"].facts["keeps"][0].startswith("effectively_once: compare-and-set")
    assert [(one.name, one.type, one.default) for one in found["redis"].parameters] == [
        ("ttl", "duration", "10s"),
        ("memory", "duration", "1h"),
        ("url", "text or secret", ""),
    ]


def test_sources_are_the_protocols_of_a_feed() -> None:
    found = {one.name: one for one in catalogue.sources()}

    assert set(found) >= {"kafka", "websocket", "pubsub", "replay", "simulator"}
    spill = next(one for one in found["websocket"].parameters if one.name == "spill")
    assert (spill.type, spill.default) == ("size", "256 MiB")


def test_rules_are_listed_with_their_kind_and_sql() -> None:
    found = {one.name: one for one in catalogue.rules(plan("nfl"))}

    assert [(one.name, one.kind) for one in found.values()] == [
        ("clock_within_quarter", "row"),
        ("clock_runs_back", "temporal"),
        ("score_never_falls", "temporal"),
        ("total_below_score", "guard"),
        ("jump_without_cause", "guard"),
        ("pregame_drift", "guard"),
        ("impossible_price", "built-in guard"),
        ("line_below_score", "built-in guard"),
        ("open_after_end", "built-in guard"),
        ("frozen_feed", "built-in guard"),
    ]
    assert found["clock_within_quarter"].sql == "clock <= 900000"
    assert found["clock_within_quarter"].on == ("play", "score", "clock", "tracking")
    assert "TEMPORAL_RULE" in found["score_never_falls"].does
    assert "only counted" in found["clock_runs_back"].does
    assert "only counted" in found["pregame_drift"].does


def test_every_built_in_guard_is_listed() -> None:
    assert tuple(catalogue.BUILT_IN_GUARDS) == BUILT_IN


def test_a_broken_model_makes_the_command_fail_and_the_others_are_printed(install) -> None:
    install(entry("gone", "no_such_package:Model"), entry("sound", f"{__name__}:Model"))

    shown = CliRunner().invoke(build(), ["list", "models", "--format", "json"])

    assert shown.exit_code == 3
    assert [(one["name"], bool(one["fault"])) for one in json.loads(shown.stdout)] == [
        ("gone", True),
        ("sound", False),
    ]
