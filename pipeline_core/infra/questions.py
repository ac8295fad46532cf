"""What analysts ask most: queries of a sport with parameters, for the tables that are rendered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oddspipe.core.adapters.clickhouse.ddl import table
from oddspipe.core.infra.clickhouse import DATABASE
from oddspipe.core.infra.fleet import Fleet
from oddspipe.core.infra.text import head
from oddspipe.core.infra.tree import Artefact

FOLDER: Final = "clickhouse/queries"
SPAN: Final = "SPAN"
"""Stands for the days that are asked for."""
DAYS: Final = "event_time >= {since:Date} AND event_time < {until:Date}"
HISTORY: Final = "HISTORY"
"""Stands for the sport's history."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    Attributes:
        name: Of its file.
        asks: What it answers, in one sentence.
        sql: With parameters as the engine has them, `{game:String}`.
    """

    name: str
    asks: str
    sql: str


QUESTIONS: Final = (
    Question(
        "path_of_a_price",
        "How did the main line of a market move in a game, and what moved it?",
        "SELECT odds_sequence, as_of, reason, home_score, away_score, side, line, decimal,\n"
        "    round(p_fair, 4) AS fair, status\nFROM HISTORY\n"
        "WHERE game_id = {game:String} AND market = {market:String} AND scope = 'game'\n"
        "    AND is_main\n"
        "ORDER BY odds_sequence, side",
    ),
    Question(
        "last_open_prices",
        "What were the last open prices of each game's main lines before its first score?",
        "SELECT game_id, market, side, argMax(line, odds_sequence) AS last_line,\n"
        "    argMax(decimal, odds_sequence) AS last_decimal, max(as_of) AS at\n"
        "FROM HISTORY\n"
        "WHERE SPAN AND scope = 'game' AND is_main AND status = 'open'\n"
        "    AND home_score + away_score = 0\n"
        "GROUP BY game_id, market, side\nORDER BY game_id, market, side",
    ),
    Question(
        "suspensions",
        "How often was a market suspended in a game, and why?",
        "SELECT game_id, market, reason, uniqExact(odds_sequence) AS times, min(as_of) AS first,\n"
        "    max(as_of) AS last\nFROM HISTORY\n"
        "WHERE SPAN AND status = 'suspended'\n"
        "GROUP BY game_id, market, reason\nORDER BY times DESC, game_id, market\nLIMIT 1000",
    ),
    Question(
        "margin_by_market",
        "Which margin did open main lines carry, by market and day?",
        "SELECT toDate(at, 'UTC') AS day, scope, market, count() AS boards,\n"
        "    round(avg(booked) - 1, 5) AS margin\nFROM (\n"
        "    SELECT min(event_time) AS at, scope, market, sum(p_booked) AS booked\n"
        "    FROM HISTORY\n"
        "    WHERE SPAN AND is_main AND status = 'open'\n"
        "    GROUP BY game_id, odds_sequence, scope, market, line\n)\n"
        "GROUP BY day, scope, market\nORDER BY day, scope, market",
    ),
    Question(
        "delay_by_day",
        "How long did events take from their arrival to the odds that they caused?",
        "SELECT toDate(event_time, 'UTC') AS day, uniqExact(game_id, odds_sequence) AS messages,\n"
        "    quantiles(0.5, 0.99, 0.999)(dateDiff('microsecond', oldest_ingest, as_of))\n"
        "        AS delay_us\n"
        "FROM HISTORY\n"
        "WHERE SPAN\nGROUP BY day\nORDER BY day",
    ),
)


def questions_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the queries of every sport."""
    for member in fleet.members:
        source = f"sports/{member.sport}.yaml"
        history = f"{DATABASE}.{table(member.sport, 'odds_history')}"
        for one in QUESTIONS:
            sql = one.sql.replace(HISTORY, history).replace(SPAN, DAYS)
            text = f"{head(source, mark='--')}-- {one.asks}\n{sql};\n"
            yield Artefact(f"{FOLDER}/{member.sport}/{one.name}.sql", text, "query", member.sport)
