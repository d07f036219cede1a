"""Tasks are started by kit's Supervisor or a TaskGroup: a bare one can vanish, and its error with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "bare-task"
STARTERS = {"create_task", "ensure_future"}


def check(module: Module) -> Iterator[Finding]:
    if not module.parts or module.stage == "kit":
        return
    groups = set(_task_groups(module))
    for node in module.nodes:
        if isinstance(node, ast.Call) and _starts_a_task(node.func, groups):
            yield Finding(
                module.path, node.lineno, NAME, "start it with kit's Supervisor, or in an asyncio.TaskGroup"
            )


def _starts_a_task(function: ast.expr, groups: set[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in STARTERS
    if not isinstance(function, ast.Attribute) or function.attr not in STARTERS:
        return False
    return not (isinstance(function.value, ast.Name) and function.value.id in groups)


def _task_groups(module: Module) -> Iterator[str]:
    """Names bound by `async with asyncio.TaskGroup() as group`."""
    for node in module.nodes:
        if isinstance(node, ast.AsyncWith):
            for item in node.items:
                made = item.context_expr
                if (
                    isinstance(made, ast.Call)
                    and module.dotted(made.func) == "asyncio.TaskGroup"
                    and isinstance(item.optional_vars, ast.Name)
                ):
                    yield item.optional_vars.id


GOOD = (
    Sample("src/guichet/desk/hub.py", "supervisor.start('hub', run())"),
    Sample("src/guichet/kit/tasks.py", "import asyncio\ntask = asyncio.create_task(run())"),
    Sample(
        "src/guichet/desk/hub.py",
        "import asyncio\nasync def f():\n    async with asyncio.TaskGroup() as g:\n        g.create_task(run())",
    ),
)
BAD = (
    Sample("src/guichet/desk/hub.py", "import asyncio\nasyncio.create_task(run())"),
    Sample("src/guichet/desk/hub.py", "from asyncio import ensure_future\nensure_future(run())"),
    Sample("src/guichet/desk/hub.py", "loop.create_task(run())"),
)
