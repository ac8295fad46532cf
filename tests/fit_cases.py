"""Small made-up seasons of each sport, whose games end as their states say: something to fit."""

from datetime import date, timedelta

import numpy as np
import polars as pl

GAMES = 60
"""Games of a season; a model's least is 50."""


def days(year, month):
    """Return the day of each game, six a day."""
    return [str(date(year, month, 1) + timedelta(days=at // 6)) for at in range(GAMES)]


def nfl_season(year, seed=1):
    """Return 60 games of 48 downs; a score comes now and then, oftener to the favourite."""
    random = np.random.default_rng(seed)
    rows = []
    for game, day in enumerate(days(year, 10)):
        edge = float(random.normal(2, 6))
        home = away = 0
        mine = []
        for at in range(48):
            ball = random.random() < 0.5 + edge / 40
            points = int(random.choice([0, 3, 7], p=[0.78, 0.1, 0.12]))
            left = 3600 - at * 75
            after = (home + points * ball, away + points * (not ball))
            mine.append({
                "game_id": f"{year}_{game:02}", "game_date": day, "kickoff_et": "13:00",
                "home_team": "H", "away_team": "A", "seq": at, "play_type": "pass",
                "posteam": "H" if ball else "A", "qtr": 1 + at // 12, "down": 1 + at % 4,
                "qtr_seconds_remaining": left - (3 - at // 12) * 900,
                "game_seconds_remaining": left, "ydstogo": 10,
                "yardline_100": int(random.integers(1, 99)), "home_timeouts": 3,
                "away_timeouts": 3, "spread_line": edge, "total_line": 45.0, "ref_row": True,
                "home_score": home, "away_score": away, "home_score_post": after[0],
                "away_score_post": after[1],
            })  # fmt: skip
            home, away = after
        level = home == away
        home += 3 * level  # an overtime, of which nothing is recorded
        ends = {"result": home - away, "total": home + away, "overtime": int(level)}
        rows += [row | ends for row in mine]
    return pl.DataFrame(rows)


def nba_season(year, seed=1):
    """Return 60 games of 96 events, of which the first 200 of a recording warm up ratings."""
    random = np.random.default_rng(seed)
    rows = []
    for game, day in enumerate(days(year, 11)):
        home = away = 0
        mine = []
        for at in range(96):
            ball = bool(random.random() < 0.52)
            points = int(random.choice([0, 2, 3]))
            home, away = home + points * ball, away + points * (not ball)
            left = 2880 - 30 * at - 15
            mine.append({
                "game_id": f"{year}{game:03}", "game_date": day, "wall_clock_et": "19:10",
                "seq": at, "period": 1 + at // 24, "elapsed_seconds": 2880 - left,
                "period_seconds_remaining": left - (3 - at // 24) * 720,
                "game_seconds_remaining": left, "event": "made_shot" if points else "rebound",
                "action_code": 0, "team": "home" if ball else "away", "points": points,
                "poss_home": int(not ball), "home_score": home, "away_score": away,
                "pre_margin": 2.5, "pre_total": 150.0, "spread_line": None, "total_line": None,
            })  # fmt: skip
        level = home == away
        rows += [row | {"final_home": home + 2 * level, "final_away": away} for row in mine]
    return pl.DataFrame(
        rows, schema_overrides={"spread_line": pl.Float64, "total_line": pl.Float64}
    )


def half_inning(random, inning, half, score):
    """Play half an inning: out, walk, single, double, triple or home run; yield what it came to."""
    outs = bases = 0
    while outs < 3:
        before = (outs, bases, *score)
        event = random.choice(6, p=[0.68, 0.09, 0.14, 0.04, 0.03, 0.02])
        runs = 0
        if event == 0:
            outs += 1
            if outs < 3 and random.random() < 0.5:  # everyone moves up on it
                runs, bases = bases >> 2, (bases << 1) & 7
        elif event == 4:
            runs, bases = 1 + bases.bit_count(), 0
        elif event == 5:
            runs, bases = bases.bit_count(), 4
        else:
            moved = (bases << (2 if event == 3 else 1)) | (2 if event == 3 else 1)
            runs, bases = (moved >> 3).bit_count(), moved & 7
        score[half == "bottom"] += runs
        # The end of the ninth: home is ahead and bats no more.
        over = half == "bottom" and inning >= 9 and score[1] > score[0]
        yield before, (outs, bases, *score), over
        if over:
            return


def mlb_season(year, seed=1):
    """Return 60 games of nine innings and more."""
    random = np.random.default_rng(seed)
    rows = []
    for game, day in enumerate(days(year, 6)):
        score, mine, inning = [0, 0], [], 1
        while inning <= 9 or score[0] == score[1]:
            for half in ("top", "bottom"):
                if half == "bottom" and inning >= 9 and score[1] > score[0]:
                    continue
                for before, after, over in half_inning(random, inning, half, score):
                    mine.append({
                        "game_id": f"H{year}{game:03}0", "date": day, "season": year,
                        "event_seq": len(mine) + 1, "inning": inning, "half": half,
                        "outs_before": before[0], "outs_after": after[0],
                        "bases_before": before[1], "bases_after": after[1] * (after[0] < 3),
                        "away_score_before": before[2], "home_score_before": before[3],
                        "away_score_after": after[2], "home_score_after": after[3],
                        "event_type": 2, "balls": 0, "strikes": 0, "sched_innings": 9,
                        "game_end": over,
                    })  # fmt: skip
            inning += 1
        rows += [row | {"away_final": score[0], "home_final": score[1]} for row in mine]
    return pl.DataFrame(rows).with_columns(pl.col("date").str.to_date())


def mlb_games(year):
    """Return the finished games of a made-up season, a row each, for ratings."""
    return (
        mlb_season(year)
        .group_by("game_id", maintain_order=True)
        .agg(pl.col("season", "date", "home_final", "away_final").first())
        .with_columns(home_team=pl.lit("H"), away_team=pl.format("A{}", pl.int_range(pl.len()) % 5))
    )


SEASONS = {"nfl": nfl_season, "nba": nba_season, "mlb": mlb_season}


def recordings(folder, sport, years, seasons=None):
    """Write made-up seasons where the sport's recordings are looked for; return the folder."""
    (folder / sport).mkdir(parents=True, exist_ok=True)
    for at, year in enumerate(years):
        frame = (seasons or SEASONS)[sport](year, seed=at + 1)
        frame.write_parquet(folder / sport / f"pbp_{year}.parquet")
    return folder
