"""ClickHouse: the tables of the running sink, and who may read and write what."""

from collections.abc import Iterator
from typing import Final

from oddspipe.core.adapters.clickhouse.ddl import (
    SHADOW,
    event_statements,
    history_statements,
    statements,
    table,
)
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
    """Return the statements that make a sport's tables; publishers fill the history of odds.

    The events' own tables are filled where stages are apart; else they are for a run in one
    process.
    """
    keep = next(
        (sink.options.get("keep") for sink in member.plan.sinks if sink.kind == "clickhouse"), None
    )
    days = int(keep or KEPT_DAYS * DAY_US) // DAY_US
    layout, shadow = member.plan.layout, member.plan.shadow is not None
    filled = history_statements(member.sport, keep_days=days, shadow=shadow)
    if member.plan.apart:
        filled += event_statements(member.sport, layout, keep_days=days)
    remembers = {one.partition("(")[0]: one for one in filled}
    made = statements(member.sport, layout, keep_days=days, shadow=shadow)
    return [
        f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
        f"USE {DATABASE}",
        *(remembers.get(one.partition("(")[0], one) for one in made),
    ]


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
    # What publishers are: they add to the history, and see whether it remembers tokens.
    made.append("CREATE ROLE IF NOT EXISTS oddspipe_writer")
    for member in fleet.members:
        filled = ["odds_history"]
        filled += [SHADOW] if member.plan.shadow else []
        filled += ["events", "tracking_by_second"] if member.plan.apart else []
        made += [
            f"GRANT INSERT, SHOW TABLES ON {DATABASE}.{name} TO oddspipe_writer"
            for name in (table(member.sport, what) for what in filled)
        ]
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
        for what in ("odds_history", "odds_latest", "events", "tracking_by_second", SHADOW)
    }
    quants = ("events", "tracking_by_second", *((SHADOW,) if member.plan.shadow else ()))
    return [
        f"CREATE ROLE IF NOT EXISTS {role}",
        *(f"GRANT SELECT ON {name[what]} TO {role}" for what in ("odds_history", "odds_latest")),
        *(f"GRANT {role} TO {reader}" for reader in ("oddspipe_analyst", "oddspipe_quant")),
        *(f"GRANT SELECT ON {name[what]} TO oddspipe_quant" for what in quants),
        (
            f"CREATE ROW POLICY IF NOT EXISTS settled_and_live ON {name['odds_history']} "
            f"USING 1 TO {role}, oddspipe_operator, default"
        ),
    ]
