"""Values to text: the only module that imports Jinja2."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template of `templates/`.

    Args:
        template: Its path below that folder, e.g. `sport/README.md.j2`.
        values: All that it names; a missing name is an error (`jinja2.UndefinedError`).
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("oddspipe", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, Python and Markdown, never HTML
    )
