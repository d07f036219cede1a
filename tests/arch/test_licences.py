"""What is installed with Guichet must be under licences that an Apache-2.0 product can ship with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest

pytestmark = pytest.mark.arch

COPYLEFT = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


def shipped(name: str = "guichet", seen: set[str] | None = None) -> Iterator[Distribution]:
    """The distributions that installing Guichet brings, without extras."""
    seen = seen if seen is not None else set()
    if name.lower() in seen:
        return
    seen.add(name.lower())
    try:
        found = distribution(name)
    except PackageNotFoundError:  # wanted on another platform only
        return
    yield found
    for requirement in found.requires or []:
        if "extra ==" not in requirement:
            yield from shipped(re.split(r"[^\w.-]", requirement, maxsplit=1)[0], seen)


def licence(found: Distribution) -> str:
    classified = [line for line in _field(found, "Classifier") if line.startswith("License")]
    named = [text[:200] for text in _field(found, "License-Expression") + _field(found, "License")]
    return " ".join(named + classified)


def _field(found: Distribution, name: str) -> list[str]:
    return found.metadata.get_all(name) or []


def test_no_copyleft_is_shipped() -> None:
    packages = list(shipped())
    assert len(packages) > 20, "the walk over dependencies is broken"
    assert [f"{p.name}: {licence(p)}" for p in packages if COPYLEFT.search(licence(p))] == []


@pytest.mark.parametrize(
    "text", ["GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0", "GNU Affero GPL"]
)
def test_copyleft_is_recognised(text: str) -> None:
    assert COPYLEFT.search(text)


@pytest.mark.parametrize(
    "text", ["LGPL-3.0-only", "Apache-2.0", "MIT", "GNU Lesser General Public License (LGPLv3)"]
)
def test_other_licences_pass(text: str) -> None:
    assert not COPYLEFT.search(text)
