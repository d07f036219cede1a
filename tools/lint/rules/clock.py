"""Time comes from a `Clock` that is handed in, so that replay, tests and the simulator decide what time it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "clock"
CLOCKS = {
    *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter") for unit in ("", "_ns")),
    *("time.clock_gettime", "time.clock_gettime_ns", "time.localtime", "time.gmtime", "time.sleep"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
}


def check(module: Module) -> Iterator[Finding]:
    if not module.parts or module.stage == "kit":
        return
    for node in module.nodes:
        if isinstance(node, ast.Attribute | ast.Name) and module.dotted(node) in CLOCKS:
            yield Finding(
                module.path,
                node.lineno,
                NAME,
                f"{module.dotted(node)}: take a kit Clock as an argument instead",
            )


GOOD = (
    Sample("src/guichet/kit/clock.py", "import time\nnow = time.time()"),
    Sample("src/guichet/routing/engine.py", "def apply(self, t):\n    deadline = t + 20_000"),
    Sample(
        "src/guichet/desk/api.py", "from datetime import datetime\nshown = datetime.fromtimestamp(t, zone)"
    ),
)
BAD = (
    Sample("src/guichet/routing/engine.py", "import time\nnow = time.time()"),
    Sample("src/guichet/routing/engine.py", "from time import monotonic\nnow = monotonic()"),
    Sample("src/guichet/desk/api.py", "import datetime as dt\nnow = dt.datetime.now(dt.UTC)"),
    Sample("src/guichet/desk/api.py", "from datetime import date\ntoday = date.today()"),
    Sample("src/guichet/store/jobs.py", "import time\nfield(default_factory=time.time)"),
)
