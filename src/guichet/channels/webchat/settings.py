"""What an administrator chooses for one chat door."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from guichet.accounts.settings import Secret
from guichet.channels.base import ChannelSettings
from guichet.channels.secrets import SecretName

Ask = Literal["no", "optional", "required"]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.\-\[\]:]{1,253}$", to_lower=True)]
Words = Annotated[str, StringConstraints(max_length=500)]


class WebchatSettings(ChannelSettings):
    """Settings of an entry point of this channel."""

    allowed_origins: list[Origin] = Field(default=[], max_length=100)
    """Sites that may show the widget, as "https://shop.example"; our own address always may."""
    ask_name: Ask = "optional"
    ask_email: Ask = "optional"
    greeting_fr: Words = "Bonjour, que pouvons-nous faire pour vous ?"
    greeting_en: Words = "Hello, how can we help you?"
    closed_fr: Words = "Nous sommes fermés. Laissez-nous un message, nous vous répondrons."
    closed_en: Words = "We are closed. Leave us a message and we will answer."
    show_country: bool = False
    """Tell the visitor from which country the agent answers."""
    identity_secret: Annotated[SecretName, Secret("identity")] = ""
    """Name of the vault's secret by which the shop signs who is logged in; empty: identities are refused."""

    def greeting(self, language: str) -> str:
        return self.greeting_fr if language == "fr" else self.greeting_en

    def closed(self, language: str) -> str:
        return self.closed_fr if language == "fr" else self.closed_en
