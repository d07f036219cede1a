"""Words for invented customers and agents, composed from `words/*.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import msgspec

from guichet.kit.seeded import Seeded
from guichet.server.demo.operator import Shop


class Topic(msgspec.Struct, frozen=True):
    """What somebody writes about. `turns`: the customer begins, then the agent, in turn; each a list of variants."""

    code: str
    subjects: list[str]
    turns: list[list[str]]
    note: list[str]
    tags: list[str]


class Book(msgspec.Struct, frozen=True):
    """All words of one language."""

    names: list[str]
    cities: list[str]
    days: list[str]
    hello: list[str]
    closing: list[str]
    reply_hello: list[str]
    reply_closing: list[str]
    abandoned: list[str]
    generic: list[str]
    topic: list[Topic]


class Dialogue(msgspec.Struct, frozen=True):
    """One exchange, ready to be said. Agents' turns (the odd ones) still hold {agent}."""

    language: str
    name: str
    address: str
    code: str
    subject: str
    turns: list[str]
    note: str
    tags: list[str]


@cache
def book(language: str) -> Book:
    text = resources.files("guichet.server.demo").joinpath(f"words/{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Book)


class _Kept(dict[str, str]):
    """What is not known yet stays as it is."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def compose(shop: Shop, chance: Seeded, who: tuple[str, str] | None = None) -> Dialogue:
    """A dialogue with one of the shop's customers; `who` (language, name) comes back with another concern."""
    if who is None:
        language = shop.other_language if chance.chance(0.15) else shop.language
        names = book(language).names
        name = f"{chance.pick(names).partition(' ')[0]} {chance.pick(names).partition(' ')[2]}"
    else:
        language, name = who
    words = book(language)
    topic = chance.pick(words.topic)
    values = _Kept(
        order=shop.order.format(n=chance.between(20_100, 48_900)),
        product=chance.pick(shop.products[language]),
        city=chance.pick(words.cities),
        day=chance.pick(words.days),
        name=name,
        client=shop.name,
    )
    turns = [chance.pick(turn).format_map(values) for turn in topic.turns]
    # Some are done early: thanks and farewell are not always said.
    length = chance.pick((4, 5, 6, 6))
    return Dialogue(
        language=language,
        name=name,
        address=address_of(name),
        code=topic.code,
        subject=chance.pick(topic.subjects).format_map(values),
        turns=turns[:length],
        note=chance.pick(topic.note).format_map(values) if chance.chance(0.4) else "",
        tags=topic.tags if chance.chance(0.5) else [],
    )


def address_of(name: str) -> str:
    """The invented customer's e-mail address: "Inès Caradec" is ines.caradec@mail.example."""
    plain = str.maketrans("éèêëàâîïôöûüçÉ", "eeeeaaiioouuce")
    return f"{name.translate(plain).lower().replace(' ', '.')}@mail.example"


def as_mail(dialogue: Dialogue, turn: int, chance: Seeded) -> str:
    """A customer's turn as a mail."""
    words = book(dialogue.language)
    hello, closing = chance.pick(words.hello), chance.pick(words.closing)
    return f"{hello},\n\n{_body(dialogue.turns[turn])}\n\n{closing},\n{dialogue.name}"


def as_reply(dialogue: Dialogue, turn: int, agent: str, client: str, chance: Seeded) -> str:
    """An agent's turn as a mail."""
    words = book(dialogue.language)
    values = _Kept(name=dialogue.name, agent=agent, client=client)
    hello = chance.pick(words.reply_hello).format_map(values)
    closing = chance.pick(words.reply_closing).format_map(values)
    return f"{hello},\n\n{_body(dialogue.turns[turn].format_map(values))}\n\n{closing}"


def said(dialogue: Dialogue, turn: int, agent: str) -> str:
    """An agent's turn in a chat."""
    return dialogue.turns[turn].format_map(_Kept(agent=agent))


def _body(text: str) -> str:
    """Without the chat's own greeting; a letter has one."""
    first, _, rest = text.partition(", ")
    greets = first.split(" ")[0] in ("Bonjour", "Hello", "Hi") and len(first) < 40
    return rest[:1].upper() + rest[1:] if greets and rest else text
