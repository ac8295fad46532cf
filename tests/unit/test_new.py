import ast

import pytest
from jinja2 import UndefinedError
from tests.plan_cases import ROOT
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.render.new import Made, Shape, plugin_package, sport_package, write
from oddspipe.core.render.templates import rendered

FOOTBALL = Shape("low", periods=2, minutes=45, total=2.7, ties=True)
BASKETBALL = Shape("high", periods=4, minutes=10, total=160.0, ties=False)


@pytest.mark.parametrize("shape", [FOOTBALL, BASKETBALL], ids=["low", "high"])
def test_a_sport_package_holds_spec_model_tests_and_entry_points(shape) -> None:
    made = {one.path: one.text for one in sport_package("korfball", shape)}

    assert list(made) == [
        "pyproject.toml",
        "src/oddspipe_korfball/korfball.yaml",
        "src/oddspipe_korfball/model.py",
        "src/oddspipe_korfball/__init__.py",
        "src/oddspipe_korfball/py.typed",
        "tests/test_model.py",
        "README.md",
    ]
    assert 'korfball = "oddspipe_korfball:korfball.yaml"' in made["pyproject.toml"]
    assert 'korfball = "oddspipe_korfball.model:KorfballModel"' in made["pyproject.toml"]


def test_the_shape_of_a_game_is_in_the_spec() -> None:
    made = {one.path: one.text for one in sport_package("beach_soccer", FOOTBALL)}

    spec = made["src/oddspipe_beach_soccer/beach_soccer.yaml"]

    assert "title: Beach soccer\n" in spec
    assert "periods: 2\n" in spec
    assert "period_length: 45m\n" in spec
    assert "parameters: {home_edge: 0.2, total_mean: 2.7, ties: true}" in spec
    assert "class BeachSoccerModel:" in made["src/oddspipe_beach_soccer/model.py"]


@pytest.mark.parametrize("kind", ["model", "source", "sink"])
def test_the_python_of_a_package_can_be_parsed(kind) -> None:
    files = plugin_package("korfball", kind) + sport_package("korfball", BASKETBALL)

    parsed = [ast.parse(one.text) for one in files if one.path.endswith(".py")]

    assert len(parsed) == 6


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Ice-Hockey", ": ice_hockey"),
        ("ice hockey", ": ice_hockey"),
        ("5aside", "at most 32."),
        ("", "at most 32."),
        ("../etc", ": etc"),
        ("x" * 33, ": " + "x" * 32),
    ],
)
def test_what_cannot_be_a_name_is_refused_with_what_can(name, hint) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a sport") as refused:
        sport_package(name, FOOTBALL)

    assert refused.value.hint.endswith(hint)


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(UsageError, match="there is a sport 'nba' already"):
        sport_package("nba", FOOTBALL)
    with pytest.raises(UsageError, match="there is a model 'nba' already, of oddspipe-framework"):
        plugin_package("nba", "model")
    with pytest.raises(UsageError, match="there is a sink 'redis' already; it is built in"):
        plugin_package("redis", "sink")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(UsageError, match="is not empty"):
        write(tmp_path, [Made("mine.txt", "yours", "")])

    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path) -> None:
    place = tmp_path / "place"
    place.write_text("")

    with pytest.raises(UsageError, match="is a file"):
        write(place, [])


def test_a_folder_that_cannot_be_made_is_told(tmp_path) -> None:
    place = tmp_path / "file"
    place.write_text("")

    with pytest.raises(RunError, match="cannot be written: Not a directory"):
        write(place / "below", [Made("a.txt", "", "")])


def test_an_empty_folder_is_used(tmp_path) -> None:
    write(tmp_path, [Made("a/b.txt", "text", "")])

    assert (tmp_path / "a" / "b.txt").read_text() == "text"


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'distribution' is undefined"):
        rendered("sport/pyproject.toml.j2", {"name": "korfball"})


def test_the_screen_ends_with_what_to_do_next(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(build(), ["new", "sport", "korfball"])

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-6:] == [
        "  cd oddspipe-korfball",
        "  pip install -e '.[test]'",
        "  oddspipe validate src/oddspipe_korfball/korfball.yaml",
        "  oddspipe test src/oddspipe_korfball/korfball.yaml",
        "  python -m pytest",
        "  oddspipe run --sport korfball --duration 10 --max-speed",
    ]
    assert (tmp_path / "oddspipe-korfball" / "pyproject.toml").is_file()


def test_every_template_is_used() -> None:
    kinds = [plugin_package("korfball", kind) for kind in ("model", "source", "sink")]
    sports = [sport_package("korfball", shape) for shape in (FOOTBALL, BASKETBALL)]
    assert all(text.text.endswith("\n") for made in kinds + sports for text in made if text.text)

    named = (ROOT / "pipeline_core/render/new.py").read_text()
    known = {
        "model_low.py.j2": "model_{shape.scoring}",
        "model_high.py.j2": "model_{shape.scoring}",
    }
    for path in (ROOT / "templates/sport").glob("*.j2"):
        assert known.get(path.name, f"sport/{path.name}") in named


def test_a_kind_in_the_name_is_not_said_twice() -> None:
    made = {one.path: one.text for one in plugin_package("csv_sink", "sink")}

    assert 'csv_sink = "oddspipe_csv_sink.sink:CsvSink"' in made["pyproject.toml"]
