"""What is written to Kafka and read back, without a broker."""

import struct

import pytest

from oddspipe.core.adapters.kafka import records
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.errors import StateError
from oddspipe.ext.records import Rows


def payloads(rows: Rows) -> list[bytes]:
    return [rows.payloads.bytes_at(row) or b"" for row in range(len(rows))]


def test_a_snapshot_is_read_back_from_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "CHUNK_BYTES", 4)
    rows = records.snapshot_rows(3, 17, b"0123456789")

    assert [rows.keys.bytes_at(row) for row in range(3)] == [b"0", b"1", b"2"]
    assert rows.partitions.tolist() == [3, 3, 3]
    assert records.snapshot_of(payloads(rows)) == b"0123456789"


def test_the_newest_snapshot_wins_and_pieces_of_a_longer_older_one_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "CHUNK_BYTES", 4)
    old = payloads(records.snapshot_rows(0, 17, b"0123456789"))
    new = payloads(records.snapshot_rows(0, 40, b"abcdef"))

    assert records.snapshot_of([*old, *new]) == b"abcdef"
    assert records.snapshot_of([old[2], *new]) == b"abcdef"  # what compaction leaves
    assert records.snapshot_of([]) is None


def test_a_snapshot_that_lacks_a_piece_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "CHUNK_BYTES", 4)
    old = payloads(records.snapshot_rows(0, 17, b"0123456789"))
    new = payloads(records.snapshot_rows(0, 40, b"abcdef"))

    with pytest.raises(StateError, match="offset 40 lacks pieces"):
        records.snapshot_of([*old, new[0]])
    with pytest.raises(struct.error):
        records.snapshot_of([b"short"])


def test_topics_and_names_are_stable() -> None:
    assert Topics.of("nfl", "nfl.feed.v1") == Topics(
        "nfl.feed.v1", "nfl.odds.v1", "nfl.dlq", "nfl.snapshots", "nfl.normalised.v1"
    )
    assert Worker(Cluster("b:1"), "dev.nfl", 2).name == "dev.nfl.2"


def test_settings_that_the_promise_rests_on() -> None:
    reads = records.consumer_settings(Worker(Cluster("b:1"), "dev.nfl", 0))
    writes = records.producer_settings(Worker(Cluster("b:1"), "dev.nfl", 0))

    assert (reads["enable.auto.commit"], reads["enable.auto.offset.store"]) == (False, False)
    assert (reads["isolation.level"], reads["auto.offset.reset"]) == ("read_committed", "error")
    assert reads["group.instance.id"] == "dev.nfl.0"
    assert writes["transactional.id"] == "dev.nfl.0"
    assert reads["fetch.queue.backoff.ms"] == 5
    assert writes["transaction.timeout.ms"] <= 10_000
    assert writes["message.timeout.ms"] <= writes["transaction.timeout.ms"]
    assert writes["transaction.timeout.ms"] > records.CALL_S * 1000
    # Else a cut of every connection makes a call wait for ever (librdkafka #5511).
    assert writes["metadata.recovery.strategy"] == "none"
