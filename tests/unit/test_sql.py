"""SQL: what is admitted, what is refused and where, and rules over a batch."""

import numpy as np
import polars as pl
import pytest

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Column, Layout, envelope
from oddspipe.core.batch.rules import RuleSet, frame
from oddspipe.core.batch.sql import check_sql, compile_sql
from oddspipe.core.errors import SpecError
from oddspipe.core.names import FieldType

KINDS = (("play", 1), ("score", 2), ("clock", 3), ("tracking", 4))
LAYOUT = Layout((*envelope(KINDS), Column("spread", 16, FieldType.DOUBLE)))
COLUMNS = {
    "clock": pl.Int64(),
    "home_score": pl.Int64(),
    "value": pl.Float64(),
    "player": pl.String(),
    "kind": pl.Enum(["play", "score"]),
    "event_id": pl.Binary(),
    "open": pl.Boolean(),
}


def batch(n: int = 4, **columns: list[float | None]) -> Batch:
    words = np.zeros((len(LAYOUT), n), np.int64)
    present = np.zeros(n, np.uint64)
    for name, values in columns.items():
        at = LAYOUT.index[name]
        for row, value in enumerate(values):
            if value is not None:
                present[row] |= np.uint64(1 << at)
                if LAYOUT.columns[at].is_double:
                    words[at].view(np.float64)[row] = value
                else:
                    words[at, row] = value
    zeros = np.zeros(n, np.int64)
    return Batch(
        words,
        present,
        np.zeros((2, n), np.uint64),
        np.zeros(n, np.uint8),
        zeros,
        np.zeros(0, np.uint8),
        zeros,
        zeros,
        zeros,
    )


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("SUM(clock) > 1", "sql.aggregate", 0),
        ("clock > 0 AND COUNT(*) > 1", "sql.aggregate", 14),
        ("FIRST(clock) = 1", "sql.aggregate", 0),
        ("clock > MAX(home_score)", "sql.aggregate", 8),
        ("ROW_NUMBER() OVER (ORDER BY clock) > 1", "sql.window", 0),
        ("clock > LAG(clock) OVER (ORDER BY clock)", "sql.window", 8),
        ("clock > 1 OR NOW() IS NULL", "sql.clock", 13),
        ("CURRENT_DATE IS NULL", "sql.clock", 0),
        ("current_timestamp IS NOT NULL", "sql.clock", 0),
        ("RANDOM() > 0.5", "sql.random", 0),
        ("clock = (SELECT 1)", "sql.subquery", 9),
        ("clock IN (SELECT home_score FROM t)", "sql.subquery", 10),
        ("clok <= 900000", "sql.unknown-column", 0),
        ("clock <= 900000 AND hom_score > 1", "sql.unknown-column", 20),
        ("clock <= 'abc'", "sql.wrong-type", 0),
        ("clock > 1 AND UPPER(value) = 'A'", "sql.wrong-type", 20),
        ("kind = 'plya'", "sql.unknown-value", 7),
        ("kind IN ('play', 'scroe')", "sql.unknown-value", 17),
        ("clock + 1", "sql.wrong-result", None),
        ("event_id IS NULL", "sql.bytes-column", 0),
        ("clock >", "sql.syntax", None),
        ("clock > 1 AS late", "sql.alias", 10),
        ("absolute(clock) > 1", "sql.unknown-function", 0),
        ("DATE(player) IS NULL", "sql.guessed-format", 0),
        ("", "sql.syntax", 0),
        ("COLUMNS('clock') > 1", "sql.not-row-wise", 0),
        ("REVERSE(clock) > 1", "sql.wrong-type", 8),
    ],
)
def test_fault_is_found_with_its_code_and_place(text: str, code: str, offset: int | None) -> None:
    faults = check_sql(text, COLUMNS, want="bool")

    assert [fault.code for fault in faults] == [code]
    assert faults[0].offset == offset or code == "sql.syntax"


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("clock <= 900000 AND kind = 'play'", "bool"),
        ("kind IN ('play', 'score') OR open", "bool"),
        ("CASE WHEN clock IS NULL THEN 0.5 ELSE value END", "number"),
        ("COALESCE(clock, 0) / 1000.0", "number"),
        ("GREATEST(clock, home_score) % 7", "int"),
        ("ABS(value) BETWEEN 0 AND 10", "bool"),
        ("player || '-' || clock", "str"),
        ("player LIKE 'a%' AND NOT open", "bool"),
        ("STRPTIME(player, '%Y-%m-%d') IS NULL", "bool"),
        ("CASE WHEN player = 'x' THEN 'home' ELSE 'away' END", "str"),
        ("kind", "str"),
        ("NULL", "bool"),
        ('"clock" > 1 -- NOW()', "bool"),
        ("player = 'SELECT NOW()'", "bool"),
        ("ROUND(SQRT(value), 2) + POW(value, 2) - EXP(0)", "number"),
    ],
)
def test_row_wise_expression_is_admitted(text: str, want: str) -> None:
    assert check_sql(text, COLUMNS, want=want) == []  # type: ignore[arg-type]  # the table's words


def test_hint_names_the_nearest_column() -> None:
    (fault,) = check_sql("clok > 1", COLUMNS)

    assert fault.hint == "Did you mean 'clock'?"


def test_compiling_a_faulty_expression_is_refused() -> None:
    with pytest.raises(SpecError, match="no column 'nope'"):
        compile_sql("nope > 1", COLUMNS)


def test_absent_value_is_null_and_passes_its_rule() -> None:
    rules = RuleSet([("clock <= 900", ())], LAYOUT)
    given = batch(4, kind=[1, 1, 1, 1], clock=[900, 901, None, 0])

    assert rules.failed(given).tolist() == [-1, 0, -1, -1]


def test_rule_applies_to_its_kinds_only() -> None:
    rules = RuleSet([("clock <= 900", (1, 2)), ("kind <> 'clock'", ())], LAYOUT)
    given = batch(4, kind=[1, 2, 3, 4], clock=[901, 900, 901, 901])

    assert rules.holds(given).tolist() == [[False, True, True, True], [True, True, False, True]]
    assert rules.failed(given).tolist() == [0, -1, 1, -1]


def test_frame_reads_doubles_enums_strings_and_integers() -> None:
    given = batch(2, kind=[4, 1], spread=[-3.5, None], game_id=[1, 0], clock=[5, None])

    got = frame(given, LAYOUT, ("kind", "spread", "game_id", "clock"), {2: ["A", "B"]})

    assert got.rows() == [("tracking", -3.5, "B", 5), ("play", None, "A", None)]


def test_rule_set_without_rules_holds_everywhere() -> None:
    assert RuleSet([], LAYOUT).failed(batch(3, kind=[1, 1, 1])).tolist() == [-1, -1, -1]
