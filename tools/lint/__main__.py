"""`python -m tools.lint src tests`: prints what breaks a house rule."""

from __future__ import annotations

import sys

from tools.lint import lengths
from tools.lint.run import ROOT, findings, read


def main() -> int:
    found = findings(read(sys.argv[1:] or ["src", "tests"]))
    found += lengths.check(lengths.lengths(ROOT), lengths.listed((ROOT / lengths.LIST).read_text()))
    print("\n".join(map(str, found)), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
