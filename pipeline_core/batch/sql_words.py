"""SQL as words: tokens with their places, and the words that no expression may use.

Words that Polars folds into a constant (`NOW()`) are gone from the compiled tree; here they are
still seen.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from oddspipe.core.near import near

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^']|'')*'?)
      | (?P<quoted>"(?:[^"]|"")*"?)
      | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


def words_of(words: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(words.split())


_CLOCK_CALLS = words_of(
    "now today getdate sysdate clock_timestamp current_date current_time current_timestamp "
    "localtime localtimestamp statement_timestamp transaction_timestamp unix_timestamp"
)
_CLOCK_WORDS = words_of("current_date current_time current_timestamp localtime localtimestamp")
_CHANCE_CALLS = words_of(
    "rand random uuid newid gen_random_uuid generate_uuid randn setseed shuffle sample"
)
_SUBQUERY_WORDS = frozenset({"select", "exists"})
AGGREGATES = words_of(
    "sum avg mean min max count median stddev stddev_samp stddev_pop stdev stdev_samp std var "
    "variance var_samp var_pop first last quantile_cont quantile_disc corr covar covar_samp "
    "covar_pop array_agg string_agg listagg group_concat approx_count_distinct any_value "
    "bool_and bool_or every mode product"
)
_WINDOWS = words_of(
    "over row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value "
    "last_value nth_value"
)


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
class Token:
    """One word, sign or string of an expression, and where it begins."""

    kind: str
    text: str
    at: int

    @property
    def name(self) -> str:
        """Return the identifier that the token stands for."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text


def tokens_of(text: str) -> list[Token]:
    """Cut a text into tokens; white space and comments are left out."""
    return [
        Token(str(match.lastgroup), match.group(), match.start())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "space"
    ]


def place(tokens: Sequence[Token], *words: str) -> int | None:
    """Return where the first of some words stands, by its exact spelling if it is there."""
    lowered = {word.lower() for word in words}
    exact = [token.at for token in tokens if token.name in words]
    loose = [token.at for token in tokens if token.name.lower() in lowered]
    return next(iter(exact or loose), None)


def forbidden_words(tokens: Sequence[Token]) -> Iterator[SqlFault]:
    """Yield calls of the clock, of chance, of windows, and subqueries."""
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
        elif word in _SUBQUERY_WORDS and not _continues(tokens, at):
            yield SqlFault(
                "sql.subquery",
                f"{token.text!r} starts a subquery; an expression sees one row only.",
                token.at,
                "What needs other rows is a column of the state.",
            )
        elif called and word in _WINDOWS and not _continues(tokens, at):
            yield SqlFault(
                "sql.window",
                f"{token.text!r} is a window function; its value would depend on where a batch "
                "was cut.",
                token.at,
                "What needs the past is a column of the state (take: last, max, sum, count).",
            )


def _continues(tokens: Sequence[Token], at: int) -> bool:
    """Say whether a SELECT or OVER belongs to the EXISTS or window function before it."""
    word = tokens[at].text.lower()
    if word == "over":
        before = call_before(tokens, at)
        return before is not None and tokens[before].text.lower() in _WINDOWS
    return word == "select" and at >= 2 and tokens[at - 2].text.lower() == "exists"


def call_before(tokens: Sequence[Token], at: int) -> int | None:
    """Return the index of the word that is called just before a token; None where none is."""
    depth = 0
    for index in range(at - 1, -1, -1):
        depth += (tokens[index].text == ")") - (tokens[index].text == "(")
        if depth == 0:
            return index - 1 if index > 0 and tokens[index - 1].kind == "word" else None
    return None


def syntax_fault(error: BaseException, tokens: Sequence[Token]) -> SqlFault:
    """Return why Polars does not parse an expression, at the word that it stumbles over."""
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    unknown = re.search(r"unsupported function '([^']+)'", message)
    if unknown:
        word = unknown.group(1)
        return SqlFault(
            "sql.unknown-function",
            f"There is no function {word!r}.",
            place(tokens, word),
            near(word, _KNOWN_FUNCTIONS),
        )
    found = re.search(r"found unexpected token '?(.+?)'?\)?$", message) or re.search(
        r"found: (\S+)", message
    )
    column = re.search(r"Column: (\d+)", message)
    offset = int(column.group(1)) - 1 if column else None
    if offset is None and found:
        offset = place(tokens, found.group(1))
    return SqlFault("sql.syntax", f"Not an SQL expression: {message}.", offset)


_KNOWN_FUNCTIONS = tuple(
    sorted(
        words_of(
            "abs ceil coalesce concat exp floor greatest if ifnull least left length like ln log10 "
            "lower ltrim mod nullif pow power regexp_like replace right round rtrim sign sqrt "
            "starts_with ends_with strptime substr trim upper"
        )
    )
)
