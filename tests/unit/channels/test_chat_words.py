"""The chat door's small parts: frames, signed identities, limits, names of files."""

from __future__ import annotations

import pytest

from guichet.channels.base import Delivery, Left, Message
from guichet.channels.uploads import file_name
from guichet.channels.webchat.identity import Claims, sign, verify
from guichet.channels.webchat.limits import PerAddress
from guichet.channels.webchat.protocol import MAX_TEXT, decode, frame_id, inbound
from guichet.kit.clock import SECOND, ManualClock
from guichet.kit.errors import Refused

pytestmark = pytest.mark.unit

SECRET = b"a shop's secret of some length"
NOW = 1_800_000_000_000


def test_frames_in_our_words() -> None:
    assert inbound(decode('{"op":"say","id":"m7","text":"Bonjour"}')) == Message(event="m7", text="Bonjour")
    assert inbound(decode('{"op":"read","n":4}')) == Delivery(event="read.4", status="read", n=4)
    assert inbound(decode('{"op":"leave"}')) == Left()
    assert inbound(decode('{"op":"typing"}')) is None


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("x" * (MAX_TEXT + 1), "message.too_long", "text"),
        ("é" * (MAX_TEXT // 2 + 1), "message.too_long", "text"),
        ("   ", "message.empty", "text"),
    ],
)
def test_words_have_bounds(text: str, code: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        decode(f'{{"op":"say","id":"m","text":"{text}"}}')
    assert (refused.value.code, refused.value.field) == (code, field)
    decode(f'{{"op":"say","id":"m","text":"{"x" * MAX_TEXT}"}}')


def test_a_refused_frame_still_has_its_id() -> None:
    assert frame_id('{"op":"say","id":"m7","text":7}') == "m7"
    assert frame_id("not json") == ""
    assert frame_id('{"id":["m7"]}') == ""


def test_a_signed_identity() -> None:
    claims = Claims(handle="client-12", exp=NOW // 1_000 + 60, name="Inès", email="ines@client.example")
    token = sign(claims, SECRET)
    assert verify(token, SECRET, NOW) == claims
    with pytest.raises(Refused, match=r"identity\.expired"):
        verify(token, SECRET, NOW + 61 * SECOND)


def test_a_forged_identity() -> None:
    head, body, signature = sign(Claims(handle="client-12", exp=NOW), SECRET).split(".")
    other = sign(Claims(handle="client-13", exp=NOW * 2), b"another secret").split(".")
    unsigned = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    for forged in (
        f"{head}.{other[1]}.{signature}",
        ".".join(other),
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        "",
        "a.b",
        "é.é.é",
        "." * 5_000,
    ):
        with pytest.raises(Refused, match=r"identity\.invalid"):
            verify(forged, SECRET, 0)


def test_addresses_are_limited_by_network() -> None:
    limits = PerAddress(ManualClock(), burst=1, per_second=0)
    limits.check("2001:db8::1")
    limits.check("198.51.100.1")
    for address in ("2001:db8::2", "198.51.100.1"):
        with pytest.raises(Refused) as refused:
            limits.check(address)
        assert refused.value.kind == "limited"
    for _ in range(5):
        limits.check("127.0.0.1")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("facture%20n%C2%B012.pdf", "facture n°12.pdf"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C%3A%5Ctemp%5Ca.txt", "a.txt"),
        ("a%0D%0Ab.txt", "ab.txt"),
        ("", "file"),
        ("%ff" * 500, "\ufffd" * 255),
    ],
)
def test_file_names(header: str, name: str) -> None:
    assert file_name(header) == name
