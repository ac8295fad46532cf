"""The fused runner, from simulator to sinks: rate, latency, memory and start-up, with a table.

    python benchmarks/bench_fused.py [--seconds 20] [--sport nfl]

Each row is a run of the real command in a process of its own; reports are kept in
`benchmarks/results/`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
RUN = [sys.executable, "-c", "from oddspipe.cli.app import main; main()", "run", "--no-live"]
PACED_RATE = 125_000


def run(sport: str, name: str, *words: str) -> dict:
    """Run the command and return its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [*RUN, "--sport", sport, "--seed", "1", "--state", f"{folder}/state"]
        done = subprocess.run(  # noqa: S603 - our own command
            [*command, "--report", str(report), *words],
            check=False, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{name}: {done.stderr}")
        return {"name": name, **json.loads(report.read_text())}


def main() -> None:
    """Measure, print the table and save it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--sport", default="nfl")
    given = asked.parse_args()
    simulated = ("--source", "simulator", "--rate", str(PACED_RATE))
    short, long = str(given.seconds), str(given.seconds * 4)
    found = [
        run(given.sport, "paced, all sinks", *simulated, "--duration", short),
        run(given.sport, "paced, no sinks", *simulated, "--duration", short, "--sinks", "none"),
        run(given.sport, "full speed, all sinks", *simulated, "--duration", long, "--max-speed"),
        run(given.sport, "full speed, no sinks", *simulated, "--duration", long, "--max-speed",
            "--sinks", "none"),
    ]  # fmt: skip
    assert found[2]["odds_sha256"] == found[3]["odds_sha256"], "sinks changed the odds"
    assert all(one["balanced"] for one in found)
    print(f"{'run':<24}{'events':>12}{'events/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'RSS MB':>8}"
          f"{'first odds ms':>15}")  # fmt: skip
    for one in found:
        latency, first = one["latency_ms"], one["start_to_first_odds_ms"]
        print(
            f"{one['name']:<24}{one['events_in']:>12,}{one['events_per_second']:>12,.0f}"
            f"{latency['p50']:>9.1f}{latency['p99']:>9.1f}{one['peak_rss_mb']:>8.0f}"
            f"{first if first is not None else '-':>15}"
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fused.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
