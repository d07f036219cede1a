"""Whose word about a mail's sender counts, and for which sender."""

from __future__ import annotations

import pytest

from guichet.channels.email.mailbox import as_message
from guichet.channels.email.mime import Mailbox, parse_mail
from guichet.channels.email.proof import is_verified

pytestmark = pytest.mark.unit

MX = "mx.lune.example"
INES = "ines@client.example"


def mail(*results: str, sender: str = f"From: {INES}") -> bytes:
    lines = [
        *(f"Authentication-Results: {result}" for result in results),
        sender,
        "Subject: Colis",
        "",
        "Bonjour",
    ]
    return "\r\n".join(lines).encode()


def verified(*results: str, sender: str = f"From: {INES}", server: str = MX) -> bool:
    return is_verified(parse_mail(mail(*results, sender=sender)), server)


@pytest.mark.parametrize(
    "result",
    [
        f"{MX}; dmarc=pass (p=none dis=none) header.from=client.example",
        f"{MX} 1; spf=fail smtp.mailfrom=x@y.example; dmarc=pass header.from=Client.Example",
        f'{MX.upper()};\r\n\tdkim=pass reason="good; very (good)" header.d=client.example header.s=a',
        f"{MX}; dkim=fail header.d=client.example; dkim=pass header.i=@client.example",
        f"{MX}; spf=pass (mx: domain of ines@client.example; yes) smtp.mailfrom={INES}",
        f"{MX}; spf=pass smtp.mailfrom=client.example",
        f"(by us) {MX} (version 1); auth=pass smtp.auth=ines; dkim/1=pass header.d=client.example",
    ],
)
def test_what_the_trusted_server_vouches_for(result: str) -> None:
    assert verified(result)


@pytest.mark.parametrize(
    "result",
    [
        "",
        MX,
        f"{MX}; none",
        f"{MX}; dmarc=fail header.from=client.example; dkim=pass header.d=client.example",
        f"{MX}; dmarc=pass header.from=evil.example",
        f"{MX}; dmarc=pass",
        f"{MX}; dkim=pass header.d=evil.example",
        f"{MX}; dkim=pass header.d=t.example",
        f"{MX}; dkim=pass header.d=mail.client.example",
        f"{MX}; dkim=pass header.d=example",
        f"{MX}; spf=pass smtp.helo=client.example",
        f"{MX}; spf=pass smtp.mailfrom=x@evil.example",
        f"{MX}; spf=softfail smtp.mailfrom={INES}",
        f"{MX}; x=y (dkim=pass header.d=client.example)",
        f'{MX}; x=y reason="; dkim=pass header.d=client.example"',
        f"{MX}; (never ends; dkim=pass header.d=client.example",
        "mx.evil.example; dmarc=pass header.from=client.example",
        f"evil.{MX}; dmarc=pass header.from=client.example",
    ],
)
def test_what_proves_nothing(result: str) -> None:
    assert not verified(result)


def test_a_parent_domain_vouches_for_the_one_below_it() -> None:
    assert verified(f"{MX}; dkim=pass header.d=client.example", sender="From: ines@mail.client.example")


def test_only_the_topmost_word_of_the_trusted_server_counts() -> None:
    """What stands below came with the mail: its sender may have written it."""
    good, bad = f"{MX}; dmarc=pass header.from=client.example", f"{MX}; dmarc=fail header.from=client.example"
    assert not verified(bad, good)
    assert verified(good, bad)
    assert verified("other.example; dmarc=fail", good)


def test_nobody_is_trusted_unless_named() -> None:
    assert not verified(f"{MX}; dmarc=pass header.from=client.example", server="")
    assert not verified("; dmarc=pass header.from=client.example", server="")


@pytest.mark.parametrize(
    "sender",
    [
        f"From: {INES}, x@evil.example",
        f"From: {INES}\r\nFrom: x@evil.example",
        f"From: x@evil.example\r\nFrom: {INES}",
        "From: nobody at all",
    ],
)
def test_more_or_less_than_one_sender_is_never_verified(sender: str) -> None:
    assert not verified(f"{MX}; dmarc=pass header.from=client.example", sender=sender)


def test_an_answer_goes_elsewhere_only_at_a_verified_senders_word() -> None:
    letter = parse_mail(mail(sender=f"From: {INES}\r\nReply-To: x@client.example"))
    for known, to in ((True, "x@client.example"), (False, INES)):
        headers = as_message(letter, Mailbox(INES), verified=known).headers
        assert (headers["reply_to"], headers["sender"]) == (to, "verified" if known else "unverified")
    assert "reply_to" not in as_message(letter, Mailbox(INES), verified=True, other=True).headers


def test_a_machine_does_not_say_where_answers_go() -> None:
    away = parse_mail(
        mail(sender=f"From: {INES}\r\nReply-To: noreply@client.example\r\nAuto-Submitted: auto-replied")
    )
    assert "reply_to" not in as_message(away, Mailbox(INES), verified=True).headers
