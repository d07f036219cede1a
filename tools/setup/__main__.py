"""`python -m tools.setup run|dev|web|media|test`: installs what that needs and is not there yet."""

from __future__ import annotations

import sys

OLDEST = (3, 11)


def main() -> int:
    if sys.version_info < OLDEST:
        sys.stderr.write(
            f"Guichet needs Python 3.11 or newer; {sys.executable} is Python {sys.version.split()[0]}.\n"
            "Install one (Debian, Ubuntu: apt-get install python3.11 python3.11-venv) and say\n"
            "    make PYTHON=python3.11 <target>\n"
        )
        return 2
    from tools.setup import goals, steps  # noqa: PLC0415 - newer syntax, only read once the version is known

    goal = sys.argv[1] if len(sys.argv) > 1 else "dev"
    try:
        goals.reach(goal)
    except steps.Stuck as stuck:
        sys.stderr.write(f"\n{stuck}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
