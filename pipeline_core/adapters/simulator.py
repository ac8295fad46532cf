"""A feed that is made up: any sport, from its load profile and made-up games; seeded.

Every game gives the same number of events in every chunk of recorded time, so the content of a
chunk follows from the seed and the chunk's number alone, and any position can be gone to.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch import layout as at
from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Payloads
from oddspipe.core.batch.encode import NO_BYTES, Encoded, Encoder
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import UsageError
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.plan.model import Plan

START_US = 1_725_814_800_000_000
"""Recorded start at full speed, where nothing ties the run to the clock: 2024-09-08 17:00 UTC."""
PLAYERS = 22
ID_BYTES = 8
NO_ROWS = np.empty(0, np.int64)
TAIL_US = 3_000_000
"""After the last event a tick so much later lets every window run out."""
_TOKEN = struct.Struct("<q")


class Given(Protocol):
    """What of a run's input the simulator reads."""

    @property
    def games(self) -> int | None:
        """Return how many games; None for the load profile's."""
        ...

    @property
    def seed(self) -> int:
        """Return the seed."""
        ...

    @property
    def rate(self) -> int | None:
        """Return events a second; None for the load profile's peak."""
        ...

    @property
    def duration_s(self) -> float | None:
        """Return recorded seconds; None for whole games."""
        ...

    @property
    def faults(self) -> str:
        """Return what it shall do wrong."""
        ...


@dataclass(frozen=True, slots=True)
class _Shape:
    games: int
    a_chunk: int
    chunk_us: int
    game_chunks: int
    chunks: int

    @property
    def rows(self) -> int:
        return self.games * self.a_chunk


