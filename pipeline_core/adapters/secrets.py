"""Secrets: references in specs, files where they are used."""

import os
import re
from pathlib import Path
from typing import Final

from oddspipe.core.errors import RunError

SECRETS: Final = "ODDSPIPE_SECRETS"
"""Environment variable with the folder of mounted secrets, a file `path/key` each."""
SECRETS_FOLDER: Final = "/run/secrets"
_SECRET = re.compile(r"\{secret: ([^#]+)#([^#]+)\}")


def secret(reference: str) -> str:
    """Return the value behind `{secret: path#key}`: the file `path/key` of the secrets' folder.

    Raises:
        RunError: There is no such file.
    """
    found = _SECRET.fullmatch(reference)
    if found is None:
        raise RunError(f"{reference!r} is no reference to a secret")
    path, key = found.groups()
    file = Path(os.environ.get(SECRETS, SECRETS_FOLDER), path, key)
    try:
        return file.read_text().rstrip("\n")
    except OSError as error:
        raise RunError(
            f"the secret {path}#{key} cannot be read: {error.strerror or error}",
            hint=f"Mount it as {file}, or name another folder by {SECRETS}.",
        ) from error


def parts_of(reference: str) -> tuple[str, str] | None:
    """Return path and key of a reference; None where the text is none.

    >>> parts_of("{secret: kafka/odds#password}")
    ('kafka/odds', 'password')
    """
    found = _SECRET.fullmatch(reference)
    return (found[1], found[2]) if found else None
