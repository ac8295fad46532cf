"""Replay whole recorded seasons at full speed and say what came of it.

    python benchmarks/replay_seasons.py DATA [SPORT ...] [--sinks all] [--season YEAR]

DATA is the folder of recorded games. A season is one run of its own. Exit code 1 when a run fails,
its books do not balance, or rows are turned away that EXPLAINED does not name.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

SEASONS = {"nfl": range(2009, 2023), "nba": range(2021, 2024), "mlb": (2015, 2016, 2020)}
EXPLAINED: dict[str, frozenset[str]] = {}
"""Reasons of dead letters that the recordings of a sport rightly have."""
HEAD = f"{'season':9} {'games':>6} {'events':>9} {'prices':>11} {'events/s':>9} {'s':>7} {'MB':>5}"


def replay(sport: str, season: int, data: Path, sinks: str) -> dict | None:
    """Run one season in a process of its own; return its report, or None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        done = subprocess.run(  # noqa: S603 - our own command
            [
                *(Path(sys.executable).with_name("oddspipe"), "run", "--sport", sport),
                *("--data", data, "--season", str(season), "--max-speed", "--no-live"),
                *("--state", Path(folder, "state"), "--report", report),
                *(("--sinks", "none") if sinks == "none" else ()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{sport} {season} failed: {done.stderr.strip()}")
            return None
        return json.loads(report.read_text())


def main() -> int:
    """Replay what the arguments name and print a line a season."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("sports", nargs="*", default=list(SEASONS))
    parser.add_argument("--sinks", choices=["none", "all"], default="none")
    parser.add_argument("--season", type=int)
    given = parser.parse_args()
    print(f"{HEAD}  rejects", flush=True)
    well = True
    for sport in given.sports:
        for season in [given.season] if given.season else SEASONS[sport]:
            told = replay(sport, season, given.data, given.sinks)
            if told is None:
                well = False
                continue
            rejects = told["rejects"]
            print(
                f"{sport} {season:<5} {told['games']:6,} {told['events_in']:9,} "
                f"{told['prices_published']:11,} {told['events_per_second']:9,.0f} "
                f"{told['seconds']:7.1f} {told['peak_rss_mb']:5.0f}  "
                f"{', '.join(f'{name} {count:,}' for name, count in rejects.items()) or 'none'}",
                flush=True,
            )
            well &= told["balanced"] and rejects.keys() <= EXPLAINED.get(sport, frozenset())
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
