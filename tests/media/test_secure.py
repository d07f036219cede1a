"""Calls by TLS with encrypted audio (SRTP): the far side is `media-server/cmd/peer`, as Debian's sipp has no TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.media.support.house import House
from tests.media.support.peer import Peer, program
from tests.media.support.scenarios import Audio
from tests.support.serving import lasting_port

pytestmark = pytest.mark.e2e

ANNE, FIRST, SECOND = 400, 450, 500
"""The peer's callers say 50 Hz more each."""
ALL = (ANNE, FIRST, SECOND)
HOST = "127.200.0.1"
OUT = "out-secure"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for both ends of the tests' calls that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    hosts = [x509.IPAddress(ipaddress.ip_address(host)) for host in ("127.0.0.1", HOST)]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, begins, begins + timedelta(days=9_999))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return files


@asynccontextmanager
async def secure(media_program: Path, folder: Path) -> AsyncIterator[tuple[House, int]]:
    """A house with a TLS port, which is given, too."""
    certified, key = certificate(folder, "house")
    port = lasting_port()
    config = {
        "sip_tls": f"127.0.0.1:{port}", "tls_cert": str(certified), "tls_key": str(key), "tls_roots": str(certified),
    }  # fmt: skip
    async with House.running(media_program, folder, config=config) as house:
        yield house, port


def trunk(peer: str) -> dict[str, object]:
    return {
        "id": "secure", "peer": peer, "transport": "tls", "allow": [f"{HOST}/32"], "codecs": ["PCMA"],
        "max_calls": 10, "max_per_s": 10, "countries": ["+33"], "srtp": "required",
    }  # fmt: skip


async def answered(house: House, peer: Peer) -> str:
    """A caller of the peer's is answered; their endpoint."""
    calling = asyncio.ensure_future(asyncio.to_thread(peer.call, 1))
    offered = await house.server.events.wait_for("offered", trunk="secure")
    await house.server.control.act(offered["endpoint"], "answer")
    assert await calling == {"answered": 1}
    return str(offered["endpoint"])


async def test_encrypted_calls_both_ways(media_program: Path, tmp_path: Path) -> None:
    """Anne, whose carrier encrypts nothing, talks to two who do: one that called, one that was called."""
    async with secure(media_program, tmp_path) as (house, port):
        files = tmp_path / "house.pem", tmp_path / "house.key"
        binary = await asyncio.to_thread(program)
        with Peer.running(binary, port, host=HOST, certificate=files) as peer:
            await house.server.control.trunks(house.carrier.trunk(), trunk(peer.address))
            anne, a = await house.answered(ANNE)
            first = await answered(house, peer)
            await house.server.control.room("c1", endpoints=[a, first], hears={a: [first], first: [a]})
            await anne.speaker.hears({FIRST}, ALL)
            told = await asyncio.to_thread(peer.measure, 1)
            assert (told.calls, told.silent, told.lost) == (1, 0, 0)
            assert told.sounding > 0.9 * told.received > 40

            await house.server.control.dial(OUT, "secure")
            await house.server.events.wait_for("answered", endpoint=OUT, codec="PCMA")
            matrix = {a: [OUT], OUT: [], first: []}
            await house.server.control.room("c1", endpoints=[a, first, OUT], hears=matrix)
            await anne.speaker.hears({SECOND}, ALL)
            told = await asyncio.to_thread(peer.measure, 1)
            assert (told.calls, told.sounding) == (2, 0), "Anne is heard by nobody"
            matrix = {a: [first, OUT], first: [], OUT: [a]}
            await house.server.control.room("c1", endpoints=[a, first, OUT], hears=matrix)
            await anne.speaker.hears({FIRST, SECOND}, ALL)
            told = await asyncio.to_thread(peer.measure, 1)
            assert 0.4 * told.received < told.sounding < 0.6 * told.received, "one of the two hears her"

            await asyncio.to_thread(peer.hang_up)
            for endpoint in (first, OUT):
                await house.server.events.wait_for("left", endpoint=endpoint, who="them")
            assert peer.calls() == 0


async def test_audio_in_the_clear_is_refused(media_program: Path, tmp_path: Path) -> None:
    async with secure(media_program, tmp_path) as (house, port):
        await house.server.control.trunks(trunk(f"{HOST}:{lasting_port()}"))
        trust = ssl.create_default_context(cafile=str(tmp_path / "house.pem"))
        read, write = await asyncio.open_connection("127.0.0.1", port, ssl=trust, local_addr=(HOST, 0))
        body = Audio(40_000, HOST).sdp().replace("\n", "\r\n") + "\r\n"
        lines = (
            f"INVITE sip:+33140000099@127.0.0.1:{port};transport=tls SIP/2.0",
            f"Via: SIP/2.0/TLS {HOST}:5061;branch=z9hG4bK-clear", f"From: <sip:+33140000001@{HOST}>;tag=1",
            "To: <sip:+33140000099@127.0.0.1>", "Call-ID: clear", "CSeq: 1 INVITE", "Max-Forwards: 70",
            f"Contact: <sip:carrier@{HOST};transport=tls>", "Content-Type: application/sdp",
            f"Content-Length: {len(body)}", "", body,
        )  # fmt: skip
        write.write("\r\n".join(lines).encode())
        status = ""
        while not status.startswith("SIP/2.0 ") or " 100 " in status:
            status = (await asyncio.wait_for(read.readline(), 5)).decode()
        write.close()
        assert " 488 " in status
        assert not house.server.events.count("offered")
        assert (await house.server.control.state())["endpoints"] == []


async def test_a_carrier_that_nobody_vouches_for(media_program: Path, tmp_path: Path) -> None:
    async with secure(media_program, tmp_path) as (house, port):
        binary = await asyncio.to_thread(program)
        with Peer.running(binary, port, host=HOST, certificate=certificate(tmp_path, "impostor")) as peer:
            await house.server.control.trunks(trunk(peer.address))
            await house.server.control.dial(OUT, "secure")
            await house.server.events.wait_for("left", endpoint=OUT, who="network", cause="unreachable")
            assert peer.calls() == 0
