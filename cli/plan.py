"""`oddspipe plan` and `oddspipe explain`: what a spec was resolved to, and what it means."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.plan.model import Plan

Sport = Annotated[
    str, typer.Option(help="Name of a sport (see `oddspipe list sports`), or a file.")
]
Environment = Annotated[str, typer.Option("--env", help="Environment of platform.yaml.")]
Platform = Annotated[Path | None, typer.Option(help="Another platform.yaml.")]


class Form(StrEnum):
    """How a page is printed."""

    TEXT = "text"
    JSON = "json"


class Part(StrEnum):
    """Which part of a plan is printed."""

    LOGIC = "logic"
    DEPLOYMENT = "deployment"


AsForm = Annotated[Form, typer.Option("--format", help="How it is printed.")]
DIFFERENT = 3
"""Exit code of --check and --diff where something differs."""


def today() -> date:
    """Return the day that it is in UTC."""
    from oddspipe.core.clock import SystemClock  # noqa: PLC0415 - `--help` is quick

    return datetime.fromtimestamp(SystemClock().now_us() / 1e6, UTC).date()


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command(name="explain")(explain)
    app.command(name="plan")(plan)


def explain(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Sport,
    env: Environment = "local",
    platform: Platform = None,
    graph: Annotated[
        bool, typer.Option("--graph", help="What flows where, as a Mermaid flowchart.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the graph here; a .md file gets it as a code block.")
    ] = None,
    form: AsForm = Form.TEXT,
) -> None:
    """Explain what a sport does when it runs: stages, guarantees, bounds, budgets.

    Every number comes from the plan: what each stage does, what each sink keeps and what a crash
    does to it, how much memory and time it takes at the peak, who is woken. Exit codes: 0
    explained; 1 the spec has faults; 2 wrong usage; 3 the model does not load.
    """
    from oddspipe.core.plan.load import plan_for  # noqa: PLC0415 - Polars is slow

    if out is not None and not graph:
        raise UsageError("--out is where --graph is written", hint="Say --graph as well.")
    made = plan_for(sport, platform=platform, environment=env)
    if graph:
        _graph(made, out, form)
        return
    from oddspipe.core.explain.page import explain as explained  # noqa: PLC0415 - as above

    found = explained(made)
    if form is Form.JSON:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    from oddspipe.cli.explained import show  # noqa: PLC0415 - `--help` draws its own

    show(found)


def _graph(made: "Plan", out: Path | None, form: Form) -> None:
    from oddspipe.core.plan.graph import graph_of, mermaid  # noqa: PLC0415 - as above

    found = graph_of(made)
    text = mermaid(found)
    if form is Form.JSON:
        text = json.dumps(asdict(found), indent=2, ensure_ascii=False) + "\n"
    elif out is not None and out.suffix == ".md":
        text = f"```mermaid\n{text}```\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror or error}") from error


def plan(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Sport,
    env: Environment = "local",
    platform: Platform = None,
    digest: Annotated[
        bool, typer.Option("--digest", help="The two digests, and what each covers.")
    ] = False,
    part: Annotated[
        Part, typer.Option(help="logic: what decides prices. deployment: all but tests.")
    ] = Part.DEPLOYMENT,
    raw: Annotated[
        bool, typer.Option("--bytes", help="The very bytes that are hashed, for sha256sum.")
    ] = False,
    form: Annotated[
        Form, typer.Option("--format", help="How --digest is printed; a plan is JSON.")
    ] = Form.TEXT,
) -> None:
    """Print the plan of a sport: everything resolved, in the order in which it is hashed.

    Two people who diff their plans see what differs; --bytes piped to sha256sum gives the digest.
    Exit codes: 0 printed; 1 the spec has faults; 2 wrong usage; 3 the model does not load.
    """
    from oddspipe.core.plan.digest import (  # noqa: PLC0415 - Polars is slow
        canonical,
        deployment_document,
        logic_document,
        readable,
    )
    from oddspipe.core.plan.load import plan_for  # noqa: PLC0415 - as above

    if digest and raw:
        raise UsageError("--digest and --bytes do not go together", hint="Leave one of them out.")
    made = plan_for(sport, platform=platform, environment=env)
    if digest:
        _digests(made, form)
        return
    document = (logic_document if part is Part.LOGIC else deployment_document)(made)
    if raw:
        sys.stdout.buffer.write(canonical(document))
        return
    typer.echo(readable(document))


def _digests(made: "Plan", form: Form) -> None:
    from oddspipe.core.plan.digest import DEPLOYMENT_ADDS, LOGIC_COVERS  # noqa: PLC0415 - as above

    if form is Form.JSON:
        found = {
            "sport": made.sport,
            "environment": made.deployment.environment,
            "logic": {"digest": made.logic_digest, "covers": LOGIC_COVERS},
            "deployment": {
                "digest": made.deployment_digest,
                "covers": "all of logic, and what is added",
                "adds": DEPLOYMENT_ADDS,
            },
            "in_neither": ["tests"],
        }
        typer.echo(json.dumps(found, indent=2))
        return
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    console.page(
        console.title(f"{made.title} ({made.sport}), environment {made.deployment.environment}"),
        "",
        console.Text.assemble(("logic       ", "dim"), (made.logic_digest, "bold")),
        "  What decides prices; the same in every environment. Every run and odds record names it.",
        console.facts(LOGIC_COVERS, indent=2),
        "",
        console.Text.assemble(("deployment  ", "dim"), (made.deployment_digest, "bold")),
        "  All of that, and the values of one environment. Generated files name it.",
        console.facts(DEPLOYMENT_ADDS, indent=2),
        "",
        console.Text("In neither: tests, comments, the order of keys.", style="dim"),
    )
