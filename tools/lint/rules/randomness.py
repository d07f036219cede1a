"""Chance and ids come from kit: replay must find the same ones, and secrets must come from one careful place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "randomness"
MODULES = {"random", "secrets"}
NAMES = {"os.urandom", "uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "numpy.random.seed"}


def check(module: Module) -> Iterator[Finding]:
    if not module.parts or module.stage == "kit":
        return
    for node in module.nodes:
        for name in _used(module, node):
            line = getattr(node, "lineno", 1)
            yield Finding(
                module.path, line, NAME, f"{name}: ids, tokens and seeded chance come from guichet.kit"
            )


def _used(module: Module, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in MODULES)
    elif isinstance(node, ast.ImportFrom):
        if node.module in MODULES:
            yield node.module or ""
    elif isinstance(node, ast.Attribute | ast.Name):
        name = module.dotted(node)
        if name in NAMES:
            yield name
    elif _unseeded(module, node):
        yield "numpy.random.default_rng() without a seed"


def _unseeded(module: Module, node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and not (node.args or node.keywords)
        and module.dotted(node.func) == "numpy.random.default_rng"
    )


GOOD = (
    Sample("src/guichet/kit/ids.py", "import secrets\ntoken = secrets.token_bytes(16)"),
    Sample("src/guichet/routing/engine.py", "from guichet.kit.ids import new_id\nid = new_id()"),
    Sample("src/guichet/events/base.py", "from uuid import UUID\nx: UUID"),
    Sample("src/guichet/sim/arrivals.py", "import numpy as np\nchance = np.random.default_rng(seed)"),
)
BAD = (
    Sample("src/guichet/routing/engine.py", "import random"),
    Sample("src/guichet/accounts/sessions.py", "from secrets import token_urlsafe"),
    Sample("src/guichet/store/keys.py", "import os\nkey = os.urandom(32)"),
    Sample("src/guichet/events/base.py", "import uuid\nx = uuid.uuid4()"),
    Sample("src/guichet/sim/arrivals.py", "import numpy as np\nchance = np.random.default_rng()"),
)
