"""What `oddspipe new` makes validates, passes its tests and runs as soon as it is installed."""

import json
import sys
from pathlib import Path

import pytest
from tests.installed import Environment, environment

pytestmark = pytest.mark.integration
RUFF = f"{Path(sys.executable).parent}/ruff"
SHAPES = {
    "futsal": "--periods 2 --minutes 20 --total 6.5",
    "korfball": "--scoring high --periods 4 --minutes 10 --total 40 --no-ties",
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Environment:
    return environment(tmp_path_factory.mktemp("new"), with_oddspipe=True)


def lint(clean: Environment, folder: Path) -> None:
    rules = "--select ALL --ignore ANN,COM812,CPY,D,EM,INP001,PLR2004,S101,TC,TRY003"
    clean.done(f"{RUFF} format --check . && {RUFF} check {rules} .", cwd=folder)


@pytest.mark.parametrize("name", SHAPES)
def test_a_new_sport_validates_tests_and_runs(clean, name) -> None:
    screen = clean.done(f"oddspipe new sport {name} {SHAPES[name]}")
    steps = screen.partition("try next\n")[2].splitlines()

    clean.done("\n".join(steps[:-1]))
    folder = clean.home / f"oddspipe-{name}"
    clean.done(f"{steps[-1].strip()} --no-live --report report.json", cwd=folder)

    report = json.loads((folder / "report.json").read_text())
    assert steps[-1].strip() == f"oddspipe run --sport {name} --duration 10 --max-speed"
    assert (report["sport"], report["rejects"]) == (name, {})
    assert report["events_in"] > 1000
    assert report["odds_published"] > 10
    assert report["stages"][2]["rejected"] == {}
    lint(clean, folder)


@pytest.mark.parametrize("kind", ["model", "source", "sink"])
def test_a_new_plugin_is_listed_and_passes_its_tests(clean, kind) -> None:
    screen = clean.done(f"oddspipe new plugin my_{kind} --kind {kind}")
    steps = screen.partition("try next\n")[2]

    listed = clean.done(steps)

    assert f"oddspipe-my-{kind} 0.1.0" in listed
    assert "broken" not in listed
    lint(clean, clean.home / f"oddspipe-my-{kind}")


def test_a_sink_of_a_package_gets_the_odds_of_a_run(clean) -> None:
    clean.done("oddspipe new plugin lines_sink --kind sink && pip install -e ./oddspipe-lines-sink")
    (clean.home / "nba.yaml").write_text(
        "extends: oddspipe.sports:nba.yaml\n"
        "sinks:\n"
        "  mine: {kind: plugin, name: lines_sink, guarantee: effectively_once}\n"
    )

    clean.done(
        "oddspipe validate nba.yaml\n"
        "oddspipe run --spec nba.yaml --duration 5 --max-speed --no-live --sinks mine"
        " --state state --report report.json"
    )

    lines = (clean.home / "state" / "lines_sink.ndjson").read_text().splitlines()
    report = json.loads((clean.home / "report.json").read_text())
    assert len(lines) == report["odds_published"] > 0
    assert [json.loads(line)["number"] for line in lines] == list(range(len(lines)))


def test_a_source_of_a_package_feeds_a_run(clean) -> None:
    clean.done("oddspipe new plugin tape --kind source && pip install -e ./oddspipe-tape")
    (clean.home / "tapes").mkdir()

    refused = clean.sh("oddspipe run --sport nba --source tape --data tapes --no-live --sinks none")

    assert refused.returncode == 4
    assert refused.stderr == (
        "error: no file *.capture [run]\nhint: Name their folder with --data DIR.\n"
    )
