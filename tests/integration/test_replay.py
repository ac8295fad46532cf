"""Replay: recorded rows and captured messages become payloads, the same ones every time."""

import base64
import json

import numpy as np
import polars as pl
import pytest
from tests.replay_cases import dead_letters, nba_rows, oddspipe, recorded, run

from oddspipe.core.adapters.recorded import Selection
from oddspipe.core.adapters.replay import replay_of
from oddspipe.core.batch.layout import GAME_ID, KIND, SEQUENCE
from oddspipe.core.clock import ManualClock
from oddspipe.core.errors import RunError
from oddspipe.core.names import Kind
from oddspipe.core.plan.load import plan_for
from oddspipe.core.stages.normalise import Normalise

pytestmark = pytest.mark.integration
PLAN = plan_for("nba")
START_US = 1_673_395_800_000_000
"""2023-01-10 19:10 in New York."""


def played(source, position=0, token=b""):
    source.open(position, token)
    parts = []
    while (part := source.poll(1000)) is not None:
        parts.append(part)
    return parts


def decoded(parts):
    """Return kind, game and sequence of every payload, and the reason of those turned away."""
    stage = Normalise(PLAN.layout, PLAN.kinds, PLAN.rules)
    found = []
    for part in parts:
        batch, status, _ = stage.step(part)
        names = stage.strings[GAME_ID]
        for row, why in enumerate(status.tolist()):
            kind = Kind(int(batch.words[KIND, row])).name
            timer = kind == "HEARTBEAT" or why
            game = "" if timer else names[int(batch.words[GAME_ID, row])]
            found.append((kind, game, int(batch.words[SEQUENCE, row]), why))
    assert stage.account.balance() == 0
    return found


def parts_of(tmp_path, *frames, **more):
    for at, frame in enumerate(frames):
        recorded(tmp_path, frame, f"pbp_{at}.parquet")
    return replay_of(PLAN, tmp_path, None, Selection(**more))


def bytes_of(parts):
    return [
        (part.bytes_at(row), int(part.ingest_us[row]), int(part.positions[row]))
        for part in parts
        for row in range(len(part))
    ]


def test_every_row_becomes_events_that_are_numbered_in_their_game(tmp_path):
    parts = played(parts_of(tmp_path, nba_rows("A", "B", rows=4, step=1)))

    events = decoded(parts)
    mine = [event for event in events if event[1] == "A"]
    assert [(kind, number) for kind, _, number, _ in mine] == [
        ("GAME_START", 1), ("MARKET", 2), ("PLAY", 3), ("PLAY", 4), ("PLAY", 5), ("SCORE", 6),
        ("GAME_END", 7),
    ]  # fmt: skip
    assert len(events) == 14 + [event[0] for event in events].count("HEARTBEAT")
    assert not any(why for *_, why in events)


@pytest.mark.proves("order", "recorded")
def test_games_are_merged_by_their_recorded_time_with_positions_without_gaps(tmp_path):
    (part,) = played(parts_of(tmp_path, nba_rows("A"), nba_rows("B", start="19:11")))

    assert (np.diff(part.ingest_us) >= 0).all()
    assert part.positions.tolist() == list(range(len(part)))
    assert int(part.ingest_us[0]) == START_US + 50_000
    games = [game for _, game, _, _ in decoded([part]) if game]
    assert games[:4] == ["A", "A", "A", "A"]
    assert 0 < games.index("B") < len(games) - games[::-1].index("A")


def test_heartbeats_fill_the_silence_between_events(tmp_path):
    (part,) = played(parts_of(tmp_path, nba_rows("A", rows=2)))

    # 20 s of game time take 56 s; the feed says every 5 s that it is alive.
    kinds = [kind for kind, *_ in decoded([part])]
    assert kinds == ["GAME_START", "MARKET", "PLAY", *["HEARTBEAT"] * 11, "PLAY", "GAME_END"]
    assert np.diff(part.ingest_us[3:14]).tolist() == [5_000_000] * 10


