import json
import shutil
from dataclasses import replace

import pytest
from tests.plan_cases import ROOT, SPORTS, edited, plan, plan_of, written
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.errors import SpecError, UsageError
from oddspipe.core.plan.check import check
from oddspipe.core.plan.proto.changes import changes
from oddspipe.core.plan.proto.reading import read_proto
from oddspipe.core.plan.proto.schema import schema_of
from oddspipe.core.plan.proto.text import proto_text
from oddspipe.core.spec.model import SportSpec

LATERAL = {"play_type": {"lateral": 13}}


def base():
    """Return the NFL with an own kind and something retired of each sort."""
    spec = edited(written("nfl"), "tests", [])
    # Fields come and go in these tests: nothing but the schema may need them.
    spec["model"]["name"] = "nfl_stern"
    for name in ("home_timeouts", "away_timeouts"):
        del spec["state"]["columns"][name]
    spec["event"]["kinds"].append({"name": "review", "number": 16, "like": "play"})
    spec["event"]["retired"] = {"fields": {"yards": 30}, "kinds": {"poll": 17}, "values": LATERAL}
    return spec


def without(document, path):
    *above, last = path.split(".")
    made = edited(document, path, None)
    place = made
    for step in above:
        place = place[step]
    del place[last]
    return made


def found(old, new):
    return [
        (one.severity, one.code, one.place)
        for one in changes(schema_of(plan_of(old)), schema_of(plan_of(new)))
    ]


PLAY_TYPES = base()["event"]["fields"]["play_type"]["values"]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("event.fields.away_timeouts.number", 31,
         ("error", "schema.renumbered", "field 21 away_timeouts")),
        ("event.fields.distance.type", "uint64", ("error", "schema.type", "field 18 distance")),
        ("event.fields.distance.type", "int32", ("error", "schema.type", "field 18 distance")),
        ("event.fields.distance.unit", "m", ("warning", "schema.unit", "field 18 distance")),
        ("event.fields.distance.range", [0, 98], ("warning", "schema.range", "field 18 distance")),
        ("event.fields.distance.range", [1, 99], ("warning", "schema.range", "field 18 distance")),
        ("event.fields.distance.required", True,
         ("warning", "schema.required", "field 18 distance")),
        ("event.fields.player_id", {"max_bytes": 32},
         ("warning", "schema.length", "field 12 player_id")),
        ("event.fields.home_score.range", [0, 99],
         ("warning", "schema.range", "field 10 home_score")),
        ("event.fields.extra", {"number": 40, "type": "bool", "required": True},
         ("warning", "schema.required", "field 40 extra")),
        ("event.fields.possession.values", {"none": 0, "home": 2, "away": 1},
         ("error", "schema.value-renumbered", "value 1 Possession.home")),
        ("event.fields.possession.values", {"none": 0, "home": 1},
         ("error", "schema.value-removed", "value 2 Possession.away")),
        ("event.fields.possession.values", {"none": 0, "home": 1, "guest": 2},
         ("error", "schema.value-reused", "value 2 Possession.away")),
        ("event.kinds", written("nfl")["event"]["kinds"],
         ("error", "schema.value-removed", "value 16 Kind.review")),
        ("event.retired.fields", {}, ("error", "schema.retired-dropped", "field 30 yards")),
        ("event.retired.kinds", {}, ("error", "schema.retired-dropped", "value 17 Kind.poll")),
        ("event.retired.values", {},
         ("error", "schema.retired-dropped", "value 13 PlayType.lateral")),
    ],
)  # fmt: skip
def test_a_change_that_readers_or_senders_feel_is_told(path, value, told) -> None:
    assert told in found(base(), edited(base(), path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "American football"),
        ("event.fields.down.description", "Which down."),
        ("event.fields.distance.range", [0, 120]),
        ("event.fields.extra", {"number": 40, "type": "bool"}),
        ("event.fields.play_type.values", {**PLAY_TYPES, "hail_mary": 14}),
        ("event.kinds.9", {"name": "challenge", "number": 18, "like": "play"}),
        ("odds.margin.overround", "5%"),
    ],
)
def test_an_addition_a_wider_range_and_words_are_felt_by_nobody(path, value) -> None:
    spec = base()
    if path == "event.kinds.9":
        spec["event"]["kinds"].pop()

    assert found(spec, edited(spec, path, value)) == []


