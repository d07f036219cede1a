"""No module imports itself over others, counting imports in functions and under TYPE_CHECKING too."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "import-cycle"


def check_all(modules: list[Module]) -> Iterator[Finding]:
    known = {_name(module.path): module for module in modules if module.parts}
    graph = {name: set(_imports(module, known)) - {name} for name, module in known.items()}
    for group in knots(graph):
        first = min(group)
        yield Finding(
            known[first].path, 1, NAME, f"{len(group)} modules import each other: {', '.join(sorted(group))}"
        )


def _name(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(module: Module, known: dict[str, Module]) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in known:
                    yield inner
                elif node.module in known:
                    yield node.module


def knots(graph: dict[str, set[str]]) -> list[set[str]]:
    """The groups of nodes that reach each other."""
    reached = {node: _reachable(graph, node) for node in graph}
    found: list[set[str]] = []
    for node in graph:
        group = {other for other in reached[node] if node in reached[other]}
        if group and group not in found:
            found.append(group)
    return found


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += graph[node]
    return seen


GOOD = (
    (Sample("src/guichet/a/x.py", "from guichet.a import y"), Sample("src/guichet/a/y.py", "import json")),
)
BAD = (
    (
        Sample("src/guichet/a/x.py", "from guichet.a import y"),
        Sample("src/guichet/a/y.py", "def f():\n    from guichet.a.x import g"),
    ),
    (
        Sample("src/guichet/a/x.py", "from guichet.a.y import A"),
        Sample("src/guichet/a/y.py", "from guichet.a.z import B"),
        Sample(
            "src/guichet/a/z.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from guichet.a.x import C",
        ),
    ),
)
