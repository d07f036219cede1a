"""The virtual environment: made by the standard library, filled by uv from the lock file."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib

from tools.setup.steps import BIN, ROOT, VENV, Stuck, digest, done, run

NETWORK = "Is the network there? Behind a proxy or a mirror, set HTTPS_PROXY, or PIP_INDEX_URL and UV_DEFAULT_INDEX."


def for_running() -> None:
    """What the product needs, and Node; leaves development tools that are already there."""
    content = _content()
    if done(VENV / ".ready-dev", content) or done(VENV / ".ready-run", content):
        return
    _sync("Python packages", ["--no-default-groups", "--group", "build", "--inexact"])
    (VENV / ".ready-run").write_text(content)


def for_development() -> None:
    """Exactly the lock file with the development group."""
    content = _content()
    if done(VENV / ".ready-dev", content):
        return
    _sync("Python packages, with the development tools", [])
    (VENV / ".ready-dev").write_text(content)


def with_go() -> None:
    """Adds a Go compiler, for a machine that has none."""
    _sync("Go", ["--no-default-groups", "--group", "build", "--group", "go", "--inexact"])


def _content() -> str:
    return digest(ROOT / "pyproject.toml", ROOT / "uv.lock", salt=sys.version)


def _sync(what: str, options: list[str]) -> None:
    _environment()
    run(
        what,
        [str(BIN / "uv"), "sync", "--frozen", "--quiet", *options],
        NETWORK,
        env={"UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": ""},
    )


def _environment() -> None:
    if not _works():
        shutil.rmtree(VENV, ignore_errors=True)
        run(
            f"virtual environment for Python {sys.version_info.major}.{sys.version_info.minor}",
            [sys.executable, "-m", "venv", str(VENV)],
            "Debian and Ubuntu keep this part of Python in a package of its own: "
            f"apt-get install python3.{sys.version_info.minor}-venv",
        )
    if not (BIN / "uv").exists():
        uv = _pinned_uv()
        run(f"installer ({uv})", [str(BIN / "python"), "-m", "pip", "install", "--quiet", uv], NETWORK)


def _works() -> bool:
    """Whether the environment is there, of this Python version, and not left half made."""
    parts = "sys" if (BIN / "uv").exists() else "sys, pip"
    ask = f"import {parts}; print(*sys.version_info[:2])"
    try:
        said = subprocess.run([str(BIN / "python"), "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return said.stdout.split() == [str(part) for part in sys.version_info[:2]]


def _pinned_uv() -> str:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for requirement in groups["build"]:
        if isinstance(requirement, str) and requirement.startswith("uv=="):
            return requirement
    raise Stuck("pyproject.toml names no uv in its group `build`")
