"""`guichet serve`: opens a node, serves HTTP until it is told to stop, and says what it does on the way."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from rich.console import Console
from starlette.routing import Route

from guichet.kit.clock import SystemClock
from guichet.kit.errors import Refused
from guichet.server.app import Direct, new_app, to_desk
from guichet.server.demo import Demo
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from guichet.server.web import Web

GRACE_SECONDS = 5


async def run(settings: ProcessSettings, *, demo: bool = False, traffic: bool = False) -> None:
    """Serves until SIGINT or SIGTERM. Raises Refused when a port or the data directory cannot be had."""
    console = Console()
    listener = listen(settings.host, settings.port)
    if not settings.port:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    async with AsyncExitStack() as opened:
        clock = SystemClock()
        shown = Demo(settings, clock, lambda: (settings.smtp_host, settings.smtp_port)) if demo else None
        if shown is not None:
            opened.push_async_callback(shown.close)
            await shown.open(lambda text: console.print(text, style="dim"))
        console.print(f"opening {settings.data_dir} ...", style="dim")
        node = await Node.open(settings, clock)
        opened.push_async_callback(node.close)
        node.work()
        web = Web(node)
        opened.callback(web.close)
        if shown is not None:
            await shown.begin(node.submit, node.directory, traffic=traffic)
        app = Direct(application(node, web, shown), "/api/desk", web.desks)
        config = uvicorn.Config(
            app, loop="uvloop", ws="websockets-sansio", ws_per_message_deflate=False, log_config=None,
            access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="off", server_header=False,
        )  # fmt: skip
        console.print(f"[bold]Guichet {node.build}[/bold] answers at {settings.url}")
        for line in shown.lines() if shown is not None else ():
            console.print("  " + line, highlight=False, soft_wrap=True)
        if node.media_process is not None and node.media_process.program() is None:
            console.print("  voice is being prepared; everything else is there", style="dim")
        await _serve(Server(config), listener, node)


def application(node: Node, web: Web, shown: Demo | None = None) -> FastAPI:
    """All that this process answers over HTTP."""
    at_root = shown.routes() if shown is not None else [Route("/", to_desk)]
    routes = [*web.routes(), *at_root]
    return new_app(node.build, lambda: health(node), routes, metrics_token=node.settings.metrics_token)


class Server(uvicorn.Server):
    """Ends at SIGINT and SIGTERM, and that is all: uvicorn's own way raises them again once it has stopped, which would
    end the process before anything else is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
        yield


async def _serve(server: Server, listener: socket.socket, node: Node) -> None:
    """Until told to stop. Raises Refused when one of the channels' doors could not be opened."""

    def refusal(door: asyncio.Task[None]) -> Refused | None:
        error = door.exception() if door.done() and not door.cancelled() else None
        return error if isinstance(error, Refused) else None

    def ended(door: asyncio.Task[None]) -> None:
        server.should_exit = server.should_exit or refusal(door) is not None

    for door in node.open_doors:
        door.add_done_callback(ended)
    await server.serve(sockets=[listener])
    for door in node.open_doors:
        if (refused := refusal(door)) is not None:
            raise refused


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, taken before anything is opened. Raises Refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = f"port {port} on {host} cannot be had ({error.strerror})"
        remedy = f"{why}: stop what uses it, or choose another with --port"
        raise Refused("conflict", "port.taken", remedy, field="port") from error
    listener.set_inheritable(True)
    return listener


async def health(node: Node) -> dict[str, Any]:
    """What a probe should know."""
    seq, _ = await node.store.reader.last(0)
    return {
        "version": node.build,
        "leads": node.leading.ready.is_set(),
        "facts": seq,
        "voice": node.media.condition if node.media is not None else "off",
        "search": {"position": await node.search.position(), "trouble": node.indexer.trouble},
    }
