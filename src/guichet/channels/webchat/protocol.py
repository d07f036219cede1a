"""The frames between the widget and this door; `web/widget/src/wire.ts` is the other half.

Bounds are checked here: what passes `decode` is well-formed and small.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from guichet.channels.base import Delivery, Inbound, Left, Message
from guichet.channels.uploads import MAX_FILE
from guichet.events.conversations import Attachment
from guichet.kit.errors import Refused, invalid

MAX_TEXT = 32 * 1024
"""Bytes of UTF-8 in one message."""
MAX_FRAME = 6 * MAX_TEXT + 16 * 1024
"""Bytes of one frame: JSON may escape each byte of text to six."""
MAX_ATTACHMENTS = 10

FrameId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,36}\Z")]


class FileRef(msgspec.Struct, frozen=True):
    """An uploaded file, as the upload's answer named it."""

    address: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{16,128}\Z")]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    type: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}\Z")]
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_FILE)]


class Say(msgspec.Struct, tag_field="op", tag="say", frozen=True):
    """Words; the id is the widget's own and stays the same when it sends them again."""

    id: FrameId
    text: str = ""
    attachments: Annotated[list[FileRef], msgspec.Meta(max_length=MAX_ATTACHMENTS)] = []


class Typing(msgspec.Struct, tag_field="op", tag="typing", frozen=True):
    """The visitor is writing."""


class Read(msgspec.Struct, tag_field="op", tag="read", frozen=True):
    """The visitor has seen everything up to `n`."""

    n: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]


class Leave(msgspec.Struct, tag_field="op", tag="leave", frozen=True):
    """The visitor ends the conversation."""


class Resume(msgspec.Struct, tag_field="op", tag="resume", frozen=True):
    """Send what came after `n` (of `conversation`, if the widget knows which). Also asks "are you there?"."""

    after: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 0
    conversation: Annotated[str, msgspec.Meta(max_length=64)] | None = None


ClientFrame = Say | Typing | Read | Leave | Resume

_decoder: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)
_encoder = msgspec.json.Encoder()


def decode(raw: bytes | str) -> ClientFrame:
    """One frame. Raises Refused that names what is wrong with it."""
    if len(raw) > MAX_FRAME:
        raise Refused("too_large", "frame.too_large", "send shorter messages", limit=MAX_FRAME)
    try:
        frame = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise invalid("frame", "frame.invalid", f"this is not a frame we know: {error}") from error
    if isinstance(frame, Say):
        _check(frame)
    return frame


def _check(say: Say) -> None:
    try:
        size = len(say.text.encode())
    except UnicodeEncodeError as error:
        raise invalid("text", "text.invalid", "the text holds a half character (a lone surrogate)") from error
    if size > MAX_TEXT:
        raise Refused(
            "too_large", "message.too_long", "send it in shorter pieces", field="text", limit=MAX_TEXT
        )
    if not say.text.strip() and not say.attachments:
        raise invalid("text", "message.empty", "write something or attach a file")


def frame_id(raw: bytes | str) -> str:
    """The id of a frame that was refused, so that the widget knows which of its words; "" when there is none."""
    try:
        found = msgspec.json.decode(raw[:MAX_FRAME], type=dict[str, Any]).get("id", "")
    except (msgspec.MsgspecError, UnicodeError):
        return ""
    return found if isinstance(found, str) and len(found) <= 36 else ""


def inbound(frame: ClientFrame) -> Inbound | None:
    """The frame in our words; None for what is never recorded (typing, resume)."""
    match frame:
        case Say():
            files = tuple(Attachment(f.address, f.name, f.type, f.size) for f in frame.attachments)
            return Message(event=frame.id, text=frame.text, attachments=files)
        case Read():
            return Delivery(event=f"read.{frame.n}", status="read", n=frame.n)
        case Leave():
            return Left()
        case _:
            return None


def encode(op: str, **fields: object) -> str:
    """A frame for the widget."""
    return _encoder.encode({"op": op, **fields}).decode()
