"""The games of a run, one set after another, in feed time: time that stands still in a silence."""

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.adapters.simulator.faults import (
    DUPLICATES,
    GAPS,
    LATE,
    NAMES,
    Faults,
    silences,
)
from oddspipe.core.adapters.simulator.lineup import (
    Game,
    Lineup,
    delayed,
    emitted,
    key_of,
    lineup_of,
    pace_of,
)
from oddspipe.core.adapters.simulator.script import (
    Script,
    again,
    corrected,
    made_up,
    multipliers,
)
from oddspipe.core.names import Kind
from oddspipe.core.plan.model import Plan

Words = NDArray[np.int64]
TICK_US: Final = 1_000_000
"""While nothing at all arrives the ingest says so once in this time."""
BETWEEN_US: Final = 10_000_000
"""From the end of the last game of a set to the start of the next."""


class Rounds:
    """Counts and lists what comes in any stretch of feed time.

    Args:
        plan: The plan.
        recorded: Script of recorded games; None makes games up.
        games: Games at once.
        rate: Events a second at the busiest moment.
        seed: Seed.
        faults: What the feed does wrong.
        lasts_us: Recorded time, silences included; None for one set of games.
    """

    def __init__(  # noqa: PLR0913 - what decides a feed
        self,
        plan: Plan,
        recorded: Script | None,
        *,
        games: int,
        rate: int,
        seed: int,
        faults: Faults,
        lasts_us: int | None,
    ) -> None:
        """Lay out nothing yet but the length of things."""
        self._plan, self._recorded = plan, recorded
        self._games, self._seed = games, seed
        self.faults = faults
        longest = plan.made_game.game_us if recorded is None else int(recorded.offsets.max())
        self.each_us = longest + BETWEEN_US
        feed_us = longest + 1 if lasts_us is None else lasts_us
        length = faults.silence_us
        silent = silences(faults, seed, feed_us)
        if lasts_us is not None:
            silent = [when for turn, when in enumerate(silent) if when + turn * length < lasts_us]
        self._silent = silent
        self._began = [when + turn * length for turn, when in enumerate(silent)]
        self.end_us = feed_us + len(silent) * length if lasts_us is None else lasts_us
        self._pace = pace_of(
            plan,
            games=games if recorded is None else recorded.games,
            rate=rate,
            until_us=feed_us,
            faults=faults,
        )
        self._lineups: dict[int, Lineup] = {}
        self._before = [0]

    def count(self, until_us: int) -> int:
        """Return how many payloads there are before a recorded time."""
        feed_us = self._feed_time(until_us)
        turn, inside = divmod(feed_us, self.each_us)
        count = self._in_rounds(turn) + max(0, feed_us - 1) // self._plan.feed.heartbeat_us
        if inside:
            count += sum(self._count_of(game, inside, turn) for game in self.lineup(turn).games)
        return count + self._ticks_before(until_us)

    def rows(self, start_us: int, stop_us: int) -> tuple[Lineup, Words, Words]:
        """Return the games on, rows for the writer, and when each comes, in recorded time.

        The stretch, in recorded time, must end where `stretch_end` says at the latest.
        """
        start, stop = self._feed_time(start_us), self._feed_time(stop_us)
        turn = start // self.each_us
        lineup, base = self.lineup(turn), turn * self.each_us
        parts = [self._ticks(start_us, stop_us), self._beats(start, stop)]
        for game in lineup.games:
            parts += self._of_game(game, lineup, turn, (start - base, stop - base))
        found = np.concatenate(parts, axis=1)
        rows = np.ascontiguousarray(found[:, np.argsort(found[4], kind="stable")])
        return lineup, rows[:4], rows[4]

    def stretch_end(self, start_us: int, wanted_us: int) -> int:
        """Return the wanted end of a stretch, or that of the set of games, if it comes first."""
        over = (self._feed_time(start_us) // self.each_us + 1) * self.each_us
        over += bisect_left(self._silent, over) * self.faults.silence_us
        return min(wanted_us, over, self.end_us)

    def injected(self, until_us: int) -> dict[str, int]:
        """Return how many faults of each name came before a recorded time.

        `gaps` are events that never came: withheld for ever, or later than this.
        """
        found = dict.fromkeys((*NAMES, "corrections", "silences"), 0)
        feed_us = self._feed_time(until_us)
        for turn in range(-(-feed_us // self.each_us)):
            inside = min(feed_us - turn * self.each_us, self.each_us)
            lineup = self.lineup(turn)
            for game, corrections in zip(lineup.games, lineup.corrections, strict=True):
                number = game.before(inside)
                for kind, name in enumerate(NAMES):
                    found[name] += game.sites.before(kind, number)
                twice = game.sites.before(DUPLICATES, self._copied(game, inside, turn))
                came = game.sites.before(LATE, self._let_go(game, inside))
                found["gaps"] += game.sites.before(LATE, number) - came
                found["duplicates"] += twice - game.sites.before(DUPLICATES, number)
                found["late"] += came - game.sites.before(LATE, number)
                found["corrections"] += sum(one < number for one in corrections)
        found["silences"] = bisect_left(self._began, until_us)
        return found

    def lineup(self, turn: int) -> Lineup:
        """Return a set of games; the last few are kept."""
        if turn not in self._lineups:
            while len(self._lineups) > 1:
                self._lineups.pop(next(iter(self._lineups)))
            self._lineups[turn] = self._make(turn)
        return self._lineups[turn]

    def _make(self, turn: int) -> Lineup:
        plan, faults, base = self._plan, self.faults, turn * self.each_us
        if self._recorded is None:
            script = made_up(plan, self._games, self._seed, turn)
        else:
            script = again(self._recorded, turn)
        keys = [key_of(self._seed, turn, game) for game in range(script.games)]
        if faults.corrections:
            script = corrected(plan, script, faults.corrections, keys[0])
        silent = [when - base for when in self._silent if 0 <= when - base < self.each_us]
        pace = replace(self._pace, until_us=self._feed_time(self.end_us) - base)
        return lineup_of(plan, script, multipliers(plan, script), pace, keys=keys, silent=silent)

    def _in_rounds(self, turn: int) -> int:
        """Return how many events the games of all sets before one have."""
        while len(self._before) <= turn:
            done = len(self._before) - 1
            games = self.lineup(done).games
            own = sum(self._count_of(game, self.each_us, done) for game in games)
            self._before.append(self._before[-1] + own)
        return self._before[turn]

    def _count_of(self, game: Game, inside: int, turn: int) -> int:
        number = game.before(inside)
        if not self.faults.total:
            return number
        sites = game.sites
        number -= sites.before(GAPS, number) + sites.before(LATE, number)
        number += sites.before(DUPLICATES, self._copied(game, inside, turn))
        return number + sites.before(LATE, self._let_go(game, inside))

    def _copied(self, game: Game, inside: int, turn: int) -> int:
        """Return the number of the first event whose copy has not come by then."""
        base = turn * self.each_us
        # Copies of what came before a silence come before it, else they might outlast the window.
        at = bisect_right(self._silent, inside + base)
        silent = self._silent[at - 1] - base if at else 0
        return game.before(max(inside - self._pace.duplicate_us, silent))

    def _let_go(self, game: Game, inside: int) -> int:
        """Return the number of the first event that would not have come by then, were it late."""
        return game.before(inside - self._pace.late_us)

    def _of_game(self, game: Game, lineup: Lineup, turn: int, span: tuple[int, int]) -> list[Words]:
        """Return a game's rows in a stretch of its time, as `emitted` has them."""
        start, stop = span
        bad = len(lineup.tables.bad[1]) - 1
        parts = [emitted(game, game.before(start), game.before(stop), bad)]
        base = turn * self.each_us
        if self.faults.total:
            copied = self._copied(game, start, turn), self._copied(game, stop, turn)
            copies = delayed(game, DUPLICATES, copied, self._pace.duplicate_us)
            if self._silent:
                ends = np.array([*self._silent, 2**62])
                after = ends[np.searchsorted(ends, copies[2] + base, side="right")]
                copies[4] = np.minimum(copies[4], after - base - 1)
            late = self._let_go(game, start), self._let_go(game, stop)
            parts += [copies, delayed(game, LATE, late, self._pace.late_us)]
        for part in parts:
            part[2] = self._recorded_time(part[2] + base)
            part[4] = self._recorded_time(part[4] + base)
        return parts

    def _ticks_before(self, until_us: int) -> int:
        which = bisect_left(self._began, until_us)
        if not which:
            return 0
        here = min(self._each, max(0, until_us - 1 - self._began[which - 1]) // TICK_US)
        return (which - 1) * self._each + here

    @property
    def _each(self) -> int:
        """Return how many ticks a silence has."""
        return max(0, self.faults.silence_us - 1) // TICK_US

    def _ticks(self, start_us: int, stop_us: int) -> Words:
        """Return the ticks of silences: nothing at all arrives then, and the ingest says so."""
        times = [
            begun + (tick + 1) * TICK_US
            for begun in self._began
            if begun < stop_us and begun + self.faults.silence_us > start_us
            for tick in range(self._each)
        ]
        return _timers(Kind.TICK, [time for time in times if start_us <= time < stop_us])

    def _beats(self, start_us: int, stop_us: int) -> Words:
        """Return heartbeats, which the feed sends whatever else it says, by feed time."""
        every = self._plan.feed.heartbeat_us
        first = max(0, start_us - 1) // every + 1
        beats = np.arange(first, max(0, stop_us - 1) // every + 1) * every
        return _timers(Kind.HEARTBEAT, self._recorded_time(beats))

    def _recorded_time(self, feed_us: Words) -> Words:
        """Return when something comes, silences included."""
        if not self._silent:
            return feed_us
        passed = np.searchsorted(np.array(self._silent), feed_us, side="right")
        shifted: Words = feed_us + passed * self.faults.silence_us
        return shifted

    def _feed_time(self, recorded_us: int) -> int:
        """Return the feed time before which everything has come by a recorded time."""
        passed = bisect_left(self._began, recorded_us)
        if not passed:
            return recorded_us
        return max(self._silent[passed - 1], recorded_us - passed * self.faults.silence_us)


def _timers(kind: Kind, times: Words | list[int]) -> Words:
    """Return rows that belong to no game."""
    found = np.zeros((5, len(times)), np.int64)
    found[0], found[1], found[2], found[4] = -1, kind, times, times
    return found
