"""The measured side of `bench.sockets`: one web process with its leader, told what to do by lines on stdin."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from pathlib import Path
from random import Random

import psutil
import uvicorn
import uvloop

from bench.house import ORG
from guichet.accounts.settings import Agent
from guichet.kit.clock import HOUR
from guichet.leader.loop import Committed
from guichet.server.app import Direct, new_app
from guichet.server.node import Node
from guichet.server.serve import health, listen
from guichet.server.settings import ProcessSettings
from guichet.server.web import Web
from guichet.store.rows import TABLES, Change, Value

TICK = 0.01
FOREIGN = 10
"""One change in so many is of a client that the agent is not cleared for: the hub must keep it back."""
AT_ONCE = 100


async def serve(folder: Path) -> None:
    raise_file_limit()
    settings = ProcessSettings(data_dir=folder, smtp_port=0, port=0, max_waiting=100_000)
    listener = listen("127.0.0.1", 0)
    node = await Node.open(settings)
    web = Web(node)
    app = Direct(new_app(node.build, lambda: health(node), web.routes()), "/api/desk", web.desks)
    config = uvicorn.Config(
        app, loop="uvloop", ws="websockets-sansio", ws_per_message_deflate=False, log_config=None,
        access_log=False, timeout_graceful_shutdown=1, lifespan="off", server_header=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    names = sorted(name for name in node.directory.of(ORG, Agent) if name.startswith("agent"))
    tokens: list[str] = []
    for start in range(0, len(names), AT_ONCE):
        opened = (
            node.store.sessions.create("agent", ORG, name, node.clock.now() + 12 * HOUR)
            for name in names[start : start + AT_ONCE]
        )
        tokens += await asyncio.gather(*opened)
    gc.collect()
    say(port=listener.getsockname()[1], tokens=tokens, agents=names)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        ask = json.loads(line)
        if ask["do"] == "look":
            collecting = time.process_time()
            gc.collect()  # what is weighed is what is held; and no storm's debt is paid while deltas are timed
            collecting = time.process_time() - collecting
            say(collecting=collecting, rss=psutil.Process().memory_info().rss, cpu=time.process_time())
        else:
            say(**await feed(web, ask["agents"], ask["conversations"], ask["rate"], ask["seconds"]))
    server.should_exit = True
    await serving
    web.close()
    await node.close()


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def raise_file_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def feed(
    web: Web, agents: list[str], conversations: list[str], rate: int, seconds: float
) -> dict[str, float]:
    """Commits that nobody wrote, as the leader hands them over: rows of whoever comes, before any authorisation.
    Every tick one batch; `since` and `at` hold the microsecond at which it was handed over."""
    random, loop = Random(7), asyncio.get_running_loop()
    begun, cpu, sent, hidden, late = loop.time(), time.process_time(), 0, 0, 0.0
    number = 0
    while (now := loop.time()) < begun + seconds:
        due = int((now - begun) * rate) - number
        changes: dict[tuple[str, tuple[str | int, ...]], Change] = {}
        stamp = time.monotonic_ns() // 1_000
        for _ in range(due):
            number += 1
            change, foreign = _change(random, agents, conversations, number, stamp)
            if changes.setdefault((change.table.name, change.key), change) is change:
                hidden += foreign
                sent += not foreign
        if changes:
            web.desks.committed(Committed(0, number, number, stamp, list(changes.values()), [], False))
        late = max(late, loop.time() - now)
        await asyncio.sleep(TICK)
    used = time.process_time() - cpu
    return {"sent": sent, "hidden": hidden, "cpu": used, "seconds": loop.time() - begun, "longest_tick": late}


def _change(
    random: Random, agents: list[str], conversations: list[str], number: int, stamp: int
) -> tuple[Change, bool]:
    which = random.randrange(len(agents))
    agent, kind = agents[which], number % 3
    if kind == 0:
        foreign = number % FOREIGN == 0
        known: dict[str, Value] = {"client": "elsewhere" if foreign else "shop"}
        values: dict[str, Value] = {"state": "assigned", "deadline": None, "since": stamp}
        return Change(TABLES["work"], (agent, f"t{number % 7}"), ORG, values, known, fresh=False), foreign
    if kind == 1:
        values = {"presence": "available", "load": number % 7, "offered": 0, "since": stamp}
        return Change(TABLES["agent_state"], (ORG, agent), ORG, values, {}, fresh=False), False
    values = {
        "conversation": conversations[which], "n": number, "message": f"m{number}", "client": "shop",
        "subject": "s", "kind": "customer", "author": "s", "text": "Bonjour, où en est mon colis ? " * 4,
        "attachments": [], "status": "received", "at": stamp, "internal": False,
    }  # fmt: skip
    key = (conversations[which], number)
    return Change(TABLES["message"], key, ORG, values, {}, fresh=True), False


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
