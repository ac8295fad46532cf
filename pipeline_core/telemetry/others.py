"""Metrics of other programs: a register of those that rules and dashboards may ask for."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

TARGET_LABELS: Final = frozenset({"job", "instance", "namespace", "pod", "container"})
"""What Prometheus adds to every series of a target in a cluster."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A metric of another program.

    Attributes:
        name: As Prometheus shows it.
        program: What exposes it.
        version: The oldest of that program that one should run.
        kind: counter or gauge.
        labels: Besides those of its target.
    """

    name: str
    program: str
    source: str
    version: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str


@cache
def others() -> dict[str, Foreign]:
    """Return the register, by name.

    >>> others()["redis_up"].program
    'valkey-exporter'
    """
    text = files("oddspipe.core.telemetry").joinpath("others.toml").read_text(encoding="utf-8")
    return {
        name: Foreign(
            name,
            program,
            entry["source"],
            entry["version"],
            one["kind"],
            one["unit"],
            tuple(one["labels"]),
            one["meaning"],
        )
        for program, entry in tomllib.loads(text).items()
        for name, one in entry["metrics"].items()
    }
