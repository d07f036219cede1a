"""What an administrator chooses for one mailbox, and what this process is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from guichet.accounts.settings import Secret
from guichet.channels.base import ChannelSettings, Options
from guichet.channels.secrets import SecretName

Address = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}$",
    ),
]
"""No "+" on the left: what follows it tells conversations apart."""
Tls = Literal["none", "starttls", "tls"]


class Relay(BaseModel):
    """The server that carries our mail out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Tls = "starttls"
    user: Annotated[str, StringConstraints(max_length=254)] = ""
    secret: Annotated[SecretName, Secret("relay")] = ""
    """Name of the vault's secret that holds the password, of those of relays."""


class MailSettings(ChannelSettings):
    """Settings of an entry point of this channel."""

    address: Address
    """Where customers write, and from where we answer."""
    aliases: list[Address] = Field(default=[], max_length=50)
    """Other addresses whose mail arrives here."""
    checked_by: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9._-]{0,253}$")
    ] = ""
    """The mail server that takes this mailbox's mail from the outside, by the name that it writes into
    Authentication-Results; empty: nobody checks, no sender counts as verified. It must remove headers that others
    wrote in its name (RFC 8601, section 5), and no mail may reach our door but through it."""
    from_name: Annotated[str, StringConstraints(max_length=80)] = ""
    """Shown as the sender; empty: the client's name."""
    relay: Relay | None = None
    """Another relay than the installation's."""


class MailOptions(Options):
    """The installation's door and relay."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = 2525
    smtp_certificate: str = ""
    """File with the certificate chain and its key (PEM); given, the door offers STARTTLS."""
    relay_host: str = "127.0.0.1"
    relay_port: int = 25
    relay_tls: Tls = "none"
    relay_user: str = ""
    relay_secret: str = "relay"  # noqa: S105 (a name in the vault, not a secret)
    mail_domain: str = "guichet.invalid"
