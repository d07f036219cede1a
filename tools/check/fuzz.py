"""`python -m tools.check.fuzz [COUNT]`: runs every fuzz target of the media server COUNT times and says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "media-server"
COUNT = 20_000
SOAK = 2_000_000
LIMIT_SECONDS = 600


def main() -> int:
    """Go runs one target at a time; the first that fails ends it, with the input that it failed on."""
    given = int(sys.argv[1]) if len(sys.argv) > 1 else SOAK if os.environ.get("GUICHET_SOAK") else COUNT
    failed = 0
    for package, target in targets():
        command = ["go", "test", "-run", "^$", "-fuzz", f"^{target}$", "-fuzztime", f"{given}x"]
        command += ["-fuzzminimizetime", "0x", package]  # it may stall for minutes and finds nothing
        done = subprocess.run(
            command, cwd=SOURCE, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
        counts = re.findall(r"execs: (\d+)", done.stdout)
        print(f"{target} ({package}): {counts[-1] if counts else given} runs", flush=True)
        if done.returncode != 0:
            print(done.stdout[-4_000:], done.stderr[-1_000:])
            failed += 1
    return 1 if failed else 0


def targets() -> list[tuple[str, str]]:
    """(package, function) of each target."""
    found = []
    for file in sorted(SOURCE.rglob("*_test.go")):
        package = f"./{file.parent.relative_to(SOURCE)}"
        found += [
            (package, name) for name in re.findall(r"^func (Fuzz\w+)\(", file.read_text(), re.MULTILINE)
        ]
    return found


if __name__ == "__main__":
    sys.exit(main())
