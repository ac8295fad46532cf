"""The JSON Schema of files: what is shipped fits it, what is broken does not."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.plan.json_schema import platform_schema, sport_schema
from oddspipe.core.spec.parser import parse

ROOT = Path(__file__).parents[2]
SPORTS = sorted(ROOT.glob("sports/**/*.yaml"))
SPORT = Draft202012Validator(sport_schema())
PLATFORM = Draft202012Validator(platform_schema())


def plain(text: str) -> Any:
    """Read a file as an editor does: what it says itself, nothing merged, every key a text."""
    return _texts(parse(text, "<text>").plain())


def _texts(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {str(key): _texts(value) for key, value in tree.items()}
    return [_texts(one) for one in tree] if isinstance(tree, list) else tree


def faults(validator: Draft202012Validator, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(plain(text))]


@pytest.mark.parametrize("validator", [SPORT, PLATFORM], ids=["sport", "platform"])
def test_schema_is_itself_valid(validator) -> None:
    Draft202012Validator.check_schema(validator.schema)


@pytest.mark.parametrize("path", SPORTS, ids=lambda path: path.name)
def test_shipped_file_fits_the_schema(path) -> None:
    validator = PLATFORM if path.name == "platform.yaml" else SPORT

    assert faults(validator, path.read_text()) == []


@pytest.mark.parametrize("path", [*SPORTS, ROOT / "platform.yaml"], ids=lambda path: path.name)
def test_shipped_file_names_its_schema_for_editors(path) -> None:
    first = path.read_text().splitlines()[0]
    if path.parent.name == "shared" and path.name == "defaults.yaml":
        return
    target = first.removeprefix("# yaml-language-server: $schema=")

    assert (path.resolve().parent / target).is_file()


@pytest.mark.parametrize(
    "text",
    [
        "feed: {partitions: {env: PARTITIONS, default: 4}}",
        "order: {late: {env: LATE}}",
        "odds: {markets: {total: null}}",
        "sinks: {current: {ttl: 5s}}",
        "feed: {topic: nfl.feed.v1}",
        "sinks: {current: {kind: redis, url: {secret: odds/redis#url}}}",
        "rules: [{name: a, check: clock > 0}]",
        "model: {name: of_another_package, parameters: {anything: 1}}",
    ],
)
def test_part_of_a_file_that_may_stand_fits(text) -> None:
    assert faults(SPORT, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "fed: {}",
        "feed: {partitions: lots}",
        "feed: {partitions: 0}",
        "feed: {protocol: kafak}",
        "feed: {heartbeat: 5}",
        "feed: {max_payload: 64 kilobytes}",
        "order: {late: sometimes}",
        "order: {window: 2 seconds}",
        "rules: [{name: a}]",
        "rules: [{check: clock > 0}]",
        "rules: {name: a, check: b}",
        "state: {columns: {down: {take: lst}}}",
        "event: {fields: {down: {number: seventeen}}}",
        "odds: {formats: []}",
        "odds: {margin: {overround: 450%%}}",
        "odds: {markets: {spread: {step: 0.2}}}",
        "sinks: {current: {kind: rediss}}",
        "sinks: {current: {kind: redis, ttll: 5s}}",
        "schedule: {windows: [{day: someday, kickoff: '13:00', games: 1}]}",
        "model: {name: nfl, parameters: {home_edg: 2.0}}",
        "model: {name: nfl, parameters: {home_edge: high}}",
    ],
)
def test_broken_file_does_not_fit(text) -> None:
    assert faults(SPORT, text) != []


def test_broken_platform_does_not_fit() -> None:
    assert faults(PLATFORM, "environments: {local: {replicas: none}}") != []
    assert faults(PLATFORM, "partners: {acme: {tier: golden}}") != []


def test_every_key_is_described_and_durations_default_to_what_a_person_writes() -> None:
    defs = SPORT.schema["$defs"]
    silent = [
        f"{name}.{key}"
        for name, part in defs.items()
        if name != "FromEnvironment" and not name.startswith("models.")
        for key, one in part.get("properties", {}).items()
        if "description" not in one
    ]

    assert silent == []
    assert defs["OrderSpec"]["properties"]["window"]["default"] == "2s"
    assert defs["KafkaFeed"]["properties"]["max_payload"]["default"] == "64KiB"


def test_command_prints_the_schema_or_writes_it(tmp_path) -> None:
    out = tmp_path / "schema.json"

    printed = CliRunner().invoke(build(), ["spec", "schema", "--platform"])
    written = CliRunner().invoke(build(), ["spec", "schema", "--platform", "--out", str(out)])

    assert (printed.exit_code, written.exit_code, written.output) == (0, 0, "")
    assert printed.output == out.read_text()
