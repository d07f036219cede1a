"""From a name and JSON to a command of the signed-in agent: the same for the socket and for HTTP."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec

from guichet.accounts.access import Access
from guichet.accounts.permissions import ADMINISTER, ERASE, LEAD, WORK
from guichet.channels.base import Submit
from guichet.conversations.commands import SendMessage
from guichet.desk.hub import not_found
from guichet.desk.reach import conversation_of
from guichet.kit.errors import Refused, invalid
from guichet.leader.registry import COMMANDS, Command
from guichet.store.port import Blobs, Reader

FOR_PEOPLE = frozenset({WORK, LEAD, ADMINISTER, ERASE})
"""Permissions that a role can hold. Commands of channels and of the system are not taken from a desk."""

_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`|unknown field `(?P<unknown>[^`]*)`")
_LIMIT = re.compile(r"length <= (?P<limit>\d+)")


@cache
def _decoder(payload: type[msgspec.Struct]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(payload, strict=True)


def offered_to_people() -> list[str]:
    """The names of the commands that a desk may send, sorted."""
    return sorted(name for name, spec in COMMANDS.items() if spec.permission in FOR_PEOPLE)


def command_of(access: Access, name: str, key: str, payload: msgspec.Raw | bytes) -> Command:
    """The command, its payload decoded strictly. Raises Refused, which names the field at fault."""
    spec = COMMANDS.get(name)
    if spec is None or spec.permission not in FOR_PEOPLE:
        raise Refused("invalid", "command.unknown", "there is no such command for a desk", field="name")
    access.need(spec.permission)
    return Command(name=name, key=key, actor=access.actor, payload=decoded(spec.payload, payload))


def decoded(payload: type[msgspec.Struct], data: msgspec.Raw | bytes) -> msgspec.Struct:
    """The payload. Raises Refused."""
    try:
        return _decoder(payload).decode(data)
    except msgspec.MsgspecError as error:
        raise field_refused(error) from None


def field_refused(error: msgspec.MsgspecError) -> Refused:
    """msgspec's words, taken apart: which field, and which bound it passed."""
    if not isinstance(error, msgspec.ValidationError):
        return Refused("invalid", "json.broken", "this is not JSON")
    text = str(error)
    at, limit, missing = _PATH.search(text), _LIMIT.search(text), _MISSING.search(text)
    names = [at["path"] if at else "", (missing["field"] or missing["unknown"]) if missing else ""]
    field, remedy = ".".join(filter(None, names)) or None, _PATH.sub("", text)
    if limit is not None:
        return Refused("invalid", "field.too_long", remedy, field=field, limit=int(limit["limit"]))
    return Refused("invalid", "field.invalid", remedy, field=field)


class Commands:
    """Takes commands from signed-in agents to the leader."""

    def __init__(self, submit: Submit, reader: Reader, blobs: Blobs) -> None:
        self._submit = submit
        self._reader = reader
        self._blobs = blobs

    async def submit(
        self, access: Access, name: str, key: str, payload: msgspec.Raw | bytes
    ) -> dict[str, Any]:
        """The leader's answer. Raises Refused."""
        command = command_of(access, name, key, payload)
        if isinstance(command.payload, SendMessage) and command.payload.attachments:
            await self._check_files(access, command.payload)
        try:
            return await self._submit(command)
        except Refused as refused:
            foreign = refused.code == "client.not_cleared" and refused.field is None
            if foreign or refused.kind == "not_found":
                # In one voice, so that nobody learns what others have.
                raise not_found() from None
            raise

    async def _check_files(self, access: Access, ask: SendMessage) -> None:
        """Refuses a message that names somebody else's files: whoever gets it would get them."""
        row = await conversation_of(self._reader, access, ask.conversation)
        for number, file in enumerate(ask.attachments):
            if await self._blobs.owner(file.address) != row["subject"]:
                field = f"attachments.{number}.address"
                raise invalid(field, "attachment.unknown", "this file is not here; attach it again")
