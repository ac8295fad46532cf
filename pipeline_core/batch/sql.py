"""SQL over columns: row-wise expressions compiled by Polars, checked before anything runs.

The text is parsed by `polars.sql_expr` alone. Two things are added. The text is cut into tokens,
so that a fault has a place and words that Polars folds into a constant (`NOW()`) are seen. And the
compiled tree is held against a list of row-wise nodes, because Polars compiles aggregates, window
functions and subqueries without a word, and their value depends on where a batch was cut.
"""

import difflib
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.errors import SpecError
from oddspipe.core.names import ABSENT, TIMER_KINDS, FieldType

Want = Literal["bool", "number", "int", "str", "any"]
"""What an expression must give; a number may also be a truth value (0 or 1)."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^']|'')*'?)
      | (?P<quoted>"(?:[^"]|"")*"?)
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CLOCK_CALLS = _set(
    "now today getdate sysdate clock_timestamp current_date current_time current_timestamp "
    "localtime localtimestamp statement_timestamp transaction_timestamp unix_timestamp"
)
_CLOCK_WORDS = _set("current_date current_time current_timestamp localtime localtimestamp")
_CHANCE_CALLS = _set(
    "rand random uuid newid gen_random_uuid generate_uuid randn setseed shuffle sample"
)
_SUBQUERY_WORDS = frozenset({"select", "exists"})
_AGGREGATES = _set(
    "sum avg mean min max count median stddev stddev_samp stddev_pop stdev stdev_samp std var "
    "variance var_samp var_pop first last quantile_cont quantile_disc corr covar covar_samp "
    "covar_pop array_agg string_agg listagg group_concat approx_count_distinct any_value "
    "bool_and bool_or every mode product"
)
_WINDOWS = _set(
    "over row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value "
    "last_value nth_value"
)

_NODES = frozenset({"Column", "Literal", "BinaryExpr", "Ternary", "Cast", "Function"})
_FUNCTIONS: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(
        _set(
            "Abs Coalesce MaxHorizontal MinHorizontal Sql Pow Exp Log Log1p Sign Floor Ceil Round "
            "RoundSF Truncate Trigonometry Negate FillNull NullIf Clip Sqrt Cbrt Bitwise Atan2 "
            "TemporalExpr"
        )
    ),
    "Boolean": _set(
        "IsNull IsNotNull Not IsNan IsNotNan IsFinite IsInfinite IsIn IsBetween AllHorizontal "
        "AnyHorizontal IsClose"
    ),
    "StringExpr": _set(
        "StartsWith EndsWith Contains Slice Head Tail Uppercase Lowercase Titlecase LenChars "
        "LenBytes Replace Reverse StripChars StripCharsStart StripCharsEnd StripPrefix StripSuffix "
        "ConcatHorizontal PadStart PadEnd ZFill Strptime Extract Find CountMatches Split "
        "SplitExact SplitN Format ToInteger Normalize"
    ),
}
"""Row-wise functions of the compiled tree; None admits every variant."""

_PROBE_ROWS = 4
_TIMERS = np.array(sorted(TIMER_KINDS), np.int64)


class SqlFault(NamedTuple):
    """One thing that is wrong with an expression.

    Attributes:
        code: Stable, e.g. `sql.unknown-column`.
        message: One sentence.
        offset: Characters from the start of the text to the fault; None for the whole.
        hint: The likely fix; empty if there is none.
    """

    code: str
    message: str
    offset: int | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that is ready to run, and the columns that it reads, in their given order."""

    text: str
    expr: pl.Expr
    uses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def name(self) -> str:
        """Return the identifier that the token stands for."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text


def column_type(column: Column) -> pl.DataType:
    """Return the type that SQL sees in a column of events.

    Integers are Int64 whatever their size on the wire, an enum compares with its names.
    """
    if column.type is FieldType.ENUM:
        return pl.Enum([name for name, _ in column.values])
    return {
        FieldType.DOUBLE: pl.Float64(),
        FieldType.STRING: pl.String(),
        FieldType.BYTES: pl.Binary(),
        FieldType.BOOL: pl.Boolean(),
    }.get(column.type, pl.Int64())


def event_types(layout: Layout) -> dict[str, pl.DataType]:
    """Return the columns of events and their types, as SQL sees them."""
    return {column.name: column_type(column) for column in layout.columns}


def compile_sql(text: str, columns: Mapping[str, pl.DataType], *, want: Want = "any") -> Compiled:
    """Compile a row-wise expression.

    Args:
        text: The expression, e.g. `home_score >= was_home_score`.
        columns: The columns it may read, and their types.
        want: What it must give.

    Raises:
        SpecError: It has a fault; `check_sql` gives them all.

    >>> compile_sql("clock <= 900000", {"clock": pl.Int64()}, want="bool").uses
    ('clock',)
    """
    faults = check_sql(text, columns, want=want)
    if faults:
        raise SpecError(f"{text!r}: {faults[0].message}", hint=faults[0].hint)
    expr = pl.sql_expr(text)
    roots = set(expr.meta.root_names())
    return Compiled(text, expr, tuple(name for name in columns if name in roots))


def check_sql(
    text: str, columns: Mapping[str, pl.DataType], *, want: Want = "any"
) -> list[SqlFault]:
    """Return everything that is wrong with an expression, by place; empty when it is sound."""
    tokens = _tokens(text)
    if not tokens:
        return [SqlFault("sql.syntax", "The expression is empty.", 0)]
    expr = _allowed(text, tokens)
    if isinstance(expr, list):
        return expr
    tree = _tree(expr)
    faults = list(_not_row_wise(tree, tokens))
    faults += _unknown_columns(expr, tokens, columns)
    if not faults:
        faults = list(_enum_faults(tree, tokens, columns))
    if not faults:
        faults = list(_type_faults(expr, tree, tokens, columns, want))
    if not faults:
        faults = list(_probe_faults(expr, columns))
    return sorted(faults, key=lambda fault: -1 if fault.offset is None else fault.offset)


def check_sql_shape(text: str) -> list[SqlFault]:
    """Return what is wrong with an expression over columns that nobody knows yet.

    Syntax, functions and row-wise evaluation are checked; columns and types are not.
    """
    tokens = _tokens(text)
    expr = _allowed(text, tokens)
    return expr if isinstance(expr, list) else list(_not_row_wise(_tree(expr), tokens))


def _allowed(text: str, tokens: list[_Token]) -> pl.Expr | list[SqlFault]:
    """Return the expression, or what keeps it from being one: forbidden words, else syntax."""
    faults = list(_forbidden_words(tokens))
    if faults:
        return faults
    expr = _parse(text)
    return [_syntax_fault(expr, tokens)] if isinstance(expr, Exception) else expr


def columns_of(text: str) -> tuple[str, ...]:
    """Return the columns that a sound expression reads, in order of appearance."""
    expr = _parse(text)
    return () if isinstance(expr, Exception) else tuple(dict.fromkeys(expr.meta.root_names()))


def frame(
    batch: Batch,
    layout: Layout,
    uses: Sequence[str],
    strings: Mapping[int, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """Return the columns `uses` of a batch for expressions; what a payload lacked is NULL.

    Args:
        batch: The events.
        layout: The columns of its words.
        uses: Names of the columns to take.
        strings: Names of interned strings by column index; needed for string columns only.
    """
    if not len(batch):
        return pl.DataFrame(schema={name: event_types(layout)[name] for name in uses})
    everywhere = int(np.bitwise_and.reduce(batch.present))
    return pl.DataFrame(
        [_series(batch, layout, layout.index[name], everywhere, strings or {}) for name in uses]
    )


class RuleSet:
    """The rules about single events, compiled once, evaluated a batch at a time.

    Args:
        rules: Pairs of SQL and the kind numbers that it applies to (empty: all).
        layout: The columns of events.
    """

    def __init__(self, rules: Sequence[tuple[str, tuple[int, ...]]], layout: Layout) -> None:
        """Compile every rule.

        Raises:
            SpecError: A rule has a fault.
        """
        types = event_types(layout)
        self._layout = layout
        compiled = [compile_sql(sql, types, want="bool") for sql, _ in rules]
        self._kind = layout.index["kind"]
        self._kinds = [np.array(kinds, np.int64) for _, kinds in rules]
        read = {name for one in compiled for name in one.uses}
        self.uses = tuple(name for name in types if name in read)
        self._exprs = [
            one.expr.fill_null(value=True).alias(str(at)) for at, one in enumerate(compiled)
        ]

    def __len__(self) -> int:
        """Return the number of rules."""
        return len(self._exprs)

    def holds(
        self, batch: Batch, strings: Mapping[int, Sequence[str]] | None = None
    ) -> NDArray[np.bool_]:
        """Return whether each rule holds on each row, shape (rules, n).

        NULL holds; heartbeats and ticks are under no rule.
        """
        held = np.ones((len(self), len(batch)), np.bool_)
        if not self._exprs or not len(batch):
            return held
        # A rule without columns is a constant: `len` rows come from the frame's own height.
        given = frame(batch, self._layout, self.uses or ("kind",), strings)
        answers = given.with_columns(self._exprs)
        kinds = batch.words[self._kind]
        for at, on in enumerate(self._kinds):
            held[at] = answers[str(at)].to_numpy()
            if len(on):
                held[at] |= ~_among(kinds, on)
        held[:, _among(kinds, _TIMERS)] = True
        return held

    def failed(
        self, batch: Batch, strings: Mapping[int, Sequence[str]] | None = None
    ) -> NDArray[np.int16]:
        """Return the index of the first rule that each row breaks, -1 for none, shape (n,)."""
        held = self.holds(batch, strings)
        if not len(held):
            return np.full(len(batch), -1, np.int16)
        first = held.argmin(axis=0)
        return np.where(held.all(axis=0), -1, first).astype(np.int16)


def _among(kinds: NDArray[np.int64], on: NDArray[np.int64]) -> NDArray[np.bool_]:
    # A handful of kinds: comparing each is three times as fast as np.isin, which sorts.
    found = kinds == on[0]
    for number in on[1:]:
        found |= kinds == number
    return found


def _series(
    batch: Batch,
    layout: Layout,
    at: int,
    everywhere: int,
    strings: Mapping[int, Sequence[str]],
) -> pl.Series:
    column = layout.columns[at]
    words = batch.words[at]
    absent = None if everywhere >> at & 1 else (batch.present >> np.uint64(at)) & np.uint64(1) == 0
    if column.type is FieldType.DOUBLE:
        series = pl.Series(column.name, words.view(np.float64))
    elif column.type is FieldType.ENUM:
        series = _enum_series(column, words)
    elif column.type is FieldType.STRING:
        names = pl.Series(column.name, strings.get(at, ()), pl.String)
        within = (words >= 0) & (words < len(names))
        series = (
            names.gather(pl.Series(np.where(within, words, 0), dtype=pl.UInt32))
            if len(names)
            else pl.Series(column.name, [None] * len(words), pl.String)
        )
    elif column.type is FieldType.BOOL:
        series = pl.Series(column.name, words != 0)
    else:
        series = pl.Series(column.name, words)
        # Columns that are not in the payload but made by the pipeline mark absence by the word.
        absent = None if absent is None else absent | (words == ABSENT)
    if absent is not None:
        series = series.set(pl.Series(absent), None)
    return series


def _enum_series(column: Column, words: NDArray[np.int64]) -> pl.Series:
    numbers = np.array([number for _, number in column.values], np.int64)
    if len(numbers) and (numbers == np.arange(len(numbers))).all():
        codes = words
    else:
        order = np.argsort(numbers)
        codes = order[np.searchsorted(numbers, words, sorter=order).clip(0, len(numbers) - 1)]
    # A gather works in every release; the cast from codes to an enum changed its name.
    names = pl.Series(column.name, [name for name, _ in column.values], column_type(column))
    inside = numbers[codes.clip(0, len(numbers) - 1)] == words
    series = names.gather(pl.Series(np.where(inside, codes, 0).astype(np.uint32)))
    return series if inside.all() else series.set(pl.Series(~inside), None)


def _parse(text: str) -> pl.Expr | Exception:
    try:
        return pl.sql_expr(text)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return error if isinstance(error, Exception) else ValueError(str(error))


def _tree(expr: pl.Expr) -> Any:  # noqa: ANN401 - JSON of Polars' own making
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(expr.meta.serialize(format="json"))


def _from_tree(tree: Any) -> pl.Expr:  # noqa: ANN401 - JSON of Polars' own making
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Expr.deserialize(StringIO(json.dumps(tree)), format="json")


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(str(match.lastgroup), match.group(), match.start())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "space"
    ]


def _forbidden_words(tokens: Sequence[_Token]) -> Iterator[SqlFault]:
    windowed = False
    for at, token in enumerate(tokens):
        if token.kind != "word":
            continue
        word = token.text.lower()
        called = at + 1 < len(tokens) and tokens[at + 1].text == "("
        if (called and word in _CLOCK_CALLS) or word in _CLOCK_WORDS:
            yield SqlFault(
                "sql.clock",
                f"{token.text!r} reads the machine's clock, so a replay would give other odds.",
                token.at,
                "Use event_time or ingest_time of the event.",
            )
        elif called and word in _CHANCE_CALLS:
            yield SqlFault(
                "sql.random",
                f"{token.text!r} is random, so a replay would give other odds.",
                token.at,
                "Make it a column of the event or of the state.",
            )
        elif word in _SUBQUERY_WORDS:
            yield SqlFault(
                "sql.subquery",
                f"{token.text!r} starts a subquery; an expression sees one row only.",
                token.at,
                "What needs other rows is a column of the state.",
            )
        elif called and word in _WINDOWS and not windowed:
            windowed = True
            yield SqlFault(
                "sql.window",
                f"{token.text!r} is a window function; its value would depend on where a batch "
                "was cut.",
                token.at,
                "What needs the past is a column of the state (take: last, max, sum, count).",
            )


def _syntax_fault(error: BaseException, tokens: Sequence[_Token]) -> SqlFault:
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    unknown = re.search(r"unsupported function '([^']+)'", message)
    if unknown:
        word = unknown.group(1)
        return SqlFault(
            "sql.unknown-function",
            f"There is no function {word!r}.",
            _place(tokens, word),
            _near(word, _KNOWN_FUNCTIONS),
        )
    found = re.search(r"found unexpected token '?(.+?)'?\)?$", message) or re.search(
        r"found: (\S+)", message
    )
    column = re.search(r"Column: (\d+)", message)
    offset = int(column.group(1)) - 1 if column else None
    if offset is None and found:
        offset = _place(tokens, found.group(1))
    return SqlFault("sql.syntax", f"Not an SQL expression: {message}.", offset)


_KNOWN_FUNCTIONS = tuple(
    sorted(
        _set(
            "abs ceil coalesce concat exp floor greatest if ifnull least left length like ln log10 "
            "lower ltrim mod nullif pow power regexp_like replace right round rtrim sign sqrt "
            "starts_with ends_with strptime substr trim upper"
        )
    )
)


def _not_row_wise(tree: Any, tokens: Sequence[_Token]) -> Iterator[SqlFault]:  # noqa: ANN401 - JSON
    for node, content in _nodes(tree):
        if node == "Function":
            name, variant = _function(content["function"])
            admitted = _FUNCTIONS.get(name, frozenset())
            if name == "StringExpr" and variant == "Strptime":
                yield from _loose_time(content, tokens)
            if admitted is None or variant in admitted:
                continue
            yield _refusal(variant or name, tokens)
            return
        if node not in _NODES:
            yield _refusal(node, tokens)
            return


def _loose_time(content: Any, tokens: Sequence[_Token]) -> Iterator[SqlFault]:  # noqa: ANN401 - JSON
    options = content["function"]["StringExpr"]["Strptime"][1]
    if options.get("format") is None:
        yield SqlFault(
            "sql.guessed-format",
            "The format of this time would be guessed from the first row of a batch.",
            _place(tokens, "date", "strptime", "timestamp", "time"),
            "Say it: STRPTIME(column, '%Y-%m-%d').",
        )


def _refusal(node: str, tokens: Sequence[_Token]) -> SqlFault:
    for token, after in zip(tokens, (*tokens[1:], None), strict=True):
        called = after is not None and after.text == "("
        word = token.text.lower()
        if token.kind == "word" and called and word in _AGGREGATES:
            return SqlFault(
                "sql.aggregate",
                f"{token.text!r} is an aggregate; its value would depend on where a batch was cut.",
                token.at,
                "Use GREATEST or LEAST over columns, or a column of the state "
                "(take: max, min, sum, count).",
            )
    if node == "Alias":
        return SqlFault(
            "sql.alias",
            "A name with AS has no place here.",
            _place(tokens, "as"),
            "Leave the AS away; the key of the mapping is the name.",
        )
    if node in {"Selector", "Wildcard"}:
        return SqlFault(
            "sql.not-row-wise",
            "Name each column: wildcards have no place here.",
            _place(tokens, "columns", "*"),
        )
    return SqlFault(
        "sql.not-row-wise",
        f"This is not computed from one row alone ({node}).",
        None,
        "Only row-wise functions are admitted; what needs other rows is a column of the state.",
    )


def _unknown_columns(
    expr: pl.Expr, tokens: Sequence[_Token], columns: Mapping[str, pl.DataType]
) -> Iterator[SqlFault]:
    for name in dict.fromkeys(expr.meta.root_names()):
        at = _place(tokens, name)
        if name not in columns:
            yield SqlFault(
                "sql.unknown-column",
                f"There is no column {name!r} here.",
                at,
                _near(name, tuple(columns)),
            )
        elif columns[name] == pl.Binary:
            yield SqlFault(
                "sql.bytes-column",
                f"Column {name!r} holds bytes, which SQL here does not read.",
                at,
            )


def _type_faults(
    expr: pl.Expr,
    tree: Any,  # noqa: ANN401 - JSON of Polars' own making
    tokens: Sequence[_Token],
    columns: Mapping[str, pl.DataType],
    want: Want,
) -> Iterator[SqlFault]:
    probe = _probe(columns, expr.meta.root_names())
    fault = _operand_fault(tree, probe, tokens)
    if fault is not None:
        yield fault
        return
    gives = probe.select(expr.alias("gives")).schema["gives"]
    if not _fits(gives, want):
        wanted = {"bool": "a truth value", "number": "a number", "int": "a whole number"}
        yield SqlFault(
            "sql.wrong-result",
            f"The expression gives {_type_name(gives)}; it must give {wanted.get(want, 'text')}.",
            None,
            "Compare it with something: `… > 0`, `… = 'play'`." if want == "bool" else "",
        )


def _fits(gives: pl.DataType, want: Want) -> bool:
    if gives == pl.Null or want == "any":
        return True
    match want:
        case "bool":
            return gives == pl.Boolean
        case "number":
            return gives.is_numeric() or gives == pl.Boolean
        case "int":
            return gives.is_integer() or gives == pl.Boolean
        case "str":
            return gives in {pl.String, pl.Categorical} or isinstance(gives, pl.Enum)


def _operand_fault(tree: Any, probe: pl.DataFrame, tokens: Sequence[_Token]) -> SqlFault | None:  # noqa: ANN401 - JSON
    """Find the smallest part of the tree that does not run, and say which columns are in it."""
    failure = _failure(_from_tree(tree), probe)
    if failure is None:
        return None
    for child in _children(tree):
        inner = _operand_fault(child, probe, tokens)
        if inner is not None:
            return inner
    names = list(dict.fromkeys(_from_tree(tree).meta.root_names()))
    kinds = " and ".join(f"{name!r} is {_type_name(probe.schema[name])}" for name in names)
    return SqlFault(
        "sql.wrong-type",
        f"The types do not fit: {kinds or 'of the constants'} ({failure}).",
        _place(tokens, names[0]) if names else None,
        "Compare text with text and numbers with numbers, or CAST one of them.",
    )


def _enum_faults(
    tree: Any,  # noqa: ANN401 - JSON of Polars' own making
    tokens: Sequence[_Token],
    columns: Mapping[str, pl.DataType],
) -> Iterator[SqlFault]:
    """Find enums compared with words they never have: Polars takes such a comparison for NULL."""
    for node, content in _nodes(tree):
        sides = _compared(node, content)
        names = [side["Column"] for side in sides if isinstance(side, dict) and "Column" in side]
        enums = [name for name in names if isinstance(columns[name], pl.Enum)]
        if not enums:
            continue
        values = _enum_words(columns[enums[0]])
        for side in sides:
            for word in _words(side):
                if word not in values:
                    at = next((t.at for t in tokens if t.text == f"'{word}'"), None)
                    yield SqlFault(
                        "sql.unknown-value",
                        f"{enums[0]!r} never has the value {word!r}.",
                        _place(tokens, enums[0]) if at is None else at,
                        _near(word, values),
                    )


def _compared(node: str, content: Any) -> list[Any]:  # noqa: ANN401 - JSON of Polars' own making
    if node == "BinaryExpr" and content["op"] in {"Eq", "NotEq", "EqValidity", "NotEqValidity"}:
        return [content["left"], content["right"]]
    if node == "Function" and "IsIn" in json.dumps(content["function"]):
        return list(content["input"])
    return []


def _words(tree: Any) -> list[str]:  # noqa: ANN401 - JSON of Polars' own making
    if not isinstance(tree, dict) or "Literal" not in tree:
        return []
    values = pl.select(_from_tree(tree).alias("words"))["words"]
    if isinstance(values.dtype, pl.List):
        values = values.explode()
    return [str(word) for word in values if word is not None]


def _enum_words(dtype: pl.DataType) -> tuple[str, ...]:
    return tuple(map(str, dtype.categories)) if isinstance(dtype, pl.Enum) else ()


def _failure(expr: pl.Expr, probe: pl.DataFrame) -> str | None:
    try:
        probe.select(expr.alias("gives"))
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]
    return None


def _probe_faults(expr: pl.Expr, columns: Mapping[str, pl.DataType]) -> Iterator[SqlFault]:
    """Run the expression on rows at once and in two parts: a row's answer must be its own."""
    probe = _probe(columns, expr.meta.root_names())
    whole = probe.select(expr.alias("gives"))
    half = len(probe) // 2
    parts = [part.select(expr.alias("gives")) for part in (probe[:half], probe[half:])]
    # A constant gives one row whatever is asked: it is row-wise by nature.
    if not expr.meta.root_names():
        return
    if len(whole) != len(probe) or not whole.equals(pl.concat(parts)):
        yield SqlFault(
            "sql.not-row-wise",
            "A row's answer depends on the rows beside it.",
            None,
            "What needs other rows is a column of the state.",
        )


