"""Files of any kind to everything that is wrong with them, in the order in which they are given."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from oddspipe.core.plan.load import find_platform, read_platform_file, read_spec
from oddspipe.core.plan.sports import sports
from oddspipe.core.problem import Problem
from oddspipe.core.spec.document import Diagnostic


def validated(
    files: Sequence[Path],
    platform: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> list[Diagnostic]:
    """Return everything that is wrong with sport and platform files, each fault once.

    Sports are checked against the first platform among the files, else the one that commands
    use; if that one has faults they are told too, before those of the sports.

    Args:
        files: The files; which is a platform is seen by its content.
        platform: The platform file; `./platform.yaml` or the packaged one when left out.
        environ: Environment variables that values may come from; the process's own by default.

    Raises:
        UsageError: A file cannot be read.
    """
    platforms = [file for file in files if is_platform(file)]
    named = {file.stem for file in files if file not in platforms}
    place = find_platform(platform) if platform or not platforms else platforms[0]
    known = {*sports(), *named}
    read = read_platform_file(place, known, environ=environ)
    usable = read.spec if read.is_sound() else None
    found = [] if place in platforms else read.diagnostics()
    for file in files:
        if file in platforms:
            found += read_platform_file(file, known, environ=environ).diagnostics()
        else:
            sport = read_spec(file, usable, environ=environ)
            sport.problems.extend(() if usable else (_platform_skipped(),))
            found += sport.diagnostics()
    return list(dict.fromkeys(found))


def is_platform(file: Path) -> bool:
    """Say whether a file holds a platform: its name says so, or it has environments and no sport.

    The text is looked at, not what it means: a file with faults is of a kind, too.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # the loader says why it cannot be read
    keys = set(re.findall(r"^(\w+)[ ]*:", text, re.MULTILINE))
    return "sport" not in keys and (file.stem == "platform" or "environments" in keys)


def _platform_skipped() -> Problem:
    message = "Not checked: feed.partitions against the replicas of the platform, which has faults."
    return Problem("check.skipped", ("feed", "partitions"), message, severity="skipped")
