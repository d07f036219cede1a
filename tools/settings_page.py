"""Writes docs/reference/settings.md from the process settings: `python -m tools.settings_page`."""

from __future__ import annotations

from pathlib import Path

from guichet.server.settings import ProcessSettings

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"


def page() -> str:
    """The whole page."""
    lines = [
        "# Process settings",
        "",
        "Made from `src/guichet/server/settings.py` by `python -m tools.settings_page`; do not edit.",
        "",
        "Read from the environment. A `GUICHET_` variable that is not on this page is refused. Everything else is",
        "configuration of an organisation, changed on screen and kept in the log.",
        "",
        "| variable | default | what it does |",
        "| --- | --- | --- |",
    ]
    for name, field in ProcessSettings.model_fields.items():
        default = str(field.default) or "(empty)"
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `GUICHET_{name.upper()}` | `{default}` | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
