"""Kinds of values that a spec holds: durations, rates, shares, sizes, times, names, SQL, secrets.

Each reads what a person writes and gives what the inside works with (integers of microseconds,
events a second, shares of one, bytes); each carries its own words for the JSON Schema.
"""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import override

_UNIT_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_UNIT_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1000, "MB": 10**6}
_PER_SECOND = {"s": 1, "m": 60, "h": 3600}

_AMOUNT = r"\d+(?:\.\d+)?"
_DURATION = re.compile(rf"(?:{_AMOUNT}(?:us|ms|s|m|h|d))+")
_DURATION_STEP = re.compile(rf"({_AMOUNT})(us|ms|s|m|h|d)")
_SIZE = re.compile(rf"({_AMOUNT})(B|KiB|MiB|GiB|kB|MB)")
_RATE = re.compile(rf"({_AMOUNT})/(s|m|h)")
_PERCENT = re.compile(rf"({_AMOUNT})%")
_MAX_DURATION_US = 100 * 366 * _UNIT_US["d"]

IDENTIFIER_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"


def _refuse(code: str, message: str, hint: str = "") -> NoReturn:
    """Refuse a value with our own code and words; `diagnose` passes them on as they are."""
    raise PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text if len(text) <= 40 else text[:37] + '...'}'"


def parse_duration(value: object) -> int:
    """Return a duration in microseconds.

    >>> parse_duration("3h12m"), parse_duration("20ms")
    (11520000000, 20000)
    """
    if isinstance(value, str) and _DURATION.fullmatch(value):
        us = sum(float(n) * _UNIT_US[unit] for n, unit in _DURATION_STEP.findall(value))
        if us > _MAX_DURATION_US:
            _refuse("value.duration", f"{_shown(value)} is longer than a century")
        return round(us)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        hint = f"write {value}s, {value}ms or {value}m"
        _refuse("value.unit", f"the duration {_shown(value)} has no unit", hint)
    hint = "write a number and a unit: us, ms, s, m, h or d, e.g. 250ms, 90s or 3h12m"
    _refuse("value.duration", f"{_shown(value)} is not a duration", hint)


def parse_positive_duration(value: object) -> int:
    """Return a duration above zero in microseconds."""
    us = parse_duration(value)
    if us == 0:
        _refuse("value.range", "the duration must be longer than zero", "write e.g. 20ms or 5s")
    return us


def parse_size(value: object) -> int:
    """Return a size in bytes.

    >>> parse_size("64KiB")
    65536
    """
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        size = round(float(found[1]) * _UNIT_BYTES[found[2]])
        if size < 1:
            _refuse("value.range", "the size must be at least one byte")
        return size
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        hint = f"write {value}B, {value}KiB or {value}MiB"
        _refuse("value.unit", f"the size {_shown(value)} has no unit", hint)
    hint = "write a number and a unit: B, KiB, MiB or GiB, e.g. 64KiB"
    _refuse("value.size", f"{_shown(value)} is not a size", hint)


def parse_rate(value: object) -> int:
    """Return a rate in events a second, rounded up.

    >>> parse_rate("125000/s"), parse_rate("90/m")
    (125000, 2)
    """
    if isinstance(value, str) and (found := _RATE.fullmatch(value)):
        rate = -int(-float(found[1]) // _PER_SECOND[found[2]])
        if rate < 1:
            _refuse("value.range", "the rate must be above zero")
        return rate
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _refuse("value.unit", f"the rate {_shown(value)} has no unit", f"write {value}/s")
    hint = "write a number of events a second, minute or hour, e.g. 125000/s"
    _refuse("value.rate", f"{_shown(value)} is not a rate", hint)


def parse_share(value: object) -> float:
    """Return a share of one.

    >>> parse_share("4.5%"), parse_share(0.045)
    (0.045, 0.045)
    """
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)):
        share = round(float(found[1]) / 100, 12)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
    else:
        hint = "write a percentage or a number from 0 to 1, e.g. 4.5% or 0.045"
        _refuse("value.share", f"{_shown(value)} is not a share", hint)
    if not 0 <= share <= 1:
        hint = f"did you mean {value}%?" if isinstance(value, (int, float)) else ""
        _refuse("value.range", f"{_shown(value)} is not between 0 and 1 (0% and 100%)", hint)
    return share


