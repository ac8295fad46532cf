"""From files to fleets: every sport's plan in an environment, and what came from outside."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from oddspipe.core.errors import UsageError
from oddspipe.core.infra.fleet import Fleet, Input, member_of
from oddspipe.core.plan.load import find_platform, plans_for, read_platform
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.sports import find_spec, sports
from oddspipe.core.schedules.fixtures import Fixtures, fixtures_of, kickoffs_name, kickoffs_text
from oddspipe.core.spec.document import Document
from oddspipe.core.spec.loader import load
from oddspipe.core.spec.platform import InfraSpec, PlatformSpec

DEFAULT_OF = "default of $"


def fleets_of(
    named: Sequence[str],
    *,
    platform: Path | None,
    only: Iterable[str] = (),
    environ: Mapping[str, str],
) -> list[Fleet]:
    """Return all sports, or some of them, of each environment named; of all that have `infra`.

    Raises:
        OddspipeError: A file has faults, or an environment has no infrastructure.
    """
    file = find_platform(platform)
    place = read_platform(file, environ=environ)
    there = [name for name, one in place.environments.items() if one.infra is not None]
    if not there:
        raise UsageError(
            f"no environment of {file} has `infra`: there is nothing to render",
            hint="Give one `infra: {least: 2}`; docs/reference/platform.md lists its keys.",
        )
    for name in named:
        if name not in there:
            raise UsageError(
                f"environment {name!r} has no `infra` in {file}",
                hint=f"Those that do: {', '.join(there)}.",
            )
    wanted = [name for name in there if name in named or not named]
    read = [_read(sport, place, wanted, environ) for sport in sorted(only or sports())]
    document = load(file, environ=environ)
    text = file.read_text(encoding="utf-8")
    return [
        Fleet(
            name,
            tuple(
                member_of(
                    one.plans[name],
                    place.environments[name].infra or InfraSpec(),
                    one.texts,
                    one.fixtures,
                )
                for one in read
            ),
            text,
            {key: one.plain() for key, one in place.partners.items()},
            {key: one.plain() for key, one in place.owners.items()},
            _unique(
                [*_inputs(document, ("environments", name)), *(i for r in read for i in r.inputs)]
            ),
            tuple(there[: there.index(name)]),
        )
        for name in wanted
    ]


class _Sport(NamedTuple):
    """A sport that was read: its plans by environment, its files, what came from outside, games."""

    plans: Mapping[str, Plan]
    texts: Mapping[str, str]
    inputs: list[Input]
    fixtures: Fixtures


def _read(sport: str, place: PlatformSpec, wanted: list[str], environ: Mapping[str, str]) -> _Sport:
    spec = find_spec(sport)
    document = load(spec, environ=environ)
    plans = plans_for(sport, place, wanted, environ=environ)
    plan = next(iter(plans.values()))
    fixtures = fixtures_of(plan.sport, plan.schedule, spec)
    texts = _texts(spec, document)
    # Beside the spec, where pods look for it.
    texts |= {f"schedules/{kickoffs_name(one)}": kickoffs_text(one) for one in fixtures.seasons}
    return _Sport(plans, texts, list(_inputs(document, ())), fixtures)


def _unique(inputs: Iterable[Input]) -> tuple[Input, ...]:
    by_name: dict[str, Input] = {}
    for one in inputs:
        by_name.setdefault(one.name, one)
    return tuple(by_name[name] for name in sorted(by_name))


def _inputs(document: Document, below: tuple[str, ...]) -> Iterator[Input]:
    """Yield what a file takes from environment variables, at and below a place."""
    if document.root is None:
        return
    for path, node in document.root.walk():
        if path[: len(below)] != below or not node.origin.startswith(("$", DEFAULT_OF)):
            continue
        name = node.origin.removeprefix(DEFAULT_OF).removeprefix("$")
        yield Input(name, str(node.value), node.origin.startswith(DEFAULT_OF))


def _texts(spec: Path, document: Document) -> dict[str, str]:
    """Return a sport's file and what it extends beside it, by the path below `sports/`.

    What it extends in a package comes with the image.
    """
    root = spec.parent
    made = {}
    for shown in document.sources:
        path = Path(shown)
        if path.is_file():
            relative = os.path.relpath(path, root)
            if not relative.startswith(".."):
                made[relative] = path.read_text(encoding="utf-8")
    return made
