"""What each user of the cache may do, as ACL rules: from the keys and commands of the code here."""

from collections.abc import Iterable
from typing import Final

from oddspipe.core.adapters.redis.commands import current_key, memory_key

GREETING: Final = "+ping +hello +auth +client|setinfo +client|setname"
"""What a client library sends before the first command of ours."""
NOTHING: Final = "resetkeys resetchannels -@all"
WRITES: Final = "+scan +hget +hgetall +hset +exists +pexpire +evalsha +script|load"
"""What `RedisCurrent` sends, and what the script `WRITE` calls inside."""
READS: Final = "+scan +hget +hmget +hgetall +exists +pttl"
"""What reads current odds: `read_current`, and a site that knows the game."""
WATCHES: Final = "+info +slowlog|get +slowlog|len +latency|latest +latency|histogram +cluster|info"
"""What redis_exporter asks for when it is told to leave out settings (`-config-command=-`)."""
MEMORY_POLICY: Final = "volatile-ttl"
"""What is full loses first what expires first: odds of seconds before the memory of hours.

Odds that are missing are made anew by the next renewal; a lost memory would let an older price in.
"""


def writer_access(sports: Iterable[str]) -> str:
    """Return what the writer of some sports may do: on their keys, and on no others.

    >>> writer_access(["nfl"])[:69]
    'resetkeys resetchannels -@all ~odds:{nfl}:* ~odds-memory:{nfl}:* +pin'
    """
    keys = " ".join(
        f"~{key(sport, '*')}" for sport in sorted(sports) for key in (current_key, memory_key)
    )
    return f"{NOTHING} {keys} {GREETING} {WRITES}"


def reader_access() -> str:
    """Return what a site that shows odds may do: read those of all sports."""
    return f"{NOTHING} ~odds:* {GREETING} {READS}"


def exporter_access() -> str:
    """Return what a program that measures the server may do: it sees no key."""
    return f"{NOTHING} {GREETING} {WATCHES}"


def replica_access() -> str:
    """Return what a copy of the server asks of it."""
    return f"{NOTHING} {GREETING} +psync +replconf"


def admin_access() -> str:
    """Return what a person does who mends it: all."""
    return "~* &* +@all"
