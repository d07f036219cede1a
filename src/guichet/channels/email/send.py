"""Hands a mail to the relay, and says what its answer means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiosmtplib
import structlog

from guichet.accounts.vault import secret
from guichet.channels.base import Edge, Outgoing, Sent
from guichet.channels.email.render import render
from guichet.channels.email.settings import MailOptions, MailSettings, Relay
from guichet.channels.email.threads import reply_address

TIMEOUT = 60.0
"""Seconds for each answer of the relay."""

log = structlog.get_logger(__name__)


async def send_mail(message: Outgoing, edge: Edge) -> Sent:
    """One try. "later": the relay is away, busy or not yet set up; "bounced": it does not know the customer."""
    settings: MailSettings = message.settings
    relay = settings.relay or installation_relay(edge.process)
    password = await secret(edge.secrets, message.org, "relay", relay.secret) if relay.user else None
    try:
        content = render(message)
    except Exception:
        # A name or address that no mail can carry: another try would not help, the agent must see it.
        log.exception("reply cannot be written as a mail", conversation=message.conversation)
        return Sent("failed", "mail.unwritable")
    sender = reply_address(settings.address, message.token)
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        use_tls=relay.tls == "tls",
        start_tls=relay.tls == "starttls",
        username=relay.user or None,
        password=password.decode() if password is not None else None,
        timeout=TIMEOUT,
        local_hostname=settings.address.rpartition("@")[2],
    )
    try:
        async with client:
            await client.sendmail(sender, [message.to], content)
    except aiosmtplib.SMTPAuthenticationError:
        return Sent("later", "relay.credentials")
    except aiosmtplib.SMTPRecipientsRefused as error:
        return _answered(error.recipients[0].code, "bounced")
    except aiosmtplib.SMTPResponseException as error:
        return _answered(error.code, "failed")
    except (aiosmtplib.SMTPException, OSError) as error:
        log.info("relay not reached", relay=relay.host, error=type(error).__name__)
        return Sent("later", "relay.unreachable")
    return Sent("sent")


def _answered(code: int, when_final: str) -> Sent:
    if code < 500:
        return Sent("later", f"smtp.{code}")
    return Sent("bounced" if when_final == "bounced" else "failed", f"smtp.{code}")


def installation_relay(process: Mapping[str, Any]) -> Relay:
    """The relay of the process settings."""
    options = MailOptions.model_validate(dict(process))
    return Relay(
        host=options.relay_host,
        port=options.relay_port,
        tls=options.relay_tls,
        user=options.relay_user,
        secret=options.relay_secret,
    )
