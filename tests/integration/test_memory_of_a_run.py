"""A real run at the peak keeps within the memory that `oddspipe explain` gives."""

import json
import subprocess
import sys

import pytest
from tests.plan_cases import ROOT

MIB = 1 << 20
COMMAND = [sys.executable, "-c", "from oddspipe.cli.app import main; main()"]


def oddspipe(*words, cwd) -> str:
    return subprocess.run(
        [*COMMAND, *words], cwd=cwd, check=True, capture_output=True, text=True, timeout=300
    ).stdout


@pytest.mark.integration
@pytest.mark.parametrize("sport", ["nfl", "nba"])
@pytest.mark.proves(
    "bounded",
    "recorded",
    "normalise",
    "order",
    "price",
    "redis",
    "clickhouse",
    "partners",
    "dead_letters",
)
def test_a_run_at_the_peak_keeps_within_the_bound(sport, tmp_path) -> None:
    (tmp_path / "platform.yaml").write_text((ROOT / "platform.yaml").read_text())
    explained = json.loads(oddspipe("explain", "--sport", sport, "--format", "json", cwd=tmp_path))

    # 12 s fill the NFL's window for duplicates and hold two snapshots.
    oddspipe(
        "run", "--sport", sport, "--source", "simulator", "--duration", "12", "--max-speed",
        "--no-live", "--report", "report.json", cwd=tmp_path,
    )  # fmt: skip

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["events_in"] > 0
    assert report["peak_rss_mb"] * MIB <= explained["memory_without_gaps_bytes"]
    assert explained["memory_without_gaps_bytes"] <= 4 * report["peak_rss_mb"] * MIB
