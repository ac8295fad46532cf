"""Files of installed packages, named `package:file`, found without importing anything of theirs."""

import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

_REFERENCE: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([\w./-]+)")


def is_packaged(reference: str) -> bool:
    """Say whether this names a file of a package: `oddspipe.sports:shared/defaults.yaml`.

    >>> is_packaged("oddspipe.sports:nfl.yaml"), is_packaged("shared/defaults.yaml")
    (True, False)
    """
    return _REFERENCE.fullmatch(reference) is not None


def packaged_file(reference: str) -> Path | None:
    """Return where a file of a package lies, or should lie; None if there is no such package."""
    package, _, name = reference.partition(":")
    places: list[str] | None = None
    parts = package.split(".")
    for at in range(len(parts)):
        spec = _spec(".".join(parts[: at + 1]), places)
        if spec is None or spec.submodule_search_locations is None:
            return None
        places = list(spec.submodule_search_locations)
    paths = [Path(place) / name for place in places or ()]
    return next((path for path in paths if path.is_file()), paths[0] if paths else None)


def _spec(name: str, places: list[str] | None) -> ModuleSpec | None:
    """Ask the finders one by one: `importlib.util.find_spec` would import the parents."""
    for finder in sys.meta_path:
        found = finder.find_spec(name, places)
        if found is not None:
            return found
    return None
