"""The organisations' trunks as the media server must know them."""

from __future__ import annotations

from guichet.accounts import settings
from guichet.accounts.directory import Directory
from guichet.accounts.vault import secret
from guichet.media.plane import Trunk
from guichet.store.port import Secrets

REGISTER_SECONDS = 600
MAX_NUMBERS = 10_000
"""Of one trunk at the media server: the first of them, rather than no trunk at all."""


def trunk_id(org: str, trunk: str) -> str:
    """By what the media server knows it. No organisation's id has a dot."""
    return f"{org}.{trunk}"


def org_of(trunk: str) -> str:
    """Whose trunk it is."""
    return trunk.partition(".")[0]


async def all_trunks(directory: Directory, secrets: Secrets) -> list[Trunk]:
    """Every active trunk of every organisation, with its passwords."""
    numbers: dict[tuple[str, str], set[str]] = {}
    for org, _, number in directory.all("number"):
        if isinstance(number, settings.Number) and number.active:
            numbers.setdefault((org, number.trunk), set()).add(number.number)
    made = []
    for org, ident, config in directory.all("trunk"):
        if isinstance(config, settings.Trunk) and config.active:
            theirs = sorted(numbers.get((org, ident), ()))[:MAX_NUMBERS]
            made.append(await _trunk(org, ident, config, theirs, secrets))
    return made


async def _trunk(org: str, ident: str, config: settings.Trunk, numbers: list[str], secrets: Secrets) -> Trunk:
    async def password(name: str) -> str:
        return (await secret(secrets, org, "trunk", name) or b"").decode()

    return Trunk(
        id=trunk_id(org, ident),
        peer=config.peer,
        transport=config.transport,
        allow=config.allow,
        numbers=numbers,
        domain=config.domain,
        username=config.username,
        password=await password(config.secret),
        register=config.register_with_it,
        register_s=REGISTER_SECONDS if config.register_with_it else 0,
        in_username=config.in_username,
        in_password=await password(config.in_secret),
        codecs=list(config.codecs),
        srtp="required" if config.encrypted else "off",
        session_s=config.session_seconds,
        options_s=config.options_seconds,
        max_calls=config.max_calls,
        max_per_s=config.max_calls_per_second,
        countries=list(config.countries),
        spend_per_day=config.spend_per_day,
        price_per_min={price.prefix: price.per_minute for price in config.prices},
    )
