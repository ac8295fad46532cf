"""Files that are replaced whole."""

import os
import tempfile
from pathlib import Path


def replace_whole(file: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file in one go, its folder too: a reader sees the old one or the new one.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(content.encode() if isinstance(content, str) else content)
        Path(name).chmod(mode)
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)
