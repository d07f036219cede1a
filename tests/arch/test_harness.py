"""The harness itself: what it refuses, it must really refuse. All samples run in one pytest, started once."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.repository import ROOT

pytestmark = [pytest.mark.arch, pytest.mark.xdist_group("harness")]

UNIT = "import pytest\npytestmark = pytest.mark.unit\n"
E2E = "import pytest\npytestmark = pytest.mark.e2e\n"
SLEEPER = "import subprocess, sys\n    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"

REFUSED = (
    ("def test_it(): ...", "exactly one category, this one has none"),
    (
        "import pytest\npytestmark = [pytest.mark.unit, pytest.mark.e2e]\ndef test_it(): ...",
        "this one has e2e and unit",
    ),
    (
        UNIT
        + "import asyncio\nasync def test_it():\n    asyncio.get_running_loop().create_task(asyncio.sleep(60))",
        "left tasks running",
    ),
    (
        UNIT + "import threading\ndef test_it():\n"
        "    threading.Thread(target=threading.Event().wait, args=(5,), name='lost', daemon=True).start()",
        "left behind: thread 'lost'",
    ),
    (
        UNIT + "import socket\ndef test_it():\n    socket.create_connection(('127.0.0.1', 9))",
        "unit tests open no connections",
    ),
    (
        E2E + "import socket\ndef test_it():\n    socket.create_connection(('192.0.2.1', 9))",
        "tests reach only this machine",
    ),
    (UNIT + "def test_it():\n    " + SLEEPER + "\n    global kept; kept = child", "left behind: process"),
    (UNIT + "@pytest.mark.unheard_of\ndef test_it(): ...", "not found in `markers`"),
    (UNIT + "import warnings\ndef test_it():\n    warnings.warn('old')", "UserWarning"),
)

ACCEPTED = (
    UNIT + "async def test_it(): ...",
    UNIT + "import asyncio\nasync def test_it():\n    await asyncio.to_thread(int)",
    UNIT + "import asyncio\nasync def test_it():\n"
    "    task = asyncio.get_running_loop().create_task(asyncio.sleep(60))\n    task.cancel()",
    UNIT + "import pytest_asyncio, asyncio\n@pytest_asyncio.fixture\nasync def server():\n"
    "    task = asyncio.get_running_loop().create_task(asyncio.sleep(60))\n    yield\n    task.cancel()\n"
    "async def test_it(server): ...",
    UNIT + "import pytest_asyncio, asyncio\nasync def serve():\n"
    "    while True:\n        await asyncio.get_running_loop().create_task(asyncio.sleep(0.01))\n"
    "@pytest_asyncio.fixture\nasync def server():\n"
    "    task = asyncio.get_running_loop().create_task(serve())\n    yield\n    task.cancel()\n"
    "async def test_it(server):\n    await asyncio.sleep(0.05)",
    UNIT + "from hypothesis import given, strategies as st\n@given(st.integers())\nasync def test_it(n): ...",
    E2E
    + "import subprocess, sys\ndef test_it():\n    subprocess.run([sys.executable, '-c', ''], check=True)",
)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For each sample module, what pytest holds against it; "" when it passed."""
    folder = tmp_path_factory.mktemp("samples")
    samples = {f"test_refused_{n}": source for n, (source, _) in enumerate(REFUSED)}
    samples |= {f"test_accepted_{n}": source for n, source in enumerate(ACCEPTED)}
    for name, source in samples.items():
        (folder / f"{name}.py").write_text(source)
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "tests.conftest"),
            *("-p", "no:cacheprovider", "-o", "junit_logging=no", "--continue-on-collection-errors"),
            *(f"--junit-xml={folder / 'said.xml'}", str(folder)),
        ],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return dict(_verdict(name, folder / "said.xml") for name in samples)


def _verdict(sample: str, report: Path) -> tuple[str, str]:
    cases = [case for case in ET.parse(report).iter("testcase") if _module(case).endswith(sample)]
    assert cases, f"{sample} did not run"
    parts = [part for case in cases for part in case]
    return sample, "\n".join(f"{part.get('message')} {part.text}" for part in parts)


def _module(case: ET.Element) -> str:
    """Where a test stands, or what could not be collected."""
    return case.get("classname") or case.get("name") or ""


@pytest.mark.parametrize("n", range(len(REFUSED)))
def test_it_refuses(verdicts: dict[str, str], n: int) -> None:
    assert REFUSED[n][1] in verdicts[f"test_refused_{n}"]


@pytest.mark.parametrize("n", range(len(ACCEPTED)))
def test_it_accepts(verdicts: dict[str, str], n: int) -> None:
    assert verdicts[f"test_accepted_{n}"] == ""
