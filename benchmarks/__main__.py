"""Every benchmark, one after the other: `python -m benchmarks [NAME ...] [--list]`.

Each is a module of its own with its own options (`python -m benchmarks.NAME --help`); here all run with their defaults.
A benchmark that finds its limit exceeded, or its two sides in disagreement, exits with 1, and so does this.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    found = benchmarks()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(found)}; default all")
    parser.add_argument("--list", action="store_true", help="name them and say what each measures")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in found]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(found)}")
    if chosen.list:
        for name, summary in found.items():
            print(f"{name:24}{summary}")
        return
    failed = [name for name in chosen.names or found if not _passes(name)]
    if failed:
        print(f"failed: {', '.join(failed)}")
        sys.exit(1)


def benchmarks() -> dict[str, str]:
    """Name and first line of every module that can be run, but for those that a benchmark runs as its other side."""
    found = {}
    for file in sorted(HERE.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        if not file.stem.startswith("_") and not file.stem.endswith("_script") and "__main__" in text:
            summary = ast.get_docstring(ast.parse(text)) or ""
            found[file.stem] = next(iter(summary.splitlines()), "")
    return found


def _passes(name: str) -> bool:
    print(f"\n== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    main()
