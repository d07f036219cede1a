"""The web chat as a channel: live, on the visitor's own socket, without an outbox."""

from __future__ import annotations

from guichet.channels.base import Capabilities, Channel, Door, Edge, Inbound
from guichet.channels.webchat import protocol
from guichet.channels.webchat.door import ChatDoor
from guichet.channels.webchat.settings import WebchatSettings
from guichet.channels.webchat.visitors import NAME
from guichet.kit.errors import invalid


class Webchat(Channel):
    """Frames in, frames out."""

    name = NAME
    Settings = WebchatSettings
    capabilities = Capabilities(live=True, outbox=False, attachments=True, read_marks=True, typing=True)

    def parse(self, raw: bytes) -> Inbound:
        """A frame that is recorded: say, read or leave. Raises Refused for any other."""
        found = protocol.inbound(protocol.decode(raw))
        if found is None:
            raise invalid("frame", "frame.not_recorded", "this frame says nothing that is kept")
        return found

    def door(self, edge: Edge) -> Door:
        return ChatDoor(edge)
