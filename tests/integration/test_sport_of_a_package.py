"""A fourth sport, in a package of its own: installed beside the wheel, it needs no change to us."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.installed import Environment, environment
from tests.plan_cases import ROOT

pytestmark = pytest.mark.integration
EXAMPLE = ROOT / "examples" / "nhl"
BUILT = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "platform.yaml")
FOLDERS = ("src", "cli", "ext", "pipeline_core", "plugins", "sports", "templates")


def wheel_of(folder: Path, into: Path) -> Path:
    """Build the wheel of a package, from a copy, with what is installed: no index is asked."""
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
         "--no-build-isolation", "--wheel-dir", into, folder],
        # Without optimising, the extensions build in a quarter of the time.
        env={**os.environ, "ODDSPIPE_DEBUG": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Environment:
    """Return an environment with the wheel of oddspipe, which lies outside the checkout."""
    made = tmp_path_factory.mktemp("package")
    copy = made / "oddspipe"
    copy.mkdir()
    for name in BUILT:
        shutil.copy(ROOT / name, copy)
    unwanted = shutil.ignore_patterns("__pycache__", "*.so", "*.c", "*.egg-info", "build")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=unwanted)
    sport = made / "sport"
    shutil.copytree(EXAMPLE, sport, ignore=unwanted)
    wheels = wheel_of(copy, made / "wheel"), wheel_of(sport, made / "sport-wheel")
    clean = environment(made, with_oddspipe=False)
    clean.done(f"pip install --no-deps {wheels[0]} {wheels[1]}")
    return clean


def test_oddspipe_and_the_sport_are_those_of_the_clean_environment(clean) -> None:
    places = clean.done(
        "python -c 'import oddspipe, oddspipe_nhl as sport; import oddspipe.ext as ext\n"
        "print(oddspipe.__file__, sport.__file__, ext.COMPILED)'"
    ).split()

    assert [Path(place).parent for place in places[:2]] == [
        clean.site / "oddspipe",
        clean.site / "oddspipe_nhl",
    ]
    assert places[2] == "True"


def test_the_sport_is_listed_beside_ours(clean) -> None:
    listed = json.loads(clean.done("oddspipe list sports --format json"))

    assert [(one["name"], one["package"], one["fault"]) for one in listed] == [
        ("mlb", "oddspipe-framework", ""),
        ("nba", "oddspipe-framework", ""),
        ("nfl", "oddspipe-framework", ""),
        ("nhl", "oddspipe-nhl", ""),
    ]


def test_the_sport_validates_and_passes_the_tests_in_its_file(clean) -> None:
    spec = clean.site / "oddspipe_nhl" / "nhl.yaml"

    assert clean.done(f"oddspipe validate {spec}") == "1 file: clean\n"
    assert clean.done(f"oddspipe test {spec}").splitlines()[-1] == "6 passed"


def test_the_sport_runs_on_made_up_games(clean) -> None:
    clean.done(
        "oddspipe run --sport nhl --duration 10 --max-speed --no-live --state made"
        " --report made.json"
    )

    report = json.loads((clean.home / "made.json").read_text())
    assert (report["sport"], report["games"], report["rejects"]) == ("nhl", 8, {})
    assert report["odds_published"] >= 8


def test_the_sport_replays_its_recorded_games_to_the_end(clean) -> None:
    clean.done(
        f"oddspipe run --sport nhl --data {EXAMPLE / 'recorded'} --max-speed --no-live"
        " --state played --report played.json"
    )

    report = json.loads((clean.home / "played.json").read_text())
    shown = clean.done("oddspipe odds show --state played")
    assert (report["games"], report["rejects"]) == (3, {})
    # The first game ends in regulation time, the second in overtime, the third by shoot-out.
    assert re.findall(r"sample-\d +(\S+) +moneyline.*settled", shown) == ["3-4", "4-5", "4-5"]


def test_the_tests_of_the_package_pass(clean) -> None:
    printed = clean.done(f"python -m pytest -q -p no:cacheprovider {EXAMPLE / 'tests'}")

    assert printed.splitlines()[-1].startswith("13 passed")
