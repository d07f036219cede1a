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

EVERYDAY = frozenset({"email", "voice", "matrix"})
"""Also names of fields and of kinds of address; they count as channels in a statement that speaks of channels."""


def check(module: Module) -> Iterator[Finding]:
    if not module.parts or module.parts[:2] == ("server", "demo"):
        return
    own = module.parts[1].removesuffix(".py") if module.stage == "channels" and len(module.parts) > 1 else ""
    for statement in module.nodes:
        if isinstance(statement, ast.stmt):
            for node, name in _named(statement):
                if name != own:
                    message = f"{name!r} belongs to channels/{name}; ask for a capability instead"
                    yield Finding(module.path, getattr(node, "lineno", statement.lineno), NAME, message)


def _named(statement: ast.stmt) -> Iterator[tuple[ast.AST, str]]:
    """The channels that a statement names, not counting the statements inside it."""
    if isinstance(statement, ast.ImportFrom) and not statement.level:
        found = {_channel(f"{statement.module}.{alias.name}") for alias in statement.names}
        yield from ((statement, name) for name in found if name)
    elif isinstance(statement, ast.Import):
        yield from ((statement, name) for alias in statement.names if (name := _channel(alias.name)))
    else:
        own = list(_own_nodes(statement))
        about_channels = any("channel" in _identifier(node).lower() for node in own)
        names = CHANNELS if about_channels else CHANNELS - EVERYDAY
        yield from (
            (node, str(node.value)) for node in own if isinstance(node, ast.Constant) and node.value in names
        )


def _own_nodes(statement: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt):
            yield child
            yield from _own_nodes(child)


def _identifier(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.arg or "" if isinstance(node, ast.arg | ast.keyword) else ""


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
    Sample("src/guichet/accounts/commands.py", 'raise invalid("email", "agent.email_taken")'),
)
BAD = (
    Sample("src/guichet/conversations/commands.py", 'match ask.channel:\n    case "email":\n        pass'),
    Sample("src/guichet/conversations/commands.py", 'SEND_BY_CHANNEL = {"email": send}'),
    Sample("src/guichet/conversations/commands.py", 'if kind == "whatsapp": ...'),
    Sample("src/guichet/conversations/commands.py", 'if channel == "email": ...'),
    Sample("src/guichet/channels/email/parse.py", 'other = "webchat"'),
    Sample("src/guichet/server/wiring.py", "from guichet.channels import webchat"),
    Sample("src/guichet/desk/views.py", "import guichet.channels.email.parse"),
)
