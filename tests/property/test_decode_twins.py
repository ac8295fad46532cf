import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from oddspipe.core.batch.rejects import Reason
from oddspipe.core.names import FieldType
from oddspipe.ext import _decode, _decode_py

U32, ENUM, DOUBLE, STRING = FieldType.UINT32, FieldType.ENUM, FieldType.DOUBLE, FieldType.STRING
FIELDS = [
    (1, FieldType.BYTES, False, None, None, 64, ()),
    (2, U32, False, None, None, 0, ()),
    (3, STRING, False, None, None, 64, ()),
    (4, FieldType.UINT64, False, None, None, 0, ()),
    (5, FieldType.INT64, False, None, None, 0, ()),
    (6, FieldType.INT64, False, None, None, 0, ()),
    (7, ENUM, True, None, None, 0, (1, 2, 3, 4, 70)),
    (8, U32, False, 1, 12, 0, ()),
    (11, FieldType.INT32, False, None, None, 0, ()),
    (12, STRING, False, None, None, 8, ()),
    (13, DOUBLE, False, -1000, 1000, 0, ()),
    (16, FieldType.BOOL, False, None, None, 0, ()),
    (300, DOUBLE, False, None, None, 0, ()),
    (70000, U32, False, None, 9, 0, ()),
]
PROTO = {
    FieldType.BYTES: 12, U32: 13, STRING: 9, FieldType.UINT64: 4, FieldType.INT64: 3,
    ENUM: 5, FieldType.INT32: 17, DOUBLE: 1, FieldType.BOOL: 8,
}  # fmt: skip


def message_class():
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto2")
    message = file.message_type.add(name="Event")
    for number, kind, *_ in FIELDS:
        message.field.add(name=f"f{number}", number=number, label=1, type=PROTO[kind])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))


EVENT = message_class()
DRAW = {
    1: st.binary(max_size=40), 2: st.integers(0, 2**32 - 1),
    3: st.sampled_from(["A", "A", "é" * 9]) | st.text(max_size=15),
    4: st.integers(0, 2**64 - 1), 5: st.integers(-(2**63), 2**63 - 1),
    6: st.integers(-(2**63), 2**63 - 1), 7: st.sampled_from([1, 2, 3, 4, 5, 10, 15, 70, -1]),
    8: st.integers(0, 13), 11: st.integers(-(2**31), 2**31 - 1), 12: st.text(max_size=5),
    13: st.floats(), 16: st.booleans(), 300: st.floats(), 70000: st.integers(0, 10),
}  # fmt: skip
VALUES = st.fixed_dictionaries(
    {k: DRAW[k] for k in (1, 3, 4, 7)},
    optional={k: v for k, v in DRAW.items() if k not in {1, 3, 4, 7}},
)


def encode(values):
    return EVENT(**{f"f{number}": value for number, value in values.items()}).SerializeToString()


MESSAGE = VALUES.map(encode)
TORN = st.tuples(MESSAGE, st.integers(0, 80)).map(lambda pair: pair[0][: pair[1]])
BENT = st.tuples(MESSAGE, st.integers(0, 200), st.integers(0, 255)).map(
    lambda bent: bent[0][: bent[1]] + bytes([bent[2]]) + bent[0][bent[1] + 1 :]
)
TWICE = st.tuples(MESSAGE, MESSAGE).map(b"".join)
PAYLOAD = st.one_of(MESSAGE, TORN, BENT, TWICE, st.binary(max_size=64))


def run(twin, payloads, table):
    n = len(payloads)
    lengths = np.array([len(p) for p in payloads], np.int64)
    ends = np.cumsum(lengths, dtype=np.int64)
    data = np.frombuffer(b"".join(payloads), np.uint8)
    columns = (
        np.full((len(FIELDS), n), 77, np.int64),
        np.full(n, 77, np.uint64),
        np.full((2, n), 77, np.uint64),
        np.full(n, 77, np.uint8),
        np.full(n, 77, np.int16),
    )
    spans = (data, ends - lengths, ends, np.arange(n, dtype=np.int64) + 1000)
    return twin.decode(spans, table, columns), columns


def tables(**options):
    return _decode.DecodeTable(FIELDS, **options), _decode_py.DecodeTable(FIELDS, **options)


def assert_same(got, want, compiled, python):
    assert got[0] == want[0]
    for left, right in zip(got[1], want[1], strict=True):
        np.testing.assert_array_equal(left, right)
    for column, names in python.names.items():
        assert compiled.names[column].by_number() == names.by_number()
    assert compiled.snapshot() == python.snapshot()


