"""The reference pages say what the code says: every field, code, reason and command, no orphan."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docs.make import faults as told
from docs.make import sample
from docs.make.commands import commands, exit_codes, parameters
from docs.make.faults import error_classes, reason_rows
from docs.make.outputs import (
    a_message,
    clickhouse_columns,
    column_meaning,
    meanings,
    names_in,
    redis_names,
)
from docs.make.pages import FOLDER, differing, pages
from docs.make.spec import keys, sections
from docs.make.text import attributes

from oddspipe.core import api
from oddspipe.core.adapters.dead_letters import DeadLetter
from oddspipe.core.adapters.odds_file import ROW_SCHEMA
from oddspipe.core.assemble import Input, Settings, assemble
from oddspipe.core.batch.rejects import COUNTED_ONLY, Reason
from oddspipe.core.parts import Isolation, ShadowPlan
from oddspipe.core.plan.load import plan_for
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.spec.faults import faults
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec

ROOT = Path(__file__).parents[2]
MARKDOWN = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)


def test_the_pages_are_those_that_the_code_makes() -> None:
    assert differing(ROOT) == [], "run `make docs` and commit what it writes"


@pytest.mark.parametrize("root", [SportSpec, PlatformSpec])
def test_every_key_of_a_spec_has_a_sentence_and_a_type(root) -> None:
    silent = [
        f"{section.paths[0]}.{key.name}"
        for section in sections(root)
        for key in keys(section)
        if not key.meaning.endswith((".", "`")) or not key.type
    ]

    assert silent == [], "give these fields a sentence below them in pipeline_core/spec"


@pytest.mark.parametrize("root", [SportSpec, PlatformSpec])
def test_every_part_of_a_spec_has_a_sentence(root) -> None:
    assert [s.part.__name__ for s in sections(root) if not s.part.__doc__] == []


def test_every_command_says_what_it_does_and_its_exit_codes() -> None:
    silent = [
        one.words
        for one in commands()
        if not one.callback.__doc__ or not exit_codes(one.callback.__doc__)
    ]

    assert silent == [], "end the docstring with `Exit codes: 0 …; 2 ….`"


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{one.words} {parameter.written}"
        for one in commands()
        for parameter in parameters(one)
        if not parameter.help.endswith((".", '".'))
    ]

    assert silent == []


def test_every_code_of_a_fault_in_the_sources_has_an_entry_and_no_entry_is_orphaned() -> None:
    written = {
        word for word in words_like_codes(*FAULTS_STAND_IN) if not word.startswith("schema.")
    }

    assert written - set(faults()) - key_paths() - FILES == set(), "add them to faults.toml"
    assert set(faults()) - written == set(), "nothing gives them: take them out of faults.toml"


def test_every_code_of_a_change_in_the_sources_has_an_entry_and_no_entry_is_orphaned() -> None:
    written = {word for word in words_like_codes("plan/proto") if word.startswith("schema.")}

    assert written == set(meanings("schema_change"))


def test_every_error_class_in_the_sources_is_listed_with_a_code_of_its_own() -> None:
    written = [code for path in sources("pipeline_core", "cli") for code in class_codes(path)]
    listed = [one.code for one in error_classes()]

    assert sorted(written) == sorted(listed) == sorted(set(listed))


def test_every_reject_reason_is_given_by_something_and_no_remedy_is_orphaned() -> None:
    unused = {
        reason.name
        for reason in set(Reason) - COUNTED_ONLY
        if not any(re.search(rf"\b{reason.name}\b", text) for text in stage_texts())
    }

    assert unused == set()
    assert set(told.DO) <= {reason.name for reason in Reason}


def test_every_reject_reason_says_what_it_means_and_what_to_do() -> None:
    rows = reason_rows()

    assert len(rows) == len(Reason) - 1
    assert [row[0] for row in rows if not row[3] or not row[4]] == []


def test_every_member_of_a_partner_message_has_a_meaning() -> None:
    assert set(names_in(a_message())) == set(meanings("message"))


def test_every_field_in_redis_has_a_meaning() -> None:
    assert set(redis_names()) == set(meanings("redis"))


def test_every_column_of_odds_has_a_meaning_and_no_meaning_is_orphaned() -> None:
    tables = clickhouse_columns()
    history = {column for column, _ in tables["odds_history"]}
    events = {column for column, _ in tables["events"]}
    seconds = {column for column, _ in tables["tracking_by_second"]}

    assert {*ROW_SCHEMA, *history} == set(meanings("price"))
    assert events - {one.name for one in sample.LAYOUT.columns} == set(meanings("event_row"))
    assert seconds == set(meanings("second_row"))
    assert all(
        column_meaning(table, column) for table, columns in tables.items() for column, _ in columns
    )


def test_every_member_of_a_dead_letter_has_a_meaning() -> None:
    assert set(attributes(DeadLetter)) == set(DeadLetter.__struct_fields__)


def test_every_key_of_the_report_has_a_meaning(tmp_path) -> None:
    stop = StopSwitch()
    settings = Settings(
        Input(rate=2000, duration_s=0.5),
        speed=None, state=tmp_path / "state", sinks=("dead_letters",),
        odds_out=tmp_path / "odds.parquet",
    )  # fmt: skip
    plan = plan_for("nfl", platform=ROOT / "platform.yaml")
    shadow = ShadowPlan(plan.model, Isolation(), 100)
    report = assemble(replace(plan, shadow=shadow), settings).go(stop)
    report = json.loads(json.dumps(report))
    report["sinks"] = {"<name>": next(iter(report["sinks"].values()))}
    counted = ("rejects.", "stages[].rejected.", "stages[].dropped.")
    written = {name for name in names_in(report) if not name.startswith(counted)}

    assert written == set(meanings("report"))


def test_every_environment_variable_has_a_meaning() -> None:
    files = [
        *ROOT.glob("*.py"), *ROOT.glob("pipeline_core/**/*.py"), *ROOT.glob("cli/*.py"),
        *ROOT.glob("ext/*.py"), *ROOT.glob("plugins/*.py"),
    ]  # fmt: skip
    read = {name for path in files for name in re.findall(r"ODDSPIPE_[A-Z_]+", path.read_text())}

    assert read == set(meanings("environment"))


def test_everything_a_plugin_may_import_is_listed_sorted_and_explained() -> None:
    assert api.__all__ == sorted(api.__all__, key=str)
    assert [name for name in api.__all__ if not getattr(api, name).__doc__] == []
    public = {name for name in vars(api) if not name.startswith("_")}
    assert public == set(api.__all__)


def test_every_page_is_reached_from_the_index() -> None:
    index = pages()[f"{FOLDER}/README.md"]

    for name in pages():
        if not name.endswith("README.md"):
            assert f"({Path(name).name})" in index


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        found = there.exists() and (not fragment or fragment in anchors(there))
        if not found:
            broken.append(target)

    assert broken == []


def anchors(path: Path) -> set[str]:
    """Return what one can link to in a page: its headings as GitHub names them, and anchors."""
    text = path.read_text()
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return named | set(re.findall(r'<a id="([^"]+)"></a>', text))


FAULTS_STAND_IN = ("spec", "plan", "batch", "cases")
"""Folders of `pipeline_core` in which problems of a file are made."""
FILES = {"platform.yaml", "faults.toml", "event.proto"}
"""Names of files, which look like codes."""


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted(ROOT.glob(f"{folder}/**/*.py"))]


def words_like_codes(*folders: str) -> set[str]:
    """Return every string in the sources that has the form of a code, e.g. `sql.unknown-column`."""
    return {
        node.value
        for path in sources(*(f"pipeline_core/{folder}" for folder in folders))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z_]+\.[a-z]+(-[a-z]+)*", node.value)
    }


def key_paths() -> set[str]:
    """Return the paths of keys, which look like codes, e.g. `feed.mapping`."""
    return {"feed.protocol"} | {
        f"{path}.{key.name}"
        for root in (SportSpec, PlatformSpec)
        for section in sections(root)
        for path in section.paths
        for key in keys(section)
    }


def class_codes(path: Path) -> Iterator[str]:
    """Yield the codes that classes of a file have: `code = "…"` in the body of the class."""
    for node in ast.walk(ast.parse(path.read_text())):
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if (
                isinstance(one, ast.Assign | ast.AnnAssign)
                and isinstance(one.value, ast.Constant)
                and ast.unparse(one.targets[0] if isinstance(one, ast.Assign) else one.target)
                == "code"
            ):
                yield one.value.value


def stage_texts() -> list[str]:
    """Return the text of what may turn a row away: all but where reasons are declared."""
    files = [
        path
        for path in [*sources("pipeline_core"), *sorted(ROOT.glob("ext/*.py*"))]
        if path.name != "rejects.py" and path.suffix in {".py", ".pyx"}
    ]
    return [path.read_text() for path in files]
