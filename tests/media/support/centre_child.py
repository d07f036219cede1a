"""A centre with voice, in a process that a test can kill: `python -m tests.media.support.centre_child`, its settings in
the environment as for any other.

Each line on standard input is a command {"name", "payload"} or a question {"table"}; each line on standard output
its answer. Stands in for the stages that will say who hears whom.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import msgspec
import structlog

from guichet.kit.errors import Refused
from guichet.kit.faults import arm_from_environment
from guichet.kit.ids import new_id
from guichet.leader.registry import COMMANDS, Actor, Command
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from guichet.store.rows import TABLES

ORG = "org"


async def answer(node: Node, asked: dict[str, Any]) -> object:
    if "table" in asked:
        return await node.store.reader.rows(TABLES[asked["table"]], {})
    if "key" in asked:
        await node.store.keys.ensure(asked["key"])
        return None
    if "name" not in asked:
        return node.media.condition if node.media is not None else "off"
    payload = msgspec.convert(asked["payload"], COMMANDS[asked["name"]].payload)
    try:
        return await node.submit(Command(asked["name"], new_id(), Actor("system", "test", ORG), payload))
    except Refused as refused:
        return refused.as_dict()


async def main(settings: ProcessSettings) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    arm_from_environment(settings.faults)
    node = await Node.open(settings)
    node.work()
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lines.feed_eof)
    while line := await lines.readline():
        said = await answer(node, msgspec.json.decode(line))
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()
    await node.close()


if __name__ == "__main__":
    asyncio.run(main(ProcessSettings()))
