"""Have a real server of the cache read its users."""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

from oddspipe.core.services.redis import program

READY: Final = "Ready to accept connections"
PATIENCE_S: Final = 20


def acl_faults(file: Path) -> list[str]:
    """Return what a server says against a file of users; empty where it starts with it.

    Raises:
        UsageError: There is no server on this machine.
    """
    with tempfile.TemporaryDirectory() as place:
        words = ["--port", "0", "--unixsocket", f"{place}/s", "--dir", place, "--save", ""]
        with subprocess.Popen(  # noqa: S603 - a program of the PATH, words of ours
            [program(), *words, "--aclfile", str(file.absolute())],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as server:  # fmt: skip
            try:
                return _judged(server)
            finally:
                server.kill()


def _judged(server: "subprocess.Popen[str]") -> list[str]:
    """Read what the server says until it is ready or has ended."""
    said: list[str] = []
    for line in server.stdout or ():
        if READY in line:
            return []
        said.append(line.strip())
    server.wait(PATIENCE_S)
    return [line for line in said if "ACL" in line] or said[-3:] or ["it ended at once"]
