"""The web app: packages by `npm ci`, a build when the sources differ from those last built."""

from __future__ import annotations

import os

from tools.setup.steps import BIN, STATIC, VENV, WEB, digest, done, files_in, run

NOT_SOURCES = ("node_modules", "dist", "coverage", "test-output")
OUTPUT = ("desk/index.html", "widget/guichet.js")
NPM = "Is the network there? Behind a mirror, set npm's `registry`."


def node_modules() -> None:
    lock = digest(WEB / "package-lock.json", WEB / "package.json", *WEB.glob("*/package.json"))
    stamp = WEB / "node_modules" / ".ready"
    if done(stamp, lock):
        return
    run("web packages", _npm("ci", "--no-audit", "--no-fund"), NPM, folder=WEB, env=_path())
    stamp.write_text(lock)


def build() -> None:
    sources = digest(*files_in(WEB, NOT_SOURCES))
    stamp = VENV / ".web-built-from"  # not beside the output: it would travel in the wheel
    if done(stamp, sources) and all((STATIC / made).exists() for made in OUTPUT):
        return
    run(
        "web app",
        _npm("run", "build"),
        "This is a fault in web/, not in your machine.",
        folder=WEB,
        env=_path(),
    )
    stamp.write_text(sources)


def _npm(*arguments: str) -> list[str]:
    return [str(BIN / "npm"), *arguments]


def _path() -> dict[str, str]:
    """npm's scripts start `node` by name; it is the one in our environment."""
    return {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