@pytest.mark.proves("same", "recorded")
@pytest.mark.proves("kill", "recorded")
def test_a_second_replay_and_one_from_a_token_give_the_same_payloads(tmp_path):
    days = [nba_rows("A"), nba_rows("B", day="2023-01-11"), nba_rows("C", day="2023-01-12")]
    whole = played(parts_of(tmp_path, pl.concat(days)))
    everything = bytes_of(whole)
    middle = int(whole[1].positions[5])

    resumed = played(parts_of(tmp_path), position=middle, token=whole[1].token)
    skipped = played(parts_of(tmp_path), position=middle)

    assert len(whole) == 3
    assert bytes_of(played(parts_of(tmp_path))) == everything
    assert bytes_of(resumed) == everything[middle:]
    assert bytes_of(skipped) == everything[middle:]


@pytest.mark.parametrize(
    ("more", "games"),
    [
        ({"day": "2023-01-11"}, {"B"}),
        ({"season": 2022}, {"A", "B"}),
        ({"season": 2023}, {"C"}),
        ({"games": 2}, {"A", "B"}),
        ({"games": 1, "season": 2023}, {"C"}),
    ],
)
def test_games_are_chosen_by_day_season_and_number(tmp_path, more, games):
    days = [nba_rows("C", day="2023-11-02"), nba_rows("B", day="2023-01-11"), nba_rows("A")]

    parts = played(parts_of(tmp_path, pl.concat(days), **more))

    assert {game for _, game, _, _ in decoded(parts)} - {""} == games


def test_a_choice_that_nothing_fits_is_told_with_what_there_is(tmp_path):
    source = parts_of(tmp_path, nba_rows("A"), day="1999-12-31")

    with pytest.raises(RunError, match="no recorded game on 1999-12-31: those below"):
        source.open(0)


def test_a_row_that_does_not_map_keeps_its_place_and_its_values(tmp_path):
    frame = nba_rows("A").with_columns(
        event=pl.when(pl.col("seq") == 4).then(pl.lit("dunk")).otherwise(pl.col("event"))
    )

    (part,) = played(parts_of(tmp_path, frame))

    ((position, why),) = part.unmapped.items()
    row = json.loads(part.bytes_at(position))
    assert why == "field action: 'dunk' is no enum"
    assert (row["game_id"], row["seq"], row["event"]) == ("A", 4, "dunk")
    assert [why for *_, why in decoded([part])].count(12) == 1
    assert sum(kind != "HEARTBEAT" for kind, *_ in decoded([part])) == 15


def test_the_total_is_an_estimate_that_ends_at_the_number_of_payloads(tmp_path):
    source = parts_of(tmp_path, nba_rows("A"), nba_rows("B", day="2023-01-11"))
    before = source.total()
    source.open(0)
    first = source.poll(1000)

    assert before is None
    assert source.total() == 2 * len(first)
    assert len(source.poll(1000)) == len(first)
    assert source.total() == 2 * len(first)


def test_paced_payloads_come_when_they_are_due_and_keep_their_times(tmp_path):
    recorded(tmp_path, nba_rows("A", rows=3))
    clock = ManualClock()
    source = replay_of(PLAN, tmp_path, 10.0, None, clock)
    source.open(0)
    at = {}
    while (part := source.poll(50_000)) is not None:
        for row in range(len(part)):
            at[int(part.positions[row])] = (clock.monotonic_ns() / 1e9, int(part.ingest_us[row]))

    (began, first), (ended, last) = at[0], at[max(at)]
    assert last - first == pytest.approx(112e6, abs=10)
    assert ended - began == pytest.approx(11.2, abs=0.06)


# Captured messages.


def message(seq, **more):
    return {
        "type": "event",
        "id": f"e{seq}",
        "game": "G",
        "seq": seq + 1,
        "ts_us": START_US + seq,
    } | more


NIL = {"home": 0, "away": 0}
TWO = {"home": 2, "away": 0}
LINES = [
    json.dumps(message(0, type="start")),
    json.dumps(message(1, type="line", line={"spread": 2.5, "total": 221.0})),
    json.dumps(message(2, action="rebound", period=1, clock_ms=700_000, score=NIL)),
    "not JSON",
    json.dumps(message(3, action="made_shot", period=1, clock_ms=690_000, score=TWO)),
    json.dumps(message(4, type="weather")),
    json.dumps(message(4, type="end", score=TWO)),
]


