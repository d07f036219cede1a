"""The invented operator: who works where, for whom, with which queues and words. Any likeness is chance."""

from __future__ import annotations

from typing import Any

import msgspec

ORG = "halcyre"
PASSWORD = "guichet-demo"  # noqa: S105 (printed on the start page: the demonstration has no secrets)
DOMAIN = "halcyre.example"


class Shop(msgspec.Struct, frozen=True):
    """One client as its customers know it."""

    client: str
    name: str
    colour: str
    mark: str
    address: str
    language: str
    other_language: str
    queues: tuple[str, str]
    """As agents call them: of its chats, of its mail."""
    order: str
    products: dict[str, tuple[str, ...]]


CORVELLE = Shop(
    client="corvelle",
    name="Maison Corvelle",
    colour="#7a3b2e",
    mark="MC",
    address="bonjour@corvelle.example",
    language="fr",
    other_language="en",
    queues=("Conseil en direct", "Courrier"),
    order="MC-{n}",
    products={
        "fr": (
            "lampe Ondine",
            "nappe en lin Garance",
            "service Argile (12 pièces)",
            "plaid Bruyère",
            "carafe Rosée",
        ),
        "en": (
            "Ondine lamp",
            "Garance linen tablecloth",
            "Argile dinner set (12 pieces)",
            "Bruyère throw",
            "Rosée carafe",
        ),
    },
)
WRENFIELD = Shop(
    client="wrenfield",
    name="Wrenfield Cycles",
    colour="#14532d",
    mark="W",
    address="hello@wrenfield.example",
    language="en",
    other_language="fr",
    queues=("Workshop chat", "Customer mail"),
    order="W{n}",
    products={
        "en": (
            "Heron city bike",
            "Plover folding bike",
            "Dunlin child seat",
            "Curlew pannier",
            "Osprey e-bike",
        ),
        "fr": (
            "vélo de ville Heron",
            "vélo pliant Plover",
            "siège enfant Dunlin",
            "sacoche Curlew",
            "vélo électrique Osprey",
        ),
    },
)
SHOPS = (CORVELLE, WRENFIELD)

SITES: dict[str, dict[str, Any]] = {
    "lille": {
        "name": "Lille",
        "country": "FR",
        "zone": "EU",
        "time_zone": "Europe/Paris",
        "employer": "Halcyre France SAS",
    },
    "porto": {
        "name": "Porto",
        "country": "PT",
        "zone": "EU",
        "time_zone": "Europe/Lisbon",
        "employer": "Halcyre Portugal Lda",
    },
    "rabat": {
        "name": "Rabat",
        "country": "MA",
        "zone": "North Africa",
        "time_zone": "Africa/Casablanca",
        "employer": "Halcyre Maroc SARL",
    },
}
TEAMS = {"corvelle": "Corvelle", "wrenfield": "Wrenfield", "renfort": "Renfort"}
SKILLS = {"orders": "Commandes et livraisons", "returns": "Retours", "workshop": "Atelier vélo"}


class Person(msgspec.Struct, frozen=True):
    """Somebody who signs in. `skills` as (skill, level)."""

    id: str
    name: str
    site: str
    team: str
    languages: tuple[str, ...]
    skills: tuple[tuple[str, int], ...]
    clients: tuple[str, ...]
    role: str = "agent"

    @property
    def email(self) -> str:
        return f"{self.id}@{DOMAIN}"


BOTH = ("corvelle", "wrenfield")
FIRST, SECOND = BOTH[:1], BOTH[1:]
FR_EN = ("fr", "en")
CODES = {"o": "orders", "r": "returns", "w": "workshop"}


def _skills(text: str) -> tuple[tuple[str, int], ...]:
    """ "o4 r3": orders at level 4, returns at level 3."""
    return tuple((CODES[item[0]], int(item[1])) for item in text.split())


PEOPLE = (
    Person("paul", "Paul Lemaire", "lille", "renfort", FR_EN, _skills("o4 r3 w3"), BOTH),
    Person("amina", "Amina Berrada", "rabat", "corvelle", FR_EN, _skills("o5 r4"), FIRST),
    Person("youssef", "Youssef El Idrissi", "rabat", "corvelle", ("fr",), _skills("o3"), FIRST),
    Person("salma", "Salma Tazi", "rabat", "renfort", FR_EN, _skills("o4 r4 w2"), BOTH),
    Person("nadia", "Nadia Benhima", "rabat", "corvelle", FR_EN, _skills("o2 r5"), FIRST),
    Person("camille", "Camille Roussel", "lille", "corvelle", FR_EN, _skills("o4 r2"), FIRST),
    Person("hugo", "Hugo Delattre", "lille", "wrenfield", FR_EN, _skills("o2 w5"), SECOND),
    Person("lea", "Léa Vasseur", "lille", "renfort", FR_EN, _skills("o3 r3 w2"), BOTH),
    Person("tiago", "Tiago Moreira", "porto", "wrenfield", ("en", "fr", "pt"), _skills("o4 w4"), SECOND),
    Person("beatriz", "Beatriz Fonseca", "porto", "wrenfield", FR_EN, _skills("o5 r3 w2"), SECOND),
    Person("rui", "Rui Carvalho", "porto", "wrenfield", ("en",), _skills("o3 w3"), SECOND),
    Person("marta", "Marta Quintela", "porto", "renfort", ("en", "fr", "pt"), _skills("o3 r4"), BOTH),
    Person("claire", "Claire Duvivier", "lille", "renfort", FR_EN, _skills("o5 r5"), BOTH, "leader"),
    Person("marc", "Marc Odienne", "lille", "renfort", FR_EN, (), BOTH, "administrator"),
)
AGENTS = tuple(person for person in PEOPLE if person.role == "agent")

