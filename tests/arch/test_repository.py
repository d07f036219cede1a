"""What may be committed: sources, and lock files that install anywhere."""

from __future__ import annotations

import json
import re
import stat
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from tests.support.repository import ROOT, text_of, tracked

pytestmark = pytest.mark.arch

BUILT = re.compile(
    r"(^|/)(__pycache__|node_modules|\.hypothesis|\.venv|\.mypy_cache|\.ruff_cache|\.pytest_cache|dist|test-output)/"
    r"|\.(pyc|pyo|so|whl|sqlite|sqlite-wal|sqlite-shm|db|tsbuildinfo|log|orig|rej)$"
    r"|^src/guichet/server/static/"
)
BIGGEST = 2_000_000
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org", "registry.npmjs.org"}


def test_no_artefact_is_committed() -> None:
    assert [path for path in tracked() if BUILT.search(path)] == []


def test_no_file_is_huge() -> None:
    assert [path for path in tracked() if (ROOT / path).stat().st_size > BIGGEST] == []


def test_no_machine_path_is_committed() -> None:
    everybodys = {Path("/"), Path("/home"), Path("/tmp"), Path("/var/tmp"), Path(tempfile.gettempdir())}
    private = {Path.home(), ROOT} - everybodys
    needles = [f"{folder}/" for folder in private]
    found = [path for path in tracked() if any(needle in text_of(path) for needle in needles)]
    assert found == []


def test_the_python_lock_names_public_hosts_only() -> None:
    hosts = set(re.findall(r'https?://([^/"]+)', text_of("uv.lock")))
    assert hosts <= PUBLIC_HOSTS


def test_the_web_lock_names_public_hosts_only() -> None:
    packages = json.loads(text_of("web/package-lock.json"))["packages"]
    addresses = [package.get("resolved", "") for package in packages.values()]
    hosts = {re.match(r"https?://([^/]+)", address)[1] for address in addresses if "://" in address}  # type: ignore[index]
    assert hosts <= PUBLIC_HOSTS


def test_web_packages_are_pinned_exactly() -> None:
    loose = []
    for path in (path for path in tracked() if PurePosixPath(path).match("web/**/package.json")):
        package = json.loads(text_of(path))
        for kind in ("dependencies", "devDependencies"):
            loose += [
                f"{path}: {name} {v}" for name, v in package.get(kind, {}).items() if not v[0].isdigit()
            ]
    assert loose == []


def test_links_between_documents_lead_somewhere() -> None:
    links = [
        (path, target)
        for path in tracked()
        if path.endswith(".md")
        for target in re.findall(r"\]\(([^)#\s]+)", text_of(path))
        if "://" not in target
    ]
    assert [link for link in links if not (ROOT / link[0]).parent.joinpath(link[1]).exists()] == []


def test_scripts_with_a_first_line_can_be_run() -> None:
    for path in tracked():
        if text_of(path).startswith("#!"):
            assert (ROOT / path).stat().st_mode & stat.S_IXUSR, f"{path} is not executable"