def test_captured_messages_of_the_provider_run_through_the_mapping(tmp_path):
    (tmp_path / "feed.ndjson").write_text("\n".join(LINES) + "\n\n")

    done, report = run(tmp_path, tmp_path)

    assert done.returncode == 0, done.stderr
    assert (report["events_in"], report["events_out"]) == (7, 5)
    assert report["rejects"] == {"MAPPING": 2}
    assert report["odds_published"] > 0
    first, second = dead_letters(tmp_path)
    assert (first["reason"], first["position"]) == ("MAPPING", 3)
    assert base64.b64decode(first["payload"]) == b"not JSON"
    assert first["text"].startswith("no such JSON message: ")
    assert second["text"] == "no entry of feed.mapping takes it"
    shown = oddspipe("dlq", "show", "1", "--state", tmp_path / "state", folder=tmp_path)
    assert "no entry of feed.mapping takes it" in shown.stdout
    assert b"weather" in base64.b64decode(second["payload"])


def test_captured_events_are_read_by_the_names_of_their_fields(tmp_path):
    at = {"game_id": "G", "event_time": START_US}
    lines = [
        at | {"event_id": "a", "sequence": 0, "kind": "game_start"},
        at | {"event_id": "b", "sequence": 1, "kind": "play", "action": "rebound", "period": 1},
        at | {"event_id": "c", "sequence": 2, "kind": "nothing"},
    ]
    (tmp_path / "G.events.ndjson").write_text("\n".join(map(json.dumps, lines)))

    (part,) = played(replay_of(PLAN, tmp_path))

    assert [event[3] for event in decoded([part])] == [0, 0, 12]
    assert list(part.unmapped) == [2]
    assert part.ingest_us.tolist() == [START_US + 50_000] * 3


def test_captured_messages_are_the_same_from_any_position(tmp_path):
    (tmp_path / "a.ndjson").write_text("\n".join(LINES))
    (tmp_path / "b.ndjson").write_text("\n".join(LINES))
    whole = bytes_of(played(replay_of(PLAN, tmp_path)))

    assert len(whole) == 14
    assert bytes_of(played(replay_of(PLAN, tmp_path), position=9)) == whole[9:]
    assert replay_of(PLAN, tmp_path).total() == 14


def test_captured_messages_are_not_chosen_among(tmp_path):
    (tmp_path / "a.ndjson").write_text("{}\n")

    with pytest.raises(RunError, match="replayed whole"):
        replay_of(PLAN, tmp_path, None, Selection(games=1))


# The real command.


@pytest.mark.parametrize(
    ("words", "payloads"),
    [
        (("--limit", "7"), 7),
        (("--until", "2023-01-11T00:10:00.060"), 3),
        (("--until", "2023-01-10T19:10:00.060-05:00"), 3),
        (("--games", "1", "--speed", "100000"), None),
    ],
)
def test_a_run_ends_where_it_is_told(tmp_path, words, payloads):
    data = recorded(tmp_path, pl.concat([nba_rows("A"), nba_rows("B", day="2023-01-11")]))

    done, report = run(tmp_path, data, *words)

    assert done.returncode == 0, done.stderr
    assert report["events_in"] == (payloads or len(played(parts_of(tmp_path, games=1))[0]))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--day", "2024-02-30"), 2, "--day '2024-02-30' is not a day [usage]"),
        (("--day", "2024-02-01"), 4, "no recorded game on 2024-02-01: those below"),
        (("--season", "2031"), 4, "no recorded game in season 2031: those below"),
        (("--source", "simulator", "--day", "2024-02-01"), 4, "no recorded game on 2024-02-01"),
        (("--until", "noon"), 2, "--until 'noon' is not a time"),
    ],
)
def test_a_choice_that_cannot_be_met_is_one_message(tmp_path, words, code, told):
    done, _ = run(tmp_path, recorded(tmp_path, nba_rows("A")), *words)

    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
