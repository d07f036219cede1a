"""Looking at screens: pictures kept of each, and everything that axe-core or the console has against it.

A screen has four looks. Light and dark are two of one page, as when a machine turns dark in the evening; French and
English are two walks.
"""

from __future__ import annotations

from tests.e2e.browser import Page

BUSY = ".ui-bones, .mantine-Skeleton-root"
LANGUAGES = ("fr", "en")


class Looker:
    """Collects what is wrong with the screens of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.found: list[str] = []

    def at(self, page: Page, name: str, within: str | None = None) -> None:
        """One screen as it is now, light and dark. `within`: only this part of a page that is not ours."""
        page.miss(BUSY)
        for scheme in ("dark", "light"):
            page.prefer(scheme)
            page.shot(f"{name}-{scheme}-{self.language}")
            self.found += [f"{name}, {scheme}: axe: {fault}" for fault in page.axe(within)]
        self.found += [f"{name}: {fault}" for fault in page.faults() if not expected(fault)]

    def verdict(self) -> str:
        """Everything found; empty when all is well."""
        return "\n".join(self.found)


def expected(fault: str) -> bool:
    """Who is not signed in is told so, and what is not there is not found: the browser calls that an error."""
    return "401 (Unauthorized)" in fault or "no-such-conversation" in fault
