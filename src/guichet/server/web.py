"""What a node shows over HTTP: sign-in and configuration, the desk's socket and reads, the channels' doors."""

from __future__ import annotations

from starlette.routing import BaseRoute, WebSocketRoute

from guichet.accounts import api as accounts
from guichet.accounts.door import Door
from guichet.accounts.invitations import Invitations
from guichet.accounts.passwords import Passwords
from guichet.accounts.setup import SetUp
from guichet.accounts.sign_in import SignIn
from guichet.channels import registry as channels
from guichet.desk import api as desk
from guichet.desk.commands import Commands
from guichet.desk.socket import Desks
from guichet.media import api as media
from guichet.media.turn import Turn
from guichet.routing.policy import policies
from guichet.server.node import Node


class Web:
    """The web role of a node."""

    def __init__(self, node: Node) -> None:
        store, settings = node.store, node.settings
        origins = frozenset({settings.url})
        self._node = node
        self.passwords = Passwords(store.secrets)
        self.door = Door(store.sessions, node.directory, node.clock, origins, secure=settings.secure_cookies)
        self.commands = Commands(node.submit, store.reader, store.blobs)
        self.desks = Desks(
            views=node.hub,
            signals=node.signals,
            presence=node.presence,
            commands=self.commands,
            door=self.door,
            access_of=node.directory.access,
            supervisor=node.supervisor,
            clock=node.clock,
            build=node.build,
        )
        node.listeners.append(self.desks.committed)

    def _secret_kept(self, use: str) -> None:
        if use == "trunk" and self._node.media is not None:
            self._node.media.refresh_trunks()

    def routes(self) -> list[BaseRoute]:
        """Every route of the stages, in their order."""
        node, store = self._node, self._node.store
        sign_in = SignIn(node.directory, self.passwords, node.clock)
        people = accounts.Deps(
            door=self.door,
            directory=node.directory,
            sign_in=sign_in,
            invitations=Invitations(node.directory, store.sessions, self.passwords, node.clock),
            set_up=SetUp(node.directory, self.passwords, node.submit),
            passwords=self.passwords,
            secrets=store.secrets,
            secret_kept=self._secret_kept,
            reader=store.reader,
            channel_schemas={
                name: channel.Settings.model_json_schema()
                for name, channel in channels.all_channels().items()
            },
            policies=sorted(policies()),
            signed_out=self.desks.signed_out,
            signed_out_elsewhere=self.desks.signed_out_elsewhere,
        )
        reads = desk.Deps(
            door=self.door,
            directory=node.directory,
            reader=store.reader,
            search=node.search,
            people=node.people,
            drafts=store.drafts,
            blobs=store.blobs,
            commands=self.commands,
            clock=node.clock,
        )
        urls = [url.strip() for url in node.settings.turn_urls.split(",") if url.strip()]
        voice = media.Deps(
            door=self.door,
            directory=node.directory,
            reader=store.reader,
            calls=node.test_calls,
            turn=Turn(urls, node.settings.turn_secret.get_secret_value()),
            clock=node.clock,
        )
        routes: list[BaseRoute] = [
            *accounts.router(people).routes,
            *media.router(voice).routes,
            *desk.router(reads).routes,
        ]
        routes.append(WebSocketRoute("/api/desk", self.desks))
        for door in node.doors:
            routes.extend(door.routes)
        return routes

    def close(self) -> None:
        """Says goodbye to the desks."""
        self.desks.close()
