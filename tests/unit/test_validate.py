"""`oddspipe validate`: every fault in one pass, what is skipped, the formats, the exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from oddspipe.cli.app import build
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.validate import validated

ROOT = Path(__file__).parents[2]
PLATFORM = ROOT / "platform.yaml"
HEAVY = {"chdb", "clickhouse_connect", "confluent_kafka", "numpy", "polars", "redis"}


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(build(), ["validate", *map(str, words)])


@pytest.fixture
def sport(tmp_path):
    """Write a copy of nfl.yaml without its tests, some text replaced; return its path."""

    def write(*edits: tuple[str, str], name: str = "nfl.yaml") -> Path:
        text = (ROOT / "sports" / "nfl.yaml").read_text().partition("tests:\n")[0]
        text = text.replace("shared/defaults.yaml", str(ROOT / "sports/shared/defaults.yaml"))
        for old, new in edits:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def faults_of(path: Path, platform: Path = PLATFORM) -> list[tuple[str, int, int]]:
    found = validated([path], platform)
    return [(one.code, one.mark.line, one.mark.column) for one in found]


def test_shipped_files_are_clean() -> None:
    result = command(*sorted(ROOT.glob("sports/*.yaml")), PLATFORM)

    assert (result.output, result.exit_code) == ("4 files: clean\n", 0)


def test_faults_of_all_kinds_are_told_in_one_pass_and_in_file_order(sport) -> None:
    path = sport(
        ("partitions: 50", "partitions: lots"),
        ("down: {number: 17", "down: {number: 16"),
        ("check: clock <= 900000", "check: clok <= 900000"),
        ("{take: last, of: down,", "{take: lst, of: down,"),
        ("lead: home_score - away_score", "lead: SUM(home_score)"),
        ("home_edge: 2.0", "home_edg: 2.0"),
    )

    assert faults_of(path) == [
        ("type.whole", 13, 15),
        ("check.skipped", 13, 15),
        ("field.number-clash", 84, 20),
        ("sql.unknown-column", 102, 12),
        ("value.choice", 122, 18),
        ("sql.aggregate", 131, 11),
        ("model.unknown-parameter", 140, 16),
    ]


def test_section_that_is_no_yaml_is_not_also_called_missing(sport) -> None:
    path = sport(("state:\n", "state: [\n"), ("check: clock <= 900000", "check: clok <= 900000"))

    assert faults_of(path) == [
        ("sql.unknown-column", 102, 12),
        ("yaml.syntax", 115, 8),
        ("check.skipped", 115, 8),
    ]


def test_check_that_reads_a_faulty_value_is_skipped_and_never_passes(sport) -> None:
    faulty = "duplicates: {window: 1s}\nrecovery: {snapshot_every: 10}"
    path = sport(("duplicates: {window: 10s}", faulty))

    found = validated([path], PLATFORM)

    assert [(one.code, one.severity, one.mark.line) for one in found] == [
        ("value.unit", "error", 114),
        ("check.skipped", "skipped", 114),
        ("window.order", "warning", 19),
    ]
    assert found[1].message == (
        "Not checked because of this fault: recovery.snapshot_every against feed.retention"
    )


def test_name_with_a_fault_of_its_own_is_not_called_unknown(sport) -> None:
    path = sport(
        ("plays: {take: count, on: [play]}", "plays: count"),
        ("lead: home_score - away_score", "lead: home_score + plays"),
    )

    assert faults_of(path) == [("type.mapping", 129, 12), ("check.skipped", 131, 24)]


def test_faults_behind_a_faulty_entry_of_a_list_keep_their_places(sport) -> None:
    path = sport(
        ("- name: clock_within_quarter", "- nam: clock_within_quarter"),
        ("check: home_score >= was_home_score", "check: home_scor >= was_home_score"),
        ("on: [play, score]\n\nduplicates", "on: [play, scor]\n\nduplicates"),
    )

    assert faults_of(path) == [
        ("key.unknown", 101, 5),
        ("sql.unknown-column", 110, 12),
        ("kind.unknown", 111, 16),
    ]


def test_fault_in_a_shared_file_is_told_once(tmp_path) -> None:
    (tmp_path / "shared").mkdir()
    shared = (ROOT / "sports/shared/defaults.yaml").read_text().replace("ttl: 10s", "ttl: 10")
    (tmp_path / "shared/defaults.yaml").write_text(shared)
    for name in ("nfl", "nba"):
        (tmp_path / f"{name}.yaml").write_text((ROOT / f"sports/{name}.yaml").read_text())

    found = validated([tmp_path / "nfl.yaml", tmp_path / "nba.yaml"], PLATFORM)

    assert [(one.code, one.place) for one in found] == [
        ("value.unit", f"{tmp_path}/shared/defaults.yaml:43:10")
    ]


def line_of(path, text) -> int:
    """Return the number of the line that holds a text."""
    (line,) = (at for at, one in enumerate(path.read_text().splitlines(), 1) if text in one)
    return line


def test_platform_is_checked_as_a_file_of_its_own(tmp_path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text(PLATFORM.read_text().replace("sports: [nfl]", "sports: [nlf]"))

    assert faults_of(path) == [("partner.sport", line_of(path, "sports: [nlf]"), 14)]


def test_workers_are_checked_against_a_platform_that_is_among_the_files(tmp_path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text(
        PLATFORM.read_text().replace("partitions: 1\n", "partitions: 1\n    replicas: 4\n")
    )

    found = validated([ROOT / "sports/nfl.yaml", path])

    assert [(one.code, one.mark.line) for one in found] == [("replicas.partitions", 13)]


def test_faulty_platform_is_told_and_the_check_against_it_is_skipped(tmp_path) -> None:
    path = tmp_path / "platform.yaml"
    path.write_text(PLATFORM.read_text().replace("tier: gold", "tier: golden"))

    found = validated([ROOT / "sports/nfl.yaml"], path)

    assert [(one.code, one.severity, one.mark.line) for one in found] == [
        ("value.choice", "error", line_of(path, "tier: golden")),
        ("check.skipped", "skipped", 13),
    ]


def test_text_shows_the_place_the_line_the_path_the_fix_and_the_page(sport) -> None:
    path = sport(("check: clock <= 900000", "check: clok <= 900000"))

    result = command(path, "--platform", PLATFORM)

    assert result.exit_code == 1
    assert result.output == (
        f"{path}:102:12: error[sql.unknown-column]: There is no column 'clok' here\n"
        "102 |     check: clok <= 900000\n"
        "    |            ^^^^\n"
        "    = at rules.0.check\n"
        "    = Did you mean 'clock'?\n"
        "    = docs/reference/errors.md#sql.unknown-column\n"
        "\n"
        "1 file: 1 fault\n"
    )


def test_json_gives_each_fault_as_an_object(sport) -> None:
    path = sport(("check: clock <= 900000", "check: clok <= 900000"))

    result = command(path, "--platform", PLATFORM, "--format", "json")

    assert json.loads(result.output) == [
        {
            "file": str(path), "line": 102, "column": 12, "end_line": 102, "end_column": 16,
            "severity": "error", "code": "sql.unknown-column", "path": "rules.0.check",
            "message": "There is no column 'clok' here", "hint": "Did you mean 'clock'?",
            "docs": "docs/reference/errors.md#sql.unknown-column",
        }
    ]  # fmt: skip


def test_github_annotations_escape_what_would_end_them(sport) -> None:
    path = sport(("home_edge: 2.0", "'home%edge': 2.0"), name="a,b.yaml")

    result = command(path, "--platform", PLATFORM, "--format", "github")

    assert result.output.startswith(
        f"::error file={str(path).replace(',', '%2C')},line=140,col=16,"
        "title=model.unknown-parameter::The model 'nfl' has no parameter 'home%25edge'. Did you "
    )


# The objects of the published SARIF 2.1.0 schema that a log of ours is made of, with all their
# required members, limits and enums; `additionalProperties` is false there too.
def _object(required: list[str], **properties: object) -> dict[str, object]:
    return {
        "type": "object", "additionalProperties": False,
        "required": required, "properties": properties,
    }  # fmt: skip


_TEXT = {"type": "string"}
_WHOLE = {"type": "integer", "minimum": 1}
_MESSAGE = _object(["text"], text=_TEXT)
_RULE = _object(["id"], id=_TEXT, shortDescription=_MESSAGE, help=_MESSAGE)
_DRIVER = _object(
    ["name"], name=_TEXT, version=_TEXT,
    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    rules={"type": "array", "uniqueItems": True, "items": _RULE},
)  # fmt: skip
_REGION = _object(
    ["startLine"], startLine=_WHOLE, startColumn=_WHOLE, endLine=_WHOLE, endColumn=_WHOLE
)
_PLACE = _object(
    ["artifactLocation"],
    artifactLocation=_object(["uri"], uri={"type": "string", "format": "uri-reference"}),
    region=_REGION,
)
_LOCATION = _object(
    ["physicalLocation"],
    physicalLocation=_PLACE,
    logicalLocations={
        "type": "array", "uniqueItems": True, "items": _object([], fullyQualifiedName=_TEXT)
    },
)  # fmt: skip
_RESULT = _object(
    ["message"],
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level={"enum": ["none", "note", "warning", "error"]},
    message=_MESSAGE,
    locations={"type": "array", "items": _LOCATION},
)
_RUN = _object(
    ["tool"],
    tool=_object(["driver"], driver=_DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": _RESULT},
)
SARIF = _object(
    ["version", "runs"],
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"enum": ["2.1.0"]},
    runs={"type": "array", "items": _RUN},
)


def test_sarif_has_the_structure_of_the_published_schema(sport) -> None:
    path = sport(
        ("check: clock <= 900000", "check: clok <= 900000"),
        ("partitions: 50", "partitions: lots"),
    )

    result = command(path, "--platform", PLATFORM, "--format", "sarif")

    log = json.loads(result.output)
    jsonschema.Draft7Validator(SARIF, format_checker=jsonschema.FormatChecker()).validate(log)
    run = log["runs"][0]
    results = [(one["ruleId"], one["level"]) for one in run["results"]]
    assert results == [
        ("type.whole", "error"), ("check.skipped", "note"), ("sql.unknown-column", "error")
    ]  # fmt: skip
    assert [run["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] for one in run["results"]] == [
        code for code, _ in results
    ]
    region = run["results"][2]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 102, "startColumn": 12, "endLine": 102, "endColumn": 16}


def test_file_that_cannot_be_read_is_misuse() -> None:
    program = "from oddspipe.cli.app import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, "validate", "nope.yaml"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == "error: cannot read nope.yaml: No such file or directory [usage]\n"


@pytest.mark.parametrize(
    ("words", "admitted"),
    [
        (["--help"], ()),
        (["validate", "--help"], ()),
        (["validate", "platform.yaml"], ()),
        (["validate", "sports/nfl.yaml"], ("numpy", "polars")),
    ],
    ids=" ".join,
)
def test_command_starts_without_libraries_that_it_does_not_need(words, admitted) -> None:
    program = (
        "import sys\nfrom oddspipe.cli.app import build\n"
        f"try:\n    build()({words!r})\nexcept SystemExit:\n    pass\n"
        f"print('loaded', *sorted({HEAVY!r} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert set(done.stdout.splitlines()[-1].split()[1:]) <= set(admitted)


def test_value_comes_from_the_environment_or_its_default(sport) -> None:
    path = sport(("{window: 10s}", "{window: {env: NFL_WINDOW, default: 10s}}"))

    plan = plan_for(path, platform=PLATFORM, environ={"NFL_WINDOW": "8s"})
    default = plan_for(path, platform=PLATFORM, environ={})

    assert (plan.duplicates.window_us, default.duplicates.window_us) == (8_000_000, 10_000_000)


def test_unset_variable_is_a_fault_at_its_name(sport) -> None:
    path = sport(("partitions: 50", "partitions: {env: NFL_PARTITIONS}"))

    found = validated([path], PLATFORM, environ={})

    assert [(one.code, one.mark.line, one.mark.column) for one in found] == [
        ("ref.env-unset", 13, 21),
        ("check.skipped", 13, 21),
    ]
    assert found[0].message == "The environment variable 'NFL_PARTITIONS' is not set"


def test_value_of_the_environment_is_typed_like_any_other(sport) -> None:
    path = sport(("partitions: 50", "partitions: {env: NFL_PARTITIONS}"))

    found = validated([path], PLATFORM, environ={"NFL_PARTITIONS": "fifty"})

    assert found[0].message == (
        "'partitions' must be a whole number, not text (the value is that of $NFL_PARTITIONS)"
    )


def test_default_of_a_variable_may_be_a_reference_itself(sport) -> None:
    brokers = "brokers: {env: BROKERS, default: {secret: kafka/nfl}}\n  topic: nfl"
    path = sport(("topic: nfl", brokers))

    found = validated([path], PLATFORM, environ={})

    assert [(one.code, one.mark.line, one.mark.column) for one in found] == [
        ("ref.secret", 12, 45),
        ("check.skipped", 12, 45),
    ]
