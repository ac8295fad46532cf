"""The published schemas: where they lie, what would change in them, and writing them."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from oddspipe.core.errors import UsageError
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.proto.changes import Change, changes
from oddspipe.core.plan.proto.reading import read_proto
from oddspipe.core.plan.proto.schema import path_of, schema_of
from oddspipe.core.plan.proto.text import proto_text


@dataclass(frozen=True, slots=True)
class Compared:
    """The schema of a plan beside the published one.

    Attributes:
        file: Where it is published.
        published: Whether there is such a file.
        same: Whether the file is what would be written now, to the byte.
        changes: What readers or senders would feel.
        text: The file as it should be.
    """

    sport: str
    file: Path
    published: bool
    same: bool
    text: str
    changes: list[Change] = field(default_factory=list)

    @property
    def breaks(self) -> bool:
        """Say whether readers of the published schema would break."""
        return any(one.severity == "error" for one in self.changes)


def compared(plan: Plan, folder: Path, against: Path | None = None) -> Compared:
    """Compare a plan's schema with the published one below `folder`, or with another file.

    Raises:
        UsageError: The file cannot be read, or is not a schema.
        SpecError: The plan's names cannot be told apart in protobuf.
    """
    schema = schema_of(plan)
    text = proto_text(schema, plan.title)
    file = against or folder / path_of(schema.package)
    try:
        old = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if against is not None:
            raise UsageError(f"there is no file {os.fspath(against)!r}") from None
        return Compared(plan.sport, file, published=False, same=False, text=text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    if old == text:
        return Compared(plan.sport, file, published=True, same=True, text=text)
    found = changes(read_proto(old, os.fspath(file)), schema)
    return Compared(plan.sport, file, published=True, same=False, text=text, changes=found)


def publish(one: Compared) -> None:
    """Write the file as it should be, whole or not at all.

    Raises:
        UsageError: It cannot be written.
    """
    part = one.file.with_suffix(".part")
    try:
        one.file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(one.text, encoding="utf-8")
        part.replace(one.file)
    except OSError as error:
        raise UsageError(f"{one.file} cannot be written: {error.strerror or error}") from error