def _probe(columns: Mapping[str, pl.DataType], uses: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        [_probe_series(name, columns[name]) for name in dict.fromkeys(uses)]
        or [pl.Series("_", range(_PROBE_ROWS))]
    )


def _probe_series(name: str, dtype: pl.DataType) -> pl.Series:
    values: list[Any]
    if isinstance(dtype, pl.Enum):
        words = _enum_words(dtype)
        values = [words[0], words[-1], None, words[0]] if words else [None] * _PROBE_ROWS
    elif dtype == pl.String:
        # Which text there will be is not known; only the types are tried.
        values = [None] * _PROBE_ROWS
    elif dtype == pl.Boolean:
        values = [True, False, None, True]
    elif dtype.is_float():
        values = [1.5, -2.0, None, 40.25]
    elif dtype.is_integer():
        values = [1, 3, None, 40]
    else:
        values = [None] * _PROBE_ROWS
    return pl.Series(name, values, dtype)


def _nodes(tree: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON of Polars' own making
    if isinstance(tree, str):
        yield tree, None
        return
    ((node, content),) = tree.items()
    yield node, content
    for child in _children(tree):
        yield from _nodes(child)


def _children(tree: Any) -> list[Any]:  # noqa: ANN401 - JSON of Polars' own making
    if isinstance(tree, str):
        return []
    ((node, content),) = tree.items()
    match node:
        case "BinaryExpr":
            return [content["left"], content["right"]]
        case "Ternary":
            return [content["predicate"], content["truthy"], content["falsy"]]
        case "Cast":
            return [content["expr"]]
        case "Function":
            return list(content["input"])
        case _:
            return []


def _function(function: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON of Polars' own making
    if isinstance(function, str):
        return function, ""
    ((name, variant),) = function.items()
    if isinstance(variant, dict) and variant:
        variant = next(iter(variant))
    return name, variant if isinstance(variant, str) else ""


def _place(tokens: Sequence[_Token], *words: str) -> int | None:
    lowered = {word.lower() for word in words}
    exact = [token.at for token in tokens if token.name in words]
    loose = [token.at for token in tokens if token.name.lower() in lowered]
    return next(iter(exact or loose), None)


def _near(word: str, among: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word.lower(), among, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(among[:12])}{', …' if len(among) > 12 else ''}." if among else ""


def _type_name(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Enum):
        return "an enum"
    if dtype == pl.Boolean:
        return "a truth value"
    if dtype == pl.String:
        return "text"
    if dtype.is_integer():
        return "a whole number"
    if dtype.is_float():
        return "a number"
    return str(dtype)
