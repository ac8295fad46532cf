"""What a person wants to see of the games: score, clock and main prices, kept as they pass."""

from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import CLOCK, GAME_ID
from oddspipe.core.names import Market, Side
from oddspipe.core.ports.output import Odds, Output

HISTORY = 64
"""Fair probabilities of the home side that are kept for a sparkline."""


@dataclass(slots=True)
class Price:
    """The main line of one market as it was last published.

    Attributes:
        line: NaN for moneyline.
        decimal: Price of each side; 0 where none is offered.
        status: Word of `names.Status`.
    """

    line: float
    decimal: dict[str, float] = field(default_factory=dict)
    status: str = ""


@dataclass(slots=True)
class Game:
    """One game as it stands."""

    name: str
    home_score: int = 0
    away_score: int = 0
    period: int = 0
    clock_ms: int | None = None
    reason: str = ""
    boards: int = 0
    final: bool = False
    prices: dict[str, Price] = field(default_factory=dict)
    home_fair: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))


class Watch:
    """Keep the newest state of every game; work only where odds were published."""

    def __init__(self) -> None:
        """Begin without games."""
        self.games: dict[int, Game] = {}
        self._newest: Batch | None = None

    def take(self, output: Output) -> None:
        """Take note of one step."""
        if len(output.events):
            self._newest = output.events
        odds = output.odds
        if len(odds) == 0:
            return
        numbers = odds.game.tolist()
        counts = Counter(numbers)
        for number, board in {number: board for board, number in enumerate(numbers)}.items():
            game = self.games.get(number)
            if game is None:
                game = self.games[number] = Game(output.games[number])
            game.boards += counts[number]
            game.home_score = int(odds.home_score[board])
            game.away_score = int(odds.away_score[board])
            game.period = int(odds.period[board])
            game.reason = odds.reason[board]
            game.final = game.reason == "final"
        self._prices(odds)

    def _prices(self, odds: Odds) -> None:
        """Keep the last price of each side; of the home side's moneyline the last few."""
        rows = np.flatnonzero(odds.is_main).tolist()
        games = odds.game[odds.board[rows]].tolist()
        market, side = odds.market, odds.side
        last = {(game, market[row], side[row]): row for game, row in zip(games, rows, strict=True)}
        for (number, what, whose), row in last.items():
            price = self.games[number].prices.setdefault(what, Price(float("nan")))
            price.line, price.status = float(odds.line[row]), odds.status[row]
            price.decimal[whose] = int(odds.decimal_milli[row]) / 1000
        for number, row in zip(games, rows, strict=True):
            if market[row] == Market.MONEYLINE and side[row] == Side.HOME:
                self.games[number].home_fair.append(float(odds.p_fair[row]))

    def clocks(self) -> None:
        """Bring the clocks up to date with the newest step; called a few times a second."""
        batch = self._newest
        if batch is None:
            return
        shown = np.flatnonzero((batch.present >> np.uint64(CLOCK)) & np.uint64(1))
        names = batch.words[GAME_ID][shown][::-1]
        numbers, first = np.unique(names, return_index=True)
        last = shown[::-1][first]
        for number, row in zip(numbers.tolist(), last.tolist(), strict=True):
            if (game := self.games.get(number)) is not None:
                game.clock_ms = int(batch.words[CLOCK][row])
