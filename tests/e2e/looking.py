"""Looking at screens: a picture kept of each, and everything that axe-core or the console has against it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.e2e.browser import Page

BUSY = ".ui-bones, .mantine-Skeleton-root"


@dataclass(frozen=True)
class Look:
    """How a person has set their machine."""

    dark: bool
    language: str

    def __str__(self) -> str:
        return f"{'dark' if self.dark else 'light'}-{self.language}"


LOOKS = (Look(dark=False, language="fr"), Look(dark=True, language="en"))
"""Two of four: colours depend on the one alone, words on the other."""


class Looker:
    """Collects what is wrong with the screens of one look."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.seen: list[str] = []
        self.found: list[str] = []

    def at(self, page: Page, name: str, within: str | None = None) -> None:
        """One screen as it is now. `within`: only this part of a page that is not ours."""
        page.miss(BUSY)
        self.seen.append(name)
        page.shot(f"{name}-{self.look}")
        self.found += [f"{name}: axe: {fault}" for fault in page.axe(within)]
        self.found += [f"{name}: {fault}" for fault in page.faults() if not expected(fault)]

    def verdict(self) -> str:
        """Everything found; empty when all is well."""
        return "\n".join(self.found)


def expected(fault: str) -> bool:
    """Who is not signed in is told so, and what is not there is not found: the browser calls that an error."""
    return "401 (Unauthorized)" in fault or "no-such-conversation" in fault
