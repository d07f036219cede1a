"""import-linter holds the stage order; here it is made to prove that it would notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.arch

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINT_IMPORTS), "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def package(folder: Path, **modules: str) -> Path:
    """A package `guichet` with one module per stage named, under the contracts of our pyproject.toml."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    home = folder / "src" / "guichet"
    home.mkdir(parents=True)
    (home / "__init__.py").touch()
    for stage, source in modules.items():
        (home / stage).mkdir()
        (home / stage / "__init__.py").touch()
        (home / stage / "code.py").write_text(source)
    return folder


def test_the_stages_import_upstream_only() -> None:
    checked = lint_imports(ROOT)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("upper", "lower"), [("kit", "store"), ("events", "routing"), ("routing", "desk"), ("bots", "flows")]
)
@pytest.mark.parametrize(
    "how",
    [
        "import guichet.{0}.code",
        "def later():\n    import guichet.{0}.code",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import guichet.{0}.code",
    ],
)
def test_an_import_downstream_is_noticed(tmp_path: Path, upper: str, lower: str, how: str) -> None:
    checked = lint_imports(package(tmp_path, **{upper: how.format(lower), lower: ""}))
    assert checked.returncode == 1, checked.stdout
    assert f"guichet.{upper} is not allowed to import guichet.{lower}" in checked.stdout


def test_an_unknown_stage_is_noticed(tmp_path: Path) -> None:
    checked = lint_imports(package(tmp_path, kit="", helpers=""))
    assert checked.returncode != 0
    assert "helpers" in checked.stdout + checked.stderr
