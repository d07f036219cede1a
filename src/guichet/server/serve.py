"""`guichet serve`: opens a node, serves HTTP until it is told to stop, and says what it does on the way."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from rich.console import Console
from starlette.routing import BaseRoute, Route

from guichet.kit.errors import Refused
from guichet.server.app import new_app, to_desk
from guichet.server.node import Node
from guichet.server.settings import ProcessSettings
from guichet.server.web import Web

GRACE_SECONDS = 5


async def run(settings: ProcessSettings, *, demo: bool = False, traffic: bool = False) -> None:
    """Serves until SIGINT or SIGTERM. Raises Refused when a port or the data directory cannot be had."""
    console = Console()
    listener = listen(settings.host, settings.port)
    console.print("opening the data directory ...", style="dim")
    node = await Node.open(settings)
    try:
        node.work()
        web = Web(node)
        routes: list[BaseRoute] = web.routes()
        if not demo:
            routes.append(Route("/", to_desk))
        app = new_app(node.build, lambda: health(node), routes)
        config = uvicorn.Config(
            app, loop="uvloop", ws="websockets-sansio", ws_per_message_deflate=False, log_config=None,
            access_log=False, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="off", server_header=False,
        )  # fmt: skip
        console.print(f"Guichet {node.build} answers at {settings.url}")
        await uvicorn.Server(config).serve(sockets=[listener])
        web.close()
    finally:
        await node.close()


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
        "search": {"position": await node.search.position(), "trouble": node.indexer.trouble},
    }
