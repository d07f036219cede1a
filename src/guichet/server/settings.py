"""Process settings, at most 40, from the environment (`GUICHET_...`). Everything else is the organisations' data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65_535)]


class ProcessSettings(BaseSettings):
    """One process. An unknown `GUICHET_` variable is refused by the command line."""

    model_config = SettingsConfigDict(
        env_prefix="GUICHET_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    data_dir: Path = Path("data")
    """Where the embedded database, keys and blobs live; made when absent, mode 0700."""
    database_url: str = "sqlite"
    """The engine: "sqlite" (in the data directory) or "postgresql://user@host/database"."""
    host: str = "127.0.0.1"
    """Address to listen on for HTTP and WebSockets."""
    port: Port = 8000
    """HTTP port; 0: any free one, printed."""
    public_url: str = ""
    """How browsers reach this process; needed behind a proxy, for links and the Origin check."""
    secure_cookies: bool = False
    """Cookies over https only, also where a proxy in front ends the TLS."""
    smtp_host: str = "127.0.0.1"
    """Address on which mail comes in."""
    smtp_port: Port = 2525
    """The door for mail coming in; 0: any free port, printed."""
    smtp_certificate: str = ""
    """File with the certificate chain and its key (PEM): the door then offers STARTTLS."""
    relay_host: str = "127.0.0.1"
    """Where replies by mail go out, unless an entry point names its own relay."""
    relay_port: Port = 25
    """Its port."""
    relay_tls: Literal["none", "starttls", "tls"] = "none"
    """How the connection to it is protected."""
    relay_user: str = ""
    """Name to sign in with there; empty: none."""
    relay_secret: str = "relay"  # noqa: S105 (a name in the vault, not a secret)
    """Name of the vault's secret that holds the relay's password."""
    mail_domain: str = "guichet.invalid"
    """Right side of the Message-IDs we make."""
    media_server: str = "auto"
    """The media server's program; "auto": the one that was built here or installed; "off": no voice."""
    media_host: str = "127.0.0.1"
    """Address to which phones and browsers send their audio."""
    media_public_host: str = ""
    """How they reach it, behind an address translation."""
    sip_port: Port = 0
    """Port for telephone trunks, UDP and TCP; 0: no phones."""
    sip_tls_port: Port = 0
    """Port for trunks over TLS; 0: none."""
    sip_certificate: str = ""
    """File with the certificate chain and its key (PEM) that is shown to them."""
    sip_authorities: str = ""
    """File with the authorities (PEM) that vouch for them; empty: the system's."""
    turn_urls: str = ""
    """TURN servers for browsers in closed networks, separated by commas: turns:turn.example:443?transport=tcp."""
    turn_secret: SecretStr = SecretStr("")
    """The secret that is shared with them (coturn: static-auth-secret)."""
    webrtc_port: Port = 7781
    """Port for browsers' audio and video, UDP and TCP."""
    rtp_ports: Annotated[str, Field(pattern=r"^\d{4,5}-\d{4,5}$")] = "20000-29999"
    """Ports for the audio of phones."""
    max_waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """Commands that may wait for the leader before new ones are refused."""
    metrics_token: str = ""
    """Who asks for `/metrics` shows it (`Authorization: Bearer ...`); empty: nobody gets figures."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    faults: str = ""
    """Fault points for tests, see `kit.faults`."""

    @property
    def url(self) -> str:
        """The public address without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def unknown_variables(environment: dict[str, str]) -> list[str]:
    """`GUICHET_` variables that no setting reads: a typo should not be silent."""
    known = {f"GUICHET_{name.upper()}" for name in ProcessSettings.model_fields}
    return sorted(name for name in environment if name.startswith("GUICHET_") and name not in known)
