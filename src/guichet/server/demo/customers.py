"""Invented customers at the real doors: a chat over the widget's protocol, a mail over SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from guichet.kit.errors import Refused
from guichet.kit.ids import new_id
from guichet.server.demo.dialogues import Dialogue, as_mail, compose
from guichet.server.demo.history import CHAT
from guichet.server.demo.mailbox import Letter, Mailbox
from guichet.server.demo.operator import Shop, queue_of
from guichet.server.demo.people import World, post

PATIENCE = 600
"""Seconds that a whole chat may take."""


async def chat(world: World, shop: Shop) -> None:
    """One visit, from the first words to the farewell. Raises OSError, WebSocketException when nobody answers."""
    dialogue = compose(shop, world.chance)
    base = f"/api/{CHAT}/{queue_of(shop.client, 'chat')}"
    world.figures.chats += 1
    try:
        who = {"language": dialogue.language, "name": dialogue.name, "email": dialogue.address}
        opened, _ = await post(f"{world.url}{base}/open", who)
        if not opened["open"]:
            return  # reads the hours, and comes back another day
        address = f"{world.socket_url}{base}/socket?token={opened['token']}"
        async with (
            asyncio.timeout(PATIENCE / world.speed),
            connect(address, origin=_origin(world.url)) as socket,
        ):
            await _Visit(world, dialogue, socket).run()
        world.figures.chats_done += 1
    finally:
        world.figures.chats -= 1


def _origin(url: str) -> Any:  # noqa: ANN401 (websockets' Origin is a NewType of str)
    return url


class _Visit:
    """Says the customer's turns, each after the agent's."""

    def __init__(self, world: World, dialogue: Dialogue, socket: ClientConnection) -> None:
        self._world = world
        self._dialogue = dialogue
        self._socket = socket
        self._answered = 0
        self._seen: set[int] = set()

    async def run(self) -> None:
        turns = self._dialogue.turns
        await self._send({"op": "resume", "after": 0})
        for turn in range(0, len(turns), 2):
            await self._say(turn)
            if turn + 1 < len(turns) and not await self._hear((turn + 2) // 2):
                return
            if turn + 2 < len(turns):
                await self._world.pause(1, 3)
                await self._send({"op": "typing"})
                await self._world.pause(4, 18)
        await self._world.pause(3, 8)
        await self._send({"op": "leave"})

    async def _say(self, turn: int) -> None:
        text = self._dialogue.turns[turn]
        self._world.script.learn(text, self._dialogue, turn)
        await self._send({"op": "say", "id": new_id(), "text": text})

    async def _hear(self, answers: int) -> bool:
        """Listens until the agent has answered so often; False when the conversation was closed before."""
        while len(self._seen) < answers:
            frame = msgspec.json.decode(await self._socket.recv())
            if frame["op"] == "closed":
                return False
            if frame["op"] == "thread":
                heard = {m["n"] for m in frame["messages"] if m["author"] == "agent"}
                if heard - self._seen:
                    self._seen |= heard
                    await self._send({"op": "read", "n": max(heard)})
        return True

    async def _send(self, frame: dict[str, Any]) -> None:
        await self._socket.send(msgspec.json.encode(frame).decode())


class Correspondents:
    """People who write mails, and some who write again when they are answered."""

    def __init__(
        self,
        world: World,
        mailbox: Mailbox,
        door: Callable[[], tuple[str, int]],
        later: Callable[[Letter], None],
    ) -> None:
        self._world = world
        self._mailbox = mailbox
        self._door = door
        self._later = later
        self._open: dict[str, Dialogue] = {}

    async def write(self, shop: Shop) -> None:
        """A first mail. Raises Refused when the door does not take it."""
        dialogue = compose(shop, self._world.chance)
        text = as_mail(dialogue, 0, self._world.chance)
        self._world.script.learn(text, dialogue, 0)
        self._open[dialogue.address] = dialogue
        await self._mailbox.send(
            self._door(),
            sender=(dialogue.name, dialogue.address),
            to=shop.address,
            subject=dialogue.subject,
            text=text,
        )
        self._world.figures.mails_sent += 1

    def answered(self, letter: Letter) -> None:
        """The mailbox's listener."""
        dialogue = self._open.get(letter.box)
        if dialogue is None:
            return
        self._world.figures.mails_answered += 1
        if len(dialogue.turns) > 2 and self._world.chance.chance(0.4):
            self._later(letter)
        else:
            del self._open[letter.box]

    async def write_again(self, letter: Letter) -> None:
        """The next turn, after a while. Raises Refused."""
        dialogue = self._open.pop(letter.box, None)
        if dialogue is None:
            return
        await self._world.pause(40, 150)
        text = as_mail(dialogue, 2, self._world.chance)
        self._world.script.learn(text, dialogue, 2)
        try:
            await self._mailbox.send(
                self._door(), sender=(dialogue.name, letter.box), to=letter.reply_to, subject=letter.subject,
                text=text, answers=letter,
            )  # fmt: skip
        except Refused:
            return
        self._world.figures.mails_sent += 1
