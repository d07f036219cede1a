"""A process that appends to a store as fast as it can and says what was acknowledged, to be killed by a test.

    python -m tests.support.store_child URL FOLDER

Each line on standard output is the last position of a batch, written after the batch was durable.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from guichet.kit.faults import arm_from_environment
from guichet.store.port import Answered
from guichet.store.rows import Insert, NewJob, Table, Update
from tests.support.stores import ORG, Opened

BATCH = 5
ROWS = Table(name="test_row", key=("n",), columns={"n": "int", "words": "text", "last": "int"})


async def main(url: str, folder: Path) -> None:
    opened = await Opened(url, folder).open(ROWS)
    opened.seq, _ = await opened.store.reader.last(0)
    arm_from_environment(os.environ.get("GUICHET_FAULTS", ""))
    await opened.store.keys.ensure("s1")
    while True:
        entries = [opened.entry(f"thing/{opened.seq}", subject="s1") for _ in range(BATCH)]
        for entry in entries:
            entry.sealed = opened.store.sealer.seal(entry, b"words" * 40)
        first, last = entries[0].seq, entries[-1].seq
        ops = [Insert(ROWS, (e.seq,), {"words": "w" * 100}) for e in entries]
        if first > BATCH:
            ops += [Update(ROWS, (first - BATCH,), {"last": last})]  # type: ignore[list-item]
        await opened.append(
            entries,
            ops,
            answers=[Answered(ORG, "agent:1", str(last), entries[-1].t, b"{}")],
            jobs=[NewJob("mail", str(last), {})],
        )
        os.write(1, b"%d\n" % last)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
