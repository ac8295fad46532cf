"""`oddspipe verify`: whether what a run over Kafka has written is what its feed makes of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddspipe.cli.sports import plan_of
from oddspipe.cli.state import Form

if TYPE_CHECKING:
    from oddspipe.core.verify.compare import Findings
    from oddspipe.core.verify.kafka import Checked

WORDS = {"lost": "lost", "twice": "twice", "out_of_order": "out of order", "strange": "strange"}


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(name="verify")(verify)


def verify(  # noqa: PLR0913 - one parameter an option
    *,
    sport: Annotated[
        str | None, typer.Option(help="Name of a sport; see `oddspipe list sports`.")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="This spec in place of --sport.")] = None,
    platform: Annotated[Path | None, typer.Option(help="Another platform.yaml.")] = None,
    env: Annotated[str, typer.Option(help="Environment of platform.yaml.")] = "dev",
    group: Annotated[
        str | None, typer.Option(help="Consumer group of the run; as `oddspipe run` has it.")
    ] = None,
    self_test: Annotated[
        bool,
        typer.Option(
            "--self-test",
            help="Plant a loss, a double and a swap into what was read: all three must be found.",
        ),
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="text or json.")] = Form.TEXT,
) -> None:
    """Check that nothing is lost, twice, out of order or strange in a sport's topics.

    The feed's topic is compared with the ledger of `oddspipe feed serve`, where there is one; odds
    and dead letters with what one pass over the feed makes, without the state, transactions and
    restarts of the run. Exit codes: 0 all is as it should be; 1 it is not; 2 wrong usage; 4 the
    cluster does not answer, or the group has not yet taken all there is.
    """
    from oddspipe.core.assemble_kafka import ledger_of, verifier_of  # noqa: PLC0415 - an extra's

    plan = plan_of(sport, spec, platform, env)
    ledger = ledger_of(plan)
    there = ledger if ledger.file.exists() else None
    checked = verifier_of(plan, group).check(there, self_test=self_test)
    if form is Form.JSON:
        typer.echo(json.dumps(_as_json(checked)))
    else:
        _show(checked, str(ledger.file))
    if self_test:
        raise typer.Exit(0 if set(checked.odds.counts) >= {"lost", "twice", "out_of_order"} else 1)
    if not checked.sound:
        raise typer.Exit(1)
    if checked.behind:
        raise typer.Exit(4)


def _as_json(checked: "Checked") -> dict[str, Any]:
    def part(one: "Findings | None") -> dict[str, Any] | None:
        if one is None:
            return None
        counts = {name: one.counts.get(name, 0) for name in WORDS}
        return {"checked": one.checked, **counts, "examples": one.examples}

    return {
        "sound": checked.sound,
        "behind": checked.behind,
        "feed": part(checked.feed),
        "normalised": part(checked.normalised),
        "odds": part(checked.odds),
        "dead_letters": part(checked.dead_letters),
    }


def _show(checked: "Checked", ledger: str) -> None:
    from oddspipe.cli import console  # noqa: PLC0415 - `--help` draws its own

    parts = {
        "feed": checked.feed,
        "normalised": checked.normalised,
        "odds": checked.odds,
        "dead letters": checked.dead_letters,
    }
    rows = [
        [name, f"{one.checked:,}", *(f"{one.counts.get(kind, 0):,}" for kind in WORDS)]
        for name, one in parts.items()
        if one is not None
    ]
    titles = [("topic", "l"), ("checked", "r"), *((word, "r") for word in WORDS.values())]
    console.show(console.table(titles, rows))
    if checked.feed is None:
        console.note(f"feed: not compared, there is no ledger {ledger}")
    for one in parts.values():
        for kind, examples in one.examples.items() if one is not None else ():
            for example in examples:
                console.show(f"{WORDS[kind]}: {example}")
    if checked.behind:
        console.show(f"not yet taken: {checked.behind:,} records; run on, then verify")
    if checked.sound:
        console.show("nothing is lost, twice, out of order or strange")
