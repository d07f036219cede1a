"""The demonstration's pages: start, the shops, the web mailbox, and the traffic switch."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Awaitable, Callable
from functools import cache
from html import escape
from importlib import resources
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guichet.kit.body import decode_body
from guichet.kit.errors import HTTP_STATUS, Refused, invalid
from guichet.server.demo.mailbox import MAX_TEXT, OWNER, Letter, Mailbox
from guichet.server.demo.operator import PASSWORD, PEOPLE, SHOPS, queue_of
from guichet.server.demo.traffic import Traffic

FILES = {
    "page.css": "text/css",
    "shop.css": "text/css",
    "mark.svg": "image/svg+xml",
    "start.js": "text/javascript",
    "mail.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self' ws: wss:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
FRONT = ("paul", "claire", "marc")
"""Who can be entered as with one click."""
MAX_BODY = 2 * MAX_TEXT

Answer = Callable[[Request], Awaitable[Response]]


class NewLetter(msgspec.Struct, frozen=True):
    """What the mailbox's owner wrote; `answers` names the letter that it answers."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    to: Annotated[str, msgspec.Meta(max_length=254)] = ""
    subject: Annotated[str, msgspec.Meta(max_length=200)] = ""
    answers: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class Switch(msgspec.Struct, frozen=True):
    """Traffic on or off."""

    on: bool


class Site:
    """Routes over the mailbox and the traffic. `mail_door`: where the centre takes mail."""

    def __init__(self, mailbox: Mailbox, traffic: Traffic, mail_door: Callable[[], tuple[str, int]]) -> None:
        self._mailbox = mailbox
        self._traffic = traffic
        self._mail_door = mail_door

    def routes(self) -> list[Route]:
        """Everything below "/" and "/demo"."""
        return [
            Route("/", self._start),
            Route("/demo/shop/{client}", self._shop),
            Route("/demo/mail", self._mail),
            Route("/demo/mail/threads", self._threads),
            Route("/demo/mail/letters", _json(self._write), methods=["POST"]),
            Route("/demo/traffic", self._figures, methods=["GET"]),
            Route("/demo/traffic", _json(self._switch), methods=["POST"]),
            Route("/demo/static/{file}", _static),
        ]

    async def _start(self, request: Request) -> Response:
        words = _words(request)
        people = "".join(_person(person.id, words) for person in PEOPLE if person.id in FRONT)
        return _page("start.html", {**words, "password": PASSWORD}, people=people)

    async def _shop(self, request: Request) -> Response:
        shop = next((shop for shop in SHOPS if shop.client == request.path_params["client"]), None)
        if shop is None:
            raise Refused("not_found", "not_found", "there is no such shop")
        words = _words(request, shop.language)
        about = _book()["shop"][shop.client]
        goods = "".join(_good(product, words) for product in about["product"])
        address = f'<a href="/demo/mail?language={words["language"]}">{escape(shop.address)}</a>'
        contact = escape(words["shop_contact_text"]).replace("{address}", address)
        values = {**words, **about[words["language"]], "name": shop.name, "style": about["style"]}
        return _page(
            "shop.html", {**values, "entry": queue_of(shop.client, "chat")}, goods=goods, contact=contact
        )

    async def _mail(self, request: Request) -> Response:
        words = _words(request)
        told: dict[str, Any] = {k: v for k, v in words.items() if k.startswith("mail_") or k == "failed"}
        told["addresses"] = [shop.address for shop in SHOPS]
        # Inside a script element "<" must not be able to end it.
        return _page("mail.html", words, words=msgspec.json.encode(told).decode().replace("<", "\\u003c"))

    async def _threads(self, request: Request) -> Response:
        threads = self._mailbox.threads(OWNER[1])
        return _answer({"threads": [{"id": t[0].message_id, "letters": t} for t in threads]})

    async def _write(self, request: Request) -> Response:
        asked = await decode_body(request, NewLetter, MAX_BODY)
        answers = self._mailbox.find(asked.answers) if asked.answers else None
        if answers is None and not asked.subject.strip():
            raise invalid("subject", "mail.no_subject", "give it a subject")
        if answers is None and asked.to not in {shop.address for shop in SHOPS}:
            raise invalid("to", "mail.elsewhere", "this mailbox writes to the demonstration's shops only")
        first = self._first(answers) if answers is not None else None
        subject = asked.subject if first is None else f"Re: {_bare(first.subject)}"
        letter = await self._mailbox.send(
            self._mail_door(), sender=OWNER, to=answers.reply_to if answers is not None else asked.to,
            subject=" ".join(subject.split()), text=asked.text, answers=answers,
        )  # fmt: skip
        return _answer({"id": letter.id, "thread": self._first(letter).message_id})

    def _first(self, letter: Letter) -> Letter:
        """The letter that its thread began with."""
        return next((t[0] for t in self._mailbox.threads(letter.box) if letter in t), letter)

    async def _figures(self, request: Request) -> Response:
        return _answer(self._traffic.figures())

    async def _switch(self, request: Request) -> Response:
        if (await decode_body(request, Switch, MAX_BODY)).on:
            self._traffic.start()
        else:
            await self._traffic.stop()
        return _answer(self._traffic.figures())


