"""Whether a mail is from whom it says. The server that took it from the outside has checked SPF, DKIM and DMARC and
written what it found into `Authentication-Results` (RFC 8601); anybody else may write that header too, so only the
topmost one that bears the trusted server's name counts."""

from __future__ import annotations

import re

from guichet.channels.email.mime import Mail

_PIECE = re.compile(r"[()]|\"(?:[^\"\\]|\\.)*\"|\\.|[^()\"\\]+|[\"\\]", re.DOTALL)
_RESULT = re.compile(r"\s*([a-z0-9-]{1,40})\s*(?:/\s*\d{1,9}\s*)?=\s*([a-z]{1,40})(?![a-z0-9-])")
_PROPERTY = re.compile(r"([a-z]{1,40})\s*\.\s*([a-z0-9-]{1,40})\s*=\s*([^\s;\"]{1,320})")


def is_verified(mail: Mail, server: str) -> bool:
    """Whether the named server vouches for the domain of the mail's one sender. "" trusts nobody."""
    if not server or mail.sender is None or not mail.one_sender:
        return False
    domain = _domain(mail.sender.address)
    for header in mail.results:
        name, *results = _without_comments(header).split(";")
        if name.split()[:1] == [server.lower()]:
            return _vouched(results, domain)
    return False


def _vouched(results: list[str], domain: str) -> bool:
    found = [
        (m[1], m[2], _properties(result[m.end() :])) for result in results if (m := _RESULT.match(result))
    ]
    policies = [(value, about) for method, value, about in found if method == "dmarc"]
    if policies:  # the domain's own rules were asked: nothing else counts
        return all(v == "pass" and _domain(about.get("header.from", "")) == domain for v, about in policies)
    return any(
        value == "pass"
        and (
            (method == "dkim" and _covers(about.get("header.d") or about.get("header.i", ""), domain))
            or (method == "spf" and _covers(about.get("smtp.mailfrom", ""), domain))
        )
        for method, value, about in found
    )


def _covers(signer: str, domain: str) -> bool:
    """Whether whoever speaks for `signer` also speaks for `domain`: the same one, or one below it."""
    signer = _domain(signer)
    return signer == domain or ("." in signer and domain.endswith(f".{signer}"))


def _properties(text: str) -> dict[str, str]:
    return {f"{kind}.{name}": value for kind, name, value in _PROPERTY.findall(text)}


def _domain(address: str) -> str:
    """The domain of an address, or a domain as it stands, in the one form in which two can be compared."""
    domain = address.rpartition("@")[2].strip().rstrip(".").casefold()
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain


def _without_comments(header: str) -> str:
    """In small letters, without comments (which may hold others) and without what stands in quotes: no result that
    counts is written there. A comment that never ends hides all that follows."""
    kept: list[str] = []
    depth = 0
    for piece in _PIECE.findall(header.lower()):
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth = max(depth - 1, 0)
        elif depth == 0:
            kept.append('""' if piece.startswith(('"', "\\")) else piece)
    return "".join(kept)
