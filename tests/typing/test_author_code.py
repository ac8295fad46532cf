"""What `oddspipe new` writes is a plug-in author's code: it type-checks, and is what we take."""

import subprocess
import sys
from pathlib import Path

import pytest

ASSIGNED = {
    "model": "from oddspipe.core.api import OddsModel\nmade: type[OddsModel] = {name}Model\n",
    "source": "from oddspipe.core.api import Source\ndef made(one: {name}Source) -> Source:\n"
    "    return one\n",
    "sink": "from oddspipe.core.api import Sink\ndef made(one: {name}Sink) -> Sink:\n"
    "    return one\n",
}
WRONG = {
    "model": "from oddspipe.core.api import Source\ndef made(one: {name}Model) -> Source:\n"
    "    return one\n",
    "source": "from oddspipe.core.api import Sink\ndef made(one: {name}Source) -> Sink:\n"
    "    return one\n",
    "sink": "from oddspipe.core.api import Source\ndef made(one: {name}Sink) -> Source:\n"
    "    return one\n",
}


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("kind", ["model", "source", "sink"])
def test_a_new_plugin_type_checks_and_is_of_its_kind(tmp_path: Path, kind: str) -> None:
    command = "import sys; from oddspipe.cli.app import main; sys.exit(main())"
    made = run("-c", command, "new", "plugin", "curling", "--kind", kind, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    package = next(tmp_path.rglob(f"*/{kind}.py"), None) or next(tmp_path.rglob("*/curling*.py"))
    text = package.read_text()
    right, wrong = package.with_name("right.py"), package.with_name("wrong.py")
    right.write_text(text + "\n" + ASSIGNED[kind].format(name="Curling"))
    wrong.write_text(text + "\n" + WRONG[kind].format(name="Curling"))

    fine = run("-m", "mypy", "--strict", str(right), cwd=tmp_path)
    refused = run("-m", "mypy", "--strict", str(wrong), cwd=tmp_path)

    assert fine.returncode == 0, fine.stdout
    assert refused.returncode == 1
    assert "Incompatible return value type" in refused.stdout
