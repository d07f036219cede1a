"""From a key in one browser to the words in the other: a visitor of the demonstration's shop and an agent at the desk.

Two windows of one Chromium, `guichet serve --demo` as a process of its own. Both windows read this machine's clock;
a message is timed from its Enter to the words in the other window's document. One is on its way at a time.
"""

from __future__ import annotations

import argparse
import asyncio

from bench.house import ENGINES, place
from bench.measure import Table, percentile
from tests.e2e.browser import Browser, running
from tests.e2e.demonstration import Demonstration, taken_chat
from tests.e2e.latency import measure

MESSAGES = 400
WARM_UP = 20
PAUSE_MS = 200
"""Before each turn: a sentence costs a visitor a few frames, and the door takes ten a second from one."""
FIRST = "Bonjour, ma lampe est arrivée cassée."
HEAD = ["engine", "from", "messages", "p50 ms", "p99 ms", "slowest ms"]


async def measured(engine: str, browser: Browser, messages: int) -> list[list[str]]:
    """Both directions on one engine."""
    with place(engine) as where:
        async with Demonstration.running(where.folder, where.url) as demo:
            visitor, agent = await taken_chat(browser, demo, FIRST)
            say, see = (visitor.say, agent.say), (visitor.sees, agent.sees)
            took = measure(visitor.page, agent.page, say, see, WARM_UP + messages, PAUSE_MS)[WARM_UP:]
            visitor.page.close()
            agent.page.close()
    return [
        [
            engine, who, f"{len(times)}", f"{percentile(times, 0.5):.0f}", f"{percentile(times, 0.99):.0f}",
            f"{max(times):.0f}",
        ]
        for who, times in (("visitor to agent", took[::2]), ("agent to visitor", took[1::2]))
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> list[Table]:
    """Measures and gives the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.dom", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="in both directions together")
    parser.add_argument("--engine", choices=ENGINES, action="append")
    options = parser.parse_args(arguments)
    note = f"One message at a time, in turns, {PAUSE_MS} ms apart, after {WARM_UP} that are not counted; followers run."
    table = Table("From one window to the other", "python -m bench.dom", HEAD, notes=[note])
    with running() as browser:
        for engine in options.engine or ENGINES:
            table.rows += asyncio.run(measured(engine, browser, options.messages))
            for row in table.rows[-2:]:
                print(" ", *row, flush=True)
    return [table]


if __name__ == "__main__":
    for made in main():
        print(made.text())
