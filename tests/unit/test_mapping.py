import numpy as np
import polars as pl
import pytest
from tests.pricing_cases import KINDS

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import Column, Layout, envelope
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.errors import SpecError
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.parts import RecordedEvent
from oddspipe.core.stages.mapping import Mapper
from oddspipe.core.stages.messages import NO_ENTRY, JsonMessages, JsonRecords
from oddspipe.core.stages.normalise import Normalise

LAYOUT = Layout(
    (
        *envelope(tuple((kind.name, kind.number) for kind in KINDS)),
        Column("down", 16, FieldType.UINT32, low=1, high=4),
        Column("side", 17, FieldType.ENUM, values=(("none", 0), ("home", 1))),
        Column("red", 18, FieldType.BOOL),
    )
)
PAYLOAD = (
    ("type", "string"),
    ("id", "string"),
    ("game", "string"),
    ("seq", "uint64"),
    ("ts", "int64"),
    ("score.home", "uint32"),
    ("speed", "double"),
    ("text", "string"),
)
KEYS = (("event_id", "id"), ("game_id", "game"), ("sequence", "seq"), ("event_time", "ts"))
MAPPING = (
    RecordedEvent("play", "type = 'play'", (*KEYS, ("home_score", '"score.home"'))),
    RecordedEvent("tracking", "type = 'track'", (*KEYS, ("value", "speed"))),
    RecordedEvent("clock", "type = 'clock'", (*KEYS, ("clock", "CAST(text AS BIGINT)"))),
    RecordedEvent("play", "seq = 7", KEYS),
)


def messages(limit=65_536):
    return JsonMessages(LAYOUT, KINDS, PAYLOAD, MAPPING, schema_version=3, max_payload_bytes=limit)


def given(*lines, first=10):
    times = np.arange(100, 100 + len(lines), dtype=np.int64)
    return Payloads.of([line.encode() for line in lines], ingest_us=times, first_position=first)


def message(kind="play", seq=1, **more):
    rest = "".join(f', "{name}": {value}' for name, value in more.items())
    return f'{{"type": "{kind}", "id": "e{seq}", "game": "G", "seq": {seq}, "ts": 5{rest}}}'


def decoded(payloads, limit=65_536):
    stage = Normalise(LAYOUT, KINDS, max_payload_bytes=limit)
    batch, status, rejects = stage.step(payloads)
    assert stage.account.balance() == 0
    return batch, status.tolist(), rejects, stage


def mapper(*entries, types=None, one=False):
    return Mapper(LAYOUT, KINDS, entries, types or {"a": pl.Int64(), "s": pl.String()}, one=one)


def word(mapped, name, row=0):
    at = LAYOUT.index[name]
    there = int(mapped.present[row]) >> at & 1
    return int(mapped.words[at, row]) if there else None


def test_message_becomes_the_event_of_the_first_entry_that_takes_it():
    made = messages().events(given(message("play", 7, score='{"home": 21}'), message("x", 7)))

    batch, status, _, stage = decoded(made)

    assert status == [0, 0]
    assert made.unmapped == {}
    assert made.positions.tolist() == [10, 11]
    assert made.ingest_us.tolist() == [100, 101]
    assert batch.words[LAYOUT.index["home_score"]].tolist() == [21, 0]
    assert batch.words[LAYOUT.index["kind"]].tolist() == [Kind.PLAY, Kind.PLAY]
    assert batch.words[LAYOUT.index["schema_version"]].tolist() == [3, 3]
    assert stage.strings[LAYOUT.index["game_id"]] == ["G"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no such JSON message: Input data was truncated"),
        ("[]", "no such JSON message: Expected `object`, got `array`"),
        (
            message("play", speed='"1"'),
            "no such JSON message: Expected `float | null`, got `str` - at",
        ),
        (message("play", score='{"home": -1}'), "no such JSON message: Expected `int` >= 0"),
        (message("play", score="5"), "no such JSON message: Expected `object | null`, got `int`"),
        (message("track", speed="NaN"), "no such JSON message: JSON is malformed"),
        (message("play", 18446744073709551616), "seq: 18446744073709551616 is no uint64"),
        (message("weather"), NO_ENTRY),
        (message("clock", text='"x"'), "conversion from `str` to `i64` failed"),
        (message("play") + message("play"), "no such JSON message: JSON is malformed"),
        ("", "no such JSON message: Input data was truncated"),
    ],
)
def test_message_that_does_not_map_is_rejected_with_its_bytes_and_the_reason(line, why):
    made = messages().events(given(message("play", 1), line, message("play", 2)))

    batch, status, rejects, stage = decoded(made)

    assert status == [0, Reason.MAPPING, 0]
    assert rejects.payloads == [line.encode()]
    assert rejects.position.tolist() == [11]
    assert rejects.text[0].startswith(why)
    assert stage.account.rejected == {"MAPPING": 1}
    assert batch.words[LAYOUT.index["sequence"]].tolist() == [1, 0, 2]
    assert batch.words[LAYOUT.index["ingest_time"]].tolist() == [100, 101, 102]


def test_message_over_two_lines_is_one_message():
    made = messages().events(given(message("play", 1).replace(", ", ",\n"), message("play", 2)))

    assert decoded(made)[1] == [0, 0]


