"""What a fact is: an immutable record, named in the past tense, with marks for personal data.

    @fact("message.received", stream="conversation", subject="customer")
    class MessageReceived(Fact, frozen=True, kw_only=True):
        conversation: str
        message: str
        customer: str
        text: Personal[str] = ""

`stream="conversation"` says that the field `conversation` names the aggregate: stream "conversation/<id>".
`subject="customer"` says whose key seals the fields marked `Personal`. A personal field must have an empty
default: that is what is read once the key is gone. A field of free text must choose `Personal` or `Plain`;
the class is refused otherwise.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, TypeVar, cast

import msgspec

T = TypeVar("T")
F = TypeVar("F", bound="type[Fact]")


class _Mark:
    def __init__(self, name: str) -> None:
        self.name = name


PERSONAL = _Mark("personal")
PLAIN = _Mark("plain")
Personal = Annotated[T, PERSONAL]
"""Sealed under the subject's key in the log; gone when the customer is erased."""
Plain = Annotated[T, PLAIN]
"""Free text that says nothing about a customer (a label, a code, an id)."""

Id = Plain[str]
"""An id: 26 characters from `kit.ids.new_id`, or one derived from it."""


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all facts. Never subclass without the `fact` decorator."""


class FactType(msgspec.Struct, frozen=True):
    """The catalogue's entry of one fact type."""

    name: str
    version: int
    cls: type[Fact]
    stream_of: Callable[[Fact], str]
    subject_of: Callable[[Fact], str] | None
    personal: tuple[str, ...]
    decoder: msgspec.json.Decoder[Fact]
    opens: bool


CATALOGUE: dict[str, FactType] = {}
BY_CLASS: dict[type[Fact], FactType] = {}
Step = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[tuple[str, int], Step] = {}


class BadFact(TypeError):
    """A fact class that breaks a rule of this module."""


def fact(
    type_name: str,
    *,
    stream: str | Callable[[Any], str],
    subject: str | None = None,
    version: int = 1,
    opens: bool = False,
) -> Callable[[F], F]:
    """Registers a fact class under its name; see the module's text. Raises BadFact.

    `opens`: only ever the first fact of its stream, so that nobody looks whether the stream exists.
    """

    def register(cls: F) -> F:
        if type_name in CATALOGUE:
            raise BadFact(f"{type_name} is registered twice")
        fields = msgspec.structs.fields(cls)
        hints = typing.get_type_hints(cls, include_extras=True)
        personal = tuple(f.name for f in fields if _marked(hints[f.name], PERSONAL))
        for f in fields:
            if not _decided(hints[f.name]):
                raise BadFact(f"{type_name}.{f.name}: choose Personal[...] or Plain[...]")
            if f.name in personal and f.required:
                raise BadFact(f"{type_name}.{f.name}: a personal field needs an empty default")
        if personal and subject is None:
            raise BadFact(f"{type_name}: personal fields need subject=...")
        names = {f.name for f in fields}
        for named in (stream, subject):
            if isinstance(named, str) and named not in names:
                raise BadFact(f"{type_name}: no field {named}")
        entry = FactType(
            name=type_name,
            version=version,
            cls=cls,
            stream_of=_stream_of(stream) if isinstance(stream, str) else stream,
            subject_of=cast("Callable[[Fact], str]", attrgetter(subject)) if subject else None,
            personal=personal,
            decoder=cast("msgspec.json.Decoder[Fact]", msgspec.json.Decoder(cls)),
            opens=opens,
        )
        CATALOGUE[type_name] = entry
        BY_CLASS[cls] = entry
        return cls

    return register


def upcast(type_name: str, from_version: int) -> Callable[[Step], Step]:
    """Registers the step from one version's plain fields to the next one's."""

    def register(step: Step) -> Step:
        UPCASTERS[type_name, from_version] = step
        return step

    return register


def encode(value: Fact) -> tuple[bytes, bytes | None]:
    """The fact's plain fields as JSON and, where it has any, its personal fields as JSON (to be sealed)."""
    entry = BY_CLASS[type(value)]
    if not entry.personal:
        return _encoder.encode(value), None
    plain = msgspec.structs.asdict(value)
    personal = {name: plain.pop(name) for name in entry.personal}
    return _encoder.encode(plain), _encoder.encode(personal)


def decode(type_name: str, version: int, data: bytes, personal: bytes | None = None) -> Fact:
    """The fact again. Without `personal` (erased, or not asked for) its personal fields are empty."""
    entry = CATALOGUE[type_name]
    if version == entry.version and personal is None:
        return entry.decoder.decode(data)
    fields: dict[str, Any] = msgspec.json.decode(data)
    if personal is not None:
        fields.update(msgspec.json.decode(personal))
    while version < entry.version:
        fields = UPCASTERS[type_name, version](fields)
        version += 1
    return msgspec.convert(fields, entry.cls)


def stream_of(value: Fact) -> str:
    """The aggregate that the fact belongs to, "<kind>/<id>"."""
    return BY_CLASS[type(value)].stream_of(value)


def subject_of(value: Fact) -> str | None:
    """The customer whose key seals it, where it has personal fields."""
    entry = BY_CLASS[type(value)]
    return entry.subject_of(value) if entry.subject_of is not None else None


_encoder = msgspec.json.Encoder()


def _stream_of(field: str) -> Callable[[Fact], str]:
    prefix, get = f"{field}/", attrgetter(field)
    return lambda value: prefix + get(value)


def _marked(hint: object, mark: _Mark) -> bool:
    return mark in getattr(hint, "__metadata__", ())


def _decided(hint: object) -> bool:
    """True unless the hint lets free text through without a mark."""
    if _marked(hint, PERSONAL) or _marked(hint, PLAIN):
        return True
    if hint in (str, bytes, dict, list, object, Any):
        return False
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        inner = typing.get_type_hints(hint, include_extras=True)
        return all(_decided(inner[f.name]) for f in msgspec.structs.fields(hint))
    if typing.get_origin(hint) is typing.Literal:
        return True
    return all(_decided(arg) for arg in typing.get_args(hint) if arg is not Ellipsis)
