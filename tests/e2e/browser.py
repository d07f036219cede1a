"""Browsers for tests: Debian's Chromium, driven through web/e2e/browser.mjs.

    visitor = browser.visit(base, "visitor", language="fr")
    visitor.open("/demo/shop/corvelle")
    visitor.click("text=Discuter")

Selectors are Playwright's: CSS, `text=...`, `role=button[name="Clore"]`; they reach into the widget's shadow root.
Every step waits until it can be done, 15 seconds at most.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import leftovers
from tests.support.repository import ROOT

WEB = ROOT / "web"
SHOTS = ROOT / "test-output" / "screens"
NODE = ROOT / ".venv" / "bin" / "node"
SIZES = {"desk": (1440, 900), "small": (1024, 768), "phone": (390, 844)}
FOLLOWED = """async (scheme) => {
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const told = document.documentElement.dataset.mantineColorScheme ?? scheme;
  const root = document.querySelector('guichet-widget')?.shadowRoot;
  return told === scheme && (root?.querySelector('[data-scheme]')?.dataset.scheme ?? scheme) === scheme;
}"""

Step = str | list[Any]


class Browser:
    """One Chromium. Visits are contexts of their own: nothing is shared between them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._numbers = itertools.count(1)

    def ask(self, **what: Any) -> Any:
        """Sends one request; gives its answer. Raises AssertionError with the browser's words."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        number = next(self._numbers)
        self._process.stdin.write(json.dumps({"id": number, **what}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has ended"
        answer = json.loads(line)
        assert answer["id"] == number
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["ok"]

    def visit(
        self,
        base: str,
        name: str,
        *,
        language: str = "fr",
        size: str = "desk",
    ) -> Page:
        """A person with a browser of their own, before they have opened anything."""
        width, height = SIZES[size]
        phone = size == "phone"
        number = next(self._numbers)
        context, page = f"context {number}", f"page {number}"
        self.ask(
            context=context,
            options={
                "viewport": {"width": width, "height": height},
                "locale": "fr-FR" if language == "fr" else "en-GB",
                "reducedMotion": "reduce",
                "baseURL": base,
                "hasTouch": phone,
                "isMobile": phone,
            },
        )
        self.ask(page=page, of=context)
        return Page(self, context, page, name)


class Page:
    """One window of one person."""

    def __init__(self, browser: Browser, context: str, page: str, name: str) -> None:
        self._browser = browser
        self._context = context
        self._page = page
        self.name = name

    def do(self, *steps: Step) -> Any:
        """Walks from the page: "keyboard" is a property, ["press", "Enter"] a call."""
        try:
            return self._browser.ask(on=self._page, do=list(steps))
        except AssertionError as error:
            picture = SHOTS / f"failed-{self.name}.png"
            self._browser.ask(on=self._page, do=[["screenshot", {"path": str(picture)}]])
            raise AssertionError(f"{self.name}: {error}\n{picture}\n{self.faults()}") from None

    def on(self, selector: str, *step: Any) -> Any:
        """Calls a method of the locator: `on("textarea", "fill", "Bonjour")`."""
        return self.do(["locator", selector], list(step))

    def open(self, path: str) -> None:
        self.do(["goto", path])

    def reload(self) -> None:
        self.do(["reload"])

    def click(self, selector: str) -> None:
        self.on(selector, "click")

    def fill(self, selector: str, text: str) -> None:
        self.on(selector, "fill", text)

    def press(self, *keys: str) -> None:
        """Keys where the focus is, as "Alt+Enter"."""
        for key in keys:
            self.do("keyboard", ["press", key])

    def type(self, text: str) -> None:
        """Words where the focus is, key by key."""
        self.do("keyboard", ["type", text])

    def see(self, selector: str, timeout: float = 15.0) -> None:
        """Waits until it is on the screen."""
        self.do(
            ["locator", selector], ["first"], ["waitFor", {"state": "visible", "timeout": timeout * 1000}]
        )

    def miss(self, selector: str, timeout: float = 15.0) -> None:
        """Waits until it is not on the screen any more."""
        self.do(["locator", selector], ["first"], ["waitFor", {"state": "hidden", "timeout": timeout * 1000}])

    def count(self, selector: str) -> int:
        return int(self.on(selector, "count"))

    def texts(self, selector: str) -> list[str]:
        return [" ".join(text.split()) for text in self.on(selector, "allInnerTexts")]

    def evaluate(self, source: str, arg: Any = None) -> Any:
        """Runs a function of the page's, given as its source."""
        return self._browser.ask(evaluate=self._page, source=source, arg=arg)

    def prefer(self, scheme: str) -> None:
        """The machine turns "dark" or "light", and the page has followed."""
        self.do(["emulateMedia", {"colorScheme": scheme}])
        self.do(["waitForFunction", FOLLOWED, scheme])

    def offline(self, cut: bool) -> None:
        """Pulls the network's plug, or puts it back."""
        self._browser.ask(on=self._context, do=[["setOffline", cut]])

    def shot(self, name: str) -> Path:
        """Keeps a picture of the window in test-output/screens."""
        path = SHOTS / f"{name}.png"
        self.do(["screenshot", {"path": str(path), "animations": "disabled"}])
        return path

    def axe(self, within: str | None = None) -> list[str]:
        """What axe-core has against this screen."""
        found: list[str] = self._browser.ask(axe=self._page, within=within)
        return found

    def faults(self) -> list[str]:
        """Exceptions, console errors and warnings, answers of 500 and above since it was asked last."""
        found: list[str] = self._browser.ask(faults=self._page)
        return found

    def crash(self) -> None:
        """Its process ends at once, without a word to anybody."""
        with suppress(AssertionError):  # which is what the browser says about it
            self._browser.ask(on=self._page, do=[["goto", "chrome://crash"]])

    def close(self) -> None:
        self._browser.ask(close=self._context)


@contextmanager
def running(*arguments: str) -> Iterator[Browser]:
    """A Chromium that lives as long as the block, with more arguments; it ends with this process, however that ends."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [str(NODE), "e2e/browser.mjs"],
        cwd=WEB,
        env={**os.environ, "NODE_OPTIONS": "", "GUICHET_CHROMIUM_ARGUMENTS": " ".join(arguments)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    leftovers.adopt(process.pid)
    try:
        yield Browser(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The test process's one Chromium."""
    with running() as started:
        yield started
