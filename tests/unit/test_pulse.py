"""Which games are on, and which wait for odds."""

import numpy as np
from tests.run_cases import PLAN

from oddspipe.core.batch.layout import GAME_ID, INGEST_TIME, KIND
from oddspipe.core.names import Kind
from oddspipe.core.runtime.pulse import Pulse


class Step:
    """What a pulse looks at: events as (kind, game, second), boards as (game, second)."""

    def __init__(self, events=(), boards=()):
        words = np.zeros((len(PLAN.layout), len(events)), np.int64)
        for row, (kind, game, second) in enumerate(events):
            words[KIND, row], words[GAME_ID, row] = kind, game
            words[INGEST_TIME, row] = second * 1_000_000
        self.events = Events(words)
        self.odds = Boards(boards)
        self.games = ["A", "B", "C"]


class Events:
    def __init__(self, words):
        self.words = words

    def __len__(self):
        return self.words.shape[1]


class Boards:
    def __init__(self, boards):
        self.game = np.array([game for game, _ in boards], np.int64)
        self.as_of_us = np.array([second * 1_000_000 for _, second in boards], np.int64)
        self.oldest_ingest_us = self.as_of_us

    def __len__(self):
        return len(self.game)


def a_pulse():
    return Pulse(PLAN.kinds, PLAN.odds.at_once)


def test_games_are_live_from_their_first_event_to_their_last():
    pulse = a_pulse()
    pulse.take(Step([(Kind.GAME_START, 0, 1), (Kind.PLAY, 2, 2), (Kind.HEARTBEAT, 1, 3)]))
    assert pulse.live() == 2  # a heartbeat names no game
    pulse.take(Step([(Kind.GAME_END, 0, 9)]))
    assert pulse.live() == 1


def test_a_game_waits_for_odds_after_a_play_and_not_after_anything_else():
    pulse = a_pulse()
    pulse.take(Step([(Kind.PLAY, 0, 10), (Kind.TRACKING, 1, 10), (Kind.PLAY, 2, 10)], [(2, 10)]))
    assert pulse.unpriced(30_000_000) == 0
    pulse.take(Step([(Kind.HEARTBEAT, 0, 39)]))
    assert pulse.unpriced(30_000_000) == 0
    pulse.take(Step([(Kind.HEARTBEAT, 0, 41)]))
    assert pulse.unpriced(30_000_000) == 1
    pulse.take(Step(boards=[(0, 42)]))
    assert pulse.unpriced(30_000_000) == 0
    assert (pulse.input_us, pulse.odds_us) == (41_000_000, 42_000_000)
