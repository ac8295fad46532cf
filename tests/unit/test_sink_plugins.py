from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import BaseModel, Field
from tests.plan_cases import SPORTS, edited, plan_of, written

from oddspipe.core import assemble
from oddspipe.core.api import Guarantee
from oddspipe.core.assemble import Input, Settings
from oddspipe.core.errors import PluginError
from oddspipe.core.explain.page import explain
from oddspipe.core.plan import catalogue
from oddspipe.core.plan.check import check
from oddspipe.core.plan.graph import graph_of, mermaid
from oddspipe.core.ports import registry
from oddspipe.core.spec.model import SportSpec


class Parameters(BaseModel):
    """What the test's sink takes."""

    width: int = Field(3, ge=1)


class Kept:
    """Keep everything."""

    keeps = Guarantee.AT_LEAST_ONCE
    Parameters = Parameters

    def __init__(self, parameters, place) -> None:
        self.parameters, self.place, self.name = parameters, place, place.name

    def open(self) -> None: ...
    def write(self, output) -> None: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


class Refusing(Kept):
    def __init__(self, *_given) -> None:
        raise OSError("no such disk")


class Silent(Kept):
    keeps = "always"


class Half:
    keeps = Guarantee.AT_LEAST_ONCE
    Parameters = Parameters


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    found = (
        registry.entries("models"),
        tuple(
            EntryPoint(name, f"{__name__}:{name.capitalize()}", "oddspipe.sinks")
            for name in ("kept", "refusing", "silent", "half")
        ),
    )
    for module in (registry, catalogue):
        monkeypatch.setattr(module, "entries", lambda group: found[group == "sinks"])


def with_sink(**sink):
    return edited(
        written("nba"), "sinks.mine", {"kind": "plugin", "guarantee": "at_least_once", **sink}
    )


def problems(**sink):
    return [(one.code, one.path) for one in check(SportSpec(**with_sink(**sink)))]


def test_a_sink_of_a_package_is_planned_with_what_it_keeps() -> None:
    made = plan_of(with_sink(name="kept", parameters={"width": 5}))

    (mine,) = (sink for sink in made.sinks if sink.name == "mine")

    assert (mine.kind, mine.keeps) == ("plugin", Guarantee.AT_LEAST_ONCE)
    assert mine.options == {"name": "kept", "parameters": {"width": 5}}
    assert "mine" in mermaid(graph_of(made))
    assert [sink.place for sink in explain(made).sinks if sink.name == "mine"] == [
        "where kept of (no distribution) says"
    ]


@pytest.mark.parametrize(
    ("sink", "code", "at"),
    [
        ({"name": "keept"}, "sink.unknown", ("name",)),
        ({"name": "half"}, "sink.broken", ("name",)),
        ({"name": "silent"}, "sink.broken", ("name",)),
        ({"name": "kept", "parameters": {"width": 0}}, "sink.parameter", ("parameters", "width")),
        ({"name": "kept", "guarantee": "exactly_once"}, "sink.guarantee", ("guarantee",)),
    ],
)
def test_a_sink_of_a_package_that_does_not_fit_is_a_fault_at_its_place(sink, code, at) -> None:
    assert problems(**sink) == [(code, ("sinks", "mine", *at))]


def test_a_sink_of_a_package_is_made_with_parameters_and_place(tmp_path) -> None:
    made = plan_of(with_sink(name="kept"))

    (sink,) = assemble.sinks_of(made, tmp_path, Settings(Input(), sinks=("mine",)))

    assert isinstance(sink, Kept)
    assert sink.parameters == Parameters(width=3)
    assert (sink.place.name, sink.place.sport, sink.place.folder) == ("mine", "nba", tmp_path)
    assert sink.place.plan == made.logic_digest


def test_a_sink_of_a_package_that_raises_is_told_by_name() -> None:
    made = plan_of(with_sink(name="refusing"))

    with pytest.raises(PluginError, match="sink 'refusing' cannot be made: OSError: no such disk"):
        assemble.sinks_of(made, Path(), Settings(Input(), sinks=("mine",)))


def test_sinks_of_packages_are_listed_behind_the_built_in_ones() -> None:
    found = {one.name: one for one in catalogue.sinks()}

    assert "plugin" not in found
    assert found["kept"].facts == {"keeps": ["at_least_once"]}
    assert [(one.name, one.bounds) for one in found["kept"].parameters] == [("width", "from 1")]
    assert found["half"].fault.startswith("sink 'half' lacks open, write, refresh, close.")


def test_no_shipped_sport_needs_a_sink_of_a_package() -> None:
    kinds = {sink["kind"] for sport in SPORTS for sink in written(sport)["sinks"].values()}

    assert kinds == {"redis", "clickhouse", "partner_log", "dead_letters"}