def simulator_of(plan: Plan, given: Given, speed: float | None) -> "SimulatorSource":
    """Make the simulator of a run.

    Raises:
        UsageError: Faults are asked for, or the rate is below one event a game in ten seconds.
    """
    if given.faults:
        raise UsageError("the simulator makes no faults yet", hint="Leave --faults out.")
    games = given.games or plan.load.games_at_once
    rate = given.rate or plan.load.peak_rate
    # 10 ms a chunk, longer where a game would have less than four events in it.
    chunk_us = min(10_000_000, max(10_000, 4_000_000 * games // rate))
    a_chunk = round(rate * chunk_us / 1e6 / games)
    if a_chunk < 1:
        raise UsageError(f"a rate of {rate} is too low for {games} games")
    game_chunks = max(2, plan.made_game.game_us // chunk_us)
    lasts = int((given.duration_s or plan.made_game.game_us / 1e6) * 1e6)
    shape = _Shape(games, a_chunk, chunk_us, game_chunks, max(1, lasts // chunk_us))
    return SimulatorSource(plan, shape, seed=given.seed, speed=speed)


class SimulatorSource:
    """Events of made-up games: plays and scores among tracking and market events."""

    name = "simulator"
    finite = True

    def __init__(
        self,
        plan: Plan,
        shape: _Shape,
        *,
        seed: int,
        speed: float | None,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is made before `poll`."""
        self._plan, self._shape, self._seed, self._speed = plan, shape, seed, speed
        self._clock = clock or SystemClock()
        self._encoder = Encoder(plan.layout)
        self._players = [f"player-{number:02d}" for number in range(PLAYERS)]
        self._scores: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._position = 0
        self._start_us = START_US
        self._begun_ns = 0

    def open(self, position: int, token: bytes = b"") -> None:
        """Go to a position; the token holds the recorded start of a paced run."""
        if token:
            (self._start_us,) = _TOKEN.unpack(token)
        elif self._speed is not None:
            self._start_us = self._clock.now_us()
        self._position = position
        skipped = position // self._shape.rows * self._shape.chunk_us
        self._begun_ns = self._clock.monotonic_ns() - round(skipped * 1000 / (self._speed or 1))

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return what is due; None after the last tick."""
        rows = self._shape.rows
        end = self._shape.chunks * rows
        if self._position > end:
            return None
        chunk = self._position // rows
        wait_us = self._wait_us(chunk + 1)
        if wait_us > 0:
            self._clock.sleep(min(wait_us, timeout_us) / 1e6)
            if wait_us > timeout_us:
                return self._payloads(0, (NO_BYTES, NO_ROWS, NO_ROWS), NO_ROWS)
        made = self._last_tick(end) if self._position == end else self._chunk(chunk)
        made = made.part(self._position - int(made.positions[0]), len(made))
        self._position = int(made.positions[-1]) + 1
        return made

    def acknowledge(self, position: int) -> None:
        """Nothing waits for it: what is made up can be made again."""

    def total(self) -> int | None:
        """Return how many payloads there will be in all."""
        return self._shape.chunks * self._shape.rows + 1

    def close(self) -> None:
        """Nothing is open."""

    def _wait_us(self, chunk: int) -> int:
        """Return how long it is until a chunk has passed."""
        if self._speed is None:
            return 0
        gone = (self._clock.monotonic_ns() - self._begun_ns) // 1000
        return round(chunk * self._shape.chunk_us / self._speed) - gone

    def _payloads(self, first: int, encoded: Encoded, times: NDArray[np.int64]) -> Payloads:
        positions = np.arange(first, first + len(times), dtype=np.int64)
        now_ns, token = self._clock.monotonic_ns(), _TOKEN.pack(self._start_us)
        return Payloads(*encoded, times, positions, now_ns, token)

    def _last_tick(self, position: int) -> Payloads:
        time = self._start_us + self._shape.chunks * self._shape.chunk_us + TAIL_US
        words = np.zeros((len(self._plan.layout), 1), np.int64)
        words[at.KIND], words[at.EVENT_TIME] = Kind.TICK, time
        present = np.array([1 << at.KIND | 1 << at.EVENT_TIME], np.uint64)
        encoded = self._encoder.encode(words, present, {})
        return self._payloads(position, encoded, np.array([time]))

    def _chunk(self, chunk: int) -> Payloads:  # noqa: PLR0915 - one statement a column
        """Make one chunk: its events by time, the games taking turns."""
        shape, layout = self._shape, self._plan.layout
        rows, round_, inside = shape.rows, *divmod(chunk, shape.game_chunks)
        random = np.random.Generator(np.random.Philox(key=[self._seed, chunk + 1]))
        row = np.arange(rows)
        game, turn = row % shape.games, row // shape.games
        order = self._plan.order.first_sequence + inside * shape.a_chunk + turn
        times = self._start_us + chunk * shape.chunk_us + row * shape.chunk_us // rows
        words = np.zeros((len(layout), rows), np.int64)
        present = np.zeros(rows, np.uint64)

        def put(column: int, values: NDArray[np.int64] | int, where: NDArray[np.bool_]) -> None:
            words[column] = np.where(where, values, words[column])
            present[where] |= np.uint64(1 << column)

        every = np.ones(rows, bool)
        kind = np.where(
            random.random(rows) < self._plan.load.market_share, Kind.MARKET, Kind.TRACKING
        )
        if self._has_play(inside):
            kind[turn == shape.a_chunk // 2] = Kind.PLAY
        if inside == 0:
            kind[turn == 0] = Kind.GAME_START
        if inside == shape.game_chunks - 1:
            kind[turn == shape.a_chunk - 1] = Kind.GAME_END
        ids = np.char.encode(np.char.mod("%08x", order), "ascii").astype(f"S{ID_BYTES}")
        put(at.EVENT_ID, (row * ID_BYTES) << SPAN_LENGTH_BITS | ID_BYTES, every)
        put(at.GAME_ID, game, every)
        put(at.SEQUENCE, order, every)
        put(at.EVENT_TIME, times, every)
        put(at.KIND, kind, every)
        self._put_clock(put, inside, every)
        moving = kind == Kind.TRACKING
        put(at.PLAYER_ID, random.integers(0, PLAYERS, rows), moving)
        put(at.VALUE, (random.random(rows) * 10).view(np.int64), moving)
        scored = (kind == Kind.PLAY) | (kind == Kind.GAME_END)
        score = np.array([self._score(one, round_, inside) for one in range(shape.games)])
        put(at.HOME_SCORE, score[game, 0], scored)
        put(at.AWAY_SCORE, score[game, 1], scored)
        for name in self._plan.made_game.draw:
            put(layout.index[name], self._drawn(name, rows, random), kind == Kind.PLAY)
        for name, value in self._pregame(round_):
            put(layout.index[name], value[game].view(np.int64), kind == Kind.MARKET)
        names = {
            at.GAME_ID: [f"{self._plan.sport}-{round_}-{one}" for one in range(shape.games)],
            at.PLAYER_ID: self._players,
        }
        encoded = self._encoder.encode(words, present, names, ids.view(np.uint8))
        return self._payloads(chunk * rows, encoded, times)

    def _put_clock(self, put, inside: int, every: NDArray[np.bool_]) -> None:  # noqa: ANN001 - a closure
        made = self._plan.made_game
        share = inside / self._shape.game_chunks * made.periods
        put(at.PERIOD, int(share) + 1, every)
        if made.period_us:
            put(at.CLOCK, int((1 - share % 1) * made.period_us / 1000), every)

    def _play_number(self, inside: int) -> int:
        return inside * self._plan.made_game.plays // self._shape.game_chunks

    def _has_play(self, inside: int) -> bool:
        """Say whether a chunk of a game has a play in it: all games have theirs in the same."""
        return inside == 0 or self._play_number(inside - 1) != self._play_number(inside)

    def _score(self, game: int, round_: int, inside: int) -> NDArray[np.int64]:
        """Return both scores after the plays so far."""
        if (game, round_) not in self._scores:
            made = self._plan.made_game
            key = [self._seed, 2**63 + round_ * 4096 + game]
            random = np.random.Generator(np.random.Philox(key=key))
            points = np.array([0, *(one for one, _ in made.points)])
            chances = np.array([chance for _, chance in made.points])
            drawn = random.choice(points, (2, made.plays), p=[1 - chances.sum(), *chances])
            self._scores[game, round_] = drawn.cumsum(axis=1)
        scores: NDArray[np.int64] = self._scores[game, round_][:, self._play_number(inside)]
        return scores

    def _drawn(self, name: str, rows: int, random: np.random.Generator) -> NDArray[np.int64]:
        column = self._plan.layout.columns[self._plan.layout.index[name]]
        if column.type is FieldType.ENUM:
            return random.choice([number for _, number in column.values], rows).astype(np.int64)
        low, high = column.low or 0, column.high if column.high is not None else 1
        if column.is_double:
            return random.uniform(low, high, rows).view(np.int64)
        return random.integers(int(low), int(high) + 1, rows)

    def _pregame(self, round_: int) -> list[tuple[str, NDArray[np.float64]]]:
        random = np.random.Generator(np.random.Philox(key=[self._seed, 2**62 + round_]))
        return [
            (name, np.round(random.normal(mean, sd, self._shape.games) * 2) / 2)
            for name, mean, sd in self._plan.made_game.pregame
        ]
