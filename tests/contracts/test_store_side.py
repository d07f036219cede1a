"""What stands beside the log, on both engines: sessions, secrets, drafts, jobs."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from guichet.kit import faults
from guichet.kit.clock import DAY, HOUR, MINUTE, SECOND
from guichet.kit.errors import Refused
from guichet.store.jobs import LONGEST_DELAY, MAX_ATTEMPTS
from guichet.store.points import JOB_CLAIMED
from guichet.store.port import Draft, Job
from guichet.store.rows import NewJob
from tests.support.stores import ORG, Opened

pytestmark = pytest.mark.contract


# -- sessions ---------------------------------------------------------------------------------------


async def test_a_session_lives_until_it_expires_or_ends(opened: Opened) -> None:
    sessions, now = opened.store.sessions, opened.clock.now()
    token = await sessions.create("agent", ORG, "agent:1", now + HOUR, {"client": "c\0é"})
    other = await sessions.create("agent", ORG, "agent:1", now + MINUTE)
    assert token != other
    found = await sessions.find("agent", token)
    assert found is not None
    assert (found.org, found.actor, found.created, found.expires) == (ORG, "agent:1", now, now + HOUR)
    assert found.data == {"client": "c\0é"}
    assert await sessions.find("visitor", token) is None
    assert await sessions.find("agent", token + "x") is None
    await opened.reopen()
    sessions = opened.store.sessions
    assert await sessions.find("agent", token) is not None
    opened.clock.advance(MINUTE)
    assert await sessions.find("agent", other) is None
    assert await sessions.end("agent", other) is False
    assert await sessions.end("agent", token) is True
    assert await sessions.end("agent", token) is False
    assert await sessions.find("agent", token) is None


async def test_ending_all_sessions_of_somebody_leaves_the_others(opened: Opened) -> None:
    sessions, later = opened.store.sessions, opened.clock.now() + HOUR
    mine = [await sessions.create("agent", ORG, "agent:1", later) for _ in range(3)]
    kept = [
        ("invite", await sessions.create("invite", ORG, "agent:1", later)),
        ("agent", await sessions.create("agent", ORG, "agent:2", later)),
        ("agent", await sessions.create("agent", "org2", "agent:1", later)),
    ]
    await sessions.end_all("agent", ORG, "agent:1", but=mine[0])
    assert [await sessions.find("agent", token) is not None for token in mine] == [True, False, False]
    await sessions.end_all("agent", ORG, "agent:1")
    assert [await sessions.find("agent", token) for token in mine] == [None] * 3
    assert all([await sessions.find(kind, token) for kind, token in kept])


async def test_a_one_time_link_is_used_once(opened: Opened) -> None:
    sessions = opened.store.sessions
    token = await sessions.create("invite", ORG, "agent:1", opened.clock.now() + HOUR)
    used = await asyncio.gather(*(sessions.end("invite", token) for _ in range(8)))
    assert Counter(used) == {True: 1, False: 7}


# -- secrets ----------------------------------------------------------------------------------------


async def test_secrets_are_kept_by_name(opened: Opened) -> None:
    secrets = opened.store.secrets
    assert await secrets.get(ORG, "smtp") is None
    await secrets.put(ORG, "smtp", b"first")
    await secrets.put(ORG, "smtp", b"\0second")
    await secrets.put("org2", "smtp", b"other")
    await opened.reopen()
    secrets = opened.store.secrets
    assert await secrets.get(ORG, "smtp") == b"\0second"
    assert await secrets.get("org2", "smtp") == b"other"
    await secrets.delete(ORG, "smtp")
    await secrets.delete(ORG, "smtp")
    assert await secrets.get(ORG, "smtp") is None


# -- drafts -----------------------------------------------------------------------------------------


def draft(text: str, revision: int, kind: str = "reply", conversation: str = "conv1") -> Draft:
    return Draft(ORG, conversation, kind, "agent1", text, ["blob1"], revision, 12)


async def test_a_draft_goes_from_revision_to_revision(opened: Opened) -> None:
    await opened.store.keys.ensure("s1")
    drafts = opened.store.drafts
    first, second, note = draft("Bonj\0", 1), draft("Bonjour, \U0001f642", 2), draft("aside", 1, "note")
    assert await drafts.save(first, "s1") == first
    await drafts.save(second, "s1")
    await drafts.save(note, "s1")
    for stale in (draft("x", 1), draft("x", 2), draft("x", 4), draft("x", 7, conversation="never")):
        with pytest.raises(Refused) as refused:
            await drafts.save(stale, "s1")
        assert (refused.value.kind, refused.value.code) == ("conflict", "draft.stale")
    await opened.reopen()
    drafts = opened.store.drafts
    assert await drafts.get(ORG, "conv1") == [note, second]
    assert await drafts.get("org2", "conv1") == []
    await drafts.delete(ORG, "conv1", "reply")
    assert await drafts.get(ORG, "conv1") == [note]
    await drafts.save(draft("again", 1), "s1")


async def test_of_two_tabs_that_save_one_wins(opened: Opened) -> None:
    await opened.store.keys.ensure("s1")
    saves = (opened.store.drafts.save(draft(str(n), 1), "s1") for n in range(6))
    results = await asyncio.gather(*saves, return_exceptions=True)
    assert sum(isinstance(result, Draft) for result in results) == 1
    assert sum(isinstance(result, Refused) for result in results) == 5


async def test_drafts_go_with_their_customer(opened: Opened) -> None:
    keys, drafts = opened.store.keys, opened.store.drafts
    await keys.ensure("s1")
    await keys.ensure("s2")
    kept = draft("stays", 1, conversation="conv2")
    await drafts.save(draft("goes", 1), "s1")
    await drafts.save(kept, "s2")
    await keys.destroy("s1")
    assert await drafts.get(ORG, "conv1") == []
    await drafts.erase("s1")
    assert await drafts.get(ORG, "conv2") == [kept]
    for subject in ("s1", "never had a key"):
        with pytest.raises(Refused, match=r"customer\.erased"):
            await drafts.save(draft("late", 1), subject)


# -- jobs -------------------------------------------------------------------------------------------

LEASE = 30 * SECOND


async def claim(opened: Opened, owner: str = "w1", limit: int = 10) -> list[Job]:
    return await opened.store.jobs.claim(["mail", "sms"], owner, LEASE, limit)


async def test_a_job_is_done_once(opened: Opened) -> None:
    jobs = opened.store.jobs
    await opened.append([opened.entry()], jobs=[NewJob("mail", "m1", {"id": "é\0", "n": 1, "none": None})])
    await jobs.add(NewJob("mail", "m1", {"id": "again"}))
    await opened.append(jobs=[NewJob("mail", "m1", {}), NewJob("other", "o1", {})])
    (job,) = await claim(opened)
    assert (job.queue, job.key, job.payload, job.attempt) == (
        "mail",
        "m1",
        {"id": "é\0", "n": 1, "none": None},
        1,
    )
    assert await claim(opened) == []
    assert await jobs.done(job, "somebody else") is False
    assert await jobs.done(job, "w1") is True
    assert await jobs.done(job, "w1") is False
    opened.clock.advance(HOUR)
    assert await claim(opened) == []


async def test_jobs_of_a_batch_that_failed_do_not_exist(opened: Opened) -> None:
    with pytest.raises(Exception, match="epoch"):
        await opened.append([opened.entry()], jobs=[NewJob("mail", "m1", {})], epoch=99)
    assert await claim(opened) == []


async def test_a_worker_that_died_gives_its_job_back(opened: Opened) -> None:
    await opened.store.jobs.add(NewJob("mail", "m1", {}))
    (first,) = await claim(opened, "w1")
    opened.clock.advance(LEASE - 1)
    assert await claim(opened, "w2") == []
    opened.clock.advance(1)
    (second,) = await claim(opened, "w2")
    assert (second.id, second.attempt) == (first.id, 2)
    assert await opened.store.jobs.done(first, "w1") is False
    assert await opened.store.jobs.failed(first, "w1", "late", retry=False) is False
    assert await opened.store.jobs.done(second, "w2") is True


async def test_a_new_beginning_ends_the_leases_of_who_is_gone(opened: Opened) -> None:
    for name in ("held", "tried"):
        await opened.store.jobs.add(NewJob("mail", name, {}))
    held, tried = sorted(await claim(opened, "w1"), key=lambda job: job.key)
    await opened.store.jobs.failed(tried, "w1", "smtp 450")
    await opened.store.jobs.free()
    (again,) = await claim(opened, "w2")
    assert (again.id, again.attempt) == (held.id, 2)  # what was put off waits for its time
    assert await opened.store.jobs.done(held, "w1") is False


async def test_the_same_worker_does_not_finish_a_lease_that_it_lost(opened: Opened) -> None:
    await opened.store.jobs.add(NewJob("mail", "m1", {}))
    (first,) = await claim(opened)
    opened.clock.advance(LEASE)
    (second,) = await claim(opened)
    assert await opened.store.jobs.done(first, "w1") is False
    assert await opened.store.jobs.done(second, "w1") is True


async def test_failures_back_off_until_the_job_is_dead_and_it_can_be_revived(opened: Opened) -> None:
    jobs = opened.store.jobs
    await jobs.add(NewJob("mail", "m1", {}))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (job,) = await claim(opened)
        assert job.attempt == attempt
        assert await jobs.failed(job, "w1", "smtp 450 " * 1_000) is (attempt == MAX_ATTEMPTS)
        opened.clock.advance(3 * SECOND)
        assert await claim(opened) == []
        opened.clock.advance(2 * HOUR)
    assert await claim(opened) == []
    (lost,) = await jobs.dead()
    assert lost.key == "m1"
    await jobs.revive(lost.id)
    (job,) = await claim(opened)
    assert job.attempt == 1
    assert await jobs.dead() == []


async def test_what_cannot_work_is_dead_at_once(opened: Opened) -> None:
    await opened.store.jobs.add(NewJob("mail", "m1", {}))
    (job,) = await claim(opened)
    assert await opened.store.jobs.failed(job, "w1", "550 no such user", retry=False) is True
    assert [j.key for j in await opened.store.jobs.dead()] == ["m1"]


async def test_a_job_that_kills_every_worker_is_dead_in_the_end(opened: Opened) -> None:
    await opened.store.jobs.add(NewJob("mail", "m1", {}))
    for _ in range(MAX_ATTEMPTS):
        assert len(await claim(opened)) == 1
        opened.clock.advance(LEASE)
    assert await claim(opened) == []
    assert [job.key for job in await opened.store.jobs.dead()] == ["m1"]


async def test_a_job_waits_for_its_time_and_older_ones_go_first(opened: Opened) -> None:
    await opened.store.jobs.add(NewJob("mail", "late", {}), 30)
    for key in ("first", "second"):
        opened.clock.advance(10)
        await opened.store.jobs.add(NewJob("mail", key, {}))
    assert [job.key for job in await claim(opened, limit=1)] == ["first"]
    assert [job.key for job in await claim(opened)] == ["second"]
    opened.clock.advance(10)
    assert [job.key for job in await claim(opened)] == ["late"]


@pytest.mark.parametrize("jump", [-DAY, DAY, -51 * 365 * DAY], ids=["back", "forth", "to 1975"])
async def test_a_wall_clock_that_jumps_neither_delays_jobs_nor_hurries_them(
    opened: Opened, jump: int
) -> None:
    """Put off for a while means for that while, whatever the hands on the wall do."""
    jobs, clock = opened.store.jobs, opened.clock
    for key in ("tried", "left"):
        await jobs.add(NewJob("mail", key, {}))
    await jobs.add(NewJob("mail", "soon", {}), 10 * SECOND)
    for job in await claim(opened):
        if job.key == "tried":
            await jobs.failed(job, "w1", "smtp 450")
    clock.jump(clock.now() + jump)
    await jobs.add(NewJob("mail", "new", {}))
    assert [job.key for job in await claim(opened, "w2")] == ["new"]
    clock.advance(10 * SECOND)
    assert {job.key for job in await claim(opened, "w2")} == {"tried", "soon"}
    clock.advance(LEASE)
    assert "left" in {job.key for job in await claim(opened, "w3")}


async def test_a_clock_set_back_while_nobody_worked_delays_no_job_for_long(opened: Opened) -> None:
    for key in ("tried", "held"):
        await opened.store.jobs.add(NewJob("mail", key, {}))
    (tried, _) = await claim(opened)
    await opened.store.jobs.failed(tried, "w1", "smtp 450")
    opened.clock.jump(opened.clock.now() - DAY)
    await opened.reopen()
    await opened.store.jobs.free()
    assert {job.key for job in await claim(opened, "w2")} == {"tried", "held"}


async def test_what_must_happen_is_tried_for_ever(opened: Opened) -> None:
    jobs = opened.store.jobs
    await jobs.add(NewJob("erase", "s1", {}))
    for attempt in range(1, 3 * MAX_ATTEMPTS):
        (job,) = await jobs.claim(["erase"], "w1", LEASE, 1, forever=True)
        assert job.attempt == attempt
        if attempt % 2:  # by turns the worker fails and dies
            assert await jobs.failed(job, "w1", "OSError", forever=True) is False
        opened.clock.advance(LONGEST_DELAY + LONGEST_DELAY // 5)
    assert await jobs.dead() == []


async def test_two_workers_never_have_the_same_job(opened: Opened) -> None:
    await opened.append(jobs=[NewJob("mail", f"m{n}", {}) for n in range(200)])
    taken: list[str] = []

    async def worker(name: str) -> None:
        while batch := await claim(opened, name, limit=7):
            taken.extend(job.key for job in batch)
            for job in batch:
                assert await opened.store.jobs.done(job, name)

    await asyncio.gather(*(worker(f"w{n}") for n in range(6)))
    assert Counter(taken) == {f"m{n}": 1 for n in range(200)}


async def test_a_worker_is_woken_by_work_and_by_its_time(opened: Opened) -> None:
    jobs = opened.store.jobs
    waiting = asyncio.ensure_future(jobs.wait(["mail"], 60))
    await asyncio.sleep(0)
    await opened.append(jobs=[NewJob("mail", "m1", {})])
    await asyncio.wait_for(waiting, 10)
    await asyncio.wait_for(jobs.wait(["mail"], 60), 10)
    await claim(opened)
    await jobs.add(NewJob("mail", "soon", {}), 20)
    await asyncio.wait_for(jobs.wait(["mail"], 60), 10)
    await asyncio.wait_for(jobs.wait(["nothing"], 0.01), 10)


async def test_a_process_that_dies_with_a_claim_in_hand(opened: Opened) -> None:
    await opened.store.jobs.add(NewJob("mail", "m1", {}))
    faults.arm(JOB_CLAIMED, "raise")
    with pytest.raises(OSError, match="fault point"):
        await claim(opened)
    assert await claim(opened) == []
    opened.clock.advance(LEASE)
    assert len(await claim(opened)) == 1
