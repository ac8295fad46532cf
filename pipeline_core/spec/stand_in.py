"""Sound values of the sections that a file must have, for checking what is there without them."""

from collections.abc import Iterator
from typing import Any

from oddspipe.core.problem import Path
from oddspipe.core.spec.typed import ANY


def sport_stand_in() -> dict[Path, Any]:
    """Return the values of a small sport by place; problems in these are never shown."""
    feeds = ("topic", "url", "project", "subscription")
    return dict(_places((), _SPORT)) | {("feed", key): "-" for key in feeds} | _OF_ENTRIES


_SPORT: dict[str, Any] = {
    "sport": "stand_in",
    "title": "Stand-in",
    "owner": {"team": "-", "contact": "-", "pager": "-"},
    "feed": {"protocol": "simulator"},
    "event": {"kinds": ["play"]},
    "state": {"columns": {"stand_in": {"take": "count"}}},
    "model": {"name": "stand_in"},
    "odds": {"markets": {"moneyline": {}}},
    "sinks": {"stand_in": {"kind": "redis", "guarantee": "at_least_once"}},
    "schedule": {
        "zone": "UTC",
        "season": {"from": "01-01", "to": "12-31"},
        "game_length": "1h",
        "windows": [{"day": "daily", "kickoff": "12:00", "games": 1}],
    },
    "load": {"peak_rate": "1/s", "games_at_once": 1, "updates_per_game": 1},
    "made_game": {
        "periods": 1,
        "period_length": "1m",
        "length": "1m",
        "plays": 1,
        "points": {1: 0.1},
    },
}


_OF_ENTRIES: dict[Path, Any] = {
    ("event", "kinds", ANY, "like"): "play",
    ("feed", "mapping", ANY, "kind"): "play",
    ("feed", "recording", "events", ANY, "kind"): "play",
    ("load", "phases", ANY, "multiplier"): 1,
    ("load", "phases", ANY, "when"): "NULL",
    ("odds", "guards", ANY, "suspend_when"): "NULL",
    ("rules", ANY, "check"): "NULL",
    ("sinks", ANY, "guarantee"): "at_least_once",
    ("state", "columns", ANY, "take"): "last",
}
"""Values of keys that an entry must have: without them the rest of it could not be checked."""


def platform_stand_in() -> dict[Path, Any]:
    """Return the values of a small platform by place."""
    return dict(_places((), {"environments": {"local": {}}}))


def _places(path: Path, tree: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for key, value in tree.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from _places((*path, key), value)
