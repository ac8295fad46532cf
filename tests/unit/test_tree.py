"""The layout of the tree: links, floors and names."""

from pathlib import Path

import pytest

import oddspipe

ROOT = Path(__file__).parents[2]
LINKS = {
    "cli": "cli",
    "core": "pipeline_core",
    "ext": "ext",
    "plugins": "plugins",
    "sports": "sports",
    "templates": "templates",
}


@pytest.mark.parametrize(("link", "folder"), LINKS.items())
def test_packaged_folder_is_linked(link: str, folder: str) -> None:
    at = ROOT / "src" / "oddspipe" / link

    assert at.resolve() == ROOT / folder, (
        f"src/oddspipe/{link} must be a link to ../../{folder}: check out with symbolic links on "
        "(git config core.symlinks true), then `git checkout -- src`"
    )


def test_package_root_holds_only_links_and_what_others_tests_import() -> None:
    here = {at.name for at in (ROOT / "src" / "oddspipe").iterdir() if not at.name.startswith("__")}

    assert here == {*LINKS, "py.typed", "testing.py"}


def test_version_is_stated_once() -> None:
    assert oddspipe.__version__
    assert f'version = "{oddspipe.__version__}"' not in (ROOT / "pyproject.toml").read_text()
