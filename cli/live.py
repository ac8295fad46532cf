"""What a run looks like while it goes on: a screen in a terminal, plain lines elsewhere."""

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from oddspipe.cli import console
from oddspipe.core.clock import Clock
from oddspipe.core.names import Market, Side
from oddspipe.core.runtime.books import rejects_by_reason
from oddspipe.core.runtime.fused import FusedRunner
from oddspipe.core.runtime.hold import advice
from oddspipe.core.runtime.meter import Rate, rss_mb
from oddspipe.core.runtime.report import latency_of
from oddspipe.core.runtime.watch import Game
from oddspipe.core.stages.protocol import Account

REFRESH_S = 0.33
"""Three pictures a second; one costs about 10 ms of one core."""
LINE_S = 5.0
LEAST_WIDTH, LEAST_HEIGHT = 40, 8
"""In a smaller window one line says how far the run is."""
GAME_COLUMNS = ("game", "score", "clock", "home", "away", "spread", "total")
GAME_DROPS = (6, 5, 4, 3, 2)
"""Columns that a narrow window goes without, in this order; as with those of the stages."""
STAGE_COLUMNS = (
    "stage",
    "in/s",
    "in",
    "out",
    "rejected",
    "duplicates",
    "dropped",
    "held",
    "balance",
)
STAGE_DROPS = (3, 6, 7, 5, 2)
LEAST_SPARK, MOST_SPARK = 6, 60


@dataclass(frozen=True, slots=True)
class Title:
    """What the run is, for the head of the screen."""

    sport: str
    source: str
    plan: str
    total: Callable[[], int | None]
    seconds: float | None


