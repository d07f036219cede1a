"""`python -m tools.check all|quick|lint|types|web|media|tests`: goes on after a failure, so that one run tells all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.setup import media

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Step:
    """One check: a name and a command."""

    name: str
    command: tuple[str, ...]
    folder: str = "."


FOLDERS = ("src", "tests", "tools", "bench", "hatch_build.py")
PYTHON = tuple(name for name in FOLDERS if (ROOT / name).is_file() or any((ROOT / name).rglob("*.py")))
LINT = (
    Step("ruff", ("ruff", "check", "--quiet", "--output-format=concise", *PYTHON)),
    Step("format", ("ruff", "format", "--check", "--quiet", *PYTHON)),
    Step("house rules", ("python", "-m", "tools.lint", "src", "tests")),
    Step("stage order", ("lint-imports", "--no-logo", "--no-cache")),
)
TYPES = (Step("types", ("mypy", *PYTHON)),)
WEB = (Step("web", ("npm", "run", "--silent", "check"), "web"),)
MEDIA = (
    Step("go format", ("sh", "-c", "gofmt -l . | tee /dev/stderr | (! grep -q .)"), "media-server"),
    Step("go vet", ("go", "vet", "./..."), "media-server"),
    Step("staticcheck", ("go", "tool", "staticcheck", "./..."), "media-server"),
    Step("go tests", ("go", "test", "-race", "-timeout", "240s", "./..."), "media-server"),
    Step("go fuzz", ("python", "-m", "tools.check.fuzz")),
)
WORKERS = str(min(4, max(2, os.cpu_count() or 2)))
TESTS = (
    Step(
        "tests",
        (
            *("python", "-m", "pytest", "-q", "-n", WORKERS, "--dist", "loadgroup"),
            *("-m", "not bench", "--durations", "15"),
        ),
    ),
)
QUICK = (Step("quick tests", ("python", "-m", "pytest", "-q", "-m", "(unit or arch) and not slow")),)

GOALS = {
    "lint": LINT,
    "types": TYPES,
    "web": WEB,
    "media": MEDIA,
    "tests": TESTS,
    "quick": LINT + TYPES + QUICK,
    "all": LINT + TYPES + WEB + MEDIA + TESTS,
}


def main() -> int:
    steps = GOALS[sys.argv[1] if len(sys.argv) > 1 else "all"]
    os.environ["PATH"] = os.pathsep.join((str(BIN), str(media.go().parent), os.environ.get("PATH", "")))
    os.environ.setdefault("GOTOOLCHAIN", "local")
    os.environ.setdefault("GOFLAGS", "-buildvcs=false")
    results = [(step, *_run(step)) for step in steps]
    print(
        "\n".join(
            f"{step.name:<14} {seconds:6.1f} s  {'ok' if ok else 'FAILED'}" for step, ok, seconds in results
        )
    )
    failed = [step.name for step, ok, _ in results if not ok]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(step: Step) -> tuple[bool, float]:
    print(f"== {step.name}", flush=True)
    started = time.monotonic()
    done = subprocess.run(step.command, cwd=ROOT / step.folder, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
