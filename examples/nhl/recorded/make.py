"""Make the sample of recorded games: three made-up ones, the same every time.

python make.py > games.ndjson
"""

import json
import random
import sys
from collections.abc import Iterator

GAMES = (
    (1, "2026-01-10 19:00", 0.5),
    (4, "2026-01-10 19:30", -0.5),
    (10, "2026-01-11 19:00", 0.0),
)
"""Seed, start and puck line; they end in regulation time, in overtime and by shoot-out."""
GOAL, PENALTY = 0.067, 0.06
"""Chances that one of the events of a game, 40 seconds apart on average, is a goal or a penalty."""
REGULATION_S, END_S, PERIOD_S = 3600, 3900, 1200


def game(drawn: random.Random) -> Iterator[dict[str, object]]:
    """Yield the events of one game, each with the situation after it, until somebody has won."""
    score = {"home": 0, "away": 0}
    power_play, until, second = "none", 0, 0
    while second < REGULATION_S or score["home"] == score["away"]:
        step = drawn.randint(10, 70)
        # Regulation time ends on the second; then only a level game goes on, for five minutes.
        ahead = second < REGULATION_S < second + step
        second = REGULATION_S if ahead else min(second + step, END_S)
        side = drawn.choice(("home", "away"))
        kind = happens(drawn, second, has_power_play=side == power_play)
        if kind == "goal":
            score[side] += 1
        if kind == "penalty":
            power_play, until = side, second + 120
        elif second >= until or (kind == "goal" and side == power_play):
            power_play, until = "none", 0
        period = (second - 1) // PERIOD_S + 1
        yield {
            "wall_s": round(second * 2.5),
            "type": kind,
            "period": 5 if second == END_S else period,
            "clock_s": min(period * PERIOD_S, END_S) - second,
            **score,
            "power_play": power_play,
            "penalty_left_s": max(until - second, 0),
        }


def happens(drawn: random.Random, second: int, *, has_power_play: bool) -> str:
    """Return what an event is; the last one of an overtime is the shoot-out's goal."""
    if second in {REGULATION_S, END_S}:
        return "play" if second == REGULATION_S else "goal"
    if drawn.random() < GOAL * (2.0 if has_power_play else 1.0):
        return "goal"
    return "penalty" if drawn.random() < PENALTY and second < REGULATION_S else "play"


for number, (seed, faceoff, puck_line) in enumerate(GAMES, start=1):
    events = game(random.Random(seed))  # noqa: S311 - games, not secrets
    for seq, event in enumerate(events, start=1):
        told = {"game": f"sample-{number}", "seq": seq, "faceoff": faceoff, **event}
        row = {**told, "puck_line": puck_line, "total_line": 6.0}
        sys.stdout.write(json.dumps(row) + "\n")
