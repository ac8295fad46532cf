"""The fused runner, from simulator to sinks: rate, latency, memory and start-up, with a table.

    python benchmarks/bench_fused.py [--seconds 20] [--sport nfl] [--minutes 5] [--data DIR]

Each row is a run of the real command in a process of its own; reports are kept in
`benchmarks/results/`. With `--minutes` one more paced run is watched for so long: its memory in the
last third must not be above that of the second by more than a twentieth. With `--data` a Sunday of
13 recorded NFL games is replayed at full speed, start-up included.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
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


def resident_mb(sport: str, minutes: float) -> list[float]:
    """Return the resident set of a paced run with all sinks, once a second after ten seconds."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--sport", sport, "--seed", "1", "--state", f"{folder}/state", "--rate",
                 str(PACED_RATE), "--duration", str(minutes * 60)]  # fmt: skip
        running = subprocess.Popen([*RUN, *words], stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        seen = []
        time.sleep(10)
        while running.poll() is None:
            pages = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1])
            seen.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            time.sleep(1)
        assert running.returncode == 0, "the watched run failed"
    return seen


def sunday_s(folder: str) -> float:
    """Return how long 13 recorded games of one Sunday take, from the command to its end."""
    with tempfile.TemporaryDirectory() as state:
        words = ["--sport", "nfl", "--data", folder, "--day", "2022-11-13", "--max-speed",
                 "--state", f"{state}/state"]  # fmt: skip
        begun = time.perf_counter()
        subprocess.run([*RUN, *words], check=True, capture_output=True)  # noqa: S603 - ours
        return time.perf_counter() - begun


def main() -> None:
    """Measure, print the table and save it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=float, default=20.0)
    asked.add_argument("--sport", default="nfl")
    asked.add_argument("--minutes", type=float, default=0.0)
    asked.add_argument("--data")
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
    if given.data:
        print(
            f"13 recorded NFL games at full speed, start-up included: {sunday_s(given.data):.1f} s"
        )
    if given.minutes:
        seen = resident_mb(given.sport, given.minutes)
        third = len(seen) // 3
        before, after = max(seen[third : 2 * third]), max(seen[2 * third :])
        print(f"memory over {given.minutes:g} minutes: {before:.0f} MB in the second third, "
              f"{after:.0f} MB in the last")  # fmt: skip
        assert after <= before * 1.05, "memory grows"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fused.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
