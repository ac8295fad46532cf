"""Where the embedded sinks keep what they write, below the state folder of a run."""

from typing import Final

REDIS_FOLDER: Final = "redis"
CLICKHOUSE_FOLDER: Final = "clickhouse"
DEAD_LETTERS_FILE: Final = "dead_letters.ndjson"
SEGMENTS_FOLDER: Final = "odds"
