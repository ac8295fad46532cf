"""Normalise and price apart: what the normalised topic holds, and that nothing differs by it."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed

from oddspipe.core.adapters.kafka.records import EventRows
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import EVENT_ID, INGEST_TIME
from oddspipe.core.batch.normalised import TAIL, standings
from oddspipe.core.batch.rejects import Reason
from oddspipe.core.errors import StateError
from oddspipe.core.parts import Breaker
from oddspipe.core.runtime.chain import NormaliseChain, PartitionChain, PriceChain
from oddspipe.core.stages.receive import GAP, Receive
from oddspipe.ext import _tail, _tail_py

TWINS = pytest.mark.parametrize("twin", [_tail, _tail_py], ids=["compiled", "python"])
SEEDS = [1, 2, 3]


def feed_of(seed, games=4, events=300):
    feed = noisy_feed(seed, games=games, events=events)
    return Payloads.of([one for one, _ in feed], ingest_us=np.array([at for _, at in feed]))


def cut(payloads, seed):
    """Cut payloads at places of chance."""
    places = np.random.default_rng(seed).integers(1, len(payloads), 25)
    edges = [0, *sorted(set(places.tolist())), len(payloads)]
    return [payloads.part(a, b) for a, b in pairwise(edges)]


def records_of(outputs):
    """Return what outputs are on the normalised topic."""
    rows = EventRows()
    made = [one for output in outputs for one in rows(0, output)]
    return [one.payloads.bytes_at(row) for one in made for row in range(len(one))]


def received(records, first=0):
    """Return records as they come off the topic: their own times say when they were written."""
    return Payloads.of(records, ingest_us=np.zeros(len(records), np.int64), first_position=first)


def priced(parts):
    chain = PriceChain(PLAN, NormalModel())
    return chain, [output for part in parts for output in chain.steps(part)]


def lines(outputs):
    origin = Origin("test", "test", "1", "plan", 5_000_000)
    return [line for one in outputs for line in messages(one, origin, ("decimal",)).splitlines()]


def by_game(found):
    """Return messages in the order of their games, without numbers of the partition.

    Apart, games are numbered as their events leave the order, and events before temporal rules.
    """
    read = [json.loads(line) for line in found]
    for one in read:
        del one["number"], one["cause"]["number"]
    return sorted(read, key=lambda one: (one["game"], one["seq"]))


def letters(outputs, stages):
    return [
        (rejects.stage, int(position), int(reason), payload)
        for output in outputs
        for rejects in output.rejects
        for position, reason, payload in zip(
            rejects.position, rejects.reason, rejects.payloads, strict=True
        )
        if rejects.stage in stages
    ]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.proves("same", "normalise", "normalised_topic")
def test_apart_they_make_what_they_make_together(seed):
    feed = feed_of(seed)
    whole = PartitionChain(PLAN, NormalModel()).step(feed)

    first = NormaliseChain(PLAN)
    outputs = [first.step(part) for part in cut(feed, seed)]
    _, made = priced(cut(received(records_of(outputs)), seed + 1))

    assert len(lines([whole])) > 50
    assert by_game(lines(made)) == by_game(lines([whole]))
    assert letters(outputs, {"normalise", "order"}) == letters([whole], {"normalise", "order"})
    assert sorted(letters(made, {"price"})) == sorted(letters([whole], {"price"}))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.proves("same", "normalise", "normalised_topic")
def test_a_feed_that_breaks_suspends_the_same_markets_and_opens_them_again(seed):
    plan = replace(PLAN, breaker=Breaker(max_rate=0.3, window_us=10**6, min_messages=20, probe=10))
    feed = noisy_feed(seed, games=4, events=300)
    bad = range(len(feed) // 3, len(feed) // 3 + 60)
    feed = [(b"\xff" if at in bad else one, when) for at, (one, when) in enumerate(feed)]
    given = Payloads.of([one for one, _ in feed], ingest_us=np.array([when for _, when in feed]))
    whole = list(PartitionChain(plan, NormalModel()).steps(given))

    first = NormaliseChain(plan)
    outputs = [output for part in cut(given, seed) for output in first.steps(part)]
    second = PriceChain(plan, NormalModel())
    made = [one for part in cut(received(records_of(outputs)), seed) for one in second.steps(part)]

    assert first.breaker.opened
    reasons = {reason for output in made for reason in output.odds.reason}
    assert {"error_rate", "recovered"} <= reasons
    assert by_game(lines(made)) == by_game(lines(whole))
    assert second.accounts[0].balance() == second.accounts[0].duplicates == 0
    assert len(stored(outputs)) == sum(len(output.events) for output in outputs)


def stored(outputs):
    """Return the events that are stored of records, whatever else these say."""
    events, strange = Receive(PLAN.layout, PLAN.kinds).read(received(records_of(outputs)))
    assert not len(strange)
    return events


@pytest.mark.parametrize("seed", SEEDS)
def test_where_the_input_is_cut_and_state_is_taken_up_decides_nothing(seed):
    feed = feed_of(seed)
    straight = records_of([NormaliseChain(PLAN).step(feed)])
    want = lines(priced([received(straight)])[1])

    first, found = NormaliseChain(PLAN), []
    for part in cut(feed, seed):
        found += records_of([first.step(part)])
        saved = {name: b"".join(parts) for name, parts in first.snapshot().items()}
        first = NormaliseChain(PLAN)
        first.restore(saved)
    assert found == straight

    second, made = PriceChain(PLAN, NormalModel()), []
    for part in cut(received(straight), seed + 1):
        made += lines([second.step(part)])
        saved = {name: b"".join(parts) for name, parts in second.snapshot().items()}
        second = PriceChain(PLAN, NormalModel())
        second.restore(saved)
    assert made == want


def test_a_record_is_the_event_as_it_came_and_where_it_stands():
    feed = feed_of(1)
    output = NormaliseChain(PLAN).step(feed)
    records = received(records_of([output]))

    stand = standings(records)

    assert stand.whole.all()
    assert stand.number.tolist() == list(range(len(records)))
    assert stand.position.tolist() == output.events.positions.tolist()
    assert stand.ingest_us.tolist() == output.events.words[INGEST_TIME].tolist()
    assert stand.flags.tolist() == output.events.flags.tolist()
    assert set(stand.flags.tolist()) > {0}
    for row in range(0, len(records), 17):
        event = feed.bytes_at(int(stand.position[row]))
        assert records.bytes_at(row)[: -TAIL.itemsize] == event


def test_who_reads_events_reads_these_and_passes_over_what_is_added():
    output = NormaliseChain(PLAN).step(feed_of(1))
    records = received(records_of([output]))
    plain = Payloads.of(
        [output.events.payload(row) for row in range(len(records))],
        ingest_us=np.zeros(len(records), np.int64),
    )

    seen, bare = (NormaliseChain(PLAN).step(one).events for one in (records, plain))

    assert (seen.words[1:] == bare.words[1:]).all()  # the first is a place in the buffer
    ids = [[one.bytes_of(EVENT_ID, row) for row in range(len(one))] for one in (seen, bare)]
    assert ids[0] == ids[1]
    assert (seen.present == bare.present).all()


@pytest.mark.proves("twice", "normalised_topic")
def test_what_is_written_twice_is_priced_once():
    records = records_of([NormaliseChain(PLAN).step(feed_of(2))])
    want = lines(priced([received(records)])[1])
    again = [*records[:300], *records[200:600], *records[590:], *records[-50:]]

    chain, made = priced([received(again[:450]), received(again[450:], 450)])

    assert lines(made) == want
    numbers = [number for one in made for number in one.events.numbers.tolist()]
    assert numbers == sorted(set(numbers))
    account = chain.accounts[0]
    assert account.duplicates == len(again) - len(records)
    assert account.balance() == 0


@pytest.mark.proves("told", "normalised_topic")
def test_what_is_missing_and_what_is_a_strangers_is_told():
    records = records_of([NormaliseChain(PLAN).step(feed_of(2))])
    strange = [*records[:100], b"not ours", *records[100:200], *records[230:]]

    chain, made = priced(cut(received(strange), 1))

    assert chain.accounts[0].flagged == {GAP: 30}
    assert chain.accounts[0].balance() == 0
    assert letters(made, {"receive"}) == [("receive", 100, Reason.MAPPING, b"not ours")]


def test_events_keep_the_numbers_that_normalise_gave():
    output = NormaliseChain(PLAN).step(feed_of(3))
    _, (made,) = priced([received(records_of([output]))])
    refused = {position for _, position, _, _ in letters([made], {"price"})}

    kept = [
        number
        for number, position in zip(
            output.events.numbers.tolist(), output.events.positions.tolist(), strict=True
        )
        if position not in refused
    ]
    assert refused
    assert made.events.numbers.tolist() == kept


def test_the_state_of_another_stage_is_refused():
    chain = PriceChain(PLAN, NormalModel())
    saved = {name: b"".join(parts) for name, parts in chain.snapshot().items()}

    with pytest.raises(StateError, match="receive"):
        chain.restore({**saved, "receive": b"other"})


@TWINS
def test_tails_are_put_and_taken(twin):
    data = np.frombuffer(b"-abcd-ef", np.uint8)
    starts, ends = np.array([6, 1, 3]), np.array([8, 5, 3])
    tails = np.array([[1, 2], [3, 4], [5, 6]], np.uint8)

    made, begins, stops = twin.put_tails(data, starts, ends, tails)

    assert made.tobytes() == b"ef\x01\x02abcd\x03\x04\x05\x06"
    assert begins.tolist() == [0, 4, 10]
    assert stops.tolist() == [4, 10, 12]
    assert twin.take_tails(made, begins, stops, 2).tolist() == tails.tolist()
    assert twin.take_tails(made, begins, stops, 3)[2].tolist() == [0, 0, 0]


@TWINS
def test_tails_of_nothing_are_nothing(twin):
    none = np.empty(0, np.int64)

    made, begins, stops = twin.put_tails(np.empty(0, np.uint8), none, none, np.empty((0, 3), "u1"))

    assert (len(made), len(begins), len(stops)) == (0, 0, 0)
    assert twin.take_tails(np.empty(0, np.uint8), none, none, 3).shape == (0, 3)


@TWINS
@pytest.mark.parametrize(
    ("start", "end"), [(-1, 2), (2, 1), (0, 9)], ids=["before", "backwards", "past"]
)
def test_spans_outside_their_buffer_are_refused(twin, start, end):
    data, start, end = np.zeros(8, np.uint8), np.array([start]), np.array([end])

    with pytest.raises(ValueError, match="past its buffer"):
        twin.put_tails(data, start, end, np.zeros((1, 1), np.uint8))
    with pytest.raises(ValueError, match="past its buffer"):
        twin.take_tails(data, start, end, 1)
    with pytest.raises(ValueError, match="1 spans and 2 tails"):
        twin.put_tails(data, np.array([0]), np.array([1]), np.zeros((2, 1), np.uint8))