def test_message_above_the_limit_is_rejected_as_oversized_with_its_bytes():
    line = message("play", 1, text=f'"{"x" * 200}"')

    _, status, rejects, _ = decoded(messages(150).events(given(line, message("play", 2))), 150)

    assert status == [Reason.OVERSIZED, 0]
    assert rejects.payloads == [line.encode()]


def test_no_message_makes_no_event():
    assert len(messages().events(given())) == 0


def test_events_as_json_are_read_by_the_names_of_their_fields():
    reader = JsonMessages.of_events(LAYOUT, KINDS, schema_version=1)
    line = (
        '{"event_id": "e1", "game_id": "G", "sequence": 1, "event_time": 5, "kind": "play", '
        '"down": 3, "side": "home", "red": true, "value": 1.5}'
    )

    batch, status, rejects, _ = decoded(reader.events(given(line, line.replace("home", "left"))))

    assert status == [0, Reason.MAPPING]
    assert rejects.text == ["field side: 'left' is no enum"]
    assert batch.words[LAYOUT.index["down"], 0] == 3
    assert batch.words[LAYOUT.index["side"], 0] == 1
    assert batch.words[LAYOUT.index["red"], 0] == 1
    assert batch.doubles(LAYOUT.index["value"])[0] == 1.5


def test_members_of_inner_records_are_columns_by_their_dotted_names():
    reader = JsonRecords([("a.b.c", "int64"), ("a.d", "string"), ("e", "bool")])

    frame, failed = reader.read([b'{"a": {"b": {"c": 1}, "d": "x"}}', b'{"a": null, "e": true}'])

    assert failed == {}
    assert frame.to_dicts() == [
        {"a.b.c": 1, "a.d": "x", "e": None},
        {"a.b.c": None, "a.d": None, "e": True},
    ]


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b", "a"), ("a.b", "a.b.c")])
def test_a_member_that_is_a_value_and_has_members_is_refused(names):
    with pytest.raises(SpecError, match="is a value and has members"):
        JsonRecords([(name, "int64") for name in names])


def test_unmapped_payload_moves_the_time_and_names_nothing():
    line = b"\x1a\x04NAME"
    payloads = Payloads.of([line], ingest_us=np.array([900]), first_position=4)
    stage = Normalise(LAYOUT, KINDS)

    batch, status, rejects = stage.step(
        Payloads(
            payloads.data, payloads.starts, payloads.ends, payloads.ingest_us, payloads.positions,
            unmapped={4: "because", 99: "of another step"},
        )
    )  # fmt: skip

    assert (status.tolist(), rejects.text) == ([Reason.MAPPING], ["because"])
    assert rejects.payloads == [line]
    assert batch.until_us == 900
    assert stage.strings[LAYOUT.index["game_id"]] == []


def test_row_may_make_several_events_in_the_order_of_the_mapping():
    made = mapper(
        RecordedEvent("game_start", "a = 1", ()),
        RecordedEvent("play", None, (("sequence", "a * 10"), ("down", "2"))),
    ).map(pl.DataFrame({"a": [2, 1], "s": ["x", "y"]}))

    assert made.record.tolist() == [0, 1, 1]
    assert made.words[LAYOUT.index["kind"]].tolist() == [Kind.PLAY, Kind.GAME_START, Kind.PLAY]
    assert [word(made, "sequence", row) for row in range(3)] == [20, None, 10]
    assert [word(made, "down", row) for row in range(3)] == [2, None, 2]
    assert made.idle == 0


def test_rows_that_no_entry_takes_are_idle():
    made = mapper(RecordedEvent("play", "a > 1", ())).map(
        pl.DataFrame({"a": [1, 2, None], "s": ["", "", ""]})
    )

    assert made.record.tolist() == [1]
    assert made.idle == 2
    assert made.failed == {}


@pytest.mark.parametrize(
    ("field", "sql", "word_of_it"),
    [
        ("sequence", "a", 3),
        ("down", "a * 1.0", 3),
        ("red", "a > 1", 1),
        ("side", "1", 1),
        ("side", "'home'", 1),
        ("revision", "NULL", None),
        ("clock", "CAST('12' AS BIGINT)", 12),
    ],
)
def test_value_that_fits_the_field_is_its_word(field, sql, word_of_it):
    made = mapper(RecordedEvent("play", None, ((field, sql),))).map(
        pl.DataFrame({"a": [3], "s": ["x"]})
    )

    assert word(made, field) == word_of_it


@pytest.mark.parametrize(
    ("field", "sql", "why"),
    [
        ("down", "a * 0.5", "field down: 1.5 is no uint32"),
        ("down", "0 - a", "field down: -3 is no uint32"),
        ("down", "a * 4294967296", "field down: 12884901888 is no uint32"),
        ("side", "7", "field side: 7 is no enum"),
        ("side", "s", "field side: 'x' is no enum"),
        ("sequence", "s", "field sequence: 'x' is no uint64"),
        ("value", "s", "field value: 'x' is no double"),
    ],
)
def test_value_that_does_not_fit_turns_the_whole_record_away(field, sql, why):
    made = mapper(
        RecordedEvent("game_start", None, ()), RecordedEvent("play", "a = 3", ((field, sql),))
    ).map(pl.DataFrame({"a": [1, 3], "s": ["1", "x"]}))

    assert made.record.tolist() == [0]
    assert made.failed == {1: why}


def test_fault_of_an_expression_is_told_when_it_is_compiled():
    with pytest.raises(SpecError, match="nowhere"):
        mapper(RecordedEvent("play", "nowhere = 1", ()))
