"""The leader without a store: real parts, commands, reactors and projections over a log in memory.

    house = Harness()
    house.do(house.visitor("ines"), "receive_message", conversation="c1", message="m1", text="Bonjour")

Cold streams are forgotten and loaded again, rows are kept as an engine would, deadlines fire when time is
advanced, and `check_replay` proves that state and rows come out of the log again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec

import guichet.accounts.commands
import guichet.accounts.projections
import guichet.conversations.commands
import guichet.conversations.projections
import guichet.conversations.reactors
import guichet.customers.commands
import guichet.customers.projections  # noqa: F401 (each registers what it holds)
from guichet.accounts.authorise import authorise
from guichet.accounts.part import Accounts
from guichet.conversations.part import Conversations
from guichet.customers.part import Customers
from guichet.events.base import BY_CLASS, Fact, decode
from guichet.events.conversations import LegEnded, LegStarted
from guichet.kit.clock import Instant, Millis
from guichet.leader.registry import COMMANDS, Actor, Answer, At, Command, Now
from guichet.leader.replay import Rows, apply_changes, compare_rows, compare_states, erase_rows
from guichet.leader.run import Run
from guichet.leader.state import Missing, MissingRow, State
from guichet.store.port import Entry, Row
from guichet.store.rows import TABLES, Changes, NewJob

START: Instant = 1_800_000_000_000
MAX_LOADS = 64


def new_state() -> State:
    """Accounts, customers and conversations."""
    accounts = Accounts()
    customers = Customers(accounts)
    return State([accounts, customers, Conversations(accounts, customers)])


class Harness:
    """One shard. `seq`, `t`: where it stands; `log`: every entry; `jobs`: what the worker would do."""

    def __init__(self, make_state: Callable[[], State] = new_state) -> None:
        self.make_state = make_state
        self.state = make_state()
        self.t = START
        self.log: list[Entry] = []
        self.tables: Rows = {name: {} for name in TABLES}
        self.jobs: list[NewJob] = []
        self.destroyed: set[str] = set()
        self.answer: Answer | None = None
        self.loads = 0
        self._personal: dict[int, bytes] = {}
        self._keys = itertools.count(1)

    # -- who asks --------------------------------------------------------------------------------------

    def agent(self, name: str, org: str = "org") -> Actor:
        return Actor("agent", name, org)

    def visitor(self, customer: str, org: str = "org") -> Actor:
        return Actor("visitor", customer, org)

    def system(self, org: str = "org") -> Actor:
        return Actor("system", "test", org)

    # -- what happens ----------------------------------------------------------------------------------

    def do(self, actor: Actor, name: str, /, **payload: object) -> list[Fact]:
        """Runs one command and gives the facts that followed. Raises Refused; `answer` holds its answer."""
        ask = msgspec.convert(payload, COMMANDS[name].payload)
        return self.submit(Command(name, f"k{next(self._keys)}", actor, ask))

    def submit(self, command: Command) -> list[Fact]:
        """Runs one command as an edge made it."""
        run = Run(self.state, authorise, len(self.log), self.t)
        run.fire_deadlines()
        try:
            for _ in range(MAX_LOADS):
                try:
                    self.answer = run.command(command)
                    break
                except Missing as missing:
                    self._load(missing.stream)
                except MissingRow as missing:
                    found = [
                        r for (_, key), r in self.tables[missing.table.name].items() if key == missing.key
                    ]
                    self.state.lookups.put(missing.table, missing.key, found[0] if found else None)
            else:
                raise AssertionError(f"{command.name} asks for more and more streams")
        finally:
            facts = self._commit(run)
        return facts

    def happen(self, actor: Actor, *facts: Fact) -> list[Fact]:
        """Facts that a stage downstream would append, with what follows from them."""
        run = Run(self.state, authorise, len(self.log), self.t)
        run._append(facts, Now(self.t, actor.org, actor))
        return self._commit(run)

    def join(self, conversation: str, agent: str, org: str = "org") -> str:
        """An agent takes the conversation up; gives the leg."""
        leg = f"{conversation}-{agent}-{len(self.log)}"
        started = LegStarted(
            conversation=conversation,
            leg=leg,
            party="agent",
            agent=agent,
            site="main",
            country="FR",
            employer="Org",
        )
        self.happen(self.system(org), started)
        return leg

    def leave(self, conversation: str, leg: str, reason: str = "replied", org: str = "org") -> None:
        """An agent's time in it ends."""
        self.happen(self.system(org), LegEnded(conversation=conversation, leg=leg, reason=reason))

    def advance(self, millis: Millis) -> list[Fact]:
        """Lets time pass and gives the facts of the deadlines that fired."""
        self.t += millis
        run = Run(self.state, authorise, len(self.log), self.t)
        run.fire_deadlines()
        return self._commit(run)

    def start(self) -> list[Fact]:
        """A leader begins to lead."""
        run = Run(self.state, authorise, len(self.log), self.t)
        run.start()
        return self._commit(run)

    def restart(self) -> None:
        """A new leader reads a snapshot of the old one."""
        data = self.state.dump()
        self.state = self.make_state()
        self.state.restore(data)

    # -- what there is ---------------------------------------------------------------------------------

    def rows(self, table: str, **where: object) -> list[Row]:
        """Rows whose columns have these values, in key order."""
        found = sorted(self.tables[table].items(), key=lambda item: item[0])
        return [row for _, row in found if all(row.get(c) == v for c, v in where.items())]

    def row(self, table: str, **where: object) -> Row:
        """The one row."""
        (row,) = self.rows(table, **where)
        return row

    def check_replay(self) -> None:
        """State and rows come out of the log again."""
        state = self.make_state()
        rows: Rows = {name: {} for name in TABLES}
        for entry in self.log:
            fact = self._decode(entry)
            at = At(entry.seq, entry.t, entry.org, entry.actor, entry.version)
            state.fold(fact, at)
            changes = Changes()
            changes.add(entry.org, state.project(fact, at))
            _keep(rows, changes)
        differences = compare_states(state, self.state)
        for name, table in TABLES.items():
            differences += compare_rows(table, rows[name], self.tables[name].values())
        assert not differences, differences

    # -- inside ----------------------------------------------------------------------------------------

    def _commit(self, run: Run) -> list[Fact]:
        self.log.extend(run.entries)
        self._personal.update({entry.seq: personal for entry, personal in run.personal})
        _keep(self.tables, run.changes)
        self.jobs.extend(run.changes.jobs)
        self.state.forget_at_rest()
        return [self._decode(entry) for entry in run.entries]

    def _load(self, stream: str) -> None:
        self.loads += 1
        for entry in self.log:
            if entry.stream == stream:
                fact = decode(entry.type, entry.type_version, entry.data)
                self.state.fold(fact, At(entry.seq, entry.t, entry.org, entry.actor, entry.version))
        self.state.loaded(stream)

    def _decode(self, entry: Entry) -> Fact:
        personal = None if entry.subject in self.destroyed else self._personal.get(entry.seq)
        return decode(entry.type, entry.type_version, entry.data, personal)


