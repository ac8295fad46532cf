"""Broken specs: each fault of each is found with its code, line and column, in file order.

`tests/corpus/base.yaml` is a sport without faults. A case of the other files is an edit of it (the
first place of a text, and what stands there then) or a whole text; `files` lie beside it, `beside`
is the platform that it is checked against, `packages` installs the plug-ins below.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from oddspipe.core.plan.validate import validated
from oddspipe.core.ports import registry
from oddspipe.core.spec.document import Diagnostic
from oddspipe.core.spec.faults import faults

CORPUS = Path(__file__).parents[1] / "corpus"
PLATFORM = "environments:\n  local: {source: simulator}\n"
PLUGINS = """
from pydantic import BaseModel
from oddspipe.core.names import Guarantee

class Strict(BaseModel, extra="forbid"):
    pass

class Needed(Strict):
    edge: float

class Needy:
    version, scopes, inputs, Parameters = "1", ("game",), (), Needed

    def price(self, states): ...

class Half(Needy):
    scopes, Parameters = ("first_half",), Strict

class Kept:
    keeps, Parameters = Guarantee.AT_LEAST_ONCE, Strict

    def __init__(self, *given): ...
    def open(self): ...
    def write(self, output): ...
    def refresh(self): ...
    def close(self): ...
"""
METADATA = "Metadata-Version: 2.1\nName: corpus-plugins\nVersion: 1.0\n"
ENTRY_POINTS = """\
[oddspipe.models]
needy = corpus_plugins:Needy
half = corpus_plugins:Half
broken = corpus_plugins:Nothing
[oddspipe.sinks]
kept = corpus_plugins:Kept
broken = corpus_plugins:Nothing
"""
UNREACHED = {"extends.depth", "value.invalid"}
"""Codes with a test of their own below, or that no file that we know of gives."""


def cases() -> list[Any]:
    found = []
    for path in sorted(CORPUS.glob("*.yaml")):
        if path.stem != "base":
            read = yaml.safe_load(path.read_text(encoding="utf-8"))
            found += [pytest.param(one, id=f"{path.stem}-{at}") for at, one in enumerate(read, 1)]
    return found


@cache
def base() -> str:
    return (CORPUS / "base.yaml").read_text(encoding="utf-8")


def content(case: dict[str, Any]) -> bytes:
    """Return the bytes of the file that a case stands for."""
    if "bytes" in case:
        return bytes.fromhex(case["bytes"])
    if "whole" in case:
        return (case["whole"] + "x" * case.get("repeat", 0)).encode()
    text = base()
    for old, new in case.get("edit", ()):
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


def found_in(case: dict[str, Any], folder: Path) -> list[Diagnostic]:
    platform = folder / "platform.yaml"
    platform.write_text(case.get("platform", case.get("beside", PLATFORM)))
    for name, text in case.get("files", {}).items():
        (folder / name).write_text(text)
    path = folder / "case.yaml"
    path.write_bytes(content(case))
    return validated([platform if "platform" in case else path], platform, environ={})


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Install plug-ins that a spec may use wrongly, and some that are broken."""

    def install() -> None:
        told = tmp_path / "site" / "corpus_plugins-1.0.dist-info"
        told.mkdir(parents=True)
        (told.parent / "corpus_plugins.py").write_text(PLUGINS)
        (told / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: corpus-plugins\nVersion: 1.0\n"
        )
        (told / "entry_points.txt").write_text(ENTRY_POINTS)
        monkeypatch.syspath_prepend(str(told.parent))
        registry.entries.cache_clear()

    yield install
    registry.entries.cache_clear()


@pytest.mark.parametrize("case", cases())
def test_every_fault_is_found_at_its_place(case, tmp_path, plugins) -> None:
    if case.get("packages"):
        plugins()

    found = found_in(case, tmp_path)

    assert [f"{one.code} {one.mark.line}:{one.mark.column}" for one in found] == case["faults"]
    assert all(one.code == "check.skipped" or one.message for one in found)


def test_base_has_no_faults(tmp_path) -> None:
    assert found_in({}, tmp_path) == []


def test_chain_of_files_that_is_too_long_is_refused(tmp_path) -> None:
    files = {f"{at}.yaml": f"extends: {at + 1}.yaml\n" for at in range(1, 12)}
    case = {"edit": [["sport: hockey", "extends: 1.yaml\nsport: hockey"]], "files": files}

    found = found_in(case, tmp_path)

    assert [(one.code, Path(one.mark.file).name, one.mark.line) for one in found] == [
        ("extends.depth", "7.yaml", 1),
        ("check.skipped", "7.yaml", 1),
    ]


def test_corpus_has_every_code_that_a_file_may_give() -> None:
    covered = {fault.split()[0] for case in cases() for fault in case.values[0]["faults"]}

    assert set(faults()) - covered == UNREACHED
    assert covered <= set(faults())
    assert len(cases()) >= 200
