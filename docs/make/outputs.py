"""The pages of what leaves oddspipe, read off what the code writes for one sample message."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from docs.make import sample
from docs.make.text import attributes, code, comments, page, summary, table

from oddspipe.core.adapters import places
from oddspipe.core.adapters.clickhouse.ddl import statements
from oddspipe.core.adapters.dead_letters import DeadLetter
from oddspipe.core.adapters.odds_file import ROW_SCHEMA
from oddspipe.core.adapters.partner_log import PartnerLog
from oddspipe.core.adapters.partner_messages import FORMATS, Origin, messages
from oddspipe.core.adapters.redis.commands import (
    Current,
    Freshness,
    calls,
    current_key,
    memory_key,
    merge,
)
from oddspipe.core.names import Kind

ORIGIN = Origin("nfl", "nfl", "1", "9ccf6aaa…", 15_000_000)


@cache
def meanings(name: str) -> Mapping[str, str]:
    """Return a section of meanings.toml: what each field means, in its order."""
    with (Path(__file__).parent / "meanings.toml").open("rb") as file:
        section: dict[str, str] = tomllib.load(file)[name]
    return section


def names_in(value: Any, at: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON values
    """Yield the name of every member of a JSON value; `[]` stands for the entries of a list.

    >>> list(names_in({"a": [{"b": 1}], "c": {"d": 2}}))
    ['a', 'a[].b', 'c', 'c.d']
    """
    if isinstance(value, dict):
        for name, below in value.items():
            inner = f"{at}.{name}" if at else name
            yield inner
            yield from names_in(below, inner)
    elif isinstance(value, list):
        yield from dict.fromkeys(name for one in value for name in names_in(one, f"{at}[]"))


def a_message() -> dict[str, Any]:
    """Return one partner message in every price format."""
    made: dict[str, Any] = msgspec.json.decode(messages(sample.output(), ORIGIN, FORMATS))
    return made


def redis_fields() -> dict[str, str]:
    """Return the fields of one game's hash in Redis."""
    games: dict[str, Current] = {}
    merge(games, [sample.output()])
    ((_, values),) = calls("nfl", games, ["BUF_KC"], Freshness.FRESH, (1, 1))
    flat = values[4:]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def redis_names() -> list[str]:
    """Return the names of a hash's fields, those of markets and their lines in general form."""
    found: dict[str, None] = {}
    for name, value in redis_fields().items():
        if name.startswith("market:"):
            general = "market:<scope>:<market>"
            found |= dict.fromkeys([general, *names_in(json.loads(value), general)])
        else:
            found[name] = None
    return list(found)


def clickhouse_columns() -> dict[str, list[tuple[str, str]]]:
    """Return name and type of the columns of each table, without `SPORT_`."""
    found = {}
    for statement in statements("sport", sample.LAYOUT):
        if statement.startswith("ALTER"):
            continue  # what a table of an earlier version lacks
        name = re.findall(r" sport_(\w+)", statement)[0]
        found[name] = re.findall(r"^ +`(\w+)` (.+?),?$", statement, re.MULTILINE)
    return found


def column_meaning(table_name: str, column: str) -> str:
    """Return what a column of a ClickHouse table means."""
    if table_name == "events":
        said = {one.name: one.description for one in sample.LAYOUT.columns}
        return {**said, **meanings("event_row")}[column]
    return meanings("second_row" if table_name == "tracking_by_second" else "price")[column]


def report_page() -> str:
    """Return the page of the report."""
    rows = [(code(name), said) for name, said in meanings("report").items()]
    return page(
        "Report",
        "`oddspipe run --report FILE.json` writes one JSON object. `a.b` is member b of member a, "
        "`[]` stands for each entry of a list, `<name>` for a name. A run has three stages: "
        "`normalise`, `order` and `price`.",
        table(("key", "meaning"), rows),
    )


def outputs_page() -> str:
    """Return the page of files, messages, keys and tables."""
    return page(
        "Outputs",
        "What a run writes. Embedded sinks keep it below the state folder of the run, "
        "`.oddspipe/SPORT/latest` unless `--state` names another.",
        _odds_file(),
        _message(),
        _redis(),
        _clickhouse(),
        _dead_letter(),
    )


