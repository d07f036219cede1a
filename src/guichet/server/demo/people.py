"""What invented customers and simulated agents share: a pace, a script, and the doors that everybody uses."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from guichet.kit.clock import Clock
from guichet.kit.seeded import Seeded
from guichet.server.demo.dialogues import Dialogue

HTTP_SECONDS = 15
REMEMBERED = 500


class Script:
    """Which dialogue some words belong to, so that a simulated agent knows what to answer."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, tuple[Dialogue, int]] = OrderedDict()

    def learn(self, text: str, dialogue: Dialogue, turn: int) -> None:
        self._lines[_plain(text)] = (dialogue, turn)
        if len(self._lines) > REMEMBERED:
            self._lines.popitem(last=False)

    def find(self, text: str) -> tuple[Dialogue, int] | None:
        """The dialogue and the customer's turn; None for words of real people."""
        plain = _plain(text)
        found = self._lines.get(plain)
        if found is None:  # a mail may have come with a quote below it
            found = next((line for known, line in self._lines.items() if plain.startswith(known)), None)
        return found


def _plain(text: str) -> str:
    return " ".join(text.split())


@dataclass(slots=True)
class Figures:
    """What the start page shows."""

    chats: int = 0
    chats_done: int = 0
    mails_sent: int = 0
    mails_answered: int = 0


@dataclass(slots=True)
class World:
    """Where people meet the centre. `url` without a slash at its end; `speed` > 1 for tests in a hurry."""

    url: str
    clock: Clock
    chance: Seeded
    speed: float = 1.0
    script: Script = field(default_factory=Script)
    figures: Figures = field(default_factory=Figures)

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    async def pause(self, low: float, high: float) -> None:
        """Between `low` and `high` seconds, as people take."""
        await asyncio.sleep((low + (high - low) * self.chance.below(1_000) / 1_000) / self.speed)


async def post(url: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Sends JSON; gives the answer and its cookie ("" without one). Raises OSError, also for refusals."""
    return await asyncio.to_thread(_post, url, body)


def _post(url: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    headers = {"Content-Type": "application/json", "X-Guichet": "1"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 (our own address)
    with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:  # noqa: S310
        cookie = str(response.headers.get("Set-Cookie", "")).partition(";")[0]
        answer: dict[str, Any] = json.loads(response.read())
        return answer, cookie
