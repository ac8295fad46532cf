"""A clean environment of its own, in which tests install packages and run commands.

It has what the tests' environment has (through a .pth file: no index is asked), and is thrown away.
"""

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

SCRIPT = "#!{python}\nimport sys\n\nfrom oddspipe.cli.app import main\n\nsys.exit(main())\n"
LIMIT_S = 240


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, and the folder in which commands run."""

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    def sh(self, command: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run shell commands as a user of this environment would; `pip` asks no index."""
        environ = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.folder),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option: 0 switches isolation off
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            "COLUMNS": "100",
        }
        return subprocess.run(
            ["/bin/sh", "-e", "-c", command],
            cwd=cwd or self.home, env=environ, capture_output=True, text=True, check=False,
            timeout=LIMIT_S,
        )  # fmt: skip

    def done(self, command: str, *, cwd: Path | None = None) -> str:
        """Run shell commands that must succeed, and return what they print."""
        result = self.sh(command, cwd=cwd)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout


def environment(folder: Path, *, with_oddspipe: bool) -> Environment:
    """Make an environment; with oddspipe as it lies in this checkout, or without it."""
    venv.create(folder / "venv", with_pip=False)
    made = Environment(folder / "venv", folder / "home")
    made.home.mkdir()
    paths = [path for path in sys.path if path.endswith(("-packages", "/src"))]
    if not with_oddspipe:
        paths = [path for path in paths if not path.endswith("/src")]
    (made.site / "parent.pth").write_text("".join(f"{path}\n" for path in paths))
    for name, text in {
        "pip": '#!/bin/sh\nexec {python} -m pip "$@"\n',
        **({"oddspipe": SCRIPT} if with_oddspipe else {}),
    }.items():
        script = made.folder / "bin" / name
        script.write_text(text.format(python=made.python))
        script.chmod(0o755)
    return made
