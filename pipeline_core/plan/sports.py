"""Which sports there are, and where the file of each lies."""

import os
from pathlib import Path

from oddspipe.core.errors import PluginError, UsageError
from oddspipe.core.near import near
from oddspipe.core.ports.registry import installed, origin, reference
from oddspipe.core.spec.packaged import is_packaged, packaged_file

FOLDER = Path("sports")
"""Sports of the working folder stand before those of installed packages."""


def find_spec(sport: str | Path) -> Path:
    """Return the file of a sport.

    Looked for in this order: the path itself, `./sports/<name>.yaml`, and the spec that an
    installed package brings under that name (entry points of group `oddspipe.sports`, whose
    values are `package:file.yaml`; those that come with oddspipe are found the same way).

    Raises:
        UsageError: There is none.
        PluginError: Two packages bring a spec under that name, or the file is not there.
    """
    if isinstance(sport, Path) or sport.endswith((".yaml", ".yml")):
        return existing(Path(sport))
    here = FOLDER / f"{sport}.yaml"
    if here.is_file():
        return here
    if sport not in installed("sports"):
        raise UsageError(
            f"there is no sport {sport!r}",
            hint=f"{near(sport, sports())} `oddspipe new sport NAME` makes one.",
        )
    value = reference("sports", sport)
    path = packaged_file(value) if is_packaged(value) else None
    if path is None or not path.is_file():
        raise PluginError(
            f"the spec of {sport!r} should be {value}; it is not there",
            hint=f"It comes from {origin('sports', sport)}; mend or reinstall that package.",
        )
    return path


def sports() -> tuple[str, ...]:
    """Return the names of all sports that a command may name, sorted."""
    here = {one.stem for one in FOLDER.glob("*.yaml")}
    return tuple(sorted({*installed("sports"), *here}))


def existing(path: Path) -> Path:
    """Return the path of a file that is there.

    Raises:
        UsageError: It is not; the hint names the file that may be meant.
    """
    if path.is_file():
        return path
    others = [one.name for one in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    raise UsageError(f"there is no file {os.fspath(path)!r}", hint=near(path.name, others))