def test_a_fixed_kind_may_be_taken_away_and_come_back() -> None:
    fewer = edited(base(), "event.kinds", [k for k in base()["event"]["kinds"] if k != "delete"])

    assert found(base(), fewer) == []
    assert found(fewer, base()) == []


def test_a_removed_field_must_be_retired() -> None:
    gone = without(base(), "event.fields.home_timeouts")
    gone["made_game"]["draw"].remove("home_timeouts")
    gone["feed"]["recording"]["events"][2]["fields"].pop("home_timeouts")
    retired = edited(gone, "event.retired.fields.home_timeouts", 20)

    assert found(base(), gone) == [("error", "schema.removed", "field 20 home_timeouts")]
    assert found(base(), retired) == []


def with_heir(**field):
    spec = without(base(), "event.fields.home_timeouts")
    spec["made_game"]["draw"].remove("home_timeouts")
    spec["feed"]["recording"]["events"][2]["fields"].pop("home_timeouts")
    spec["event"]["fields"]["left"] = {"number": 20, "type": "uint32", **field}
    return spec


def test_a_number_that_means_another_thing_now_breaks_readers() -> None:
    assert found(base(), with_heir(type="string")) == [
        ("error", "schema.number-reused", "field 20 home_timeouts")
    ]
    assert found(base(), with_heir(unit="s")) == [
        ("error", "schema.number-reused", "field 20 home_timeouts")
    ]


def test_another_name_for_the_same_thing_is_a_warning() -> None:
    assert found(base(), with_heir()) == [("warning", "schema.renamed", "field 20 home_timeouts")]


def test_a_message_says_what_was_what_is_and_what_to_do() -> None:
    (told,) = changes(schema_of(plan_of(base())), schema_of(plan_of(with_heir(type="string"))))

    assert told.message == (
        "number 20 was uint32 home_timeouts, is string left: readers take the one for the other"
    )
    assert told.fix == (
        "Give 'left' the number 31, and retire the old one: event.retired.fields: "
        "{home_timeouts: 20}."
    )


@pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("event.fields.yards", {"number": 40, "type": "bool"}, ("event", "fields", "yards")),
        ("event.fields.gain", {"number": 30, "type": "bool"}, ("event", "fields", "gain")),
        ("event.kinds.9.number", 17, ("event", "kinds", 9)),
        ("event.kinds.9.name", "poll", ("event", "kinds", 9)),
        ("event.fields.play_type.values.hail_mary", 13,
         ("event", "fields", "play_type", "values", "hail_mary")),
        ("event.retired.values.down", {"fifth": 5}, ("event", "retired", "values", "down")),
    ],
)  # fmt: skip
def test_what_is_retired_may_not_be_used_again(path, value, at) -> None:
    wrong = check(SportSpec.model_validate(edited(base(), path, value)))

    assert [(one.path, one.code.split(".")[0]) for one in wrong] == [(at, "retired")]


def test_a_published_schema_that_retired_it_refuses_it_too() -> None:
    old = schema_of(plan_of(base()))
    spec = edited(edited(base(), "event.retired", {}), "event.fields.yards",
                  {"number": 30, "type": "bool"})  # fmt: skip
    spec["event"]["fields"]["play_type"]["values"]["lateral"] = 13

    told = {(one.code, one.place) for one in changes(old, schema_of(plan_of(spec)))}

    assert told == {
        ("schema.retired-used", "field 30 yards"),
        ("schema.retired-used", "value 13 PlayType.lateral"),
        ("schema.retired-dropped", "value 17 Kind.poll"),
    }


@pytest.mark.parametrize("spec", [*map(written, SPORTS), base()], ids=[*SPORTS, "retired"])
def test_a_file_that_is_read_again_is_the_schema_that_was_written(spec) -> None:
    made = plan_of(spec)
    schema = schema_of(made)

    again = read_proto(proto_text(schema, made.title), "event.proto")

    # What is said of an enum's values is for people only.
    bare = replace(schema, enums=tuple(replace(enum, notes=()) for enum in schema.enums))
    assert again == bare


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("message Event { optional }", "f.proto:1:26: not protobuf"),
        ('syntax = "proto3"; package a; message Other {}', "no package with a message Event"),
        ("message Event {}", "no package with a message Event"),
        ("package a; message Event { reserved 4; }", "1 numbers and 0 names are reserved"),
    ],
)
def test_another_file_is_refused_with_its_place(text, told) -> None:
    with pytest.raises(UsageError, match=told.replace("(", r"\(")):
        read_proto(text, "f.proto")