def _time_of_day(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return value
    hint = "write hours and minutes of a 24-hour clock, e.g. 13:00 or 20:15"
    _refuse("value.time", f"{_shown(value)} is not a time of day", hint)


_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _month_day(value: object) -> str:
    if isinstance(value, str) and (found := re.fullmatch(r"(\d\d)-(\d\d)", value)):
        month, day = int(found[1]), int(found[2])
        if 1 <= month <= len(_DAYS_IN_MONTH) and 1 <= day <= _DAYS_IN_MONTH[month - 1]:
            return value
    hint = "write month and day, e.g. 09-04 for the 4th of September"
    _refuse("value.date", f"{_shown(value)} is not a day of the year", hint)


def _zone(value: object) -> str:
    if isinstance(value, str):
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
        else:
            return value
    hint = "write a zone of the IANA database, e.g. America/New_York or Europe/London"
    _refuse("value.zone", f"{_shown(value)} is not a time zone", hint)


def _sql(value: object) -> str:
    """Take SQL as text; a lone number or truth value is an expression too."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        if not value.strip():
            _refuse(
                "value.empty",
                "the expression is empty",
                "write SQL over columns, or leave the key out",
            )
        return value
    _refuse("type.text", f"SQL is text, not {kind_of(value)}", "quote the expression")


def kind_of(value: object) -> str:
    """Name the kind of a plain value in the words of somebody who writes YAML."""
    names: tuple[tuple[type, str], ...] = (
        (bool, "a truth value"),
        (int, "a whole number"),
        (float, "a number"),
        (str, "text"),
        (dict, "a mapping"),
        (list, "a list"),
        (tuple, "a list"),
        (SecretRef, "a secret reference"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "empty")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A reference to a secret; the value is read at the edge, where it is used, and never shown.

    Attributes:
        path: Where it is kept: a file, or the path in a secret store.
        key: Which entry of it.
    """

    path: str
    key: str

    @override
    def __str__(self) -> str:
        """Return the reference, never the value."""
        return f"{{secret: {self.path}#{self.key}}}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Take only what the loader made of `{secret: path#key}`."""
        del source, handler
        return core_schema.is_instance_schema(
            cls, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the mapping that a person writes."""
        del schema, handler
        return {
            "type": "object",
            "description": "A secret, by reference: read where it is used, never logged.",
            "properties": {"secret": {"type": "string", "pattern": "^[^#]+#[^#]+$"}},
            "required": ["secret"],
            "additionalProperties": False,
            "examples": [{"secret": "odds/redis#password"}],
        }


_DURATION_PATTERN = r"^(\d+(\.\d+)?(us|ms|s|m|h|d))+$"

Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _DURATION_PATTERN,
            "description": "A duration: number and unit (us, ms, s, m, h, d), or several.",
            "examples": ["20ms", "5s", "3h12m", "90d"],
        }
    ),
]
"""A length of time, written with its unit; microseconds inside."""

PositiveDuration = Annotated[
    int,
    BeforeValidator(parse_positive_duration),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _DURATION_PATTERN,
            "description": "A duration above zero: number and unit (us, ms, s, m, h, d).",
            "examples": ["20ms", "5s", "3h12m", "90d"],
        }
    ),
]
"""A length of time above zero; microseconds inside."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+(\.\d+)?(B|KiB|MiB|GiB|kB|MB)$",
            "description": "A number of bytes with its unit.",
            "examples": ["512B", "64KiB", "1MiB"],
        }
    ),
]
"""A number of bytes."""

Rate = Annotated[
    int,
    BeforeValidator(parse_rate),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d+(\.\d+)?/(s|m|h)$",
            "description": "Events a second, minute or hour.",
            "examples": ["125000/s", "90/m"],
        }
    ),
]
"""A number of events a second."""

Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+(\.\d+)?%$"},
                {"type": "number", "minimum": 0, "maximum": 1},
            ],
            "description": "A share: a percentage, or a number from 0 to 1.",
            "examples": ["4.5%", 0.045],
        }
    ),
]
"""A part of a whole, from 0 to 1."""

TimeOfDay = Annotated[
    str,
    BeforeValidator(_time_of_day),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([01]\d|2[0-3]):[0-5]\d$",
            "description": "A time of day on a 24-hour clock.",
            "examples": ["13:00", "20:15"],
        }
    ),
]
"""A local time of day, HH:MM."""

MonthDay = Annotated[
    str,
    BeforeValidator(_month_day),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
            "description": "A day of every year, month first.",
            "examples": ["09-04", "02-15"],
        }
    ),
]
"""A day of every year, MM-DD."""

Zone = Annotated[
    str,
    BeforeValidator(_zone),
    WithJsonSchema(
        {
            "type": "string",
            "description": "A time zone of the IANA database.",
            "examples": ["America/New_York", "Europe/London"],
        }
    ),
]
"""A time zone of the IANA database."""

Sql = Annotated[
    str,
    BeforeValidator(_sql),
    WithJsonSchema(
        {
            "type": ["string", "number", "boolean"],
            "description": "A row-wise SQL expression over columns.",
            "examples": ["home_score - away_score", "qtr_seconds_remaining * 1000"],
        }
    ),
]
"""A row-wise SQL expression."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""Text that says something."""

Name = Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
"""A name of our own: lower case, digits and underscores, as a column or a metric label bears it."""

Whole = Annotated[int, Strict()]
"""A whole number; text and truth values are not taken for one."""

Count = Annotated[int, Strict(), Field(ge=1)]
"""A whole number from 1."""

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number."""


def _bound(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        _refuse("type.number", f"expected a number, not {kind_of(value)}")
    return value


Bound = Annotated[int | float, BeforeValidator(_bound), WithJsonSchema({"type": "number"})]
"""A finite number; a whole one stays whole, so that 64-bit limits are exact."""


def _speed(value: object) -> object:
    if value == "max":
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1e6:
        return value
    hint = "write `max`, or a number: 1 is real time, 60 a minute a second"
    _refuse("value.speed", f"{_shown(value)} is not a speed", hint)


Speed = Annotated[
    float | str,
    BeforeValidator(_speed),
    WithJsonSchema({"anyOf": [{"const": "max"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
"""How fast recorded games are played: a factor of real time, or `max`."""


def _line_step(value: object) -> object:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value in (0.25, 0.5, 1):
        return float(value)
    _refuse("value.choice", f"the step {_shown(value)} is not offered", "write 0.25, 0.5 or 1.0")


LineStep = Annotated[float, BeforeValidator(_line_step), WithJsonSchema({"enum": [0.25, 0.5, 1.0]})]
"""Distance of neighbouring lines in points: 0.25, 0.5 or 1.0."""

Flag = Annotated[bool, Strict()]
"""true or false."""


def _endpoint(value: object) -> object:
    if isinstance(value, SecretRef) or (isinstance(value, str) and value):
        return value
    hint = "write an address, {env: NAME} or {secret: path#key}"
    _refuse("type.text", f"expected text or a secret reference, not {kind_of(value)}", hint)


Endpoint = Annotated[str | SecretRef, BeforeValidator(_endpoint)]
"""An address, or a reference to one that holds a password."""
