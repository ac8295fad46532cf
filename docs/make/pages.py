"""Every reference page by its file, and which of those on disk differ from the code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs.make.commands import commands_page
from docs.make.faults import errors_page, rejects_page
from docs.make.matrix import matrix_page
from docs.make.metrics import metrics_page
from docs.make.outputs import environment_page, event_page, outputs_page, report_page
from docs.make.plugins import plugins_page
from docs.make.spec import platform_page, spec_page
from docs.make.text import page

from oddspipe.core.plan.catalogue import OURS
from oddspipe.core.plan.json_schema import platform_schema, schema_text, sport_schema
from oddspipe.core.ports.registry import installed, origin

FOLDER = "docs/reference"


def _sport_schema() -> dict[str, Any]:
    """Return the schema with the models that come with oddspipe, whatever else is installed."""
    return sport_schema(
        name for name in installed("models") if origin("models", name).startswith(OURS)
    )


PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "commands": ("Every command, its options and exit codes.", commands_page),
    "spec": ("Every key of a sport file.", spec_page),
    "platform": ("Every key of platform.yaml.", platform_page),
    "errors": ("Every error code, and what to do.", errors_page),
    "rejects": ("Why a row was turned away.", rejects_page),
    "event": ("The event: protobuf envelope and kinds.", event_page),
    "outputs": ("Odds file, partner messages, Redis, ClickHouse, dead letters.", outputs_page),
    "report": ("Every key of `run --report`.", report_page),
    "metrics": ("What a run serves with --listen.", metrics_page),
    "matrix": ("Which promise is proven for which part, by which test.", matrix_page),
    "plugins": ("What a plug-in may import and give.", plugins_page),
    "environment": ("Environment variables.", environment_page),
}
SCHEMAS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "sport.schema.json": ("JSON Schema of a sport file, for editors.", _sport_schema),
    "platform.schema.json": ("JSON Schema of platform.yaml, for editors.", platform_schema),
}


def pages() -> dict[str, str]:
    """Return every page by its path in the repository."""
    made = {f"{FOLDER}/{name}.md": make() for name, (_, make) in PAGES.items()}
    listed = "\n".join(f"* [{name}]({name}.md): {said}" for name, (said, _) in PAGES.items())
    listed += "\n" + "\n".join(f"* [{name}]({name}): {said}" for name, (said, _) in SCHEMAS.items())
    schemas = {f"{FOLDER}/{name}": schema_text(make()) for name, (_, make) in SCHEMAS.items()}
    return {f"{FOLDER}/README.md": page("Reference", listed), **made, **schemas}


def differing(root: Path) -> list[str]:
    """Return the pages on disk that differ from the code, or that no code makes."""
    made = pages()
    there = {f"{FOLDER}/{path.name}": path.read_text() for path in (root / FOLDER).glob("*.*")}
    return sorted(name for name in {*made, *there} if made.get(name) != there.get(name))
