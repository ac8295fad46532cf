"""The simulator: what it makes follows from the seed alone, it errs as asked and keeps its pace."""

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.plan_cases import edited, plan, plan_of, written
from tests.run_cases import FeedSource, payload

from oddspipe.core.adapters.simulator.faults import MILLION, Faults, parse_faults
from oddspipe.core.adapters.simulator.rounds import Rounds
from oddspipe.core.adapters.simulator.script import recorded
from oddspipe.core.adapters.simulator.source import START_US, SimulatorSource, simulator_of
from oddspipe.core.assemble import Input
from oddspipe.core.batch import layout as at
from oddspipe.core.batch.layout import Layout
from oddspipe.core.clock import ManualClock
from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.names import Kind
from oddspipe.core.stages.normalise import Normalise

EVERYTHING = (
    "duplicates=2%,swaps=1%,gaps=0.5%,late=0.5%,corrupt=1%,out_of_range=0.5%,corrections=30%,"
    "silence=3s/40s"
)


def source(sport="nfl", *, speed=None, the_plan=None, recording=None, **given) -> SimulatorSource:
    given = {"rate": 400, "games": 3, "duration_s": 90, "seed": 5} | given
    made = simulator_of(the_plan or plan(sport), Input(**given), speed, recording)
    made.open(0)
    return made


def everything(made: SimulatorSource) -> list[tuple[int, int, bytes]]:
    found = []
    while (part := made.poll(1000)) is not None:
        found += [
            (int(part.positions[row]), int(part.ingest_us[row]), part.bytes_at(row))
            for row in range(len(part))
        ]
    return found


def columns(made: SimulatorSource, the_plan=None):
    """Return the words, presence and names of all good payloads."""
    the_plan = the_plan or plan("nfl")
    normalise = Normalise(the_plan.layout, the_plan.kinds)
    words, present = [], []
    while (part := made.poll(1000)) is not None:
        batch, status, _ = normalise.step(part)
        words.append(batch.words[:, status == 0])
        present.append(batch.present[status == 0])
    return np.concatenate(words, axis=1), np.concatenate(present), normalise.strings


@cache
def faulty() -> list[tuple[int, int, bytes]]:
    return everything(source(faults=EVERYTHING))


def test_positions_are_consecutive_and_total_tells_how_many() -> None:
    made = source(faults=EVERYTHING)

    found = everything(made)

    assert [position for position, _, _ in found] == list(range(made.total()))
    assert len(found) > 20_000


def test_recorded_time_never_goes_back() -> None:
    times = [time for _, time, _ in faulty()]

    assert times == sorted(times)
    assert times[0] == START_US


@pytest.mark.parametrize("position", [0, 1, 999, 10_000, 20_001])
def test_any_position_can_be_gone_to(position: int) -> None:
    made = source(faults=EVERYTHING)
    made.open(position)

    assert everything(made)[:3000] == faulty()[position : position + 3000]


def test_the_last_tick_can_be_gone_to_and_nothing_is_behind_it() -> None:
    made = source(faults=EVERYTHING)
    made.open(made.total() - 1)
    assert everything(made) == faulty()[-1:]

    made.open(made.total())

    assert everything(made) == []


@pytest.mark.parametrize("speed", [1.0, 37.0])
def test_pace_changes_no_byte(speed: float) -> None:
    given = {"faults": EVERYTHING.replace("3s/40s", "1s/4s"), "duration_s": 3}
    made = source(speed=speed, **given)
    made._clock = ManualClock()
    made.open(0)

    assert everything(made) == everything(source(**given))


def test_a_paced_run_gives_nothing_before_its_time() -> None:
    made = source(speed=1.0, duration_s=2)
    made._clock = clock = ManualClock()
    made.open(0)

    while (part := made.poll(1000)) is not None and made._at_us < made._rounds.end_us:
        assert len(part) == 0 or part.ingest_us[-1] - START_US < clock.us
        assert len(part) == 0 or clock.us - (part.ingest_us[0] - START_US) <= 10_000


