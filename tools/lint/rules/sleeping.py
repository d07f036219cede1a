"""Tests wait for what they expect (`tests.support.waiting`), never for a guessed time."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "sleeping-test"


def check(module: Module) -> Iterator[Finding]:
    if not module.in_tests or module.path.startswith("tests/support/"):
        return
    for node in module.nodes:
        if isinstance(node, ast.Call) and _sleeps(module, node):
            yield Finding(
                module.path,
                node.lineno,
                NAME,
                "wait with tests.support.waiting.wait_until, or move a ManualClock",
            )


def _sleeps(module: Module, call: ast.Call) -> bool:
    function = module.dotted(call.func)
    if function == "time.sleep":
        return True
    if function not in {"asyncio.sleep", "anyio.sleep"}:
        return False
    turn = len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
    return not turn


GOOD = (
    Sample("tests/unit/test_x.py", "import asyncio\nasync def f():\n    await asyncio.sleep(0)"),
    Sample("tests/support/waiting.py", "import time\ntime.sleep(0.01)"),
)
BAD = (
    Sample("tests/unit/test_x.py", "import time\ntime.sleep(1)"),
    Sample("tests/unit/test_x.py", "from asyncio import sleep\nasync def f():\n    await sleep(0.1)"),
)
