"""ClickHouse: the tables of the running sink, fed from the odds topic, and who may read what."""

import re
from collections.abc import Iterator
from typing import Final

from oddspipe.core.adapters.clickhouse.ddl import statements, table
from oddspipe.core.infra.fleet import DAY_US, Fleet, Member
from oddspipe.core.infra.text import head
from oddspipe.core.infra.tree import Artefact

DATABASE: Final = "oddspipe"
KEPT_DAYS: Final = 90


def clickhouse_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the tables of every sport, and the access to all of them."""
    for member in fleet.members:
        text = _headed(f"sports/{member.sport}.yaml", sport_statements(member))
        yield Artefact(f"clickhouse/{member.sport}.sql", text, "clickhouse", member.sport)
    yield Artefact(
        "clickhouse/access.sql", _headed("platform.yaml", access_statements(fleet)), "clickhouse"
    )


def _headed(source: str, made: list[str]) -> str:
    return head(source, mark="--") + "".join(f"\n{one};\n" for one in made)


def sport_statements(member: Member) -> list[str]:
    """Return the statements that make a sport's tables and feed them from its odds topic.

    The topic is read at least once: history is a ReplacingMergeTree on the key that the sink of a
    single process has, so that a message which comes twice is one row once parts are merged, and
    with FINAL at once. The events' own tables are for that sink; nothing feeds them from Kafka.
    """
    keep = next(
        (sink.options.get("keep") for sink in member.plan.sinks if sink.kind == "clickhouse"), None
    )
    days = int(keep or KEPT_DAYS * DAY_US) // DAY_US
    history = table(member.sport, "odds_history")
    made = [f"CREATE DATABASE IF NOT EXISTS {DATABASE}", f"USE {DATABASE}"]
    for one in statements(member.sport, member.plan.layout, keep_days=days):
        if f"EXISTS {history} " in one:
            one = one.replace("ENGINE = MergeTree", "ENGINE = ReplacingMergeTree")  # noqa: PLW2901 - the same statement
        made.append(one)
    return [*made, queue_of(member), feed_of(member)]


def queue_of(member: Member) -> str:
    """Return the statement of the table that reads the odds topic, a message a row.

    The login stands in the server's own configuration (`kafka`), never in SQL.
    """
    return (
        f"CREATE TABLE IF NOT EXISTS {table(member.sport, 'odds_queue')} (message String)\n"
        "ENGINE = Kafka SETTINGS\n"
        f"    kafka_broker_list = '{_quoted(member.brokers)}',\n"
        f"    kafka_topic_list = '{member.topics.odds}',\n"
        f"    kafka_group_name = 'clickhouse.{member.sport}',\n"
        "    kafka_format = 'RawBLOB',\n"
        "    kafka_handle_error_mode = 'stream',\n"
        "    kafka_flush_interval_ms = 1000"
    )


def feed_of(member: Member) -> str:
    """Return the view that makes rows of history of the messages of the odds topic."""
    time = "parseDateTime64BestEffort(JSONExtractString(message, '{}'), 6, 'UTC')"
    columns = {
        "number": "JSONExtractUInt(message, 'number')",
        "game_id": "JSONExtractString(message, 'game')",
        "odds_sequence": "JSONExtractUInt(message, 'seq')",
        "cause_sequence": "JSONExtractUInt(message, 'cause', 'seq')",
        "cause_kind": "JSONExtractUInt(message, 'cause', 'kind')",
        "cause_number": "JSONExtractUInt(message, 'cause', 'number')",
        "event_time": time.format("source_event_at"),
        "as_of": time.format("as_of"),
        "oldest_ingest": time.format("received_at"),
        "reason": "JSONExtractString(message, 'reason')",
        "home_score": "JSONExtractInt(message, 'score', 'home')",
        "away_score": "JSONExtractInt(message, 'score', 'away')",
        "period": "JSONExtractInt(message, 'score', 'period')",
        "scope": "JSONExtractString(market_json, 'scope')",
        "market": "JSONExtractString(market_json, 'market')",
        "line": "JSONExtract(market_json, 'line', 'Nullable(Float64)')",
        "is_main": "JSONExtractBool(market_json, 'main')",
        "side": "JSONExtractString(side_json, 'side')",
        "status": "JSONExtractString(market_json, 'status')",
        "p_fair": "JSONExtractFloat(side_json, 'fair')",
        "p_push": "JSONExtractFloat(side_json, 'push')",
        "p_booked": "JSONExtractFloat(side_json, 'booked')",
        "decimal": "JSONExtract(side_json, 'decimal', 'Nullable(Float64)')",
        "plan": "JSONExtractString(message, 'plan')",
    }
    body = ",\n    ".join(f"{value} AS {name}" for name, value in columns.items())
    queue, history = table(member.sport, "odds_queue"), table(member.sport, "odds_history")
    split = "arrayJoin(JSONExtractArrayRaw({}, '{}')) AS {}"
    markets = f"message, {split.format('message', 'markets', 'market_json')}"
    sides = f"message, market_json, {split.format('market_json', 'sides', 'side_json')}"
    rows = f"SELECT {sides} FROM (SELECT {markets} FROM {queue})"  # noqa: S608 - our names
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {table(member.sport, 'odds_from_topic')}\n"
        f"TO {history} AS SELECT\n    {body}\nFROM ({rows})"
    )


def access_statements(fleet: Fleet) -> list[str]:
    """Return roles, row policies, limits and quotas.

    Once a table has a row policy, who is not named sees nothing: each table names everybody who
    reads it. Analysts see a sport's odds, quants its events too, and neither can write.
    """
    roles = ("oddspipe_analyst", "oddspipe_quant", "oddspipe_operator")
    made = [f"USE {DATABASE}", *(f"CREATE ROLE IF NOT EXISTS {role}" for role in roles)]
    for member in fleet.members:
        made += _sport_access(member)
    made.append(f"GRANT ALL ON {DATABASE}.* TO oddspipe_operator")
    made.append(
        "CREATE SETTINGS PROFILE IF NOT EXISTS oddspipe_readers SETTINGS readonly = 2, "
        "max_memory_usage = 8000000000 MAX 16000000000, max_execution_time = 60 MAX 300, "
        "max_rows_to_read = 1000000000 MAX 5000000000 TO oddspipe_analyst, oddspipe_quant"
    )
    made.append(
        "CREATE QUOTA IF NOT EXISTS oddspipe_readers KEYED BY user_name FOR INTERVAL 1 hour "
        "MAX queries = 2000, execution_time = 3600 TO oddspipe_analyst, oddspipe_quant"
    )
    return made


def _sport_access(member: Member) -> list[str]:
    role = f"oddspipe_{member.sport}"
    name = {
        what: f"{DATABASE}.{table(member.sport, what)}"
        for what in ("odds_history", "odds_latest", "events", "tracking_by_second")
    }
    return [
        f"CREATE ROLE IF NOT EXISTS {role}",
        *(f"GRANT SELECT ON {name[what]} TO {role}" for what in ("odds_history", "odds_latest")),
        *(f"GRANT {role} TO {reader}" for reader in ("oddspipe_analyst", "oddspipe_quant")),
        *(
            f"GRANT SELECT ON {name[what]} TO oddspipe_quant"
            for what in ("events", "tracking_by_second")
        ),
        (
            f"CREATE ROW POLICY IF NOT EXISTS settled_and_live ON {name['odds_history']} "
            f"USING 1 TO {role}, oddspipe_operator, default"
        ),
    ]


def _quoted(text: str) -> str:
    return re.sub(r"(['\\])", r"\\\1", text)