def test_enum_values_that_protobuf_cannot_tell_apart_are_refused() -> None:
    spec = edited(base(), "event.fields.play", {"number": 50, "type": "enum",
                                                "values": {"none": 0, "type_run": 1}})  # fmt: skip

    with pytest.raises(SpecError, match="both PLAY_TYPE_RUN"):
        schema_of(plan_of(spec))


def test_a_margin_does_not_change_the_file() -> None:
    dearer = plan_of(edited(written("nfl"), "odds.margin.overround", "5%"))

    assert proto_text(schema_of(dearer), dearer.title) == proto_text(
        schema_of(plan("nfl")), plan("nfl").title
    )


@pytest.fixture
def sports(tmp_path, monkeypatch):
    """Go to a folder with the specs and what is published of them."""
    for name in ("sports", "generated"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "platform.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sports"


def change(file, old, new) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def oddspipe(*words):
    return CliRunner().invoke(build(), words)


@pytest.mark.usefixtures("sports")
def test_check_passes_what_is_published() -> None:
    done = oddspipe("schema", "check", "--format", "json")

    assert done.exit_code == 0
    states = {one["sport"]: one["state"] for one in json.loads(done.stdout)}
    assert {sport: states[sport] for sport in SPORTS} == dict.fromkeys(SPORTS, "same")


def test_check_refuses_and_write_leaves_the_file_alone(sports) -> None:
    file = sports.parent / "generated/proto/oddspipe/nfl/v1/event.proto"
    before = file.read_text()
    change(sports / "nfl.yaml", "number: 21,", "number: 41,")

    checked, wrote = (oddspipe("schema", word, "--sport", "nfl") for word in ("check", "write"))

    assert (checked.exit_code, wrote.exit_code) == (1, 1)
    assert "error field 21 away_timeouts [schema.renumbered]" in checked.stdout
    assert "raise schema_version" in checked.stdout
    assert file.read_text() == before


def test_an_addition_passes_and_is_written(sports) -> None:
    change(sports / "nfl.yaml", "    total_line: {number: 24",
           "    wind: {number: 25, type: double, range: [0, 60], unit: m/s}\n"
           "    total_line: {number: 24")  # fmt: skip

    checked = oddspipe("schema", "check", "--sport", "nfl")
    wrote = oddspipe("schema", "write", "--sport", "nfl")
    again = oddspipe("schema", "check", "--sport", "nfl", "--format", "json")

    assert (checked.exit_code, wrote.exit_code, again.exit_code) == (0, 0, 0)
    assert "`oddspipe schema write` brings it up to date" in " ".join(checked.stdout.split())
    assert json.loads(again.stdout)[0]["state"] == "same"


def test_a_new_version_gets_a_file_of_its_own(sports) -> None:
    change(sports / "nfl.yaml", "number: 21,", "number: 41,")
    change(sports / "nfl.yaml", "\nsport: nfl", "\nsport: nfl\nschema_version: 2")
    folder = sports.parent / "generated/proto/oddspipe/nfl"

    before = oddspipe("schema", "check", "--sport", "nfl")
    wrote = oddspipe("schema", "write", "--sport", "nfl")

    assert (before.exit_code, wrote.exit_code) == (1, 0)
    assert "away_timeouts = 21;" in (folder / "v1/event.proto").read_text()
    assert "away_timeouts = 41;" in (folder / "v2/event.proto").read_text()


@pytest.mark.usefixtures("sports")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--against", "x.proto"), "--against compares one sport"),
        (("--against", "x.proto", "--sport", "nfl"), "there is no file 'x.proto'"),
    ],
)
def test_misuse_is_told(words, message) -> None:
    done = oddspipe("schema", "check", *words)

    assert isinstance(done.exception, UsageError)
    assert message in done.exception.message
