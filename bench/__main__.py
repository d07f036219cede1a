"""Runs the measurements one after the other, each in a process of its own, and writes what they found to RESULTS.md."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from bench.measure import Table, machine

NAMES = ("path", "log", "live", "dom", "sockets", "engine", "restart", "media")
RESULTS = Path(__file__).parent / "RESULTS.md"
HEADER = """# Measured

`make bench` writes this file. Rates depend on the machine and on what else it does; ratios were taken in one run, in
turn, and CPU per operation changes least from one machine to another. Everything ran on the machine named below,
clients and servers together. PostgreSQL runs with fsync on, SQLite with synchronous=FULL.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all when none is named"
    )
    parser.add_argument("--tables", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"there is no measurement {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.tables is not None:  # the child process of `measure`
        made = importlib.import_module(f"bench.{names[0]}").main([])
        options.tables.write_bytes(msgspec.json.encode(made))
        return
    before = sections()
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        found = measure(name)
        if found is None:
            failed.append(name)
        else:
            before[name] = found
            RESULTS.write_text(HEADER + "".join(f"\n{before[name]}" for name in NAMES if name in before))
    print(f"wrote {RESULTS}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; what RESULTS.md says of them is from another run")


def measure(name: str) -> str | None:
    """Runs one measurement; gives its section, or None when it failed (it has said why)."""
    line = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC · {machine()}"
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "tables"
        done = subprocess.run([sys.executable, "-m", "bench", name, "--tables", str(result)], check=False)
        if done.returncode != 0:
            return None
        tables = msgspec.json.decode(result.read_bytes(), type=list[Table])
    for table in tables:
        print(table.text(), flush=True)
    return f"<!-- {name} -->\n## bench.{name}\n\n{line}\n\n" + "\n".join(table.text() for table in tables)


def sections() -> dict[str, str]:
    """What the file says already, by measurement."""
    if not RESULTS.exists():
        return {}
    _, *parts = RESULTS.read_text().split("<!-- ")
    return {
        name: f"<!-- {name} -->{text}".rstrip("\n") + "\n"
        for name, _, text in (p.partition(" -->") for p in parts)
    }


if __name__ == "__main__":
    main()
