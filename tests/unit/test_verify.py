"""What is lost, twice, out of order or strange; and that the ledger tells what was sent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddspipe.core.adapters.kafka.ledger import Ledger, digest_of
from oddspipe.core.errors import RunError
from oddspipe.core.verify.compare import ENOUGH, Findings, compare, planted
from oddspipe.ext.records import Spans

records = st.lists(st.binary(min_size=1, max_size=8), unique=True, min_size=ENOUGH, max_size=30)


def findings(got, want):
    found = Findings()
    compare(got, want, found)
    return dict(found.counts)


@given(records)
def test_a_stream_as_it_should_be_has_no_findings(want) -> None:
    assert findings(want, want) == {}


@given(records, st.data())
def test_each_fault_is_found_as_what_it_is(want, data) -> None:
    at = data.draw(st.integers(0, len(want) - 2))

    assert findings(want[:at] + want[at + 1 :], want) == {"lost": 1}
    assert findings([*want[: at + 1], *want[at:]], want) == {"twice": 1}
    assert findings([*want[:at], want[at + 1], want[at], *want[at + 2 :]], want) == {
        "out_of_order": 1
    }
    assert findings([*want[:at], b"nobody sent it", *want[at:]], want) == {"strange": 1}


@given(records)
def test_planted_faults_are_a_loss_a_double_and_a_swap(want) -> None:
    assert findings(planted(want), want) == {"lost": 1, "twice": 1, "out_of_order": 1}


def test_a_ledger_gives_what_was_written_and_passes_over_a_torn_line(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    payloads = Spans.of([b"a", b"bc", b"d"])
    ledger.begin("games", {0: 7, 1: 0})
    ledger.add("games", {0: digest_of(payloads, np.array([0, 2]))})
    with ledger.file.open("ab") as file:
        file.write(b'{"topic":"games","se')

    first, second = ledger.entries()

    assert first.begins == {"0": 7, "1": 0}
    assert second.sent["0"].count == 2


def test_a_digest_knows_where_one_payload_ends_and_the_next_begins() -> None:
    both = np.array([0, 1])

    assert digest_of(Spans.of([b"ab", b"c"]), both) != digest_of(Spans.of([b"a", b"bc"]), both)


def test_a_damaged_ledger_is_told_with_its_line(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    ledger.begin("games", {})
    with ledger.file.open("ab") as file:
        file.write(b"[]\n")

    with pytest.raises(RunError, match=r"ledger.ndjson:2: "):
        list(ledger.entries())


def test_a_ledger_that_is_not_there_is_told(tmp_path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        list(Ledger(tmp_path).entries())
