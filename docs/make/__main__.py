"""Write the reference pages: `python -m docs.make`; with `--check` only say which differ."""

import sys
from pathlib import Path

from docs.make.pages import differing, pages

ROOT = Path(__file__).parents[2]


def main(words: list[str]) -> int:
    """Write or check, and return the exit code."""
    if words == ["--check"]:
        stale = differing(ROOT)
        sys.stdout.writelines(f"{name} differs from the code: run `make docs`\n" for name in stale)
        return 1 if stale else 0
    if words:
        sys.stderr.write("usage: python -m docs.make [--check]\n")
        return 2
    for name, text in pages().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
