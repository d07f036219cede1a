"""Each test module says what kind of test it holds, by exactly one marker: `pytestmark = pytest.mark.unit`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

CATEGORIES = frozenset({"unit", "contract", "property", "fault", "e2e", "bench", "arch"})


def module_categories(module: object) -> set[str]:
    marks = getattr(module, "pytestmark", [])
    named = marks if isinstance(marks, list) else [marks]
    return {mark.name for mark in named} & CATEGORIES


def of(item: pytest.Item) -> str:
    return next((mark.name for mark in item.iter_markers() if mark.name in CATEGORIES), "")


class CategorisedModule(pytest.Module):
    """A test module; collecting it fails when it does not say its category."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        found = module_categories(self.obj)
        if len(found) != 1:
            said = " and ".join(sorted(found)) or "none"
            raise self.CollectError(
                f"{self.path.name}: a test module needs exactly one category, this one has {said}; "
                f"write `pytestmark = pytest.mark.unit` below its imports, or one of {', '.join(sorted(CATEGORIES))}"
            )
        return super().collect()
