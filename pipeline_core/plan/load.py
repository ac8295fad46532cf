"""From the words of a command to a plan: finds the files, reads them, says all that is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from oddspipe.core.errors import SpecError, UsageError
from oddspipe.core.near import near
from oddspipe.core.plan.checks.platform import platform_problems
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.sports import existing, find_spec
from oddspipe.core.problem import Problem
from oddspipe.core.spec.document import Diagnostic, Document
from oddspipe.core.spec.loader import load
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.packaged import packaged_file
from oddspipe.core.spec.platform import PlatformSpec
from oddspipe.core.spec.stand_in import platform_stand_in, sport_stand_in
from oddspipe.core.spec.typed import Model, Typed, typed


@dataclass(frozen=True, slots=True)
class ReadFile(Generic[Model]):
    """A file that was read: where from, what is wrong, and the typed spec if it is sound.

    Attributes:
        document: The file and what it extends.
        spec: What it says; of a faulty file only good for further checks.
        problems: Everything that is wrong with it but for the faults of the text.
    """

    document: Document
    spec: Model | None
    problems: list[Problem] = field(default_factory=list)

    def diagnostics(self) -> list[Diagnostic]:
        """Return everything that is wrong, in file order, each with its place."""
        return self.document.diagnostics(self.problems)

    def is_sound(self) -> bool:
        """Say whether nothing is wrong that would keep the file from being used."""
        return all(one.severity != "error" for one in self.diagnostics())


ReadSpec = ReadFile[SportSpec]
"""A sport file that was read."""


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
    return plans_for(sport, place, [environment], environ=environ)[environment]


def plans_for(
    sport: str | Path,
    platform: PlatformSpec,
    environments: Iterable[str],
    *,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Plan]:
    """Read and check a sport once, and resolve it for several environments.

    Raises:
        OddspipeError: As for `plan_for`.
    """
    wanted = list(environments)
    for name in wanted:
        if name not in platform.environments:
            raise UsageError(
                f"there is no environment {name!r}", hint=near(name, platform.environments)
            )
    from oddspipe.core.plan.resolve import planned  # noqa: PLC0415 - loads Polars

    spec = _sound(read_spec(find_spec(sport), platform, environ=environ))
    return {name: planned(spec, platform, name) for name in wanted}


def read_spec(
    file: Path, platform: PlatformSpec | None = None, *, environ: Mapping[str, str] | None = None
) -> ReadSpec:
    """Read one sport file and find everything that is wrong with it.

    Args:
        file: The file.
        platform: A sound platform; without one, workers and brokers are not checked.
        environ: Environment variables that values may come from; the process's own by default.

    Raises:
        UsageError: The file cannot be read.
    """
    document = load(file, environ=environ)
    done = typed(document.plain(), SportSpec, sport_stand_in())
    problems = list(done.problems)
    if done.spec is None or "*" in document.lost:
        problems.append(_all_skipped())
    else:
        problems += _crossed(document, done, done.spec, platform)
    return _read(document, done, problems)


def sound_spec(file: Path) -> tuple[Document, SportSpec]:
    """Read a sport file that must be without faults.

    Raises:
        SpecError: It has some; the message gives each with file, line and column.
        UsageError: It cannot be read.
    """
    read = read_spec(file)
    return read.document, _sound(read)


def read_platform_file(
    file: Path, sports: Iterable[str] = (), *, environ: Mapping[str, str] | None = None
) -> ReadFile[PlatformSpec]:
    """Read one platform file and find everything that is wrong with it.

    Args:
        file: The file.
        sports: Names of the sports that there are.
        environ: As in `read_spec`.

    Raises:
        UsageError: The file cannot be read.
    """
    document = load(file, environ=environ)
    done = typed(document.plain(), PlatformSpec, platform_stand_in())
    problems = list(done.problems)
    if done.spec is not None:
        problems += done.placed(platform_problems(done.spec, tuple(sports)))
    return _read(document, done, problems)


def read_platform(
    file: Path | None = None, *, environ: Mapping[str, str] | None = None
) -> PlatformSpec:
    """Read the platform file.

    Raises:
        SpecError: It has faults.
        UsageError: It cannot be read.
    """
    return _sound(read_platform_file(find_platform(file), environ=environ))


def find_platform(file: Path | None = None) -> Path:
    """Return the platform file: the given one, `./platform.yaml`, or the packaged one.

    Raises:
        UsageError: The given one does not exist.
    """
    if file is not None:
        return existing(file)
    here = Path("platform.yaml")
    if here.is_file():
        return here
    return existing(packaged_file("oddspipe.sports:shared/platform.yaml") or here)


def _crossed(
    document: Document, done: Typed[SportSpec], spec: SportSpec, platform: PlatformSpec | None
) -> Iterator[Problem]:
    """Yield what the cross-checks find, and what they could not find for other faults."""
    from oddspipe.core.plan.check import check  # noqa: PLC0415 - SQL loads Polars
    from oddspipe.core.plan.checks.doubt import settled  # noqa: PLC0415 - goes with it

    gone = frozenset(done.gone | document.unread())
    return settled(done.placed(check(spec, platform)), gone, document.called)


def _all_skipped() -> Problem:
    message = "Not checked: whether the parts fit together, since not all of them could be read."
    return Problem("check.skipped", (), message, severity="skipped")


def _read(document: Document, done: Typed[Model], problems: Iterable[Problem]) -> ReadFile[Model]:
    kept = [one for one in problems if one.severity == "skipped" or not document.hides(one)]
    return ReadFile(document, done.spec, kept)


def _sound(read: ReadFile[Model]) -> Model:
    """Return the spec of a file without faults.

    Raises:
        SpecError: It has some; the message gives each with file, line and column.
    """
    wrong = [one for one in read.diagnostics() if one.severity == "error"]
    if wrong or read.spec is None:
        lines = [f"{one.place}: {one.message} [{one.code}]" for one in wrong]
        hint = f"`oddspipe validate {read.document.file}` says more."
        raise SpecError("\n".join(lines), hint=wrong[0].hint if len(wrong) == 1 else hint)
    return read.spec