DISPOSITIONS = {
    "delivery": "Livraison",
    "damaged": "Article abîmé",
    "return": "Retour et remboursement",
    "address": "Changement d'adresse",
    "invoice": "Facture",
    "payment": "Paiement",
    "advice": "Conseil",
    "other": "Autre",
}
TAGS = {
    "late": "Retard",
    "damaged": "Casse",
    "exchange": "Échange",
    "return": "Retour",
    "address": "Adresse",
    "invoice": "Facture",
    "payment": "Paiement",
    "advice": "Conseil",
}
CANNED = (
    ("bonjour", "fr", "Bonjour {customer}, {agent} à votre écoute. Je regarde tout de suite."),
    (
        "numero",
        "fr",
        "Pouvez-vous me donner votre numéro de commande ? Il figure dans l'e-mail de confirmation.",
    ),
    ("patience", "fr", "Merci de patienter un instant, je vérifie auprès de l'entrepôt."),
    ("merci", "fr", "Je vous en prie, {customer}. Toute l'équipe {client} vous souhaite une bonne journée !"),
    ("hello", "en", "Hello {customer}, this is {agent}. Let me have a look."),
    ("number", "en", "Could you give me your order number? You will find it in the confirmation email."),
    ("wait", "en", "One moment please, I am checking with the warehouse."),
    ("thanks", "en", "You are welcome, {customer}. Have a lovely day from all of us at {client}!"),
)


def queue_of(client: str, channel: str) -> str:
    """The queue behind a client's door of that kind; the entry point has the same id."""
    return f"{client}-{channel}"


def configuration(chat: str, mail: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every (kind, id, value), each after what it refers to. `chat` and `mail` name the two channels."""
    out: list[tuple[str, str, dict[str, Any]]] = []
    out += [("site", site, value) for site, value in SITES.items()]
    out += [("team", team, {"name": name}) for team, name in TEAMS.items()]
    out += [("skill", skill, {"name": name}) for skill, name in SKILLS.items()]
    out += [("client", s.client, {"name": s.name, "colour": s.colour, "mark": s.mark}) for s in SHOPS]
    days = [{"day": day, "start": "08:00", "end": "20:00"} for day in range(1, 7)]
    out.append(
        ("hours", "shop", {"name": "Lundi à samedi, 8 h à 20 h", "time_zone": "Europe/Paris", "slots": days})
    )
    for shop in SHOPS:
        out += _doors(shop, chat, mail)
    out += [("agent", person.id, _agent(person)) for person in PEOPLE]
    out += [
        ("reason", "lunch", {"name": "Déjeuner", "presence": "break"}),
        ("reason", "briefing", {"name": "Brief d'équipe", "presence": "meeting"}),
        ("reason", "learning", {"name": "Formation produit", "presence": "training"}),
    ]
    out += [("disposition", code, {"name": name}) for code, name in DISPOSITIONS.items()]
    out += [("tag", code, {"name": name}) for code, name in TAGS.items()]
    out += [
        ("canned_reply", f"{language}-{shortcut}", {"shortcut": shortcut, "language": language, "text": text})
        for shortcut, language, text in CANNED
    ]
    return out


def _doors(shop: Shop, chat: str, mail: str) -> list[tuple[str, str, dict[str, Any]]]:
    client = shop.client
    chats, mails = shop.queues
    skill = "workshop" if client == "wrenfield" else "orders"
    live = {
        "name": chats,
        "client": client,
        "skills": [{"skill": skill, "level": 2}],
        "language": shop.language,
        "priority": 5,
        "cost": 2,
        "answer_within_seconds": 60,
        "wrapup_seconds": 45,
        # One shop never closes, so that the demonstration works at night; the other shows closed hours.
        "hours": "shop" if client == "wrenfield" else None,
    }
    deferred = {
        "name": mails,
        "client": client,
        "skills": [{"skill": "orders", "level": 1}],
        "language": shop.language,
        "priority": 2,
        "cost": 3,
        "interruptible": True,
        "answer_within_seconds": 4 * 3600,
    }
    return [
        ("queue", queue_of(client, "chat"), live),
        ("queue", queue_of(client, "mail"), deferred),
        (
            "entry_point",
            queue_of(client, "chat"),
            {
                "name": shop.address.partition("@")[2],
                "client": client,
                "channel": chat,
                "queue": queue_of(client, "chat"),
                "language": shop.language,
                "settings": {
                    "ask_name": "optional",
                    "ask_email": "optional",
                    "show_country": client == "corvelle",
                },
            },
        ),
        (
            "entry_point",
            queue_of(client, "mail"),
            {
                "name": shop.address,
                "client": client,
                "channel": mail,
                "queue": queue_of(client, "mail"),
                "language": shop.language,
                "settings": {"address": shop.address},
            },
        ),
    ]


def _agent(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "email": person.email,
        "role": person.role,
        "site": person.site,
        "team": person.team,
        "languages": list(person.languages),
        "skills": [{"skill": skill, "level": level} for skill, level in person.skills],
        "clients": list(person.clients),
        "capacity": 6,
    }
