"""What decides about a sport is its spec and its plug-in: our code knows none by name."""

import ast
import re
from pathlib import Path

from tests.plan_cases import ROOT

CORE = sorted(
    path
    for folder in ("pipeline_core", "ext", "cli", "templates")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".pyx", ".pxd", ".pyi", ".j2"}
)
SPORTS = {"nfl", "nba", "mlb", "nhl"}


def words(path: Path) -> set[str]:
    """Return the words of a file by which a program could decide: names and strings.

    Docstrings, examples of a field and help texts are for people; a string that is a whole name, or
    has one between separators, is not.
    """
    if path.suffix != ".py":
        return set(path.read_text().lower().replace('"', " ").replace("'", " ").split())
    tree = ast.parse(path.read_text())
    told = {
        id(node)
        for call in ast.walk(tree)
        if isinstance(call, ast.keyword) and call.arg in {"help", "hint", "examples"}
        for node in ast.walk(call.value)
    }
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in told | docs:
                found |= set(node.value.lower().replace(".", " ").replace("/", " ").split())
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            found |= set(name.lower().split("_"))
    return found


def test_no_module_knows_a_sport_by_name() -> None:
    assert len(CORE) > 150
    assert {str(path): found for path in CORE if (found := words(path) & SPORTS)} == {}


def test_the_words_of_a_module_are_those_that_can_decide(tmp_path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""Price nba games."""\n\nif sport == "nfl":\n    mlb_rules()\n'
        'raise UsageError("no", hint="name it: --sport nhl")\n'
    )

    assert words(module) & SPORTS == {"nfl", "mlb"}


def test_nothing_outside_examples_knows_the_example() -> None:
    data = [*ROOT.glob("sports/**/*.yaml"), *ROOT.glob("*.toml"), *ROOT.glob("plugins/*.py")]
    rest = [ROOT / name for name in ("platform.yaml", "setup.py", "Makefile", ".ci/run")]
    files = CORE + data + rest

    assert [path for path in files if re.search(r"\bnhl|_nhl", path.read_text().lower())] == []
