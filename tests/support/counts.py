"""What a long test says while it runs, and figures that it wants read: `counted("kills", 12)`; they stand in a table
at the end of the run's output, one column for each engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PREFIX = "counted "


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Keeps a figure under a name."""
    return lambda name, value: record_property(PREFIX + name, value)


@pytest.fixture
def told(request: pytest.FixtureRequest, soak: bool) -> Callable[[str], None]:
    """Shows how far the test is, in a long run that somebody watches."""
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    name = request.node.name.partition("[")[2].rstrip("]") or request.node.name

    def tell(words: str) -> None:
        if soak and terminal is not None and capture is not None:
            with capture.global_and_fixture_disabled():
                terminal.ensure_newline()
                terminal.write_line(f"{name}: {words}")
                terminal.flush()

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [r for key in ("passed", "failed") for r in terminalreporter.stats.get(key, [])]
    tables: dict[str, dict[str, dict[str, object]]] = {}
    for report in reports:
        test, _, column = report.nodeid.rpartition("::")[2].partition("[")
        for name, value in getattr(report, "user_properties", []):
            if name.startswith(PREFIX) and report.when == "call":
                row = tables.setdefault(test, {}).setdefault(name.removeprefix(PREFIX), {})
                row[column.rstrip("]")] = value
    for test, rows in tables.items():
        terminalreporter.section(f"counted by {test}")
        for line in _lines(rows):
            terminalreporter.write_line(line)


def _lines(rows: dict[str, dict[str, object]]) -> list[str]:
    columns = sorted({column for row in rows.values() for column in row})
    wide = max(map(len, rows))
    cells = [
        ["", *columns],
        *([name, *(str(row.get(c, "-")) for c in columns)] for name, row in rows.items()),
    ]
    return [f"{name:{wide}}" + "".join(f"  {cell:>12}" for cell in rest) for name, *rest in cells]
