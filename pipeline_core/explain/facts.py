"""What `explain` says, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that holds, under a word that says what it is about."""

    about: str
    says: str


@dataclass(frozen=True, slots=True)
class SinkFacts:
    """One sink.

    Attributes:
        claims, keeps: What the spec claims; what it can keep.
        why: What makes it keep that.
        crash: What a crash of ours does to it.
        place: Where it is in this environment.
    """

    name: str
    kind: str
    claims: str
    keeps: str
    why: str
    crash: str
    place: str


@dataclass(frozen=True, slots=True)
class Store:
    """A topic, table, key or file: what it holds and for how long."""

    kind: str
    name: str
    holds: str
    kept: str
