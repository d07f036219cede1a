"""Web chat: the widget on a client's site, over a WebSocket of its own."""

from guichet.channels.webchat.channel import Webchat

CHANNEL = Webchat()
