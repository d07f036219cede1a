"""A centre under traffic from outside: visitors, mail, agents and a note-writer, each with the ledger at hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from guichet.kit.seeded import Seeded
from tests.support.desk_client import DeskAgent
from tests.support.ledger import Ledger
from tests.support.mail_client import Sender, Sink, letter
from tests.support.serving import Office, Serving, cookie_of
from tests.support.waiting import wait_until
from tests.support.widget_client import Visitor

ADDRESS = "bonjour@lune.example"
AGENTS = ("paul", "lea", "marc", "ines", "hugo", "nina")
VISITORS, SENDERS = 10, 3
WORDS, VISIT_PAUSE, MAIL_PAUSE, NOTE_PAUSE = 6, 0.1, 0.15, 0.2
DRAIN_SECONDS = 60.0


class Traffic:
    """See the module's text. `visitors`: everybody who ever opened the chat."""

    def __init__(self, serving: Serving, ledger: Ledger, sink: Sink, seed: int = 1) -> None:
        self.serving = serving
        self.ledger = ledger
        self.sink = sink
        self.visitors: list[Visitor] = []
        self.agents: list[DeskAgent] = []
        self.office: Office
        self.chance = Seeded(seed)
        self._browsers: list[httpx.AsyncClient] = []
        self._senders: list[Sender] = []
        self._coming = True
        self._numbers = itertools.count(1)

    async def set_up(self) -> None:
        """An organisation with two doors, a queue for each, and agents."""
        office = self.office = await Office.found(self.serving)
        await office.set("queue", "chat", name="Chat", client="own", wrapup_seconds=30)
        await office.set("queue", "mail", name="Courriel", client="own", cost=1)
        await office.set(
            "entry_point", "shop", name="Chat", client="own", channel="webchat", queue="chat"
        )  # fmt: skip
        await office.set(
            "entry_point", "mail", name="Courriel", client="own", channel="email", queue="mail",
            settings={"address": ADDRESS},
        )  # fmt: skip
        for name in AGENTS:
            http = await office.hire(name, capacity=20)
            self._browsers.append(http)
            self.agents.append(DeskAgent(self.serving.url, name, cookie_of(http), self.ledger))

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Traffic while the block runs; nobody is cut off in the middle of it by its end: see `drain`."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(agent.run()) for agent in self.agents]
            self._comers = [
                *(group.create_task(self._chat(number)) for number in range(VISITORS)),
                *(group.create_task(self._write(number)) for number in range(SENDERS)),
                group.create_task(self._note()),
                group.create_task(self._note_at_desk()),
                group.create_task(self._draft()),
            ]
            try:
                yield
            finally:
                for task in (*tasks, *self._comers):
                    task.cancel()

    async def drain(self) -> None:
        """Nobody new comes; everybody who is here is served, every reply arrives."""
        self._coming = False
        await asyncio.wait_for(asyncio.gather(*self._comers), DRAIN_SECONDS)
        await wait_until(self._served, "every conversation is served", DRAIN_SECONDS)

    async def _served(self) -> bool:
        if not all(agent.idle for agent in self.agents):
            return False
        waiting = await self.office.http.get("/api/conversations", params={"state": "waiting", "limit": 5})
        active = await self.office.http.get("/api/conversations", params={"state": "active", "limit": 5})
        return not waiting.json() and not active.json()

    def replies_by_mail(self) -> set[str]:
        """Texts of the acknowledged replies that go out as mails: those that are no visitor's."""
        chats = tuple(f"{v.conversation}-" for v in self.visitors if v.conversation)
        return {text for message, text in self.ledger.replies.items() if not message.startswith(chats)}

    # -- who was refused ---------------------------------------------------------------------------------

    def refused_words(self) -> set[str]:
        """Codes that widgets were told."""
        return {refusal["code"] for visitor in self.visitors for refusal in visitor.refusals}

    def refused_letters(self) -> list[int]:
        """SMTP codes."""
        return [code for sender in self._senders for code in sender.refusals]

    def refused_commands(self) -> set[str]:
        """Codes that desks were told."""
        return {code for agent in self.agents for code in agent.refused}

    async def saved_draft(self) -> tuple[int, str]:
        """(revision, text) as the next desk that opens gets it."""
        answer = await self.office.http.get(f"/api/drafts/{self.drafted}/note")
        assert answer.status_code == 200, answer.text
        return answer.json()["revision"], answer.json()["text"]

    async def close(self) -> None:
        for http in (*self._browsers, self.office.http):
            await http.aclose()

    # -- who comes ---------------------------------------------------------------------------------------

    async def _chat(self, number: int) -> None:
        """One visitor after the other: words, some of them two at once, some with a file, then they go."""
        for visit in itertools.count(1):
            if not self._coming:
                return
            visitor = Visitor(self.serving.url, "shop", f"v{number}.{visit}", self.ledger.heard)
            self.visitors.append(visitor)
            async with asyncio.TaskGroup() as group:
                line = group.create_task(visitor.run())
                try:
                    await self._speak(visitor, visit)
                finally:
                    line.cancel()

    async def _speak(self, visitor: Visitor, visit: int) -> None:
        for word in range(1, WORDS + 1):
            files = []
            if word == 2 and visit % 2:
                await visitor.open()
                content = f"facture de {visitor.name}".encode() * 200
                files = [await visitor.upload("facture.txt", "text/plain", content)]
                self.ledger.stored(files[0]["address"], content)
            await visitor.say(f"{visitor.name} mot {word}", files)
            if word % 3:  # two words of three are said without waiting for the one before
                await visitor.settled()
                await asyncio.sleep(VISIT_PAUSE)
        await visitor.settled()
        await visitor.heard(1)
        if visit % 3:
            await visitor.leave()

    async def _write(self, number: int) -> None:
        """Mails, every third one with a file, from a few customers who come back."""
        sender = Sender(self.serving.smtp_port, self.ledger.taken)
        self._senders.append(sender)
        try:
            while self._coming:
                mail = next(self._numbers)
                customer = f"client{self.chance.below(40)}@clients.example"
                file = f"pièce {mail}".encode() * 300 if mail % 3 == 0 else b""
                text = f"Courriel {mail} de {customer}"
                await sender.post(letter(customer, ADDRESS, f"c{mail}", text, file=file), ADDRESS)
                await asyncio.sleep(MAIL_PAUSE)
        finally:
            sender.close()

    async def _note(self) -> None:
        """A colleague who leaves notes, by HTTP."""
        while self._coming:
            if (note := self._next_note()) is not None:

                async def done(note: dict[str, str] = note) -> bool:
                    return await self._done("POST", "/api/commands", _note_command(note))

                await wait_until(done, "a note is taken", DRAIN_SECONDS)
                self.ledger.noted(note["text"])
            await asyncio.sleep(NOTE_PAUSE)

    async def _note_at_desk(self) -> None:
        """And one who does it at a desk."""
        while self._coming:
            if (note := self._next_note()) is not None:
                await self.agents[0].ask("add_note", note["text"], **note)
            await asyncio.sleep(NOTE_PAUSE)

    def _next_note(self) -> dict[str, str] | None:
        known = [v.conversation for v in self.visitors[-VISITORS:] if v.conversation]
        return (
            {"conversation": self.chance.pick(known), "text": f"Note.{next(self._numbers)}"}
            if known
            else None
        )

    async def try_note(self) -> httpx.Response:
        """One note more, asked for once."""
        note = self._next_note()
        assert note is not None
        return await self.office.http.post("/api/commands", json=_note_command(note))

    async def _draft(self) -> None:
        """And who keeps typing at one answer, which is saved again and again."""
        await wait_until(lambda: any(v.conversation for v in self.visitors), "a conversation", DRAIN_SECONDS)
        self.drafted = next(v.conversation for v in self.visitors if v.conversation)
        address, revision = f"/api/drafts/{self.drafted}/note", 0
        while self._coming:
            text = f"Brouillon {revision + 1}"
            if await self._done("PUT", address, {"text": text, "attachments": [], "revision": revision}):
                revision += 1
                self.ledger.drafted(revision, text)
            elif (answer := await self._ask("GET", address)) is not None and answer.status_code == 200:
                revision = answer.json()["revision"]
            await asyncio.sleep(NOTE_PAUSE)

    async def _done(self, method: str, path: str, body: Mapping[str, object]) -> bool:
        answer = await self._ask(method, path, body)
        if answer is None or answer.status_code in (409, 429, 503):
            return False
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return True

    async def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> httpx.Response | None:
        try:
            return await self.office.http.request(method, path, json=body)
        except httpx.TransportError:
            return None


def _note_command(note: dict[str, str]) -> dict[str, object]:
    return {"name": "add_note", "key": note["text"], "payload": note}
