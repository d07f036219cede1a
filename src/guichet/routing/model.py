"""The engine's own objects: configuration as it needs it, agents, tasks, offers. No I/O, no clock.

Every change to them is a fold of a fact; see `engine.py`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from guichet.kit.clock import SECOND, Instant, Millis
from guichet.routing.policy import Policy

Ints = npt.NDArray[np.int64]

TaskState = Literal["queued", "offered", "assigned", "wrapup", "ended"]

ANY = "*"
"""Stands for every client in clearances, every queue in an agent's queues."""


class Rules(msgspec.Struct, frozen=True):
    """An organisation's times and limits."""

    offer: Millis = 20 * SECOND
    missed_limit: int = 2
    skip: Millis = 60 * SECOND
    """How long an agent who declined or missed a task is passed over for it, while others could take it."""
    starving: Millis = 60 * SECOND
    """From this wait on, a task that needs more capacity than anybody has free gets an agent kept for it."""


class QueueSpec(msgspec.Struct, frozen=True):
    """A queue's configuration. `skills` are (skill, lowest level) pairs."""

    id: str
    client: str
    skills: tuple[tuple[str, int], ...] = ()
    language: str | None = None
    priority: int = 0
    cost: int = 1
    interruptible: bool = False
    policy: str = "longest_idle"


class AgentSpec(msgspec.Struct, frozen=True):
    """An agent's configuration. Agents with equal profiles are interchangeable to every queue."""

    id: str
    skills: frozenset[tuple[str, int]] = frozenset()
    languages: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset({ANY})
    queues: frozenset[str] = frozenset({ANY})
    capacity: int = 1

    def cleared(self, client: str) -> bool:
        """Whether the agent may see this client's customers: the one wall that nobody overrides."""
        return client in self.clients or ANY in self.clients

    def serves(self, queue: str) -> bool:
        return queue in self.queues or ANY in self.queues


class Offer:
    """A task proposed to an agent, live until answered, missed or withdrawn."""

    __slots__ = ("agent", "deadline", "id", "task")

    def __init__(self, name: str, task: Task, agent: Agent, deadline: Instant) -> None:
        self.id = name
        self.task = task
        self.agent = agent
        self.deadline = deadline


class Task:
    """A task that has not ended. `key` is its place in line: (-priority, since, number)."""

    __slots__ = (
        "agent", "client", "conversation", "cost", "hard", "held", "id", "key", "legs", "line", "live", "number",
        "offer", "offers", "prefer", "prefer_until", "priority", "since", "skips", "state", "wrapup_until",
    )  # fmt: skip

    def __init__(self, name: str, conversation: str, client: str, live: bool, number: int) -> None:
        self.id = name
        self.conversation = conversation
        self.client = client
        self.live = live
        self.number = number
        self.state: TaskState = "queued"
        self.agent: Agent | None = None
        self.offer: Offer | None = None
        self.offers = 0
        self.legs = 0
        self.prefer: str | None = None
        self.prefer_until: Instant | None = None
        self.held = False
        """Outside the line: waiting for the preferred agent alone, or about to be given to somebody."""
        self.skips: dict[str, Instant] = {}
        """Agents passed over, until when."""
        self.wrapup_until: Instant | None = None

    def stand(self, line: Line, priority: int, since: Instant) -> None:
        """Where it waits."""
        self.line = line
        self.priority = priority
        self.since = since
        self.key = (-priority, since, self.number)

    def cost_as(self, cost: int, interruptible: bool) -> None:
        """What it takes. An interruptible task takes nothing from the capacity for live work."""
        self.cost = cost
        self.hard = 0 if interruptible and not self.live else cost


class Agent:
    """An agent with what they do and hold. `turn` orders agents by when they last became free."""

    __slots__ = (
        "connected", "hard", "id", "idle_since", "missed", "offers", "preferred", "presence", "profile", "reason",
        "since", "spec", "tasks", "total", "turn", "vanishes",
    )  # fmt: skip

    def __init__(self, spec: AgentSpec) -> None:
        self.id = spec.id
        self.spec = spec
        self.profile: Profile | None = None
        self.presence = "offline"
        self.reason = ""
        self.since: Instant = 0
        self.connected = False
        self.vanishes: Instant | None = None
        self.hard = 0
        self.total = 0
        self.turn = 0
        self.idle_since: Instant = 0
        self.missed = 0
        self.offers: dict[str, Offer] = {}
        self.tasks: dict[str, Task] = {}
        """Assigned tasks and those in wrap-up."""
        self.preferred: dict[str, Task] = {}
        """Queued tasks that wait for this agent alone."""

    @property
    def present(self) -> bool:
        """Whether new work may be offered at all."""
        return self.connected and self.presence == "available" and self.profile is not None

    def fits(self, live: bool, cost: int) -> bool:
        """Whether the free capacity is enough; interruptible work does not stand in the way of live work."""
        return (self.hard if live else self.total) + cost <= self.spec.capacity


class Bucket:
    """The present agents of one profile with equal load, longest idle first. `turns` are their turns, sorted."""

    __slots__ = ("hard", "number", "profile", "total", "turns")

    def __init__(self, number: int, profile: Profile, hard: int, total: int) -> None:
        self.number = number
        self.profile = profile
        self.hard = hard
        self.total = total
        self.turns: list[int] = []


class Profile:
    """Agents who are the same to every queue."""

    __slots__ = ("agents", "breadth", "buckets", "capacity", "mask", "number", "present", "spec")

    def __init__(self, number: int, spec: AgentSpec) -> None:
        self.number = number
        self.spec = spec
        self.capacity = spec.capacity
        self.breadth = len(spec.skills)
        self.agents = 0
        self.present = 0
        self.mask = 0
        """Bits of the lines that these agents may serve."""
        self.buckets: dict[tuple[int, int], Bucket] = {}


class Line:
    """Tasks of one queue, client and kind (live or deferred), in order, and whom they fit."""

    __slots__ = (
        "bit", "buckets", "client", "counted", "ids", "live", "open", "policy", "prefixes", "profiles", "queue",
        "reasons", "removed", "serving", "stale", "tasks", "total",
    )  # fmt: skip

    def __init__(self, bit: int, queue: QueueSpec, client: str, live: bool, policy: Policy) -> None:
        self.bit = bit
        self.queue = queue
        self.client = client
        self.live = live
        self.open = True
        self.policy = policy
        self.tasks: list[tuple[int, int, int]] = []
        """Keys of the waiting tasks, first in line first; the last part of a key is the task's number."""
        self.reasons: list[str | None] = []
        """By profile number: the criterion that removes it, None when it fits."""
        self.profiles: list[Profile] = []
        self.buckets: list[tuple[int, Bucket]] = []
        """(rank prefix, bucket) of every bucket whose free capacity is enough."""
        self.ids: Ints = np.empty(0, np.int64)
        self.prefixes: Ints = np.empty(0, np.int64)
        self.serving: Ints = np.empty(0, np.int64)
        self.stale = True
        """Whether the arrays (bucket numbers, their rank prefixes, profile numbers) must be made anew."""
        self.counted = -1
        self.total = 0
        self.removed = (0, 0, 0, 0)

    def refresh(self) -> None:
        """Makes the arrays that the NumPy paths read."""
        if self.stale:
            self.ids = np.array([bucket.number for _, bucket in self.buckets], np.int64)
            self.prefixes = np.array([prefix for prefix, _ in self.buckets], np.int64)
            self.serving = np.array([profile.number for profile in self.profiles], np.int64)
            self.stale = False
