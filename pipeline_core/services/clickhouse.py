"""ClickHouse on this machine: its engine (chDB) behind its HTTP interface, in its own process."""

import importlib.util
import sys
from pathlib import Path

from oddspipe.core.errors import UsageError
from oddspipe.core.services import process

PORT = 8123


def start(folder: Path, *, port: int = PORT) -> process.Running:
    """Start the server; any other port is taken where this one is in use.

    Raises:
        UsageError: The engine is not installed.
        RunError: It does not start.
    """
    if importlib.util.find_spec("chdb") is None:
        raise UsageError(
            "clickhouse: its engine is not installed",
            hint="pip install 'oddspipe-framework[embedded]'",
        )
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    chosen = process.free_port(port)
    module = "oddspipe.core.services.clickhouse_http"
    server = process.Server(
        "clickhouse",
        [sys.executable, "-m", module, str(folder / "data"), str(chosen)],
        endpoint=f"http://localhost:{chosen}",
        port=chosen,
        environ={},
    )
    return server.start(folder)
