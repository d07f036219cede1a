"""Discovery: an extension is one new file (or folder) in an obvious place; nothing else is edited."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


class BrokenPlugin(Exception):
    """A module in a plug-in folder that does not export what its kind asks for."""


def discover(package: ModuleType, *required: str) -> dict[str, ModuleType]:
    """Imports every public module of a package folder and checks that it exports the `required` names.

    Returns modules by their file name, sorted. Raises BrokenPlugin, which names the file and what it lacks.
    """
    found: dict[str, ModuleType] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        missing = [name for name in required if not hasattr(module, name)]
        if missing:
            raise BrokenPlugin(f"{module.__name__} must export {', '.join(missing)}")
        found[info.name] = module
    return found
