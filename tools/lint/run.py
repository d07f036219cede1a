"""Finds the rules, reads the files, applies the one to the other."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from tools.lint import rules
from tools.lint.model import ALLOW, Finding, Module, allowed

ROOT = Path(__file__).resolve().parents[2]
MOST_EXCEPTIONS = 10
"""Lines in src that may say `lint: allow`. It may fall; raising it needs a reason in the commit."""


def all_rules() -> list[ModuleType]:
    names = sorted(info.name for info in pkgutil.iter_modules(rules.__path__))
    return [importlib.import_module(f"{rules.__name__}.{name}") for name in names]


def read(folders: Iterable[str]) -> list[Module]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Module(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths]


def findings(modules: list[Module]) -> list[Finding]:
    by_path = {module.path: module for module in modules}
    found = [f for rule in all_rules() for f in apply(rule, modules)]
    kept = [f for f in found if f.path not in by_path or not allowed(by_path[f.path], f)]
    return sorted([*kept, *_too_many_exceptions(modules)], key=str)


def apply(rule: ModuleType, modules: list[Module]) -> Iterator[Finding]:
    """One rule over files: `check` sees each alone, `check_all` all of them."""
    if hasattr(rule, "check_all"):
        yield from rule.check_all(modules)
    else:
        for module in modules:
            yield from rule.check(module)


def _too_many_exceptions(modules: list[Module]) -> Iterator[Finding]:
    places = [
        (module.path, number)
        for module in modules
        for number, line in enumerate(module.lines, 1)
        if module.parts and ALLOW.search(line)
    ]
    if len(places) > MOST_EXCEPTIONS:
        path, line = places[-1]
        yield Finding(
            path, line, "exceptions", f"{len(places)} lines allow themselves something, {MOST_EXCEPTIONS} may"
        )
