"""What protoc makes of the published files reads what our encoder writes."""

import importlib.resources
import struct

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st
from tests.plan_cases import ROOT, SPORTS, edited, plan, plan_of, written

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS
from oddspipe.core.batch.encode import Encoder
from oddspipe.core.batch.layout import Layout
from oddspipe.core.names import FieldType
from oddspipe.core.plan.columns import TYPE_RANGE
from oddspipe.core.plan.proto.changes import changes
from oddspipe.core.plan.proto.schema import path_of, schema_of
from oddspipe.core.plan.proto.text import proto_text


def compiled(folder, packages, out):
    """Compile files below a folder with protoc; return the message class of each package."""
    include = importlib.resources.files("grpc_tools") / "_proto"
    files = [path_of(package).removeprefix("proto/") for package in packages]
    status = protoc.main(
        ["protoc", f"-I{folder}", f"-I{include}", f"--descriptor_set_out={out}", *files]
    )
    assert status == 0, "protoc refuses the file"
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Event"))
        for package in packages
    ]


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Return the message class of each sport's published file."""
    out = tmp_path_factory.mktemp("protoc") / "events.pb"
    packages = [f"oddspipe.{sport}.v1" for sport in SPORTS]
    return dict(zip(SPORTS, compiled(ROOT / "generated/proto", packages, out), strict=True))


def grown():
    """Return the NFL with more of everything that may be added, and a field retired."""
    spec = edited(written("nfl"), "tests", [])
    spec["event"]["kinds"].append({"name": "review", "number": 16, "like": "play"})
    spec["event"]["fields"]["wind"] = {"number": 25, "type": "double", "unit": "m/s"}
    spec["event"]["fields"]["note"] = {"number": 2000, "type": "string"}
    spec["event"]["fields"]["play_type"]["values"]["lateral"] = 13
    del spec["event"]["fields"]["total_line"]
    spec["event"]["retired"] = {"fields": {"total_line": 24}}
    spec["state"]["columns"]["total_line"] = {"take": "last", "of": "wind"}
    spec["made_game"]["pregame"].pop("total_line")
    spec["feed"]["recording"]["events"][1]["fields"].pop("total_line")
    return plan_of(spec)


@pytest.fixture(scope="module")
def grown_reader(tmp_path_factory):
    """Return the message class of the grown schema."""
    folder = tmp_path_factory.mktemp("grown")
    made = grown()
    file = folder / path_of("oddspipe.nfl.v1").removeprefix("proto/")
    file.parent.mkdir(parents=True)
    file.write_text(proto_text(schema_of(made), made.title))
    (reader,) = compiled(folder, ["oddspipe.nfl.v1"], folder / "events.pb")
    return reader


def value_of(column):
    """Return a strategy of the values that a column may carry, extremes among them."""
    match column.type:
        case FieldType.DOUBLE:
            return st.floats(allow_nan=False)
        case FieldType.STRING:
            return st.text("az09 é中😀\0", max_size=16)
        case FieldType.BYTES:
            return st.binary(max_size=64)
        case FieldType.BOOL:
            return st.booleans()
        case FieldType.ENUM:
            return st.sampled_from([number for _, number in column.values])
        case _:
            low, high = TYPE_RANGE[column.type]
            return st.one_of(st.sampled_from([low, 0, high]), st.integers(low, high))


def drawn(data, columns):
    return {
        column.name: data.draw(value_of(column), label=column.name)
        for column in columns
        if data.draw(st.booleans())
    }


@pytest.mark.parametrize("sport", SPORTS)
@given(st.data())
def test_a_reader_made_by_protoc_reads_every_field_of_what_we_write(sport, readers, data) -> None:
    columns = plan(sport).layout.columns
    values = drawn(data, columns)

    message = readers[sport].FromString(encoded(columns, values))

    assert {field.name: value for field, value in message.ListFields()} == values
    assert len(UnknownFieldSet(message)) == 0


@given(st.data())
def test_readers_of_the_published_schema_read_what_a_passed_change_writes(readers, data) -> None:
    made = grown()
    assert not [
        one for one in changes(schema_of(plan("nfl")), schema_of(made)) if one.severity == "error"
    ]
    values = drawn(data, made.layout.columns)

    message = readers["nfl"].FromString(encoded(made.layout.columns, values))

    known = {column.name for column in plan("nfl").layout.columns}
    assert {field.name: value for field, value in message.ListFields()} == {
        name: value for name, value in values.items() if name in known
    }
    assert len(UnknownFieldSet(message)) == len(values.keys() - known)


@given(st.data())
def test_readers_of_a_passed_change_read_what_was_written_before(grown_reader, data) -> None:
    columns = plan("nfl").layout.columns
    values = drawn(data, columns)

    message = grown_reader.FromString(encoded(columns, values))

    assert {field.name: value for field, value in message.ListFields()} == {
        name: value for name, value in values.items() if name != "total_line"
    }


def encoded(columns, values) -> bytes:
    words = np.zeros((len(columns), 1), np.int64)
    present, strings, side = 0, {}, b""
    for at, column in enumerate(columns):
        if column.name not in values:
            continue
        value = values[column.name]
        present |= 1 << at
        if column.type is FieldType.STRING:
            strings[at] = ["another", value]
            words[at] = 1
        elif column.type is FieldType.BYTES:
            words[at] = len(side) << SPAN_LENGTH_BITS | len(value)
            side += value
        elif column.type is FieldType.DOUBLE:
            words[at] = struct.unpack("<q", struct.pack("<d", value))[0]
        else:
            words[at] = int(value)
    bits = np.array([present], np.uint64)
    data, starts, ends = Encoder(Layout(columns)).encode(
        words, bits, strings, np.frombuffer(side, np.uint8)
    )
    return data[starts[0] : ends[0]].tobytes()
