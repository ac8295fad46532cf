"""From the words of a command to a plan: finds the files, reads them, says all that is wrong."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.resources import as_file, files
from pathlib import Path

from oddspipe.core.errors import PluginError, SpecError, UsageError
from oddspipe.core.plan.check import check
from oddspipe.core.plan.checks.near import near
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.resolve import planned
from oddspipe.core.problem import Problem
from oddspipe.core.spec.diagnose import Model, typed
from oddspipe.core.spec.document import Diagnostic, Document
from oddspipe.core.spec.loader import load
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec

SPORTS_GROUP = "oddspipe.sports"
"""Entry points of packages that bring a spec: name = "package:file.yaml"."""


@dataclass(frozen=True, slots=True)
class ReadSpec:
    """A sport file that was read: where from, what is wrong, and the typed spec if it is sound."""

    document: Document
    spec: SportSpec | None
    problems: list[Problem] = field(default_factory=list)

    def diagnostics(self) -> list[Diagnostic]:
        """Return everything that is wrong, in file order, each with its place."""
        return self.document.diagnostics(self.problems)


def plan_for(
    sport: str | Path,
    *,
    platform: Path | None = None,
    environment: str = "local",
    environ: Mapping[str, str] | None = None,
) -> Plan:
    """Find, read, check and resolve a sport.

    Args:
        sport: Name of a sport (`nfl`), or the path of a spec file.
        platform: The platform file; `./platform.yaml` or the packaged one when left out.
        environment: Name of an environment of the platform.
        environ: Environment variables that values may come from; the process's own by default.

    Raises:
        SpecError: A file has faults; the message gives each with file, line and column.
        UsageError: There is no such sport, file or environment.
        PluginError: The model does not load.
    """
    place = read_platform(platform, environ=environ)
    if environment not in place.environments:
        raise UsageError(
            f"there is no environment {environment!r}", hint=near(environment, place.environments)
        )
    read = read_spec(find_spec(sport), place, environ=environ)
    _refuse(read.document, read.problems)
    if read.spec is None:
        raise SpecError(f"{read.document.file}: too much is missing to make a plan")
    return planned(read.spec, place, environment)


def read_spec(
    file: Path, platform: PlatformSpec | None = None, *, environ: Mapping[str, str] | None = None
) -> ReadSpec:
    """Read one sport file and find everything that is wrong with it.

    Raises:
        UsageError: The file cannot be read.
    """
    document = load(file, environ=environ)
    done = typed(document.plain(), SportSpec)
    problems = list(done.problems)
    if done.spec is not None:
        problems += check(done.spec, platform)
    return ReadSpec(document, done.spec, problems)


def read_platform(
    file: Path | None = None, *, environ: Mapping[str, str] | None = None
) -> PlatformSpec:
    """Read the platform file.

    Raises:
        SpecError: It has faults.
        UsageError: It cannot be read.
    """
    document, platform, problems = _typed_file(find_platform(file), PlatformSpec, environ)
    _refuse(document, problems)
    if platform is None:
        raise SpecError(f"{document.file}: not a platform file")
    return platform


def find_spec(sport: str | Path) -> Path:
    """Return the file of a sport.

    Looked for in this order: the path itself, `./sports/<name>.yaml`, a spec that an installed
    package brings under that name, and the specs that come with oddspipe.

    Raises:
        UsageError: There is none.
        PluginError: Two packages bring a spec under that name.
    """
    if isinstance(sport, Path) or sport.endswith((".yaml", ".yml")):
        return _existing(Path(sport))
    here = Path("sports") / f"{sport}.yaml"
    if here.is_file():
        return here
    brought = _brought(sport)
    if brought is not None:
        return brought
    packaged = packaged_folder() / f"{sport}.yaml"
    if packaged.is_file():
        return packaged
    raise UsageError(f"there is no sport {sport!r}", hint=near(sport, sports()))


def find_platform(file: Path | None = None) -> Path:
    """Return the platform file: the given one, `./platform.yaml`, or the packaged one.

    Raises:
        UsageError: The given one does not exist.
    """
    if file is not None:
        return _existing(file)
    here = Path("platform.yaml")
    return here if here.is_file() else packaged_folder() / "platform.yaml"


def sports() -> tuple[str, ...]:
    """Return the names of all sports that a command may name, sorted."""
    names = {one.name for one in entry_points(group=SPORTS_GROUP)}
    for folder in (Path("sports"), packaged_folder()):
        names |= {one.stem for one in folder.glob("*.yaml")}
    return tuple(sorted(names - {"platform"}))


def packaged_folder() -> Path:
    """Return the folder of the specs that come with oddspipe."""
    with as_file(files("oddspipe.sports")) as folder:
        return folder


def _brought(sport: str) -> Path | None:
    found = {one.value: one for one in entry_points(group=SPORTS_GROUP, name=sport)}
    if len(found) > 1:
        claims = ", ".join(sorted(found))
        raise PluginError(
            f"several packages bring a spec {sport!r}: {claims}", hint="Uninstall all but one."
        )
    if not found:
        return None
    package, _, name = next(iter(found)).partition(":")
    try:
        with as_file(files(package) / f"{name}.yaml") as path:
            return _existing(path)
    except (ModuleNotFoundError, UsageError) as error:
        raise PluginError(
            f"the spec {sport!r} should be {name}.yaml in package {package!r}; it is not there"
        ) from error


def _existing(path: Path) -> Path:
    if path.is_file():
        return path
    others = [one.name for one in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    raise UsageError(f"there is no file {os.fspath(path)!r}", hint=near(path.name, others))


def _typed_file(
    file: Path, model: type[Model], environ: Mapping[str, str] | None
) -> tuple[Document, Model | None, list[Problem]]:
    document = load(file, environ=environ)
    done = typed(document.plain(), model)
    return document, done.spec, list(done.problems)


def _refuse(document: Document, problems: list[Problem]) -> None:
    wrong = [one for one in document.diagnostics(problems) if one.severity == "error"]
    if wrong:
        lines = [f"{one.place}: {one.message} [{one.code}]" for one in wrong]
        hint = f"`oddspipe validate {document.file}` says more."
        raise SpecError("\n".join(lines), hint=wrong[0].hint if len(wrong) == 1 else hint)
