"""Send the current odds to Redis, and keep them alive."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from oddspipe.core.adapters.redis.commands import (
    WRITE,
    Current,
    Freshness,
    calls,
    current_key,
    freshness_at,
    memory_key,
    merge,
)
from oddspipe.core.adapters.redis.embedded import EmbeddedRedis
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import PluginError, RetryableError, RunError, StateError
from oddspipe.core.names import Guarantee

if TYPE_CHECKING:
    from redis import Redis

    from oddspipe.core.ports.output import Output

RENEWALS = 3
"""Current odds are renewed so often in their lifetime: one lost renewal does no harm."""
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long odds live, and when they are no longer fresh, in microseconds.

    `stale_us` and `suspended_us` count from the last output that the sink was given.
    """

    ttl_us: int
    memory_us: int
    stale_us: int
    suspended_us: int


def connect(url: str = "", *, socket: Path | None = None) -> Redis:
    """Return a connection to the server at `url`, or on a Unix socket.

    Raises:
        PluginError: The client library is not installed.
        RunError: Nothing answers there.
    """
    try:
        import redis  # noqa: PLC0415  # only for who uses it
    except ImportError as error:
        raise PluginError(
            f"the Redis client is not installed: {error}",
            hint="pip install 'oddspipe-framework[embedded]'",
        ) from error
    where = str(socket) if socket is not None else url.rpartition("@")[2]
    try:
        client = (
            redis.Redis(unix_socket_path=str(socket), socket_timeout=TIMEOUT_S)
            if socket is not None
            else redis.Redis.from_url(url, socket_timeout=TIMEOUT_S)
        )
        client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise RunError(
            f"redis: nothing usable answers at {where}: {error}",
            hint="Is the address right, and is it a Redis or Valkey server?",
        ) from error
    return client


class RedisCurrent:
    """Keep the current odds of every game in Redis, with a lifetime.

    Args:
        sport: Part of the keys.
        lifetimes: See there.
        embedded: Starts a server of our own; else `url` says where one is.
        url: Address of a server; may hold a password, which is never shown.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EFFECTIVELY_ONCE

    def __init__(  # noqa: PLR0913  # an adapter's facts, all by name
        self,
        sport: str,
        *,
        lifetimes: Lifetimes,
        embedded: EmbeddedRedis | None = None,
        url: str = "",
        clock: Clock | None = None,
        name: str = "redis",
    ) -> None:
        self.name = name
        self._sport = sport
        self._lifetimes = lifetimes
        self._embedded = embedded
        self._url = url
        self._clock = clock or SystemClock()
        self._client: Redis | None = None
        self._unsent: set[str] = set()
        self._games: dict[str, Current] = {}
        self._heard_ns = 0
        self._renewed_ns = 0
        self._freshness = Freshness.FRESH

    def open(self) -> None:
        """Connect and take up the odds that are remembered there."""
        self.close()
        if self._embedded is not None:
            self._embedded.start()
        self._client = connect(
            self._url, socket=self._embedded.socket if self._embedded is not None else None
        )
        self._games = {}
        self._unsent = set()
        prefix = memory_key(self._sport, "")
        for key in self._client.scan_iter(match=f"{prefix}*", count=1000):
            found: dict[bytes, bytes] = self._client.hgetall(key)  # type: ignore[assignment]  # sync
            fields = {name.decode(): value.decode() for name, value in found.items()}
            fields.pop("freshness", None)
            if "sequence" in fields:
                game = key.decode().removeprefix(prefix)
                self._games[game] = Current(int(fields["sequence"]), fields)
        self._heard_ns = self._clock.monotonic_ns()
        self._renew()

    def wants(self, output: Output) -> bool:
        """Say whether this output has anything to write."""
        return len(output.odds) > 0

    def write(self, output: Output) -> None:
        """Write and return when the server has it."""
        self.write_many((output,))

    def write_many(self, outputs: Sequence[Output]) -> None:
        """Write the last board of each game in several outputs."""
        self._heard_ns = self._clock.monotonic_ns()
        # What was merged and not sent, because the server failed, is sent by the next try.
        self._unsent |= merge(self._games, outputs)
        self._send(sorted(self._unsent), Freshness.FRESH)
        self._unsent.clear()
        if self._freshness is not Freshness.FRESH:
            self._renew()

    def refresh(self) -> None:
        """Renew all current odds well before they run out, as fresh, stale or suspended."""
        now = self._clock.monotonic_ns()
        due = now - self._renewed_ns >= self._lifetimes.ttl_us * 1000 // RENEWALS
        if due or self._fresh(now) is not self._freshness:
            self._renew()

    def close(self) -> None:
        """Let go of the connection and of a server of our own; may be called twice."""
        if self._client is not None:
            with suppress(OSError):
                self._client.close()
            self._client = None
        if self._embedded is not None:
            self._embedded.stop()

    def _fresh(self, now_ns: int) -> Freshness:
        return freshness_at(
            (now_ns - self._heard_ns) // 1000,
            stale_us=self._lifetimes.stale_us,
            suspended_us=self._lifetimes.suspended_us,
        )

    def _renew(self) -> None:
        now = self._clock.monotonic_ns()
        fresh = self._fresh(now)
        self._send(sorted(self._games), fresh)
        self._freshness, self._renewed_ns = fresh, now

    def _send(self, names: Sequence[str], fresh: Freshness) -> None:
        if not names:
            return
        if self._client is None:
            raise StateError("redis: is not open")
        import redis  # noqa: PLC0415  # loaded by `connect` already

        lifetimes = self._lifetimes.ttl_us // 1000, self._lifetimes.memory_us // 1000
        try:
            script = self._client.register_script(WRITE)
            for keys, values in calls(self._sport, self._games, names, fresh, lifetimes):
                script(keys=keys, args=values)
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError) as error:
            again = self._embedded is not None and self._embedded.revive()
            told = "its server had ended and was started again" if again else str(error)
            raise RetryableError(f"redis: {len(names)} games not written: {told}") from error


def read_current(client: Redis, sport: str) -> dict[str, dict[str, Any]]:
    """Return the fields of every game's current odds, by game."""
    prefix = current_key(sport, "")
    found: dict[str, dict[str, Any]] = {}
    for key in client.scan_iter(match=f"{prefix}*", count=1000):
        fields: dict[bytes, bytes] = client.hgetall(key)  # type: ignore[assignment]  # sync
        found[key.decode().removeprefix(prefix)] = {
            name.decode(): value.decode() for name, value in fields.items()
        }
    return found