@settings(max_examples=400, deadline=None)
@given(st.lists(PAYLOAD, max_size=20), st.booleans(), st.integers(1, 5))
@pytest.mark.proves("told", "normalise")
@pytest.mark.proves("same", "normalise")
def test_twins_agree_on_any_bytes(payloads, trust, limit):
    compiled, python = tables(trust_ingest_time=trust, max_names=limit, max_payload=120)

    got, want = run(_decode, payloads, compiled), run(_decode_py, payloads, python)

    assert_same(got, want, compiled, python)


@pytest.mark.parametrize("twin", [_decode, _decode_py], ids=["compiled", "python"])
def test_a_faulty_field_leaves_the_place_of_its_event(twin):
    event = {1: b"e", 3: "A", 4: 7, 7: 1}
    table = twin.DecodeTable(FIELDS)
    whole, place = encode(event), (1 << 2 | 1 << 3, 0, 7)

    def left(payload):
        _, (words, present, keys, status, _) = run(twin, [payload], table)
        assert status[0] != Reason.OK
        assert keys.tolist() == [[0], [0]]
        return int(present[0]), *words[2:4, 0].tolist()

    assert left(encode({**event, 8: 99})) == (0, 0, 0)  # the game is not known yet
    assert run(twin, [whole], table)[0] == 1
    for fault in ({8: 99}, {7: 99}, {13: float("nan")}, {12: "much too long"}, {1: b""}):
        assert left(encode({**event, **fault})) == place
    assert left(b"\x41" + bytes(8) + whole) == place  # field 8 as a double
    assert left(encode({**event, 8: 99, 3: "B"})) == (0, 0, 0)
    assert left(encode({**event, 8: 99, 4: 2**63})) == (0, 0, 0)
    assert left(encode({8: 99, 3: "A"})) == (0, 0, 0)
    assert left(encode({**event, 8: 99})[:-1]) == (0, 0, 0)
    assert left(encode({**event, 8: 99}) + b"\x20\x09") == (1 << 2 | 1 << 3, 0, 9)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_a_good_row_holds_what_protobuf_reads(values):
    payload = encode(values)
    table = _decode.DecodeTable(FIELDS, trust_ingest_time=True)

    _, (words, present, _, status, _) = run(_decode, [payload], table)

    message = EVENT.FromString(payload)
    if status[0] == Reason.OK and message.f7 not in (10, 15):
        for column, (number, kind, *_) in enumerate(FIELDS):
            word = words[column, 0]
            if number == 6 and not message.HasField("f6"):
                continue
            assert message.HasField(f"f{number}") == bool(int(present[0]) >> column & 1)
            if not message.HasField(f"f{number}"):
                assert word == 0
                continue
            value = getattr(message, f"f{number}")
            if kind is DOUBLE:
                assert word.view(np.float64) == value
            elif kind is STRING:
                assert table.names[column].by_number()[word] == value
            elif kind is FieldType.BYTES:
                at = int(word) >> 24
                assert payload[at : at + (int(word) & 0xFFFFFF)] == value
            else:
                assert word == value


@given(st.lists(st.text(max_size=20), max_size=40, unique=True))
def test_names_of_one_twin_load_in_the_other(names):
    compiled, python = _decode.Names(1000), _decode_py.Names(1000)
    numbers = [compiled.number(name.encode()) for name in names]

    python.restore(compiled.snapshot())

    assert numbers == list(range(len(names)))
    assert python.by_number() == compiled.by_number() == names
    assert python.snapshot() == compiled.snapshot()


@pytest.mark.parametrize("twin", [_decode, _decode_py])
def test_span_outside_the_buffer_is_truncated(twin):
    table = twin.DecodeTable(FIELDS)
    spans = np.array([-1, 0, 3, 2**40], np.int64)
    columns = (
        np.zeros((len(FIELDS), 4), np.int64), np.zeros(4, np.uint64), np.zeros((2, 4), np.uint64),
        np.zeros(4, np.uint8), np.zeros(4, np.int16),
    )  # fmt: skip
    ends = np.array([1, 4, 1, 2**40 + 1], np.int64)

    good = twin.decode((np.zeros(3, np.uint8), spans, ends, ends), table, columns)

    assert good == 0
    assert columns[3].tolist() == [Reason.TRUNCATED] * 4