def _keep(rows: Rows, changes: Changes) -> None:
    """As an engine does it: what is erased goes first, then rows are written."""
    for subject in changes.erased:
        erase_rows(rows, subject)
    for change in changes.rows.values():
        exists = (change.org, change.key) in rows[change.table.name]
        row = f"{change.table.name}{change.key}"
        assert not (change.fresh and not change.replaced and exists), f"{row} inserted twice"
        assert change.fresh or change.deleted or exists, f"{row} updated, but there is none"
    apply_changes(rows, changes.rows.values())


def names(facts: list[Fact]) -> list[str]:
    """The types of facts, as the log names them."""
    return [BY_CLASS[type(fact)].name for fact in facts]


def fields(fact: Fact) -> dict[str, Any]:
    """A fact's fields."""
    return msgspec.structs.asdict(fact)


def furnished(make_state: Callable[[], State] = new_state) -> Harness:
    """Organisation "org" with two clients, "shop" and "bank", each with a queue and two entry points; agents paul
    and eva (shop), bob (bank), leader lea (shop), administrator ada (all). And organisation "other", which
    has the same ids, with administrator zoe and agent max."""
    house = Harness(make_state)
    for org, administrator, agents in (
        ("org", "ada", {"paul": ["shop"], "eva": ["shop"], "bob": ["bank"], "lea": ["shop"]}),
        ("other", "zoe", {"max": ["*"]}),
    ):
        house.do(
            house.system(org), "found_organisation", organisation=org, name=org.title(),
            administrator=administrator, administrator_name=administrator.title(),
            email=f"{administrator}@{org}.example",
        )  # fmt: skip
        for client in ("shop", "bank"):
            config(house, org, "client", client, name=client.title())
            config(house, org, "queue", client, name=client.title(), client=client)
            for channel in ("talk", "letter"):
                config(
                    house, org, "entry_point", f"{client}-{channel}", name=f"{client} {channel}",
                    client=client, channel=channel, queue=client,
                )  # fmt: skip
        for agent, clients in agents.items():
            config(
                house, org, "agent", agent, name=agent.title(), email=f"{agent}@{org}.example", site="main",
                clients=clients, role="leader" if agent == "lea" else "agent",
            )  # fmt: skip
    return house


def config(
    house: Harness, org: str, kind: str, ident: str, version: int = 0, /, **value: object
) -> list[Fact]:
    """Sets a value as the system."""
    actor = house.system(org)
    return house.do(actor, "set_config", kind=kind, id=ident, value=value, expected_version=version)


def customer(house: Harness, customer: str = "ines", client: str = "shop", org: str = "org") -> str:
    """Registers an anonymous visitor."""
    house.do(
        house.visitor(customer, org), "register_customer", customer=customer, client=client, anonymous=True
    )
    return customer


def conversation(
    house: Harness,
    conversation: str = "c1",
    *,
    customer: str = "ines",
    client: str = "shop",
    live: bool = True,
    words: str | None = "Bonjour",
    org: str = "org",
) -> str:
    """Opens a conversation (a live one over "talk", a deferred one over "letter") with a first message."""
    house.do(
        house.visitor(customer, org), "open_conversation", conversation=conversation, customer=customer,
        entry_point=f"{client}-{'talk' if live else 'letter'}", live=live, outbox=not live,
        undo_seconds=0 if live else 10, name="Inès", subject="" if live else "Colis",
    )  # fmt: skip
    if words is not None:
        house.do(
            house.visitor(customer, org),
            "receive_message",
            conversation=conversation,
            message="m1",
            text=words,
        )
    return conversation
