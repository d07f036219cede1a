"""What the outside was told to have happened, and whether the log and the customers' screens agree.

The ledger is kept by whoever talks to the server, in another process than the server's: an entry is made when a 250,
a 2xx, the widget's `ack` or the desk's answer arrives, and never otherwise.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from guichet.events.base import Fact
from guichet.events.conversations import MessageQueued, MessageReceived, NoteAdded
from guichet.events.routing import (
    OfferAccepted,
    OfferDeclined,
    OfferMade,
    OfferMissed,
    OfferWithdrawn,
    TaskAssigned,
    TaskEnded,
    TaskQueued,
    TaskRequeued,
    WrapupStarted,
)
from tests.support.widget_client import Visitor


class Ledger:
    """Acknowledgements, by what they were for."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last = 0.0
        self.said: dict[str, list[str]] = defaultdict(list)
        """Texts of chat messages, by visitor."""
        self.mails: dict[str, str] = {}
        """Texts by Message-ID."""
        self.replies: dict[str, str] = {}
        """Texts by the message's id."""
        self.notes: list[str] = []
        self.accepted: list[str] = []
        self.files: dict[str, bytes] = {}
        """Contents by address."""
        self.draft: tuple[int, str] = (0, "")

    @property
    def total(self) -> int:
        return self.counts.total()

    def _count(self, what: str) -> None:
        self.counts[what] += 1
        self.last = time.monotonic()

    # -- who acknowledges --------------------------------------------------------------------------------

    def heard(self, visitor: Visitor, ident: str, text: str) -> None:
        """The widget's `ack`."""
        self._count("widget ack")
        self.said[visitor.name].append(text)

    def taken(self, message_id: str, text: str) -> None:
        """SMTP's 250."""
        self._count("SMTP 250")
        self.mails[message_id] = text

    def answered(self, name: str, payload: Mapping[str, Any]) -> None:
        """The desk's answer to a command."""
        self._count("desk answer")
        if name == "send_message":
            self.replies[payload["message"]] = payload["text"]
        elif name == "accept_offer":
            self.accepted.append(payload["offer"])
        elif name == "add_note":
            self.notes.append(payload["text"])

    def noted(self, text: str) -> None:
        """HTTP 200 for a note."""
        self._count("HTTP 2xx")
        self.notes.append(text)

    def stored(self, address: str, content: bytes) -> None:
        """HTTP 201 for a file."""
        self._count("HTTP 2xx")
        self.files[address] = content

    def drafted(self, revision: int, text: str) -> None:
        """HTTP 200 for a draft."""
        self._count("HTTP 2xx")
        self.draft = (revision, text)

    # -- what became of it -------------------------------------------------------------------------------

    def check(self, facts: Sequence[Fact]) -> list[str]:
        """What the log lost or doubled. Also words that were never acknowledged may be there once at most."""
        received = Counter(f.text for f in facts if isinstance(f, MessageReceived))
        queued = Counter(f.message for f in facts if isinstance(f, MessageQueued))
        queued_texts = Counter(f.text for f in facts if isinstance(f, MessageQueued))
        noted = Counter(f.text for f in facts if isinstance(f, NoteAdded))
        accepted = Counter(f.offer for f in facts if isinstance(f, OfferAccepted))
        told = [text for texts in self.said.values() for text in texts]
        return [
            *_once("message of a customer", [*told, *self.mails.values()], received),
            *_once("reply", self.replies, queued),
            *_once("reply's text", self.replies.values(), queued_texts),
            *_once("note", self.notes, noted),
            *_once("accepted offer", self.accepted, accepted),
        ]

    def check_thread(self, visitor: Visitor, shown: Sequence[Mapping[str, Any]]) -> list[str]:
        """What a visitor's widget shows wrongly: their words once each, in the order in which they were said, the
        agents' words once each."""
        own = [m["id"] for m in shown if m["author"] == "me"]
        agents = [m["text"] for m in shown if m["author"] == "agent"]
        places = [m["n"] for m in shown]
        live = [m["id"] for m in visitor.thread.values()]
        found = [f"{visitor.name}: {fault}" for fault in visitor.faults]
        if own != visitor.said:
            found.append(f"{visitor.name} said {visitor.said}, and is shown {own}")
        if places != sorted(set(places)):
            found.append(f"{visitor.name} is shown places {places}")
        if len(set(agents)) != len(agents):
            found.append(f"{visitor.name} is shown an agent's words twice: {agents}")
        if live != [m["id"] for m in shown][: len(live)]:
            found.append(f"{visitor.name} saw {live} arrive, and is shown another thread afterwards")
        prefix = f"Réponse {visitor.conversation}-"
        wanted = {text for text in self.replies.values() if text.startswith(prefix)}
        if not wanted <= set(agents):
            found.append(f"{visitor.name} never got {sorted(wanted - set(agents))}")
        return found


def _once(what: str, acknowledged: Iterable[str], found: Counter[str]) -> list[str]:
    lost = [f"lost {what}: {key}" for key in acknowledged if not found[key]]
    return lost + [f"doubled {what}: {key}, {count} times" for key, count in found.items() if count > 1]


class OfferWalk:
    """Walks through the log as a stranger to the engine would: a task has one offer at a time, each is answered once,
    by the agent to whom it was made; a conversation has one task at a time that needs somebody."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.made = 0
        self._agents: dict[str, str] = {}
        self._open: dict[str, str] = {}
        self._holders: dict[str, str | None] = {}
        self._tasks: dict[str, str] = {}

    def take(self, fact: Fact) -> None:
        """The next fact."""
        match fact:
            case TaskQueued():
                self._unless(fact.conversation not in self._tasks, f"{fact.conversation} has two tasks")
                self._tasks[fact.conversation] = fact.task
                self._holders[fact.task] = None
            case OfferMade():
                self._offered(fact)
            case OfferAccepted() | OfferDeclined() | OfferMissed() | OfferWithdrawn():
                right = self._open.pop(fact.task, "") == fact.offer and self._agents[fact.offer] == fact.agent
                self._unless(right, f"offer {fact.offer} was over, or another agent's")
                if isinstance(fact, OfferAccepted):
                    self._holders[fact.task] = fact.agent
            case TaskAssigned():
                self._holders[fact.task] = fact.agent
            case TaskRequeued():
                self._holders[fact.task] = None
            case WrapupStarted() | TaskEnded():
                self._unless(fact.task not in self._open, f"{fact.task} ended with an open offer")
                conversation = fact.task.rpartition("-")[0]
                if self._tasks.get(conversation) == fact.task:
                    del self._tasks[conversation]
            case _:
                pass

    def _offered(self, fact: OfferMade) -> None:
        self.made += 1
        self._unless(fact.offer not in self._agents, f"offer {fact.offer} is doubled")
        self._unless(fact.task not in self._open, f"{fact.task} has two offers")
        self._unless(self._holders.get(fact.task, "?") is None, f"{fact.task} is offered and needs nobody")
        self._agents[fact.offer] = fact.agent
        self._open[fact.task] = fact.offer

    def _unless(self, right: bool, wrong: str) -> None:
        if not right:
            self.wrong.append(wrong)

    def end(self, states: Mapping[str, str]) -> list[str]:
        """What is wrong in all; in the end every conversation's state (by id) must be what its tasks say."""
        for conversation, state in states.items():
            task = self._tasks.get(conversation)
            fits = {"waiting"} if task and self._holders[task] is None else {"active"}
            self._unless(
                state in (fits if task else {"open", "parked", "closed"}),
                f"{conversation} is {state}, its task {task}",
            )
        return self.wrong
