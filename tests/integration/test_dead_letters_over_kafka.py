"""Dead letters on a real broker: listed, shown, sent again once each, given up in the end."""

import json

import pytest
from tests.integration.committed import committed
from tests.integration.test_run_over_kafka import Sport

pytestmark = pytest.mark.integration


@pytest.fixture
def sport(tmp_path, brokers):
    made = Sport(tmp_path, "letters", brokers)
    made.brokers = brokers
    made.done(
        *("feed", "serve", "--rate", "2000", "--duration", "3", "--seed", "5", "--max-speed"),
        *("--faults", "corrupt=0.5%"),
    )
    made.done("run", "--sinks", "none", "--until", "idle")
    return made


def listed(sport, *words):
    told = sport.done("dlq", "list", "--format", "json", "--limit", "1000", *words)
    return [json.loads(line) for line in told.splitlines()]


@pytest.mark.proves("bytes", "kafka", "dead_letters")
@pytest.mark.proves("twice", "dead_letters")
def test_letters_are_chosen_shown_and_sent_again_until_they_are_given_up(sport):
    letters = listed(sport)
    assert len(letters) > 5
    # What cannot be read has no game, and lies on the first partition.
    chosen = f"partition = 0 AND reason = '{letters[0]['reason']}'"
    some = listed(sport, "--where", chosen)
    assert 0 < len(some) < len(letters)
    assert listed(sport, "--since", "2999-01-01T00:00") == []
    shown = sport.done("dlq", "show", some[0]["place"])
    assert some[0]["reason"] in shown

    before = committed(sport.brokers, "letters.feed", 3)
    assert "would be sent" in sport.done("dlq", "replay", "--dry-run")
    assert sport.done("dlq", "replay", "--where", chosen).startswith(f"{len(some)} sent")
    after = committed(sport.brokers, "letters.feed", 3)
    again = after[0][len(before[0]) :]
    assert [len(part) for part in after] == [
        len(before[0]) + len(some), len(before[1]), len(before[2]),
    ]  # fmt: skip
    origins = {one.offset(): one for one in before[0]}
    for letter, record in zip(some, again, strict=True):
        origin = origins[letter["position"]]
        assert (record.key(), record.value()) == (origin.key(), origin.value())
        assert dict(record.headers()) == {"oddspipe-attempts": b"1"}

    told = sport.done("dlq", "replay", "--where", chosen)
    assert told.strip() == f"{len(some)} sent again before"

    # Broken bytes come back, each time as a letter of its own, and at last are left alone.
    for attempt in (2, 3, 4):
        sport.done("run", "--sinks", "none", "--until", "idle")
        come_back = listed(sport, "--where", chosen)
        assert len(come_back) == attempt * len(some)
        told = sport.done("dlq", "replay", "--where", chosen)
        if attempt < 4:
            assert told.startswith(f"{len(some)} sent, ")
    assert f"{len(some)} given up after three attempts" in told
    assert " sent, " not in told
    assert sport.verified()["sound"]


def test_what_cannot_be_asked_is_told(sport):
    for words, said in (
        (("list", "--where", "nothing = 1"), "Columns: "),
        (("list", "--since", "yesterday"), "is not a time"),
        (("show", "9:999"), "there is no dead letter 9:999"),
    ):
        told = sport.refused("dlq", *words)
        assert said in told
