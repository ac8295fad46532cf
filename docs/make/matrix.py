"""The matrix of promises and parts: which test proves what, read off markers of the tests."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from docs.make.text import page, table

ROOT: Final = Path(__file__).parents[2]
PROMISES: Final = {
    "loss": "nothing that was taken is lost",
    "twice": "nothing is given out twice",
    "order": "each game in sequence",
    "same": "the same input gives the same bytes, however it is cut",
    "kill": "it may be killed at any moment, and goes on",
    "bytes": "what is turned away is kept with its bytes and reason",
    "books": "all that was taken is accounted for",
    "bounded": "what waits is bounded",
    "told": "what is wrong is told, and nothing hangs",
}
PARTS: Final = {
    "recorded": "replay and simulator",
    "kafka": "Kafka feed",
    "websocket": "WebSocket feed",
    "pubsub": "Pub/Sub feed",
    "normalise": "normalise",
    "order": "order",
    "price": "price",
    "redis": "Redis",
    "clickhouse": "ClickHouse",
    "partners": "partner log",
    "normalised_topic": "normalised topic",
    "odds_topic": "odds topic",
    "dead_letters": "dead letters",
    "up": "`up`",
}
EXEMPT: Final[Mapping[tuple[str, str], str]] = {
    ("order", "clickhouse"): "rows are sorted by their keys, whatever order they come in",
    ("order", "dead_letters"): "letters carry their position; readers sort",
    ("order", "normalise"): "it keeps the order of its input; `order` is for that",
    ("order", "pubsub"): "a provider may redeliver in any order; `order` puts it right",
    ("twice", "normalise"): "one row in, one row out; `order` finds doubles",
    ("twice", "price"): "see `order`; boards carry a gap-free sequence",
    ("bytes", "redis"): "turns nothing away",
    ("bytes", "clickhouse"): "turns nothing away",
    ("bytes", "partners"): "turns nothing away",
    ("bytes", "normalised_topic"): "turns nothing away",
    ("bytes", "odds_topic"): "turns nothing away",
    ("bytes", "up"): "turns nothing away",
    ("books", "recorded"): "`normalise` counts what it takes",
    ("books", "redis"): "only stages keep books",
    ("books", "clickhouse"): "only stages keep books",
    ("books", "partners"): "only stages keep books",
    ("books", "normalised_topic"): "only stages keep books; `verify` compares it with the feed",
    ("books", "odds_topic"): "only stages keep books; `verify` compares it with the feed",
    ("books", "dead_letters"): "only stages keep books",
    ("books", "up"): "only stages keep books",
    ("same", "redis"): "holds the newest odds only",
    ("same", "dead_letters"): "compared without their numbers, which are of a process",
    ("same", "up"): "has no output of its own",
    ("bounded", "up"): "holds nothing",
    ("bounded", "normalised_topic"): "its retention bounds it; who reads it, as the Kafka feed",
}


def found() -> dict[tuple[str, str], list[str]]:
    """Return the tests of each promise and part.

    Raises:
        ValueError: A marker names a promise or part that there is not.
    """
    cells: dict[tuple[str, str], list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for test, promise, parts in _marks(file):
            if promise not in PROMISES or not set(parts) <= set(PARTS):
                raise ValueError(f"{file.name}: {test}: proves({promise!r}, {parts})")
            for part in parts:
                where = f"[{test.removeprefix('test_')}](../../{file.relative_to(ROOT)})"
                cells.setdefault((promise, part), []).append(where)
    return cells


def _marks(file: Path) -> Iterator[tuple[str, str, list[str]]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.proves":
                    promise, *parts = [ast.literal_eval(one) for one in mark.args]
                    yield node.name, promise, parts


def counts() -> list[list[str]]:
    """Return a row a promise: how many tests prove it of each part, or why none does."""
    cells = found()
    return [[promise, *(_cell(cells, (promise, part)) for part in PARTS)] for promise in PROMISES]


def _cell(cells: Mapping[tuple[str, str], list[str]], key: tuple[str, str]) -> str:
    if key in cells:
        return str(len(cells[key]))
    return "exempt" if key in EXEMPT else "missing"


def matrix_page() -> str:
    """Return the page."""
    cells = found()
    missing = [
        f"* {PROMISES[promise]}: {PARTS[part]}"
        for promise in PROMISES
        for part in PARTS
        if (promise, part) not in cells and (promise, part) not in EXEMPT
    ]
    proofs = [
        [PROMISES[promise], PARTS[part], ", ".join(cells[promise, part])]
        for promise in PROMISES
        for part in PARTS
        if (promise, part) in cells
    ]
    exempt = [[PROMISES[one], PARTS[part], why] for (one, part), why in EXEMPT.items()]
    promises = [[name, said] for name, said in PROMISES.items()]
    body = f"""Which promise is proven for which part, by how many tests; `make matrix` prints it.
A test says so itself, by `@pytest.mark.proves("loss", "kafka")`; nothing here is written by hand
but the reasons of what is exempt.

{table(["promise", *PARTS.values()], counts())}

{table(["promise", "meaning"], promises)}

## Missing

{chr(10).join(missing) or "Nothing."}

## Exempt

{table(["promise", "part", "why"], exempt)}

## Proofs

{table(["promise", "part", "tests"], proofs)}"""
    return page("Promises and proofs", body)