def test_another_seed_gives_another_feed() -> None:
    assert everything(source(seed=6))[100:200] != everything(source(seed=7))[100:200]


def test_the_busiest_moment_reaches_the_rate() -> None:
    found = everything(source(rate=2000, duration_s=20))

    seconds = Counter((time - START_US) // MILLION for _, time, _ in found)
    assert 1990 <= max(seconds.values()) <= 2010


def test_a_phase_multiplies_the_rate_of_its_game() -> None:
    phases = [{"name": "end", "when": "period >= 4", "multiplier": 3.0}]
    the_plan = plan_of(edited(written("nfl"), "load.phases", phases))
    words, _, _ = columns(source(the_plan=the_plan, games=1, rate=30, duration_s=None))

    made = words[at.KIND] == Kind.TRACKING
    early = np.count_nonzero(made & (words[at.PERIOD] == 1))
    late = np.count_nonzero(made & (words[at.PERIOD] == 4))

    assert late / early == pytest.approx(3.0, rel=0.05)


def test_the_mix_decides_the_kinds_and_leaves_the_rest_to_the_clock() -> None:
    the_plan = plan_of(edited(written("nfl"), "load.mix", {"tracking": "50%", "market": "20%"}))
    words, present, _ = columns(source(the_plan=the_plan, rate=2000, duration_s=20))

    kinds = Counter(words[at.KIND].tolist())
    whole = kinds[Kind.TRACKING] + kinds[Kind.MARKET] + kinds[Kind.CLOCK]
    assert kinds[Kind.TRACKING] / whole == pytest.approx(0.5, abs=0.01)
    assert kinds[Kind.MARKET] / whole == pytest.approx(0.2, abs=0.01)
    clocks = words[at.KIND] == Kind.CLOCK
    assert not (present[clocks] >> np.uint64(at.VALUE) & np.uint64(1)).any()


def test_without_a_mix_only_the_games_own_events_come() -> None:
    the_plan = plan_of(edited(written("nfl"), "load.mix", {}))
    words, _, _ = columns(source(the_plan=the_plan, games=2, duration_s=None))

    kinds = Counter(words[at.KIND].tolist())
    assert kinds[Kind.TRACKING] == kinds[Kind.CLOCK] == 0
    assert kinds[Kind.PLAY] == 2 * the_plan.made_game.plays
    assert kinds[Kind.GAME_START] == kinds[Kind.GAME_END] == 2


def test_sequences_of_a_game_have_no_gap() -> None:
    words, _, _ = columns(source())

    for game in range(3):
        sequences = words[at.SEQUENCE, (words[at.GAME_ID] == game) & (words[at.KIND] != 10)]
        numbered = sequences[sequences > 0]
        assert numbered.tolist() == list(range(1, len(numbered) + 1))


def test_games_follow_each_other_when_a_run_lasts_longer() -> None:
    the_plan = plan_of(edited(written("nfl"), "made_game.length", "100s"))
    given = {"games": 2, "rate": 50, "duration_s": 200}
    words, _, strings = columns(source(the_plan=the_plan, **given))

    assert strings[at.GAME_ID][:4] == ["nfl-0-0", "nfl-0-1", "nfl-1-0", "nfl-1-1"]
    assert np.count_nonzero(words[at.KIND] == Kind.GAME_END) == 2
    whole = everything(source(the_plan=the_plan, **given))
    made = source(the_plan=the_plan, **given)
    made.open(6000)
    assert everything(made) == whole[6000:]


def test_the_clock_of_made_up_events_falls_from_play_to_play() -> None:
    words, present, _ = columns(source(games=1, rate=20, duration_s=None))

    with_clock = (present >> np.uint64(at.CLOCK) & np.uint64(1)).astype(bool)
    first = with_clock & (words[at.PERIOD] == 1)
    assert (np.diff(words[at.CLOCK, first]) <= 0).all()
    assert len(np.unique(words[at.CLOCK, first])) > 1000


def recording(games: int = 2, plays: int = 40) -> FeedSource:
    """Give recorded games as the replay would: mixed in time, heartbeats in between."""
    feed = []
    for game in range(games):
        for number in range(plays):
            kind = {0: Kind.GAME_START, plays - 1: Kind.GAME_END}.get(number, Kind.PLAY)
            event = payload(
                f"G{game}", number + 1, kind, period=1 + number // 20, clock=900_000 - number * 700,
                home=number // 10, away=number // 13,
            )  # fmt: skip
            time = START_US + game * 900_000_000 + number * number * 10_000
            feed.append((event + b"\x28" + varint_of(time), time))
    feed.append((b"\x38\x0a\x28" + varint_of(START_US + 5), START_US + 5))
    return FeedSource(feed, [17])


def varint_of(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_recorded_plays_come_in_their_order_and_pace_from_one_kick_off() -> None:
    words, present, strings = columns(source(recording=recording(), rate=100, duration_s=None))

    assert set(strings[at.GAME_ID]) == {"G0", "G1"}
    for game in range(2):
        plays = (words[at.GAME_ID] == game) & (present >> np.uint64(at.HOME_SCORE) & 1 > 0)
        assert words[at.HOME_SCORE, plays].tolist() == [number // 10 for number in range(40)]
        assert (words[at.EVENT_TIME, plays] - START_US).tolist() == [
            number * number * 10_000 for number in range(40)
        ]
    assert np.count_nonzero(words[at.KIND] == Kind.TRACKING) > 1000


def test_recorded_games_are_played_again_under_other_names() -> None:
    _, _, strings = columns(source(recording=recording(), rate=20, duration_s=60))

    assert strings[at.GAME_ID] == ["G0", "G1", "G0+1", "G1+1", "G0+2", "G1+2"]


def test_a_recorded_event_that_does_not_fit_is_told_and_not_passed_over() -> None:
    bad = FeedSource([(payload("G0", 1, Kind.PLAY, home=9999), START_US)], [1])

    with pytest.raises(RunError, match="does not fit the spec: OUT_OF_RANGE"):
        recorded(plan("nfl"), bad)


def test_shares_hold_for_a_million_events_to_a_stratum() -> None:
    made = Rounds(
        plan("nfl"), None, games=1, rate=100_000, seed=3,
        faults=parse_faults("duplicates=1%,gaps=0.1%"), lasts_us=20 * MILLION,
    )  # fmt: skip

    injected = made.injected(made.end_us)

    assert injected["duplicates"] == pytest.approx(20_000, rel=0.05)
    assert injected["gaps"] == pytest.approx(2_000, rel=0.05)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("duplicate=1%", "there is no fault 'duplicate'"),
        ("late", "late='' is no share"),
        ("late=two", "late='two' is no share"),
        ("gaps=101%", "gaps='101%' is no share"),
        ("gaps=-1%", "gaps='-1%' is no share"),
        ("gaps=nan", "gaps='nan' is no share"),
        ("duplicates=20%,late=6%", "together 26% of the events"),
        ("silence=20", "silence='20' is no length of time"),
        ("silence=20s/", "silence='20s/' is no length of time"),
    ],
)
def test_what_is_no_fault_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_faults(text)

    assert said in told.value.message
    assert told.value.hint


def test_shares_are_read_as_percent_or_as_numbers() -> None:
    found = parse_faults(" duplicates=1% , corrupt = 0.001,silence=500ms/2m")

    assert found == Faults((10_000, 0, 0, 0, 500, 500, 0), 0, 500_000, 120_000_000)


def test_a_sport_without_ranges_cannot_be_out_of_one() -> None:
    layout = Layout(tuple(replace(column, high=None) for column in plan("nba").layout.columns))
    the_plan = replace(plan("nba"), layout=layout)

    with pytest.raises(UsageError, match="no field of nba has a range"):
        source(the_plan=the_plan, faults="out_of_range=1%")
