"""Every state of the customers' chat, drawn in Chromium and checked: axe, opening time, content policy, walls against
the page, nothing lost or doubled over a cut line. The scenes are in web/widget/tests/look.mjs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
NODE = Path(sys.executable).with_name("node")


@pytest.mark.timeout(300)
def test_every_state_of_the_widget(tmp_path: Path) -> None:
    built = ROOT / "src/guichet/server/static/widget/guichet.js"
    assert built.is_file(), "the widget is not built: make web"
    command = [str(NODE), "tests/look.mjs", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT / "web/widget", capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(list(tmp_path.glob("*.png"))) > 30
