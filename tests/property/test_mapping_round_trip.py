"""What is mapped and encoded decodes to the same columns; every record is somewhere."""

import json

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.test_mapping import KEYS, KINDS, LAYOUT, PAYLOAD, messages

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.batch.layout import KIND
from oddspipe.core.names import FieldType
from oddspipe.core.parts import RecordedEvent
from oddspipe.core.stages.mapping import Mapper
from oddspipe.core.stages.normalise import Normalise

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": NAME,
            "game": NAME,
            "seq": st.integers(0, 2**63 - 1),
            "ts": st.integers(1 - 2**63, 2**63 - 1),
            "down": st.none() | st.integers(1, 4),
            "side": st.none() | st.sampled_from(["none", "home"]),
            "red": st.none() | st.booleans(),
            "value": st.none() | st.floats(-1e9, 1e9),
            "player": st.none() | NAME,
        }
    ),
    min_size=1,
    max_size=20,
)
TYPES = {
    "id": pl.String(), "game": pl.String(), "seq": pl.Int64(), "ts": pl.Int64(),
    "down": pl.Int64(), "side": pl.String(), "red": pl.Boolean(), "value": pl.Float64(),
    "player": pl.String(),
}  # fmt: skip
OWN = (
    ("down", "down"), ("side", "side"), ("red", "red"), ("value", "value"), ("player_id", "player"),
)  # fmt: skip
EVENTS = (
    RecordedEvent("play", "seq % 2 = 0", (*KEYS, *OWN)),
    RecordedEvent("tracking", "seq % 3 = 0", (*KEYS, *OWN)),
)
MAPPER = Mapper(LAYOUT, KINDS, EVENTS, TYPES)
SIDE = dict(LAYOUT.columns[LAYOUT.index["side"]].values)


def read(batch, stage, row):
    """Return one decoded event by the names of its fields, absent ones left out."""
    found = {}
    for at, column in enumerate(LAYOUT.columns):
        if not int(batch.present[row]) >> at & 1:
            continue
        value = int(batch.words[at, row])
        if column.type is FieldType.STRING:
            found[column.name] = stage.strings[at][value]
        elif column.type is FieldType.BYTES:
            found[column.name] = batch.bytes_of(at, row).decode()
        elif column.type is FieldType.DOUBLE:
            found[column.name] = float(batch.doubles(at)[row])
        else:
            found[column.name] = value
    return found


def wanted(row):
    names = {"id": "event_id", "game": "game_id", "seq": "sequence", "ts": "event_time"}
    names |= {"player": "player_id"}
    found = {names.get(name, name): value for name, value in row.items() if value is not None}
    if "side" in found:
        found["side"] = SIDE[found["side"]]
    return found


@given(ROWS)
@settings(deadline=None)
def test_mapped_events_decode_to_what_the_records_say(rows):
    frame = pl.DataFrame(rows, schema=TYPES)

    mapped = MAPPER.map(frame)
    data, starts, ends = Encoder(LAYOUT).encode(
        mapped.words, mapped.present, mapped.strings, mapped.side
    )
    stage = Normalise(LAYOUT, KINDS)
    n = len(mapped)
    batch, status, _ = stage.step(
        Payloads(data, starts, ends, np.arange(n), np.arange(n, dtype=np.int64))
    )

    expected = [
        (at, kind)
        for at, row in enumerate(rows)
        for kind, every in ((1, 2), (4, 3))
        if row["seq"] % every == 0
    ]
    assert mapped.failed == {}
    assert mapped.idle == len(rows) - len({at for at, _ in expected})
    assert mapped.record.tolist() == [at for at, _ in expected]
    assert not status.any()
    assert batch.words[KIND].tolist() == [kind for _, kind in expected]
    for event, (at, kind) in enumerate(expected):
        told = read(batch, stage, event)
        assert told.pop("ingest_time") == event
        assert told == wanted(rows[at]) | {"kind": kind}


MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        name: st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
        for name in [name for name, _ in PAYLOAD if "." not in name]
    }
    | {"score": st.none() | st.dictionaries(st.sampled_from(["home", "away"]), st.integers())},
)
LINES = st.lists(
    st.one_of(
        MEMBERS.map(lambda one: json.dumps(one, ensure_ascii=False).encode()),
        st.builds(
            lambda kind, seq: json.dumps(
                {"type": kind, "id": "e", "game": "G", "seq": seq, "ts": 5, "text": "12"}
            ).encode(),
            st.sampled_from(["play", "track", "clock", "weather"]),
            st.integers(0, 9),
        ),
        st.binary(max_size=24),
    ),
    min_size=1,
    max_size=12,
)
MESSAGES = messages()


@given(LINES, st.integers(0, 11))
@settings(deadline=None)
def test_every_message_is_an_event_or_unmapped_whatever_its_neighbours_are(lines, cut):
    def made(part, first):
        times = np.full(len(part), 7, np.int64)
        return MESSAGES.events(Payloads.of(part, ingest_us=times, first_position=first))

    whole = made(lines, 0)
    parts = [made(lines[:cut], 0), made(lines[cut:], cut)]

    assert [len(whole), whole.positions.tolist()] == [len(lines), list(range(len(lines)))]
    for at in whole.unmapped:
        assert whole.bytes_at(at) == lines[at]
    assert whole.unmapped.keys() == parts[0].unmapped.keys() | parts[1].unmapped.keys()
    assert [whole.bytes_at(at) for at in range(len(lines))] == [
        part.bytes_at(row) for part in parts for row in range(len(part))
    ]
