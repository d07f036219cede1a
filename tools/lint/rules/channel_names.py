"""A channel is named in its own module only: everyone else asks for its capabilities, so that one file adds one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.lint.model import Finding, Module, Sample

NAME = "channel-name"
CHANNELS = frozenset(
    {
        *("webchat", "email", "sms", "whatsapp", "voice", "telegram", "messenger", "instagram", "facebook"),
        *("rcs", "viber", "signal_messenger", "apple_messages", "googlebusiness", "xmpp", "matrix"),
    }
)


def check(module: Module) -> Iterator[Finding]:
    if not module.parts or module.parts[:2] == ("server", "demo"):
        return
    own = module.parts[1].removesuffix(".py") if module.stage == "channels" and len(module.parts) > 1 else ""
    for node in module.nodes:
        for name in _named(node, module) - {own}:
            line = getattr(node, "lineno", 1)
            yield Finding(
                module.path, line, NAME, f"{name!r} belongs to channels/{name}; ask for a capability instead"
            )


def _named(node: ast.AST, module: Module) -> set[str]:
    if isinstance(node, ast.Constant):
        if node.value in CHANNELS:
            return {str(node.value)}
    elif isinstance(node, ast.ImportFrom) and not node.level:
        return {_channel(f"{node.module}.{alias.name}") for alias in node.names} - {""}
    elif isinstance(node, ast.Import):
        return {_channel(alias.name) for alias in node.names} - {""}
    return set()


def _channel(imported: str) -> str:
    parts = imported.split(".")
    named = parts[2] if parts[:2] == ["guichet", "channels"] and len(parts) > 2 else ""
    return named if named in CHANNELS else ""


GOOD = (
    Sample("src/guichet/channels/email/parse.py", 'NAME = "email"'),
    Sample("src/guichet/channels/webchat.py", 'name = "webchat"'),
    Sample("src/guichet/channels/email/parse.py", "import email\nfrom email.message import EmailMessage"),
    Sample("src/guichet/channels/email/door.py", "from guichet.channels.email.parse import parse"),
    Sample("src/guichet/server/demo/seed.py", 'entry_point("email", "bonjour@boutique.example")'),
    Sample("src/guichet/conversations/commands.py", "if channel.live: ..."),
)
BAD = (
    Sample("src/guichet/conversations/commands.py", 'if channel == "email": ...'),
    Sample("src/guichet/channels/email/parse.py", 'other = "webchat"'),
    Sample("src/guichet/server/wiring.py", "from guichet.channels import webchat"),
    Sample("src/guichet/desk/views.py", "import guichet.channels.email.parse"),
)