def _odds_file() -> str:
    rows = [(code(n), code(kind), meanings("price")[n]) for n, kind in ROW_SCHEMA.items()]
    return (
        "## Odds file\n\n`--odds-out FILE.parquet`: one row a published price, in order; the same "
        "odds give the same bytes.\n\n" + table(("column", "Polars type", "meaning"), rows)
    )


def _message() -> str:
    shown = json.dumps(a_message(), indent=2)
    rows = [(code(name), said) for name, said in meanings("message").items()]
    return (
        f"## Partner message\n\n{summary(PartnerLog)} The file is "
        "`partners/PARTNER/SPORT.odds.v1.ndjson`, one JSON object a line.\n\n"
        f"{table(('member', 'meaning'), rows)}\n\nExample, with one market in full:\n\n"
        f"```json\n{shown}\n```"
    )


def _redis() -> str:
    keys = [
        (code(current_key("SPORT", "GAME")), "hash", "`ttl` of the sink", "Current odds."),
        (
            code(memory_key("SPORT", "GAME")),
            "hash",
            "`memory` of the sink",
            "The same after the odds are gone: an older message never overwrites a newer one.",
        ),
    ]
    rows = [(code(name), said) for name, said in meanings("redis").items()]
    return (
        "## Redis\n\nEmbedded, it listens on a socket in the folder "
        f"`{places.REDIS_FOLDER}` while the run is on.\n\n"
        f"{table(('key', 'type', 'lives for', 'meaning'), keys)}\n\nFields of both hashes:\n\n"
        + table(("field", "meaning"), rows)
    )


def _clickhouse() -> str:
    intro = (
        "## ClickHouse\n\nEmbedded, it lies in the folder "
        f"`{places.CLICKHOUSE_FOLDER}`; `oddspipe odds query` reads it. The view "
        "`SPORT_odds_latest` has the rows of `SPORT_odds_history` that are the newest of their "
        "game, scope and market."
    )
    parts = [intro]
    for name, columns in clickhouse_columns().items():
        if columns:
            rows = [(code(c), code(kind), column_meaning(name, c)) for c, kind in columns]
            more = " The sport's own fields follow the envelope's." if name == "events" else ""
            grid = table(("column", "type", "meaning"), rows)
            parts.append(f"### SPORT_{name}\n\n{_ABOUT[name]}{more}\n\n{grid}")
    return "\n\n".join(parts)


_ABOUT = {
    "events": "One row a normalised event, of the kinds that the sink's `store` keeps `raw`.",
    "tracking_by_second": "One row a game and second, of the kinds kept `by_second`.",
    "odds_history": "One row a published price; never replaced.",
}


def _dead_letter() -> str:
    said = attributes(DeadLetter)
    rows = [(code(name), said[name]) for name in DeadLetter.__struct_fields__]
    return (
        f"## Dead letters\n\nThe file `{places.DEAD_LETTERS_FILE}`, one JSON object a line; "
        "`oddspipe dlq list` and `show` read it. Reasons: [Reject reasons](rejects.md).\n\n"
        + table(("member", "meaning"), rows)
    )


def event_page() -> str:
    """Return the page of the event's envelope."""
    rows = [
        (str(one.number), code(one.name), code(one.type.value), one.unit, one.description)
        for one in sample.LAYOUT.columns
    ]
    said = comments(Kind)
    kinds = [(str(kind.value), code(kind.name.lower()), said.get(kind.name, "")) for kind in Kind]
    return page(
        "Event",
        "One protobuf message for all sports. Numbers 1 to 15 are fixed; a sport's own fields "
        "start at 16 and stand in its file under `event.fields`. `int32` is ZigZag (`sint32`), "
        "the other integers are plain varints, `double` is fixed 64-bit.",
        "## Envelope\n\n" + table(("number", "field", "type", "unit", "meaning"), rows),
        "## Kinds\n\nA sport's own kinds have numbers 16 to 63 and are handled like one of these."
        "\n\n" + table(("number", "kind", "meaning"), kinds),
    )


def environment_page() -> str:
    """Return the page of environment variables."""
    rows = [(code(name), said) for name, said in meanings("environment").items()]
    return page(
        "Environment variables",
        "What oddspipe itself reads or writes. Beyond these, a spec reads what it names: "
        "`{env: NAME}` and `{env: NAME, default: …}`.",
        table(("variable", "meaning"), rows),
    )
