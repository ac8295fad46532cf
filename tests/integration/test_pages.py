"""Every command in the pages is run, word for word, and prints what the page says."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.installed import environment

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/tutorial.md", *sorted(ROOT.glob("docs/how-to/*.md"))]
FENCE = re.compile(
    r"(?P<mark><!-- not run: (?P<why>[^\n]*?) -->\n)?```(?P<kind>sh|text)\n(?P<body>.*?)```",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of a page, and the lines that they print according to it."""

    commands: str
    printed: tuple[str, ...]


def steps(text: str) -> list[Step]:
    """Return what is run of a page: `sh` blocks, each with a `text` block right behind it."""
    found: list[Step] = []
    end = -1  # where a block that is run ended
    for fence in FENCE.finditer(text):
        if fence["kind"] == "sh":
            end = -1 if fence["mark"] else fence.end()
            if not fence["mark"]:
                found.append(Step(fence["body"], ()))
        elif end >= 0 and not text[end : fence.start()].strip():
            found[-1] = Step(found[-1].commands, tuple(fence["body"].splitlines()))
    return found


def is_printed(line: str, output: str) -> bool:
    """Say whether a line is among those printed; `…` stands for anything, blanks for blanks."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("…")]
    wanted = re.compile(r"\s*" + ".*?".join(rf"\s*{part}\s*" for part in parts))
    return any(wanted.fullmatch(one) for one in output.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_does_what_the_page_says(page, tmp_path) -> None:
    todo = steps(page.read_text())
    clean = environment(tmp_path, with_oddspipe=True)
    shutil.copytree(ROOT / "sports", clean.home / "sports", symlinks=False)
    shutil.copy(ROOT / "platform.yaml", clean.home)
    clean.done("git init -q && git add -A")
    # One shell for the page, as a reader has; a mark on a line of its own ends each step.
    script = "".join(f"{step.commands}echo '== end of step {at}'\n" for at, step in enumerate(todo))

    output = clean.done(script)

    for at, step in enumerate(todo):
        part, _, output = output.partition(f"== end of step {at}\n")
        missing = [line for line in step.printed if not is_printed(line, part)]
        assert missing == [], part


def test_commands_that_are_not_run_say_why() -> None:
    silent = [
        f"{page.name}: {fence['body']}"
        for page in PAGES
        for fence in FENCE.finditer(page.read_text())
        if fence["mark"] and len(fence["why"]) < 10
    ]

    assert silent == []


def test_a_line_is_found_by_its_words() -> None:
    output = "odds show\n  home   2.31   41.2%\n"

    assert is_printed("home … 41.2%", output)
    assert is_printed("odds  show", output)
    assert not is_printed("home … 41.3%", output)
    assert not is_printed("odds", output)


def test_a_step_has_the_text_that_follows_it() -> None:
    first = "```sh\none\n```\n\n```text\n1\n```\n"
    second = "<!-- not run: too slow -->\n```sh\ntwo\n```\n```text\n2\n```\n"

    third = "```sh\nthree\n```\nElsewhere one sees:\n```text\n3\n```\n"

    assert steps(first + second + third) == [Step("one\n", ("1",)), Step("three\n", ())]
