"""`oddspipe test`: run the tests inside sport files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.cli.tested import TestedFile
    from oddspipe.core.cases.run import SpecTests


class Format(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(name="test")(run_tests)


def run_tests(  # noqa: PLR0913 - one parameter an option
    files: Annotated[list[str], typer.Argument(help="Sport files or names, e.g. sports/nfl.yaml.")],
    *,
    case: Annotated[
        str, typer.Option(help='Only tests with such names, e.g. "*touchdown*".')
    ] = "*",
    update: Annotated[
        bool, typer.Option("--update", help="Write what came in the place of what was expected.")
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help="How results are printed.")
    ] = Format.TEXT,
    first: Annotated[bool, typer.Option("-x", help="Stop at the first test that fails.")] = False,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
) -> None:
    """Run the tests inside sport files, through the stages that a run has.

    --update writes only the expectations that were not met; every other byte of a file stays.
    Look at what it wrote (`git diff`): what came is not yet what is right.

    Exit codes: 0 all pass; 1 a test failed or a file has faults; 2 wrong usage; 3 the model is at
    fault.
    """
    from oddspipe.core.cases.run import SpecTests  # noqa: PLC0415 - Polars is slow
    from oddspipe.core.plan.load import read_platform  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import find_spec  # noqa: PLC0415 - as above

    place = read_platform(platform)
    opened = [SpecTests.of(find_spec(file), place) for file in files]
    _refuse_nothing(opened, case)
    found: list[TestedFile] = []
    for tests in opened:
        changed = 0
        if update and not tests.faults:
            tests, changed = _update(tests, case)  # noqa: PLW2901 - the file as it is now
        found.append(_run(tests, case, form, first=first))
        found[-1].updated = changed
        if first and (found[-1].failed or found[-1].faults):
            break
    _close(found, form)
    raise typer.Exit(1 if any(one.failed or one.faults for one in found) else 0)


def _refuse_nothing(opened: "list[SpecTests]", pattern: str) -> None:
    """Refuse a pattern that no test fits; it would pass for ever."""
    sound = [tests for tests in opened if not tests.faults]
    if sound == opened and not any(tests.matching(pattern) for tests in sound):
        said = "these files have no tests" if pattern == "*" else f"no test fits {pattern!r}"
        raise UsageError(said, hint="`tests:` at the end of a sport file has them by name.")


def _update(tests: "SpecTests", pattern: str) -> "tuple[SpecTests, int]":
    """Write expectations that are not met anew; return the file read again, and how many."""
    from oddspipe.core.cases.run import SpecTests  # noqa: PLC0415 - as above
    from oddspipe.core.cases.update import update  # noqa: PLC0415 - as above

    tests = SpecTests.of(Path(tests.document.file), tests.platform)  # another file may extend it
    clock = SystemClock()
    found = [
        difference
        for index in tests.matching(pattern)
        for _, difference in tests.run(index, clock).differences
    ]
    done = update(tests.document, found)
    return SpecTests.of(Path(tests.document.file), tests.platform), done.written


def _run(tests: "SpecTests", pattern: str, form: Format, *, first: bool) -> "TestedFile":
    from oddspipe.cli import tested  # noqa: PLC0415 - `--help` draws its own

    done = tested.TestedFile(tests.document.file, tests.faults)
    if form is Format.TEXT:
        typer.echo(typer.style(done.file, bold=True))
        if done.faults:
            typer.echo(tested.faults_text(done.faults))
    if done.faults:
        return done
    clock = SystemClock()
    for index in tests.matching(pattern):
        one = tests.run(index, clock)
        done.tests.append(one)
        if form is Format.TEXT:
            typer.echo(tested.line(one))
            if not one.passed:
                typer.echo(tested.failure(one) + "\n")
        if first and not one.passed:
            break
    return done


def _close(found: "list[TestedFile]", form: Format) -> None:
    from oddspipe.cli import tested  # noqa: PLC0415 - as above

    match form:
        case Format.JSON:
            typer.echo(tested.as_json(found))
        case Format.JUNIT:
            typer.echo(tested.as_junit(found))
        case Format.TEXT:
            typer.echo(tested.summary(found))
