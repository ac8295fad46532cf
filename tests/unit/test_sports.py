import sys

import pytest
from tests.plan_cases import ROOT

from oddspipe.core.errors import PluginError, UsageError
from oddspipe.core.plan import catalogue
from oddspipe.core.plan.load import read_spec
from oddspipe.core.plan.sports import find_spec, sports
from oddspipe.core.ports import registry

EXTENDS = "extends: shared/defaults.yaml"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install packages that bring sports into a folder of the path, as an installer would."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()

    def package(name: str, **brought: str) -> None:
        folder = site / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('nobody asked for an import')\n")
        told = site / f"{name}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        points = "".join(f"{sport} = {name}:{file}\n" for sport, file in brought.items())
        (told / "entry_points.txt").write_text(f"[oddspipe.sports]\n{points}")
        text = (ROOT / "sports/nba.yaml").read_text()
        text = text.replace(EXTENDS, "extends: oddspipe.sports:shared/defaults.yaml")
        (folder / "hoops.yaml").write_text(text.replace("sport: nba", "sport: hoops"))
        registry.entries.cache_clear()

    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(elsewhere)
    yield package
    registry.entries.cache_clear()


def test_the_spec_of_a_package_is_found_and_valid_and_imports_nothing_of_it(install) -> None:
    install("ballgames", hoops="hoops.yaml")

    found = find_spec("hoops")

    assert found.parts[-3:] == ("site", "ballgames", "hoops.yaml")
    assert read_spec(found).diagnostics() == []
    assert "ballgames" not in sys.modules
    assert sports() == ("hoops", "mlb", "nba", "nfl")


def test_two_packages_that_bring_one_sport_are_a_clash_and_hide_no_other(install) -> None:
    install("ballgames", hoops="hoops.yaml")
    install("othergames", hoops="hoops.yaml")

    with pytest.raises(PluginError, match=r"ballgames .*othergames ") as refused:
        find_spec("hoops")

    assert refused.value.hint == "Uninstall all but one of them."
    assert find_spec("nba").name == "nba.yaml"


def test_a_sport_that_comes_with_oddspipe_can_be_claimed_no_more_than_others(install) -> None:
    install("ballgames", nba="hoops.yaml")

    with pytest.raises(PluginError, match=r"ballgames .*oddspipe-framework "):
        find_spec("nba")


def test_a_package_without_the_file_that_it_names_is_at_fault(install) -> None:
    install("ballgames", hoops="hops.yaml")

    with pytest.raises(PluginError, match=r"should be ballgames:hops\.yaml; it is not there"):
        find_spec("hoops")


def test_an_unknown_sport_is_refused_with_the_likely_one(install) -> None:
    install("ballgames", hoops="hoops.yaml")

    with pytest.raises(UsageError) as refused:
        find_spec("hoop")

    assert refused.value.hint.startswith("Did you mean 'hoops'?")


def test_a_sport_of_the_working_folder_stands_before_that_of_a_package(install, tmp_path) -> None:
    install("ballgames", hoops="hoops.yaml")
    here = tmp_path / "elsewhere" / "sports"
    here.mkdir()
    (here / "hoops.yaml").write_text("sport: hoops\n")

    assert find_spec("hoops").read_text() == "sport: hoops\n"


def test_sports_are_listed_with_package_and_model(install) -> None:
    install("ballgames", hoops="hoops.yaml")

    found = {one.name: one for one in catalogue.sports()}

    assert list(found) == ["hoops", "mlb", "nba", "nfl"]
    assert (found["hoops"].package, found["hoops"].version) == ("ballgames", "1.0")
    assert found["hoops"].facts["model"] == ["nba"]
    assert [one.fault for one in found.values()] == ["", "", "", ""]


def test_a_sport_whose_file_says_another_name_is_listed_as_at_fault(install) -> None:
    install("ballgames", bounce="hoops.yaml")

    (found,) = (one for one in catalogue.sports() if one.name == "bounce")

    assert found.fault == "it is found as bounce, but its file says sport: hoops"


def test_a_package_that_is_not_there_cannot_be_extended(tmp_path) -> None:
    spec = tmp_path / "hoops.yaml"
    spec.write_text("extends: nosuchpackage:defaults.yaml\nsport: hoops\n")

    (found,) = (one for one in read_spec(spec).diagnostics() if one.code == "extends.missing")

    assert (found.mark.line, found.mark.column) == (1, 10)
    assert found.hint == "No package 'nosuchpackage' is installed"
