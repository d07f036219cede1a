"""Who could take what, kept ready: profiles, buckets of equal agents, lines of equal tasks.

The shape measured best at 50,000 agents: agents with equal profiles share buckets by load, longest idle first;
a line knows the buckets that fit it; the best of many bucket heads is one NumPy argmin, of few a plain loop.
Lines and profiles meet in bit masks, recomputed only when configuration changes. Everything here follows from
the agents', tasks' and queues' present state, so it is never saved.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

import numpy as np

from guichet.routing.model import Agent, AgentSpec, Bucket, Ints, Line, Profile, QueueSpec, Task
from guichet.routing.policy import Policy

FEW = 40
"""Up to so many buckets a plain loop is faster than NumPy."""
EMPTY = 1 << 60
"""The head turn of an empty bucket; turns and ranks stay far below."""
RANK = 1 << 44
"""One rank in a combined key (rank, turn)."""

CRITERIA = ("clearance", "queue", "language", "skill")


class Index:
    """The buckets, the lines, and the questions asked of them."""

    def __init__(self) -> None:
        self.profiles: dict[AgentSpec, Profile] = {}
        self.by_number: list[Profile] = []
        self.buckets: list[Bucket] = []
        self.lines: dict[tuple[str, str, bool], Line] = {}
        self.by_bit: list[Line] = []
        self.by_turn: dict[int, Agent] = {}
        self.waiting = 0
        """Bits of the open lines where somebody waits."""
        self.uniform = True
        """Whether all lines ask for the same capacity. None can starve another then, so nobody need look."""
        self.agents = 0
        self.version = 0
        """Rises when an agent joins or leaves a profile, so that lines count anew."""
        self._heads: Ints = np.full(64, EMPTY, np.int64)
        self._sizes: Ints = np.zeros(64, np.int64)
        self._present: Ints = np.zeros(64, np.int64)

    # -- agents ---------------------------------------------------------------------------------------

    def join(self, agent: Agent) -> None:
        """The agent, who is in no profile, counts from now on."""
        spec = agent.spec
        key = AgentSpec("", spec.skills, spec.languages, spec.clients, spec.queues, spec.capacity)
        profile = self.profiles.get(key)
        if profile is None:
            profile = self.profiles[key] = Profile(len(self.by_number), key)
            self.by_number.append(profile)
            if profile.number == len(self._present):
                self._present = np.concatenate([self._present, np.zeros(profile.number, np.int64)])
            for line in self.by_bit:
                self._judge(line, profile)
        profile.agents += 1
        self.agents += 1
        self.version += 1
        agent.profile = profile
        if agent.present:
            self.enter(agent)

    def leave(self, agent: Agent) -> None:
        """The opposite of `join`."""
        if agent.present:
            self.exit(agent)
        profile = agent.profile
        assert profile is not None
        profile.agents -= 1
        self.agents -= 1
        self.version += 1
        agent.profile = None

    def enter(self, agent: Agent) -> None:
        """The agent has become present."""
        assert agent.profile is not None
        agent.profile.present += 1
        self._present[agent.profile.number] += 1
        self.by_turn[agent.turn] = agent
        self.park(agent)

    def exit(self, agent: Agent) -> None:
        """The agent is about to be no longer present."""
        assert agent.profile is not None
        self.unpark(agent)
        agent.profile.present -= 1
        self._present[agent.profile.number] -= 1
        del self.by_turn[agent.turn]

    def park(self, agent: Agent) -> None:
        """Puts a present agent into the bucket of the present load."""
        profile = agent.profile
        assert profile is not None
        bucket = profile.buckets.get((agent.hard, agent.total))
        if bucket is None:
            bucket = self._new_bucket(profile, agent.hard, agent.total)
        turns = bucket.turns
        if not turns or turns[-1] < agent.turn:
            turns.append(agent.turn)
        else:
            insort(turns, agent.turn)
        number = bucket.number
        self._heads[number] = turns[0]
        self._sizes[number] = len(turns)

    def unpark(self, agent: Agent) -> None:
        """Takes a present agent out of the bucket of the present load, which is about to change."""
        profile = agent.profile
        assert profile is not None
        bucket = profile.buckets[agent.hard, agent.total]
        turns = bucket.turns
        if turns[0] == agent.turn:
            del turns[0]
        else:
            del turns[bisect_left(turns, agent.turn)]
        number = bucket.number
        self._heads[number] = turns[0] if turns else EMPTY
        self._sizes[number] = len(turns)

    def _new_bucket(self, profile: Profile, hard: int, total: int) -> Bucket:
        bucket = Bucket(len(self.buckets), profile, hard, total)
        self.buckets.append(bucket)
        profile.buckets[hard, total] = bucket
        if bucket.number == len(self._heads):
            self._heads = np.concatenate([self._heads, np.full(bucket.number, EMPTY, np.int64)])
            self._sizes = np.concatenate([self._sizes, np.zeros(bucket.number, np.int64)])
        for line in self.lines_of(profile.mask):
            self._fit(line, bucket)
        return bucket

    # -- lines ----------------------------------------------------------------------------------------

    def line(self, queue: QueueSpec, client: str, live: bool, policy: Policy, open_: bool) -> Line:
        """The line for such tasks, made on first use. A closed queue keeps its deferred work waiting."""
        line = self.lines.get((queue.id, client, live))
        if line is None:
            line = Line(len(self.by_bit), queue, client, live, policy)
            self.lines[queue.id, client, live] = line
            self.by_bit.append(line)
            self.configure(line, queue, policy, open_)
        return line

    def configure(self, line: Line, queue: QueueSpec, policy: Policy, open_: bool) -> None:
        """Takes over what the queue asks for now."""
        bit = 1 << line.bit
        line.queue, line.policy = queue, policy
        self.uniform = len({(line.live, line.queue.cost) for line in self.by_bit}) < 2
        line.open = open_ or line.live
        line.reasons, line.profiles, line.buckets = [], [], []
        line.stale, line.counted = True, -1
        for profile in self.by_number:
            profile.mask &= ~bit
            self._judge(line, profile)
        self.touch(line)

    def touch(self, line: Line) -> None:
        """Keeps the bit of a line right after its tasks, or whether it is open, changed."""
        if line.tasks and line.open:
            self.waiting |= 1 << line.bit
        else:
            self.waiting &= ~(1 << line.bit)

    def put(self, line: Line, task: Task) -> None:
        """The task waits in its place."""
        tasks = line.tasks
        if not tasks:
            tasks.append(task.key)
            self.touch(line)
        elif tasks[-1] < task.key:
            tasks.append(task.key)
        else:
            insort(tasks, task.key)

    def take(self, line: Line, task: Task) -> None:
        """The task waits no more."""
        tasks = line.tasks
        if tasks[0] == task.key:
            del tasks[0]
        else:
            del tasks[bisect_left(tasks, task.key)]
        if not tasks:
            self.touch(line)

    def place(self, task: Task) -> int:
        """The place in line of a waiting task, 1 the next one."""
        return bisect_left(task.line.tasks, task.key) + 1

    def lines_of(self, mask: int) -> Iterator[Line]:
        """The lines whose bits are set, in the order of the bits."""
        while mask:
            low = mask & -mask
            yield self.by_bit[low.bit_length() - 1]
            mask ^= low

    def _judge(self, line: Line, profile: Profile) -> None:
        """Decides whether a profile may serve a line."""
        reason = unfit(profile.spec, line.queue, line.client)
        line.reasons.append(reason)
        line.counted = -1
        if reason is not None:
            return
        profile.mask |= 1 << line.bit
        line.profiles.append(profile)
        line.stale = True
        for bucket in profile.buckets.values():
            self._fit(line, bucket)

    def _fit(self, line: Line, bucket: Bucket) -> None:
        used = bucket.hard if line.live else bucket.total
        if used + line.queue.cost > bucket.profile.capacity:
            return
        rank = line.policy.rank
        prefix = 0 if rank is None else rank(bucket.profile.breadth, min(bucket.total, 127)) * RANK
        line.buckets.append((prefix, bucket))
        line.stale = True

    # -- questions ------------------------------------------------------------------------------------

    def best(self, line: Line, count: int) -> list[Agent]:
        """Up to `count` present agents who fit, in the order of the line's policy (which has a `rank`)."""
        by_turn = self.by_turn
        if len(line.buckets) <= FEW:
            keys = [
                prefix + turn
                for prefix, bucket in line.buckets if bucket.turns
                for turn in bucket.turns[:count]
            ]  # fmt: skip
        else:
            line.refresh()
            heads = line.prefixes + self._heads[line.ids]
            near = np.argpartition(heads, count)[:count] if len(heads) > count else np.arange(len(heads))
            buckets = line.buckets
            keys = [buckets[at][0] + turn for at in near.tolist() for turn in buckets[at][1].turns[:count]]
        keys.sort()
        return [by_turn[key % RANK] for key in keys[:count]]

    def fitting(self, line: Line) -> Iterator[Agent]:
        """All present agents who fit, in the order of their turns within each bucket."""
        by_turn = self.by_turn
        for _, bucket in line.buckets:
            for turn in bucket.turns:
                yield by_turn[turn]

    def emptiest(self, line: Line) -> Agent | None:
        """The one agent who is kept for a line whose first task starves: least loaded of those large enough, then
        idle longest. While kept, their load only falls, so the task gets somebody in the end."""
        best: tuple[int, int] | None = None
        for profile in line.profiles:
            if profile.capacity < line.queue.cost:
                continue
            for bucket in profile.buckets.values():
                if bucket.turns:
                    key = (bucket.hard if line.live else bucket.total, bucket.turns[0])
                    if best is None or key < best:
                        best = key
        return self.by_turn[best[1]] if best is not None else None

    def candidates(self, line: Line) -> int:
        """How many present agents have the capacity."""
        if len(line.buckets) <= FEW:
            return sum([len(bucket.turns) for _, bucket in line.buckets])
        line.refresh()
        return int(self._sizes[line.ids].sum())

    def present(self, line: Line) -> int:
        """How many agents who may serve the line are present."""
        if len(line.profiles) <= FEW:
            return sum([profile.present for profile in line.profiles])
        line.refresh()
        return int(self._present[line.serving].sum())

    def eligible(self, line: Line) -> tuple[int, tuple[int, int, int, int]]:
        """How many agents may serve the line at all, and how many each of CRITERIA removes first."""
        if line.counted != self.version:
            removed: dict[str | None, int] = dict.fromkeys((None, *CRITERIA), 0)
            for profile, reason in zip(self.by_number, line.reasons, strict=True):
                removed[reason] += profile.agents
            line.total = removed[None]
            line.removed = (removed["clearance"], removed["queue"], removed["language"], removed["skill"])
            line.counted = self.version
        return line.total, line.removed


def unfit(agent: AgentSpec, queue: QueueSpec, client: str) -> str | None:
    """The first criterion by which the agent may not serve the queue, or None."""
    if not agent.cleared(client):
        return "clearance"
    if not agent.serves(queue.id):
        return "queue"
    if queue.language is not None and queue.language not in agent.languages:
        return "language"
    if not all(any(s == skill and has >= level for s, has in agent.skills) for skill, level in queue.skills):
        return "skill"
    return None
