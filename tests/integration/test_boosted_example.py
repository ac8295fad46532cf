"""The example of a machine-learning library: its README is run word for word, its tests too."""

import shutil

import pytest
from tests.installed import environment
from tests.integration.test_pages import is_printed, steps
from tests.plan_cases import ROOT

pytestmark = pytest.mark.integration
pytest.importorskip("xgboost", reason="XGBoost is in the extra 'dev'")
pytest.importorskip("chdb", reason="ClickHouse's engine is in the extra 'embedded'")


def test_every_command_of_the_readme_does_what_it_says(tmp_path) -> None:
    clean = environment(tmp_path, with_oddspipe=True)
    copied = clean.home / "boosted"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "examples" / "boosted", copied, ignore=unwanted)
    todo = steps((copied / "README.md").read_text())
    shipped = (copied / "src/oddspipe_boosted/margin.json").read_bytes()
    (copied / "src/oddspipe_boosted/provenance.json").unlink()
    script = "".join(f"{step.commands}echo '== end of step {at}'\n" for at, step in enumerate(todo))

    output = clean.done(script, cwd=copied)

    for at, step in enumerate(todo):
        part, _, output = output.partition(f"== end of step {at}\n")
        assert [line for line in step.printed if not is_printed(line, part)] == [], part
        if "plugin check" in step.commands:
            assert "10 passed, 0 failed" in part
    trained = (copied / "src/oddspipe_boosted/margin.json").read_bytes()
    assert len(trained) > len(shipped) / 2
    clean.done("python -m pytest -q", cwd=copied)
