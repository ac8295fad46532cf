"""`oddspipe plugin`: hold a plug-in against its contract."""

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from oddspipe.cli.state import Form
from oddspipe.core.errors import UsageError

if TYPE_CHECKING:
    from oddspipe.core.conform.model import Result
    from oddspipe.core.plan.model import Plan


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    group = typer.Typer(no_args_is_help=True, help="Hold a plug-in against its contract.")
    group.callback()(_group)
    group.command(name="check")(check)
    app.add_typer(group, name="plugin")


def _group() -> None:
    """Hold a plug-in against its contract."""


def check(
    name: Annotated[str, typer.Argument(help="Name of an installed model.")],
    *,
    sport: Annotated[
        str | None,
        typer.Option(help="Sport whose made-up games it is asked about; its own when left out."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="text or json.")] = Form.TEXT,
) -> None:
    """Check that a model does what a run relies on.

    It is asked about a thousand states of made-up games: whether its distributions add up, whether
    it keeps nothing and changes nothing, whether a row's answer depends on its neighbours, what it
    says where inputs are unknown, and more. Exit codes: 0 all is well; 1 it is not; 2 wrong usage;
    3 the model does not load.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from oddspipe.core.assemble_models import model_of  # noqa: PLC0415 - `--help` is quick
    from oddspipe.core.conform.model import ModelCheck  # noqa: PLC0415 - as above
    from oddspipe.core.conform.states import states_of  # noqa: PLC0415 - as above

    plan = _plan_for(name, sport)
    states = states_of(plan)
    results = list(ModelCheck(model_of(plan), plan.model.scopes, states).results())
    if form is Form.JSON:
        typer.echo(json.dumps([asdict(result) for result in results], indent=1))
    else:
        _show(plan, results)
    if any(result.fault for result in results):
        raise typer.Exit(1)


def _plan_for(name: str, sport: str | None) -> "Plan":
    """Return the plan of a sport with the model in it.

    Raises:
        UsageError: No sport names the model, or its state lacks what the model reads.
    """
    from oddspipe.core.backtest.report import with_model  # noqa: PLC0415 - as above
    from oddspipe.core.plan.load import plan_for  # noqa: PLC0415 - as above
    from oddspipe.core.plan.sports import sports  # noqa: PLC0415 - as above

    if sport is not None:
        return with_model(plan_for(sport), name, {})
    for one in sports():
        plan = plan_for(one)
        if plan.model.name == name:
            return plan
    raise UsageError(
        f"no sport's spec names the model {name!r}",
        hint="Say with --sport whose games it is to be asked about.",
    )


def _show(plan: "Plan", results: "list[Result]") -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    console.show(
        console.title(f"model {plan.model.name} {plan.model.version}, on games of {plan.sport}")
    )
    for result in results:
        note = f"  ({result.note})" if result.note else ""
        console.show(f"  {'FAIL' if result.fault else 'pass'}  {result.name}{note}")
        if result.fault:
            console.show(f"        {result.fault}", f"        {result.advice}")
    failed = sum(bool(result.fault) for result in results)
    console.show(f"{len(results) - failed} passed, {failed} failed")
