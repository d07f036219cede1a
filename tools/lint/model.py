"""What rules see of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

ALLOW = re.compile(r"# lint: allow (?P<rule>[a-z-]+)(, (?P<reason>\S.*))?$")


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


@dataclass(frozen=True)
class Sample:
    """A few lines as they would stand in `path`; they keep a rule (GOOD) or break it (BAD)."""

    path: str
    source: str


@dataclass(frozen=True)
class Module:
    """One file; `path` is relative to the repository."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def lines(self) -> list[str]:
        return self.source.splitlines()

    @property
    def parts(self) -> tuple[str, ...]:
        """Where in the package: ("store", "engines", "sqlite.py"); empty outside src/guichet."""
        parts = PurePosixPath(self.path).parts
        return parts[2:] if parts[:2] == ("src", "guichet") else ()

    @property
    def stage(self) -> str:
        return self.parts[0].removesuffix(".py") if self.parts else ""

    @property
    def in_tests(self) -> bool:
        return self.path.startswith("tests/")

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each imported name stands for: {"sleep": "time.sleep", "dt": "datetime"}."""
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = alias.name if alias.asname else alias.name.split(".", maxsplit=1)[0]
                    names[alias.asname or whole] = whole
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names

    def dotted(self, node: ast.AST) -> str:
        """The full name of an expression like `dt.datetime.now`, seen through this file's imports, or ""."""
        trail: list[str] = []
        while isinstance(node, ast.Attribute):
            trail.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.imported:
            return ""
        return ".".join([self.imported[node.id], *reversed(trail)])

    def strings(self) -> Iterator[tuple[ast.AST, str]]:
        """Every text in the code but docstrings; of an f-string, the part before its first hole."""
        skipped = self._docstrings | self._inside_fstrings
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
                yield node, node.value
            elif isinstance(node, ast.JoinedStr) and node.values:
                first = node.values[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield node, first.value

    @cached_property
    def _docstrings(self) -> set[int]:
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        # A bare string after a constant documents it, so every string that is a statement counts.
        bodies = [node.body for node in self.nodes if isinstance(node, owners)]
        return {id(s.value) for body in bodies for s in body if isinstance(s, ast.Expr)}

    @cached_property
    def _inside_fstrings(self) -> set[int]:
        return {id(part) for node in self.nodes if isinstance(node, ast.JoinedStr) for part in node.values}


def allowed(module: Module, finding: Finding) -> bool:
    """Whether the line itself says that it may, and why."""
    if not 0 < finding.line <= len(module.lines):
        return False
    found = ALLOW.search(module.lines[finding.line - 1])
    return found is not None and found["rule"] == finding.rule and bool(found["reason"])
