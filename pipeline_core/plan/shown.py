"""Values of the inside as a person writes them: 5000000 of a duration is `5s`."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.spec.fields import (
    parse_duration,
    parse_positive_duration,
    parse_rate,
    parse_size,
)

_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def size_text(size: int) -> str:
    """Return a size as a person writes it.

    >>> size_text(65_536), size_text(1000)
    ('64KiB', '1000B')
    """
    for unit, name in _SIZES:
        if size % unit == 0:
            return f"{size // unit}{name}"
    return f"{size}B"


_WRITTEN: dict[Any, Callable[[int], str]] = {
    parse_duration: duration_text,
    parse_positive_duration: duration_text,
    parse_size: size_text,
    parse_rate: lambda rate: f"{rate}/s",
}


def written_by(reader: object) -> Callable[[int], str] | None:
    """Return what writes the values that a reader of a kind of values gives."""
    return _WRITTEN.get(reader)


def default_text(field: FieldInfo) -> Any:  # noqa: ANN401 - a default of any kind
    """Return the default of a key as a person would write it."""
    value = field.get_default(call_default_factory=True, validated_data={})
    readers = [one.func for one in field.metadata if isinstance(one, BeforeValidator)]
    write = next((found for one in readers if (found := written_by(one)) is not None), None)
    return write(value) if write is not None and isinstance(value, int) else value


def without_login(address: str) -> str:
    """Return an address without who logs in there, and how.

    >>> without_login("redis://me:hush@cache:6379/0")
    'redis://cache:6379/0'
    """
    return re.sub(r"//[^/@]*@", "//", address)
