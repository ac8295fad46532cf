"""What a run looks like while it goes on: a screen in a terminal, plain lines elsewhere."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from oddspipe.cli import console
from oddspipe.core.clock import Clock
from oddspipe.core.names import Market, Side
from oddspipe.core.runtime.books import rejects_by_reason
from oddspipe.core.runtime.fused import FusedRunner
from oddspipe.core.runtime.meter import Rate, rss_mb
from oddspipe.core.runtime.report import latency_of
from oddspipe.core.runtime.watch import Game

REFRESH_S = 0.33
"""Three pictures a second; one costs about 10 ms of one core."""
LINE_S = 5.0
BAR = 24


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
        self.missed = 0
        self._ended = threading.Event()
        self._screen = None if plain else console.Screen(self.picture)
        every = LINE_S if plain else REFRESH_S
        draw: Callable[[], None] = self._line if self._screen is None else self._screen.refresh
        self._thread = threading.Thread(
            target=self._draw, args=(draw, every), name="view", daemon=True
        )

    def start(self) -> None:
        """Begin to draw."""
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

    def picture(self) -> console.RenderableType:
        """Return the whole screen, made to fit the terminal."""
        width, height = console.size()
        self._runner.watch.clocks()
        foot = [self._stages(), self._health(width)]
        # Stage table 5 lines, health 6, head 3, rules 2: the rest is for games.
        return console.Group(self._head(width), self._games(max(height - 17, 3), width), *foot)

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

    def _progress(self) -> str:
        done = self._done()
        if done is None:
            return f"{self._seconds():.0f} s"
        filled = round(done * BAR)
        left = self._seconds() * (1 - done) / done if done > 0.01 else 0.0
        bar = "━" * filled + "╌" * (BAR - filled)
        return f"{bar} {done:4.0%} · {_duration(left)} left"

    def _head(self, width: int) -> console.RenderableType:
        progress = self._runner.progress
        phase = progress.phase
        if phase == "running" and progress.position < progress.silent_until:
            phase = "reading again"
        recorded = ""
        if progress.recorded_us:
            recorded = (
                f"{datetime.fromtimestamp(progress.recorded_us / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"
            )
        title = console.Text.assemble(
            (f" {self._title.sport.upper()} ", "bold white on blue"),
            f" {self._title.source} · ",
            (phase, "bold green" if phase == "running" else "bold yellow"),
            (f" · plan {self._title.plan[:8]} · {recorded}", "dim"),
        )
        title.truncate(width)
        return console.Group(title, console.Text(" " + self._progress(), style="cyan"))

    def _games(self, room: int, width: int) -> console.RenderableType:
        games = sorted(self._runner.watch.games.values(), key=lambda game: (game.final, game.name))
        shown = games[: room - (len(games) > room)]
        spark = max(min(width - 71, 40), 6)
        rows = [self._game(game, spark) for game in shown]
        columns = [
            ("game", "l"), ("score", "r"), ("clock", "r"), ("home", "r"), ("away", "r"),
            ("spread", "r"), ("total", "r"), ("home wins", "l"),
        ]  # fmt: skip
        drawn = console.table(columns, rows)
        if len(shown) < len(games):
            more = console.Text(f"… and {len(games) - len(shown)} more games", style="dim")
            return console.Group(drawn, more)
        return drawn

    def _game(self, game: Game, spark: int) -> list[console.Text | str]:
        moneyline = game.prices.get(Market.MONEYLINE)
        suspended = any(price.status == "suspended" for price in game.prices.values())
        style = "dim" if game.final else "yellow" if suspended else ""
        clock = "final" if game.final else _clock(game)
        fair = game.home_fair[-1] if game.home_fair else 0.0
        try:
            history = list(game.home_fair)
        except RuntimeError:  # it grew while it was copied; the next picture has it
            history = []
        return [
            console.Text(game.name[:18], style=style),
            console.Text(f"{game.home_score}-{game.away_score}", style="bold"),
            console.Text(clock, style=style),
            _decimal(moneyline.decimal.get(Side.HOME, 0) if moneyline else 0),
            _decimal(moneyline.decimal.get(Side.AWAY, 0) if moneyline else 0),
            _line_of(game, Market.SPREAD),
            _line_of(game, Market.TOTAL),
            console.Text.assemble(
                (f"{fair:4.0%} ", style), (console.sparkline(history, spark), "green")
            ),
        ]

    def _stages(self) -> console.RenderableType:
        rows = []
        for account in self._runner.chain.accounts:
            rate = self._rate(account.stage, account.taken)
            balance = account.balance()
            rows.append(
                [
                    account.stage,
                    f"{rate:,.0f}",
                    f"{account.taken:,}",
                    f"{account.out:,}",
                    f"{sum(account.rejected.values()):,}",
                    f"{account.duplicates:,}",
                    f"{account.held_after:,}",
                    console.Text("✓" if balance == 0 else f"{balance:+}", style="green"),
                ]
            )
        titles = ("stage", "in/s", "in", "out", "rejected", "doubled", "held", "balance")
        return console.table([(titles[0], "l"), *((title, "r") for title in titles[1:])], rows)

    def _health(self, width: int) -> console.RenderableType:
        runner, progress = self._runner, self._runner.progress
        latency = latency_of(runner.lanes)
        boards = self._rate("boards", runner.boards)
        sinks = " · ".join(
            f"{lane.sink.name} {'✗ ' + lane.trouble if lane.trouble else '✓'}"
            + (f" ({lane.waiting})" if lane.waiting > 8 else "")
            for lane in runner.lanes
        )
        reasons = rejects_by_reason(runner.chain.accounts)
        turned = " · ".join(f"{name} {count:,}" for name, count in list(reasons.items())[:5])
        lines = [
            (
                f"latency  p50 {latency['p50']:.1f} ms · p99 {latency['p99']:.1f} ms · "
                f"max {latency['max']:.0f} ms · memory {rss_mb():.0f} MB"
            ),
            f"odds     {runner.boards:,} boards · {boards:,.0f}/s · {runner.prices:,} prices",
            (
                f"lag      {runner.feed.waiting:,} read ahead · "
                f"{max(progress.position - progress.committed, 0):,} not yet acknowledged · "
                f"{runner.keeper.saved} snapshots"
            ),
            f"rejects  {turned or 'none'}",
            f"sinks    {runner.keeper.trouble or sinks}",
        ]
        return console.Group(*(_cut(line, width) for line in lines))

    def _line(self) -> None:
        runner, progress = self._runner, self._runner.progress
        latency = latency_of(runner.lanes)
        taken = runner.chain.accounts[0].taken
        done = self._done()
        parts = [
            f"{self._seconds():6.1f} s",
            f"{done:4.0%}" if done is not None else "",
            f"{taken:,} events",
            f"{self._rate('in', taken):,.0f}/s",
            f"{runner.boards:,} boards",
            f"p99 {latency['p99']:.0f} ms",
            f"{sum(rejects_by_reason(runner.chain.accounts).values()):,} rejected",
            f"{rss_mb():.0f} MB",
            progress.phase if progress.phase != "running" else "",
            *(f"{lane.sink.name}: {lane.trouble}" for lane in runner.lanes if lane.trouble),
            runner.keeper.trouble,
        ]
        console.note("  ".join(part for part in parts if part))


def _cut(line: str, width: int) -> console.Text:
    text = console.Text(f" {line}", no_wrap=True)
    text.stylize("dim", 0, 9)
    text.truncate(width, overflow="ellipsis")
    return text


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


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
