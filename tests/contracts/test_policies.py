"""One suite for every routing policy: those that a folder holds now, and those that somebody drops in later."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guichet.events.routing import AgentConnected, OfferMade, PresenceChanged, TaskQueued
from guichet.kit.plugins import BrokenPlugin
from guichet.leader.state import Deadlines
from guichet.routing import policies as folder
from guichet.routing.decide import candidate, waiting
from guichet.routing.engine import Engine
from guichet.routing.model import AgentSpec, QueueSpec
from guichet.routing.policy import MAX_RANK, Candidate, Policy, Waiting, policies
from guichet.server import stages

pytestmark = pytest.mark.contract

POLICIES = policies()

NEWEST = """
NAME = "newest_x"
VERSION = 3


def pick_agent(task, candidates):
    return max(candidates, key=lambda c: c.turn)


def pick_task(agent, heads):
    return max(heads, key=lambda head: head.number)
"""

times = st.integers(1_700_000_000_000, 1_900_000_000_000)
tasks = st.builds(
    Waiting,
    task=st.text("abc", min_size=1, max_size=6),
    number=st.integers(1, 1_000),
    queue=st.sampled_from(["q0", "q1", "q2"]),
    priority=st.integers(0, 10),
    since=times,
    live=st.booleans(),
    cost=st.integers(1, 6),
)
heads = st.lists(tasks, min_size=1, max_size=12, unique_by=(lambda head: head.task, lambda head: head.number))


@st.composite
def lists_of_candidates(draw: st.DrawFn) -> list[Candidate]:
    turns = draw(st.lists(st.integers(1, 10_000), min_size=1, max_size=12, unique=True))
    return [
        Candidate(
            agent=f"a{turn}",
            breadth=draw(st.integers(0, 100)),
            load=draw(st.integers(0, 100)),
            capacity=100,
            idle_since=draw(times),
            turn=turn,
        )
        for turn in turns
    ]


@pytest.fixture(params=sorted(POLICIES))
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]


@pytest.mark.parametrize("name", sorted(POLICIES))
@given(task=tasks, candidates=lists_of_candidates(), order=st.randoms(use_true_random=False))
def test_picks_one_of_the_candidates_whatever_their_order(
    name: str, task: Waiting, candidates: list[Candidate], order: object
) -> None:
    policy = POLICIES[name]
    before = list(candidates)
    picked = policy.pick_agent(task, candidates)
    assert picked in candidates
    assert candidates == before, "a policy changes nothing"
    order.shuffle(candidates)  # type: ignore[attr-defined]
    assert policy.pick_agent(task, candidates) == picked


@pytest.mark.parametrize("name", sorted(POLICIES))
@given(agent=lists_of_candidates(), offered=heads, order=st.randoms(use_true_random=False))
def test_picks_one_of_the_heads_whatever_their_order(
    name: str, agent: list[Candidate], offered: list[Waiting], order: object
) -> None:
    policy = POLICIES[name]
    before = list(offered)
    picked = policy.pick_task(agent[0], offered)
    assert picked in offered
    assert offered == before, "a policy changes nothing"
    order.shuffle(offered)  # type: ignore[attr-defined]
    assert policy.pick_task(agent[0], offered) == picked


@pytest.mark.parametrize("name", sorted(POLICIES))
@given(task=tasks, candidates=lists_of_candidates())
def test_its_rank_says_the_same_as_its_choice(name: str, task: Waiting, candidates: list[Candidate]) -> None:
    policy = POLICIES[name]
    if policy.rank is None:
        return
    ranks = {c.agent: policy.rank(c.breadth, c.load) for c in candidates}
    assert all(0 <= rank <= MAX_RANK for rank in ranks.values())
    best = min(candidates, key=lambda c: (ranks[c.agent], c.turn))
    assert policy.pick_agent(task, candidates) == best


def centre(policy: Policy, known: dict[str, Policy], agents: int) -> Engine:
    """Agents of three profiles; each serves the one queue."""
    engine = Engine("org", Deadlines(), known)
    engine.set_queue(QueueSpec("q", "shop", cost=1, policy=policy.name))
    for n in range(agents):
        skills = frozenset((f"s{k}", 1) for k in range(n % 3))
        engine.set_agent(AgentSpec(f"a{n}", skills=skills, capacity=1 + n % 2))
        engine.apply(AgentConnected(organisation="org", agent=f"a{n}"), t=n)
        engine.apply(PresenceChanged(organisation="org", agent=f"a{n}", presence="available"), t=n)
    return engine


def arrive(engine: Engine, n: int) -> list[OfferMade]:
    queued = TaskQueued(
        task=f"c{n}-1", conversation=f"c{n}", client="shop", queue="q", live=True, priority=0, cost=1,
        interruptible=False, since=1_000 + n,
    )  # fmt: skip
    return [fact for fact in engine.apply(queued, t=1_000 + n) if isinstance(fact, OfferMade)]


@pytest.mark.parametrize("agents", [8, 60])
def test_work_is_given_while_anybody_is_free_and_the_index_agrees_with_the_hook(
    policy: Policy, agents: int
) -> None:
    """Both of the index's ways (few buckets, many buckets), and the policy without its rank."""
    plain = Policy(policy.name, policy.label, policy.pick_agent, policy.pick_task, None)
    fast, slow = centre(policy, POLICIES, agents), centre(policy, {**POLICIES, policy.name: plain}, agents)
    room = sum(agent.spec.capacity for agent in fast.agents.values())
    for n in range(room):
        free = [candidate(agent) for agent in fast.agents.values() if agent.fits(True, 1)]
        (offer,) = arrive(fast, n)
        assert arrive(slow, n) == [offer]
        assert offer.agent == policy.pick_agent(waiting(fast.tasks[offer.task]), free).agent
    assert arrive(fast, room) == []


def test_the_registry_refuses_two_policies_of_one_name() -> None:
    assert len({policy.label for policy in POLICIES.values()}) == len(POLICIES)
    assert {"longest_idle", "fewest_skills"} <= set(POLICIES)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder of policies beside the built-in one."""
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    yield tmp_path
    monkeypatch.undo()
    for name in [
        name for name in sys.modules if name.startswith(f"{folder.__name__}.") and name.endswith("_x")
    ]:
        del sys.modules[name]
        delattr(folder, name.rpartition(".")[2])


def test_one_new_file_is_a_new_policy(beside: Path) -> None:
    """A queue may name it, and the engine then asks it: here whoever became free last, not who waits longest."""
    (beside / "newest_x.py").write_text(NEWEST)
    found = policies()
    assert set(found) - set(POLICIES) == {"newest_x"}
    assert stages.rules().policies == set(found)
    (offer,) = arrive(centre(found["newest_x"], found, 8), 0)
    assert offer.agent == "a7"
    assert offer.record.policy == "newest_x@3"
    (usual,) = arrive(centre(found["longest_idle"], found, 8), 0)
    assert usual.agent == "a0"


def test_a_file_that_lacks_a_hook_is_named(beside: Path) -> None:
    (beside / "half_x.py").write_text('NAME = "half_x"\nVERSION = 1\n')
    with pytest.raises(BrokenPlugin, match="half_x must export pick_agent, pick_task"):
        policies()
