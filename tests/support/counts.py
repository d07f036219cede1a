"""Figures that a test wants read: `counted("kills", 12)`; they stand at the end of the run's output."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PREFIX = "counted "


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Keeps a figure under a name."""
    return lambda name, value: record_property(PREFIX + name, value)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [r for key in ("passed", "failed") for r in terminalreporter.stats.get(key, [])]
    lines = [
        (report.nodeid, name.removeprefix(PREFIX), value)
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name.startswith(PREFIX) and report.when == "call"
    ]
    if lines:
        terminalreporter.section("counted")
    for node, name, value in lines:
        terminalreporter.write_line(f"{node.rpartition('::')[2]}  {name}: {value}")
