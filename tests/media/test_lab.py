"""The lab, as an installer uses it: two browsers, a phone that calls, one that is called, and a matrix to click."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import browser
from tests.e2e.browser import Browser, Page
from tests.support.ports import listens
from tests.support.repository import ROOT
from tests.support.serving import lasting_port
from tests.support.waiting import wait_until_sync

pytestmark = pytest.mark.e2e

GUICHET = ROOT / ".venv" / "bin" / "guichet"
FAKE_DEVICES = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
ANNE, BEN = 400, 650
HEARS = """async ([person, tones]) => {
  const context = new AudioContext();
  const stream = document.querySelector(`#${person} audio`).srcObject;
  const analyser = new AnalyserNode(context, { fftSize: 4096 });
  context.createMediaStreamSource(stream).connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 400));
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  await context.close();
  return tones.filter((hertz) => bins[Math.round((hertz * 4096) / context.sampleRate)] > -55);
}"""
FIRST_FRAME_SECONDS = 1.5


@pytest.fixture
def lab(media_program: Path, tmp_path: Path) -> Iterator[str]:
    port = lasting_port()
    with (tmp_path / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            [str(GUICHET), "media", "lab", "--port", str(port), "--program", str(media_program)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
    try:
        wait_until_sync(lambda: listens(port), "the lab answers", 20)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        for file in tmp_path.glob("*/media/running.json"):  # only where the lab did not end as it should
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(json.loads(file.read_text())["pid"]).kill()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser.running(*FAKE_DEVICES) as started:
        yield started


def hears(page: Page, person: str, expected: set[int]) -> None:
    wait_until_sync(
        lambda: set(page.evaluate(HEARS, [person, [ANNE, BEN]])) == expected, f"{person} hears {expected}"
    )


def cell(hearer: str, source: str) -> str:
    return f'[aria-label="{hearer} hears {source}"]'


def test_the_lab(lab: str, chromium: Browser, counted: Callable[[str, object], None]) -> None:
    page = chromium.visit(lab, "lab", language="en")
    page.open("/")
    for person in ("anne", "ben"):
        page.click(f"#{person} button:has-text('Connect')")
        page.click(f"#{person} button:has-text('Tone')")
    page.click(cell("Anne", "Ben"))
    hears(page, "anne", {BEN})
    hears(page, "ben", set())
    page.click(cell("Anne", "Ben"))
    page.click(cell("Ben", "Anne"))
    hears(page, "anne", set())
    hears(page, "ben", {ANNE})

    page.click("#call-in")
    page.click("#phones button:has-text('Answer')")
    page.see("#phones :text('talks')")
    page.click("#dial button[type=submit]")
    page.see(cell("Phone 2", "Phone 1"))
    page.click("#presets button:has-text('All talk')")
    page.see(f"{cell('Anne', 'Phone 2')}[aria-pressed=true]")
    loud = "() => [...document.querySelectorAll('#phones meter')].every((bar) => bar.value > -40)"
    wait_until_sync(lambda: page.evaluate(loud), "both phones are heard")
    page.click("#pad button:has-text('5')")

    began = time.monotonic()
    page.click("#anne button:has-text('Camera')")
    seen = "() => document.querySelectorAll('#ben video')[0].videoWidth"
    wait_until_sync(lambda: page.evaluate(seen), "Ben sees Anne")
    first = time.monotonic() - began
    counted("lab: s from the click on the camera to the first frame on the other side", round(first, 2))
    assert first < FIRST_FRAME_SECONDS

    found = []
    for language in ("en", "fr"):
        for scheme in ("light", "dark"):
            page.do(["emulateMedia", {"colorScheme": scheme}])
            found += page.axe()
            page.shot(f"media-lab-{scheme}-{language}")
        page.click("#language")
    assert not found
    page.click("#phones li:nth-child(1) button")
    page.miss("#phones li:nth-child(2)")
    page.click("#phones li:nth-child(1) button")
    page.see("#phones :text('No phone is on the line.')")
    assert not page.faults()
