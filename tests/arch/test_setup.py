"""What `make` says on a machine where something is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tools.setup import __main__ as command
from tools.setup import debian, python, steps

pytestmark = pytest.mark.arch


def test_an_old_python_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert command.main() == 2
    said = capsys.readouterr().err
    assert "Python 3.11 or newer" in said
    assert "make PYTHON=" in said


def test_an_unknown_goal_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["setup", "moon"])
    assert command.main() == 1
    assert "no such goal: moon" in capsys.readouterr().err


def test_without_root_the_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PACKAGES", {"postgresql": "/nowhere/initdb"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(steps.Stuck, match="apt-get install postgresql"):
        debian.programs()


def test_without_apt_the_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PACKAGES", {"postgresql": "/nowhere/initdb"})
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(steps.Stuck, match="packages postgresql; install them"):
        debian.programs()


def test_a_failing_step_shows_its_last_words_and_the_remedy() -> None:
    with pytest.raises(steps.Stuck, match=r"(?s)disk full.*a step failed \(exit 3\)\. Buy a disk\."):
        steps.run("a step", ["sh", "-c", "echo disk full; exit 3"], "Buy a disk.")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(steps.Stuck, match="/nowhere/uv is missing"):
        steps.run("a step", ["/nowhere/uv"], "Install it.")


def test_a_changed_source_makes_the_stamp_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(steps, "ROOT", tmp_path)
    source, stamp = tmp_path / "a.ts", tmp_path / "stamp"
    source.write_text("let a = 1")
    stamp.write_text(steps.digest(*steps.files_in(tmp_path, ["node_modules"])))
    stamp.rename(tmp_path.parent / "stamp")
    kept = tmp_path.parent / "stamp"
    assert steps.done(kept, steps.digest(source))
    source.write_text("let a = 2")
    assert not steps.done(kept, steps.digest(source))


def test_uv_is_pinned() -> None:
    assert python._pinned_uv().startswith("uv==")
