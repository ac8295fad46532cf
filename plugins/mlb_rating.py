"""Ratings of baseball games before they start: a pure fold over the games finished earlier.

What a game is expected to bring is made only of games of earlier days, in the order of their
dates: an Elo rating a team, and the level of runs of late. Elo: Arpad Elo (1978); the multiplier of
the margin and home advantage in points follow common use in baseball ratings.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import polars as pl

VERSION = "1"


class FinishedGame(NamedTuple):
    """A game and how it ended; `day` sorts by date, as `2016-04-03`."""

    game_id: str
    season: int
    day: str
    home_team: str
    away_team: str
    home_final: int
    away_final: int


class Rating(NamedTuple):
    """What was to be expected of a game before its day."""

    game_id: str
    rated_chance: float
    rated_total: float


@dataclass(frozen=True, slots=True)
class Settings:
    """Constants of the fold; chosen on seasons 2015 and 2016.

    Attributes:
        gain: Elo points that a game moves, before the logarithm of its margin.
        home_edge: Elo points that home is worth.
        regression: Share of a team's points that a new season takes away.
        memory: Games over which the level of runs is levelled.
        first_level: Mean total before the first game.
    """

    gain: float = 3.0
    home_edge: float = 24.0
    regression: float = 0.3
    memory: float = 900.0
    first_level: float = 8.6


@dataclass(slots=True)
class Fold:
    """Ratings so far: teams' Elo points, and the level of runs."""

    settings: Settings = field(default_factory=Settings)
    season: int = 0
    points: dict[str, float] = field(default_factory=dict)
    level: float = 0.0

    def begin(self, season: int) -> None:
        """Begin a season, unless it is going on."""
        if season == self.season:
            return
        self.season = season
        kept = 1.0 - self.settings.regression
        self.points = {team: points * kept for team, points in self.points.items()}
        self.level = self.level or self.settings.first_level

    def rate(self, game: FinishedGame) -> Rating:
        """Return what is to be expected of a game, by what was taken in so far."""
        return Rating(game.game_id, round(self._chance(game), 4), round(self.level, 3))

    def take(self, game: FinishedGame) -> None:
        """Take in a finished game."""
        margin = game.home_final - game.away_final
        won = 1.0 if margin > 0 else 0.0 if margin < 0 else 0.5
        moved = self.settings.gain * math.log(abs(margin) + 1.0) * (won - self._chance(game))
        self.points[game.home_team] = self.points.get(game.home_team, 0.0) + moved
        self.points[game.away_team] = self.points.get(game.away_team, 0.0) - moved
        total = game.home_final + game.away_final
        self.level += (total - self.level) / self.settings.memory

    def _chance(self, game: FinishedGame) -> float:
        home, away = (self.points.get(team, 0.0) for team in (game.home_team, game.away_team))
        return 1.0 / (1.0 + math.pow(10.0, ((away - home - self.settings.home_edge) / 400.0)))


def rate(games: Iterable[FinishedGame], settings: Settings | None = None) -> Iterator[Rating]:
    """Rate every game by those of earlier days."""
    fold = Fold(settings or Settings())
    ordered = sorted(games, key=lambda game: (game.day, game.game_id))
    for _, day in groupby(ordered, key=lambda game: game.day):
        played = list(day)
        fold.begin(played[0].season)
        yield from [fold.rate(game) for game in played]
        for game in played:
            fold.take(game)


def rated(games: pl.DataFrame) -> pl.DataFrame:
    """Rate a frame of finished games, one row each, in the order of their days."""
    finished = games.with_columns(
        pl.col("date").cast(pl.String).alias("day"),
        pl.col("season", "home_final", "away_final").cast(pl.Int64),
    ).select(FinishedGame._fields)
    made = list(rate(FinishedGame(*row) for row in finished.iter_rows()))
    types = {"game_id": pl.String, "rated_chance": pl.Float64, "rated_total": pl.Float64}
    return pl.DataFrame(made, schema=types, orient="row")