class LiveView:
    """Draw a run from another thread a few times a second, reading what the runner writes."""

    def __init__(self, runner: FusedRunner, title: Title, *, clock: Clock, plain: bool) -> None:
        """Take the run; `plain` prints a line every few seconds in place of a screen."""
        self._runner = runner
        self._title = title
        self._clock = clock
        self._rates: dict[str, Rate] = {}
        self._pace: deque[float] = deque(maxlen=200)
        self._unbalanced: dict[str, int] = {}
        self.missed = 0
        self._ended = threading.Event()
        self._screen = None if plain else console.Screen(lambda: self.picture(*console.size()))
        every = LINE_S if plain else REFRESH_S
        draw: Callable[[], None] = self._line if self._screen is None else self._screen.refresh
        self._thread = threading.Thread(
            target=self._draw, args=(draw, every), name="view", daemon=True
        )

    def start(self) -> None:
        """Begin to draw."""
        for account in self._runner.chain.accounts:
            self._rate(account.stage, account.taken)
        if self._screen is not None:
            self._screen.start()
        self._thread.start()

    def stop(self) -> None:
        """Draw no more and give the terminal back; may be called twice."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        if self._screen is not None:
            self._screen.stop()

    def picture(self, width: int, height: int) -> console.RenderableType:
        """Return the whole screen, made to fit a window of this size."""
        self._runner.watch.clocks()
        accounts = self._runner.chain.accounts
        rates = [self._rate(account.stage, account.taken) for account in accounts]
        self._pace.append(rates[0])
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return console.cut(f"{self._title.sport} {self._progress(0)} {rates[0]:,.0f}/s", width)
        games = sorted(self._runner.watch.games.values(), key=lambda game: (game.final, game.name))
        parts = [self._stages(rates, width), self._health(width)]
        room = height - 3 - sum(part.lines for part in parts)
        # What a low window has no room for goes: the air between the parts, stages, health.
        while parts and room < min(len(games), 3):
            room += parts.pop(0).lines
        air = room - len(games)
        drawn = [self._head(width), console.cut(self._progress(width), width, "cyan")]
        for part in (self._games(games, max(room, 1), width), *parts):
            if air > 0:
                drawn.append(console.Text())
                air -= 1
            drawn.append(part.drawn)
        return console.Group(*drawn)

    def _draw(self, draw: Callable[[], None], every_s: float) -> None:
        while not self._ended.wait(every_s):
            try:
                draw()
            except (OSError, RuntimeError, ValueError):
                # A view must never end a run: a terminal may vanish, a table be read as it grows.
                self.missed += 1

    def _rate(self, name: str, total: int) -> float:
        return self._rates.setdefault(name, Rate()).update(self._clock.monotonic_ns(), total)

    def _seconds(self) -> float:
        return max(self._clock.monotonic_ns() - self._runner.progress.started_ns, 1) / 1e9

    def _done(self) -> float | None:
        """Return the share of the run that is done, where its end is known."""
        if total := self._title.total():
            return min(self._runner.progress.position / total, 1.0)
        if self._title.seconds:
            return min(self._seconds() / self._title.seconds, 1.0)
        return None

    def _left(self) -> str:
        """Return how far the run is and how long it still takes, as long as that is known."""
        done = self._done()
        if done is None:
            return ""
        left = f", {_duration(self._seconds() * (1 - done) / done)} left" if 0.01 < done < 1 else ""
        return f"{done:.0%}{left}"

    def _progress(self, width: int) -> str:
        passed, left = _duration(self._seconds()), self._left()
        done = self._done()
        if done is None or width < 2 * LEAST_WIDTH // 3:
            return f"{passed} {left}".strip()
        told = f" {left} · {passed} so far"
        room = max(width - len(told) - 2, 0)
        filled = round(done * room)
        return f"{'━' * filled}{'╌' * (room - filled)}{told}"

    def _phase(self) -> str:
        progress = self._runner.progress
        again = progress.phase == "running" and progress.position < progress.silent_until
        if progress.phase == "running" and self._held():
            return "held"
        return "reading again" if again else progress.phase

    def _held(self) -> str:
        """Return why nothing is taken; empty when all is well."""
        return self._runner.hold.told(self._runner.chain.breaker)

    def _head(self, width: int) -> console.RenderableType:
        recorded = self._runner.progress.recorded_us
        moment = datetime.fromtimestamp(recorded / 1e6, UTC) if recorded else None
        phase = self._phase()
        title = console.Text.assemble(
            (f" {self._title.sport.upper()} ", "bold white on blue"),
            f" {self._title.source} · ",
            (phase, "bold green" if phase == "running" else "bold yellow"),
            (f" · {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""),
            (f" · plan {self._title.plan[:8]}", "dim"),
        )
        title.truncate(width)
        return title

    def _games(self, games: list[Game], room: int, width: int) -> console.Part:
        shown = games[: room - (len(games) > room)]
        cells = [_cells(game) for game in shown]
        fitted = console.fit(GAME_COLUMNS, cells, width - LEAST_SPARK - 8, GAME_DROPS)
        spark = min(max(width - fitted.used - 8, LEAST_SPARK), MOST_SPARK)
        wins = [_wins(game, spark) for game in shown]
        drawn = console.columns(fitted, GAME_COLUMNS, cells, last=("home wins", wins))
        if len(shown) == len(games):
            return console.Part(drawn, 1 + len(shown))
        more = console.Text(f"… and {len(games) - len(shown)} more games", style="dim")
        return console.Part(console.Group(drawn, more), 2 + len(shown))

    def _stages(self, rates: list[float], width: int) -> console.Part:
        rows = []
        for account, rate in zip(self._runner.chain.accounts, rates, strict=True):
            counts = (
                *(account.taken, account.out, sum(account.rejected.values())),
                *(account.duplicates, sum(account.dropped.values()), account.held_after),
            )
            rows.append(
                [
                    console.Text(account.stage),
                    console.Text(f"{rate:,.0f}"),
                    *(console.Text(f"{count:,}") for count in counts),
                    self._balance(account),
                ]
            )
        fitted = console.fit(STAGE_COLUMNS, rows, width, STAGE_DROPS)
        return console.Part(console.columns(fitted, STAGE_COLUMNS, rows), 1 + len(rows))

    def _balance(self, account: Account) -> console.Text:
        """Return whether a stage balances; a step that is under way does not count against it."""
        off, before = account.balance(), self._unbalanced.get(account.stage, 0)
        self._unbalanced[account.stage] = off
        if off == 0 or off != before:
            return console.Text("✓", style="green")
        return console.Text(f"{off:+,}", style="bold red")

    def _health(self, width: int) -> console.Part:
        runner, progress = self._runner, self._runner.progress
        latency = latency_of(runner.lanes)
        reasons = rejects_by_reason(runner.chain.accounts)
        turned = " · ".join(f"{name} {count:,}" for name, count in reasons.items())
        pace = f"pace     {self._pace[-1]:,.0f} events/s "
        spark = console.sparkline(self._pace, min(max(width - len(pace) - 2, 0), MOST_SPARK))
        lines = [
            pace + spark,
            (
                f"latency  p50 {_ms(latency['p50'])} · p99 {_ms(latency['p99'])} · "
                f"max {_ms(latency['max'])} · memory {rss_mb():.0f} MB"
            ),
            (
                f"odds     {runner.boards:,} boards · {self._rate('boards', runner.boards):,.0f}/s"
                f" · {runner.prices:,} prices"
            ),
            (
                f"lag      {runner.feed.waiting:,} read ahead · "
                f"{max(progress.position - progress.committed, 0):,} not yet acknowledged · "
                f"snapshot {runner.keeper.saved}"
            ),
            f"rejects  {turned or 'none'}{self._failures()}",
        ]
        drawn = [console.cut(line, width) for line in lines]
        for text in drawn:
            text.stylize("dim", 0, 9)
        return console.Part(console.Group(*drawn, self._sinks(width)), len(lines) + 1)

    def _failures(self) -> str:
        count = self._runner.failures
        return f" · PLUGIN {count:,}" if count else ""

    def _sinks(self, width: int) -> console.Text:
        """Return a line of the sinks: well, with how many outputs wait, or in trouble and why."""
        text = console.Text.assemble((" sinks    ", "dim"))
        for at, lane in enumerate(self._runner.lanes):
            text.append(" · " if at else "")
            text.append(f"{lane.sink.name} ")
            text.append(*((f"✗ {lane.trouble}", "bold red") if lane.trouble else ("✓", "green")))
            text.append(f" {lane.waiting} waiting" if lane.waiting > 8 else "", "yellow")
        if self._runner.keeper.trouble:
            text.append(f" · snapshots ✗ {self._runner.keeper.trouble}", "bold red")
        text.append(f" · held ✗ {held}" if (held := self._held()) else "", "bold red")
        text.truncate(width, overflow="ellipsis")
        return text

    def _line(self) -> None:
        runner = self._runner
        latency = latency_of(runner.lanes)
        account = runner.chain.accounts[0]
        phase = self._phase()
        parts = [
            f"{self._seconds():6.1f} s",
            self._left(),
            f"{account.taken:,} events",
            f"{self._rate(account.stage, account.taken):,.0f}/s",
            f"{runner.boards:,} boards",
            f"p50 {_ms(latency['p50'])} p99 {_ms(latency['p99'])}",
            f"{sum(rejects_by_reason(runner.chain.accounts).values()):,} rejected",
            f"{rss_mb():.0f} MB",
            phase if phase != "running" else "",
            *(f"{lane.sink.name}: {lane.trouble}" for lane in runner.lanes if lane.trouble),
            runner.keeper.trouble,
            *((held, advice(os.getpid())) if (held := self._held()) else ()),
        ]
        console.note("  ".join(part for part in parts if part))


def _cells(game: Game) -> list[console.Text]:
    """Return what the table shows of a game, but for who wins."""
    suspended = any(price.status == "suspended" for price in game.prices.values())
    style = "dim" if game.final else "yellow" if suspended else ""
    moneyline = game.prices.get(Market.MONEYLINE)
    prices = moneyline.decimal if moneyline else {}
    return [
        console.Text(game.name[:18], style=style),
        console.Text(f"{game.home_score}-{game.away_score}", style=f"bold {style}"),
        console.Text("final" if game.final else _clock(game), style=style),
        console.Text(_decimal(prices.get(Side.HOME, 0)), style=style),
        console.Text(_decimal(prices.get(Side.AWAY, 0)), style=style),
        console.Text(_line_of(game, Market.SPREAD), style=style),
        console.Text(_line_of(game, Market.TOTAL), style=style),
    ]


def _wins(game: Game, width: int) -> console.Text:
    """Return the chance that home wins and how it moved: green where it rose last, else red."""
    try:
        history = list(game.home_fair)
    except RuntimeError:  # it grew while it was copied; the next picture has it
        history = []
    if not history:
        return console.Text("-")
    rose = len(history) < 2 or history[-1] >= history[-2]
    return console.Text.assemble(
        f"{history[-1]:4.0%} ", (console.sparkline(history, width), "green" if rose else "red")
    )


def _clock(game: Game) -> str:
    if game.clock_ms is None:
        return f"P{game.period}"
    minutes, seconds = divmod(game.clock_ms // 1000, 60)
    return f"P{game.period} {minutes:02d}:{seconds:02d}"


def _decimal(price: float) -> str:
    return f"{price:.2f}" if price else "-"


def _line_of(game: Game, market: Market) -> str:
    """Return the main line and the price of its first side."""
    price = game.prices.get(market)
    if price is None:
        return "-"
    first = next(iter(price.decimal.values()), 0.0)
    sign = "+" if market == Market.SPREAD else ""
    return f"{price.line:{sign}.1f} {_decimal(first)}"


def _ms(milliseconds: float) -> str:
    """Return a latency with as many digits as matter.

    >>> _ms(8.26), _ms(231.4), _ms(12_345.0)
    ('8.3 ms', '231 ms', '12.3 s')
    """
    if milliseconds >= 10_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"


def _duration(seconds: float) -> str:
    """Return a length of time in words.

    >>> _duration(8.2), _duration(172), _duration(7260)
    ('8 s', '2 min 52 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
