"""Rendered files as a tree on disk: written whole, told apart from what people changed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oddspipe.core.errors import UsageError
from oddspipe.core.files import replace_whole

MANIFEST: Final = "MANIFEST.json"
OVERRIDES: Final = "overrides"
"""A folder of people's own: never read, never touched."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One rendered file.

    Attributes:
        path: Below the folder of the environment, with `/`.
        text: Its content.
        kind: What reads it: helm, kafka, prometheus, …
        sport: The sport that it is of; empty for what all share.
        runs: Whether it is a program.
    """

    path: str
    text: str
    kind: str
    sport: str = ""
    runs: bool = False

    @property
    def sha256(self) -> str:
        """Return the hash of the content."""
        return _hash(self.text.encode())


@dataclass(frozen=True, slots=True)
class Drift:
    """How a folder differs from what would be rendered.

    Attributes:
        missing: Would be written, and is not there.
        changed: Is as it was rendered before, and would be rendered otherwise now.
        edited: Was changed by hand since it was rendered.
        stale: Was rendered once and would not be now.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether the folder is what would be rendered."""
        return not (self.missing or self.changed or self.edited or self.stale)

    def lines(self) -> list[str]:
        """Return one line a file."""
        named = {"missing": self.missing, "out of date": self.changed,
                 "edited by hand": self.edited, "stale": self.stale}  # fmt: skip
        return [f"{word:<14}  {path}" for word, paths in named.items() for path in paths]


@dataclass(frozen=True, slots=True)
class Tree:
    """All files of one environment, sorted by path.

    Attributes:
        environment: Its name.
        facts: What stands at the head of the manifest: version, digests, inputs.
    """

    environment: str
    artefacts: tuple[Artefact, ...]
    facts: Mapping[str, object] = field(default_factory=dict)

    @staticmethod
    def of(environment: str, made: Iterable[Artefact], facts: Mapping[str, object]) -> "Tree":
        """Gather artefacts.

        Raises:
            ValueError: Two have the same path.
        """
        found: dict[str, Artefact] = {}
        for one in made:
            if one.path in found:
                raise ValueError(f"two artefacts are called {one.path}")
            found[one.path] = one
        return Tree(environment, tuple(found[path] for path in sorted(found)), facts)

    def manifest(self) -> str:
        """Return the manifest: every file with its hash, kind and sport."""
        files = [
            {"path": one.path, "sha256": one.sha256, "kind": one.kind, "sport": one.sport or None}
            for one in self.artefacts
        ]
        document = {"environment": self.environment, **self.facts, "files": files}
        return json.dumps(document, indent=2) + "\n"

    def texts(self) -> dict[str, str]:
        """Return the content of every file by its path, the manifest among them."""
        return {**{one.path: one.text for one in self.artefacts}, MANIFEST: self.manifest()}

    def drift(self, folder: Path) -> Drift:
        """Compare a folder with what would be written to it.

        Raises:
            UsageError: Its manifest cannot be read.
        """
        before, mine = _listed(folder), self.texts()
        missing: list[str] = []
        changed: list[str] = []
        edited: list[str] = []
        for path, text in mine.items():
            there = _read(folder / path)
            if there is None:
                missing.append(path)
            elif there != text.encode():
                by_hand = path in before and _hash(there) != before[path]
                (edited if by_hand else changed).append(path)
        stale = [path for path in before if path not in mine and (folder / path).exists()]
        return Drift(tuple(missing), tuple(changed), tuple(edited), tuple(sorted(stale)))

    def write(self, folder: Path) -> Drift:
        """Write everything, and remove what was rendered before and is not now.

        Each file is replaced whole; the manifest is written last, so that what was begun and not
        ended shows as drift. Files that no manifest lists are left alone.

        Raises:
            UsageError: The folder cannot be written.
        """
        drift = self.drift(folder)
        runs = {one.path for one in self.artefacts if one.runs}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, text in self.texts().items():
                if _read(folder / path) != text.encode():
                    replace_whole(folder / path, text, 0o755 if path in runs else 0o644)
            for path in drift.stale:
                (folder / path).unlink()
                _prune((folder / path).parent, folder)
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
        return drift


def _listed(folder: Path) -> dict[str, str]:
    """Return the hashes of the manifest that lies there, by path."""
    file = folder / MANIFEST
    if not file.exists():
        return {}
    try:
        document = json.loads(file.read_text())
        listed = {str(one["path"]): str(one["sha256"]) for one in document["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} is no manifest: {error}", hint="Remove the folder, and render it anew."
        ) from error
    # It names files to remove: none outside the folder, none of people's own.
    return {
        path: sha256
        for path, sha256 in listed.items()
        if ".." not in path.split("/") and not path.startswith(("/", f"{OVERRIDES}/"))
    }


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _prune(folder: Path, root: Path) -> None:
    """Remove folders that have become empty."""
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