# -- requests -------------------------------------------------------------------------------------------


def _json(answer: Answer) -> Answer:
    """A changing request: it carries the header that no other site's form can send."""

    async def handle(request: Request) -> Response:
        try:
            if "x-guichet" not in request.headers:
                raise Refused("forbidden", "header.missing", "send the header X-Guichet: 1")
            return await answer(request)
        except Refused as refused:
            return JSONResponse(refused.as_dict(), HTTP_STATUS[refused.kind])

    return handle


def _answer(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _static(request: Request) -> Response:
    file = request.path_params["file"]
    if file not in FILES:
        raise Refused("not_found", "not_found", "there is no such file")
    return Response(_file(file), media_type=FILES[file], headers=HEADERS)


# -- pages ----------------------------------------------------------------------------------------------


@cache
def _book() -> dict[str, Any]:
    return tomllib.loads(
        resources.files("guichet.server.demo").joinpath("words/pages.toml").read_text("utf-8")
    )


@cache
def _file(name: str) -> str:
    return resources.files("guichet.server.demo").joinpath(f"pages/{name}").read_text("utf-8")


def _words(request: Request, otherwise: str = "") -> dict[str, str]:
    """In the language asked for, else the page's own, else the browser's."""
    accepted = "fr" if request.headers.get("accept-language", "fr").lower().startswith("fr") else "en"
    asked = request.query_params.get("language", otherwise or accepted)
    found: dict[str, str] = _book()["fr" if asked == "fr" else "en"]
    return found


def _page(name: str, words: dict[str, Any], /, **parts: str) -> Response:
    """The template with escaped `words` and `parts` that are HTML already."""

    def value(match: re.Match[str]) -> str:
        return parts[match[1]] if match[1] in parts else escape(str(words[match[1]]))

    page = re.sub(r"\{\{(\w+)\}\}", value, _file(name))
    return Response(page, media_type="text/html", headers={**HEADERS, "Vary": "Accept-Language"})


def _person(ident: str, words: dict[str, str]) -> str:
    person = next(person for person in PEOPLE if person.id == ident)
    role, what = words[f"start_role_{person.role}"], words[f"start_what_{person.role}"]
    label = words["start_sign_in"].replace("{name}", person.name.partition(" ")[0])
    initials = "".join(part[0] for part in person.name.split())
    return (
        f'<li><span class="mark" aria-hidden="true">{initials}</span><div class="what">'
        f"<h3>{escape(person.name)} · {escape(role)}</h3><p>{escape(what)} · <code>{person.email}</code></p></div>"
        f'<button class="button firm" type="button" data-email="{person.email}">{escape(label)}</button></li>'
    )


def _good(product: dict[str, Any], words: dict[str, str]) -> str:
    name, about = product[words["language"]]
    number = f"{product['price']:,}".replace(",", "\u202f" if words["language"] == "fr" else ",")
    price = words["shop_price"].replace("{price}", number)
    return (
        f'<li><svg viewBox="0 0 120 90" aria-hidden="true">{product["draw"]}</svg><h2>{escape(name)}</h2>'
        f'<p>{escape(about)}</p><p class="price">{escape(price)}</p></li>'
    )


def _bare(subject: str) -> str:
    return re.sub(r"^(re\s?:\s*)+", "", subject, flags=re.IGNORECASE)
