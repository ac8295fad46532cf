"""`oddspipe list`: sports, what a spec may name, and the rules of a sport."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oddspipe.cli.plan import AsForm, Form

if TYPE_CHECKING:
    from oddspipe.core.plan.catalogue import Listed, ListedRule, Parameter


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(no_args_is_help=True, help="List sports, what a spec may name, and rules.")
    group.command()(sports)
    group.command()(models)
    group.command()(sources)
    group.command()(sinks)
    group.command()(rules)
    app.add_typer(group, name="list")


def sports(*, form: AsForm = Form.TEXT) -> None:
    """List the sports that --sport may name: package, file, model.

    Exit codes: 0 listed; 3 one of them is at fault.
    """
    from oddspipe.core.plan.catalogue import sports as listed  # noqa: PLC0415 - Polars is slow

    _show(listed(), form)


def models(*, form: AsForm = Form.TEXT) -> None:
    """List the installed odds models: package, inputs, scopes, parameters.

    A model that does not load is listed with what is wrong with it. Exit codes: 0 listed; 3 one of
    them is at fault.
    """
    from oddspipe.core.plan.catalogue import models as listed  # noqa: PLC0415 - Polars is slow

    _show(listed(), form)


def sources(*, form: AsForm = Form.TEXT) -> None:
    """List where events may come from. Exit codes: 0 listed; 3 a plug-in is at fault."""
    from oddspipe.core.plan.catalogue import sources as listed  # noqa: PLC0415 - as above

    _show(listed(), form)


def sinks(*, form: AsForm = Form.TEXT) -> None:
    """List where odds may go, and what each can keep.

    Exit codes: 0 listed; 3 a plug-in is at fault.
    """
    from oddspipe.core.plan.catalogue import sinks as listed  # noqa: PLC0415 - as above

    _show(listed(), form)


def rules(
    *,
    sport: Annotated[
        str | None, typer.Option(help="One sport, or a file; all sports when left out.")
    ] = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    form: AsForm = Form.TEXT,
) -> None:
    """List the rules and guards of a sport, with their SQL.

    Exit codes: 0 listed; 1 a spec has faults; 2 there is no such sport; 3 a model does not load.
    """
    from oddspipe.core.plan.catalogue import rules as listed  # noqa: PLC0415 - as above
    from oddspipe.core.plan.load import plan_for, read_platform  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import sports as known  # noqa: PLC0415 - as above

    # Any environment will do: none of them changes a rule.
    environment = next(iter(read_platform(platform).environments))
    found = [
        rule
        for name in ([sport] if sport else known())
        for rule in listed(plan_for(name, platform=platform, environment=environment))
    ]
    if form is Form.JSON:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    _show_rules(found)


def _show(found: "Sequence[Listed]", form: Form) -> None:
    if form is Form.JSON:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            _show_one(one)
        if not found:
            typer.echo("none is installed")
    if any(one.fault for one in found):
        raise typer.Exit(3)


def _show_one(one: "Listed") -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    version = f" {one.own_version}" if one.own_version else ""
    head = console.Text.assemble((one.name, "bold"), version, "  ")
    head.append(f"{one.package} {one.version}".strip(), style="dim")
    parts: list[console.RenderableType] = [head]
    if one.fault:
        fault = console.Text(one.fault, style="red")
        parts.append(console.facts({"broken": fault, "place": one.place}, indent=2))
    else:
        facts = {word: ", ".join(said) for word, said in one.facts.items()}
        told = {"does": one.does, "place": one.place, **facts}
        parts.append(console.facts({word: said for word, said in told.items() if said}, indent=2))
    if one.parameters:
        parts.append(console.Text("  parameters", style="dim"))
        rows = [
            (each.name, console.Text.assemble(f"{each.meaning}\n", (_typed(each), "dim")))
            for each in one.parameters
        ]
        parts.append(console.grid(rows, indent=4, styles=()))
    console.page(*parts, "")


def _typed(one: "Parameter") -> str:
    """Say what a parameter may be: `number 0 to 40, points; 13.2 when left out`."""
    kind = ", ".join(word for word in (f"{one.type} {one.bounds}".strip(), one.unit) if word)
    default = f"{one.default} when left out" if one.default not in {"", "needed"} else one.default
    return f"{kind}; {default}" if default else kind


def _show_rules(found: "Sequence[ListedRule]") -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - as above

    for at, one in enumerate(found):
        if not at or found[at - 1].sport != one.sport:
            console.page(console.title(one.sport))
        head = console.Text.assemble("  ", (one.name, "bold"), (f"  {one.kind}", "dim"))
        told = {"sql": one.sql, "on": ", ".join(one.on), "then": one.does}
        console.page(
            head, console.facts({word: said for word, said in told.items() if said}, indent=4), ""
        )
