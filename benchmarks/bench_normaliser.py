"""Decode + checks + duplicates + order: compiled, against upb protobuf and the Python twin.

    python benchmarks/bench_normaliser.py [MESSAGES]

Payloads are varied (ids, players, times, scores), 0.5 % are copies and 1 % are swapped with their
neighbour. Every answer is checked. The ratio to upb in the same run travels better than a rate.
"""

import random
import sys
import time

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import Layout, envelope
from oddspipe.core.names import FieldType, Kind, LatePolicy
from oddspipe.core.parts import Duplicates, KindPlan, Order
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.order import GameOrder
from oddspipe.ext import _decode, _decode_py, _sequence_py

KINDS = tuple(KindPlan(kind.name.lower(), int(kind), int(kind)) for kind in Kind if kind)
LAYOUT = Layout(envelope(tuple((kind.name, kind.number) for kind in KINDS)))
PROTO = {
    FieldType.BYTES: 12, FieldType.UINT32: 13, FieldType.STRING: 9, FieldType.UINT64: 4,
    FieldType.INT64: 3, FieldType.ENUM: 5, FieldType.DOUBLE: 1,
}  # fmt: skip
BATCH = 16_384
START = 1_790_000_000_000_000


def event_class():
    file = descriptor_pb2.FileDescriptorProto(name="bench.proto", package="bench", syntax="proto2")
    message = file.message_type.add(name="Event")
    for column in LAYOUT.columns:
        message.field.add(name=column.name, number=column.number, label=1, type=PROTO[column.type])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Event"))


def make(event, count):
    """Return varied payloads and how many are copies."""
    rng = random.Random(1)
    sequences = [0] * 6
    payloads = []
    for at in range(count):
        game = at % 6
        sequences[game] += 1
        payloads.append(
            event(
                event_id=rng.randbytes(8), revision=0, game_id=f"NFL26-{game:04d}",
                sequence=sequences[game], event_time=START + 8 * at, ingest_time=START + 8 * at,
                kind=4, period=1 + at % 4, clock=rng.randrange(900_000),
                home_score=rng.randrange(40), away_score=rng.randrange(40),
                player_id=f"p{rng.randrange(3000):05d}", value=rng.gauss(0, 5),
                trace=b"", schema_version=1,
            ).SerializeToString()
        )  # fmt: skip
    for at in rng.sample(range(count - 12), count // 100):
        payloads[at], payloads[at + 6] = payloads[at + 6], payloads[at]
    copies = count // 200
    for at in rng.sample(range(count), copies):
        payloads.insert(min(at + 50, len(payloads)), payloads[at])
    return payloads, copies


def batches(payloads):
    ingest = START + 8 * np.arange(len(payloads), dtype=np.int64)
    whole = Payloads.of(payloads, ingest_us=ingest)
    return [whole.part(at, at + BATCH) for at in range(0, len(payloads), BATCH)]


def stages():
    return (
        Normalise(LAYOUT, KINDS),
        GameOrder(
            LAYOUT, KINDS, Order(1, 2_000_000, LatePolicy.AMEND, 100_000, 1_000_000),
            Duplicates(10_000_000),
        ),
    )  # fmt: skip


def run_stages(parts, count, copies):
    normalise, order = stages()
    out = 0
    spent = [0.0, 0.0]
    for part in parts:
        first = time.perf_counter()
        batch, status, _ = normalise.step(part)
        second = time.perf_counter()
        batch, rejects = order.step(batch, status)
        spent[0] += second - first
        spent[1] += time.perf_counter() - second
        out += len(batch)
        assert not len(rejects)
    assert normalise.account.balance() == order.account.balance() == 0
    assert order.account.duplicates == copies, (order.account, copies)
    assert out == count
    return spent


def run_decode(twin, parts):
    fields = [
        (c.number, c.type, c.required, c.low, c.high, c.max_bytes, tuple(v for _, v in c.values))
        for c in LAYOUT.columns
    ]
    table = twin.DecodeTable(fields)
    good = 0
    start = time.perf_counter()
    for part in parts:
        n = len(part)
        columns = (
            np.empty((len(fields), n), np.int64), np.empty(n, np.uint64),
            np.empty((2, n), np.uint64), np.empty(n, np.uint8), np.empty(n, np.int16),
        )  # fmt: skip
        good += twin.decode((part.data, part.starts, part.ends, part.ingest_us), table, columns)
    spent = time.perf_counter() - start
    assert good == sum(map(len, parts))
    return spent, columns


def run_twin(parts):
    """Decode and order with the Python twins."""
    sequencer = _sequence_py.Sequencer((1, 2_000_000, 0, 100_000, 1_000_000), duplicates_us=10**7)
    spent, columns = run_decode(_decode_py, parts)
    words, _, keys, status, _ = columns
    start = time.perf_counter()
    sequencer.step((words[2], words[3], words[6], words[5], keys, status))
    return spent + time.perf_counter() - start


def run_upb(event, payloads):
    names = [column.name for column in LAYOUT.columns]
    parse = event.FromString
    total = 0
    start = time.perf_counter()
    for payload in payloads:
        message = parse(payload)
        row = [getattr(message, name) for name in names]
        total += row[3]
    return time.perf_counter() - start, total


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    event = event_class()
    payloads, copies = make(event, count)
    parts = batches(payloads)
    n = len(payloads)
    print(f"{n:,} payloads, mean {sum(map(len, payloads)) / n:.1f} bytes, batches of {BATCH}")
    runs = [run_stages(parts, count, copies) for _ in range(3)]
    decode_s, order_s = min(runs, key=sum)
    bare = min(run_decode(_decode, parts)[0] for _ in range(3))
    few = payloads[: n // 10]
    upb, total = min(run_upb(event, few) for _ in range(2))
    assert total == sum(event.FromString(payload).sequence for payload in few)
    one = parts[0]
    twin = run_twin([one])
    rows = [
        ("compiled: normalise + order stages", n / (decode_s + order_s)),
        ("  of it normalise (decode, checks)", n / decode_s),
        ("  of it order (duplicates, sequence, gather)", n / order_s),
        ("compiled: decode alone", n / bare),
        ("upb: parse and read 15 fields in Python", len(few) / upb),
        ("Python twins: decode + order", len(one) / twin),
    ]
    base = rows[4][1]
    for name, rate in rows:
        print(f"{name:48} {rate / 1e6:8.3f} M msg/s {1e9 / rate:9.0f} ns {rate / base:8.2f} x upb")


if __name__ == "__main__":
    main()
