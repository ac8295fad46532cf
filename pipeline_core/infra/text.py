"""Data to text: YAML and JSON that are the same for the same data, with a head that says whence."""

import json
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from oddspipe import __version__

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The fast one where libyaml is there; both write the same."""


class _Dumper(_Base):  # type: ignore[misc]  # one of two
    """Writes no anchors: each value stands where it is read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - the library's
        return True


def _text(dumper: Any, value: str) -> Any:  # noqa: ANN401 - the library's
    if "\n" in value:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    # What another reader of YAML may take for a number, a time or a truth value is quoted.
    plain = value and value[0].isalpha() and value.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"})
_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:  # noqa: ANN401 - plain values of any kind
    """Return YAML, keys in the order given.

    >>> print(as_yaml({"start": "45 12 * * 0", "on": "1.10", "list": ["a"]}), end="")
    start: "45 12 * * 0"
    "on": "1.10"
    list:
    - a
    """
    made: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return made


def as_json(value: Any) -> str:  # noqa: ANN401 - as above
    """Return JSON, keys in the order given."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def head(source: str, *, mark: str = "#") -> str:
    """Return the first lines of a file: what made it, of what, and what to edit."""
    return (
        f"{mark} Rendered by oddspipe {__version__} from {source}.\n"
        f"{mark} Do not edit: change the spec and run `oddspipe render-infra`.\n"
    )


def with_head(source: str, *documents: Mapping[str, Any]) -> str:
    """Return YAML documents below a head."""
    return head(source) + "---\n".join(as_yaml(one) for one in documents)


def packaged(*names: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of every file below a folder of `templates/infra`, by name."""
    root = files("oddspipe").joinpath("templates", "infra", *names)

    def walk(folder: Traversable, below: str) -> Iterator[tuple[str, str]]:
        for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
            path = os.path.join(below, one.name)  # noqa: PTH118 - a name below a resource
            if one.is_dir():
                yield from walk(one, path)
            else:
                yield path, one.read_text(encoding="utf-8")

    yield from walk(root, "")
