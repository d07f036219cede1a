"""What every channel keeps, on every payload of its corpus and on any bytes at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guichet import channels
from guichet.channels import registry
from guichet.channels.base import Channel, Delivery, Left, Message, Outgoing
from guichet.kit.errors import Refused
from guichet.kit.plugins import BrokenPlugin

pytestmark = pytest.mark.contract

CORPORA = Path(__file__).parents[1] / "corpora"
MAX_TEXT = 32 * 1024

SMS = """
from typing import ClassVar

from guichet.channels.base import Capabilities, Channel, ChannelSettings, Identity, Inbound, Message


class SmsSettings(ChannelSettings):
    number: str


class Sms(Channel):
    name: ClassVar[str] = "sms_x"
    Settings = SmsSettings
    capabilities = Capabilities(live=False, outbox=True)

    def parse(self, raw: bytes) -> Inbound:
        sender, _, text = raw.decode().partition(" ")
        return Message(event=f"{sender}.{len(text)}", text=text, sender=Identity("phone", sender, proven=True))


CHANNEL = Sms()
"""


def payloads(name: str) -> list[Path]:
    """Stored payloads of a channel; those below "refused" are no good ones."""
    return sorted(path for path in (CORPORA / name).rglob("*") if path.is_file())


@pytest.fixture(params=sorted(registry.all_channels()))
def channel(request: pytest.FixtureRequest) -> Channel:
    return registry.channel(request.param)


def test_it_says_what_it_is(channel: Channel) -> None:
    assert registry.channel(channel.name) is channel
    assert channel.capabilities.live != channel.capabilities.outbox
    schema = channel.Settings.model_json_schema()
    assert schema["additionalProperties"] is False


def test_its_corpus_is_understood(channel: Channel) -> None:
    found = payloads(channel.name)
    assert len(found) >= 4, "a channel brings payloads of its own"
    for path in found:
        if "refused" in path.parts:
            with pytest.raises(Refused):
                channel.parse(path.read_bytes())
        else:
            inbound = channel.parse(path.read_bytes())
            assert isinstance(inbound, Message | Delivery | Left), path.name
            check_bounds(inbound)


def test_the_same_payload_is_the_same_event(channel: Channel) -> None:
    """What makes a repetition harmless comes from the payload alone."""
    for path in payloads(channel.name):
        if "refused" not in path.parts:
            assert channel.parse(path.read_bytes()) == channel.parse(path.read_bytes()), path.name


@given(st.data())
def test_any_bytes_are_understood_or_refused(data: st.DataObject) -> None:
    for channel in registry.all_channels().values():
        kind = data.draw(st.sampled_from(["bytes", "cut", "spliced"]))
        good = [path.read_bytes() for path in payloads(channel.name)]
        raw = data.draw(st.binary(max_size=2_000))
        if kind != "bytes":
            base = data.draw(st.sampled_from(good))
            at = data.draw(st.integers(0, len(base)))
            raw = base[:at] if kind == "cut" else base[:at] + raw + base[at:]
        with suppress(Refused):
            check_bounds(channel.parse(raw))


def check_bounds(inbound: object) -> None:
    """What the commands downstream accept."""
    msgspec.json.encode(inbound)  # no half characters anywhere
    if isinstance(inbound, Message):
        assert 1 <= len(inbound.event) <= 64
        assert len(inbound.text.encode()) <= MAX_TEXT
        assert inbound.text.strip() or inbound.attachments
        assert "\0" not in inbound.text
        assert len(inbound.parts) + len(inbound.attachments) <= 50
        assert all(len(value) <= 4_000 for value in inbound.headers.values())
        assert all(0 < len(part.name) <= 255 for part in inbound.parts)


def test_an_unknown_setting_is_refused_with_its_name(channel: Channel) -> None:
    with pytest.raises(Refused) as refused:
        registry.channel_settings(channel.name, {"adress": "x"})
    assert refused.value.field is not None
    assert refused.value.field.startswith("settings.")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder of channels beside the built-in one."""
    monkeypatch.setattr(channels, "__path__", [*channels.__path__, str(tmp_path)])
    yield tmp_path
    monkeypatch.undo()
    registry.load()


def test_one_new_file_is_a_new_channel(folder: Path) -> None:
    (folder / "sms_x.py").write_text(SMS)
    found = registry.load()["sms_x"]
    inbound = found.parse(b"+33600000000 Mon colis ?")
    assert isinstance(inbound, Message)
    assert inbound.text == "Mon colis ?"
    assert registry.capabilities("sms_x").outbox
    assert registry.channel_settings("sms_x", {"number": "+33800"}) == {"number": "+33800"}
    words = Outgoing(
        org="o", client="c", client_name="C", agent_name="A", conversation="v", message="m", n=1, text="Bonjour",
        at=0, to="+33600000000",
    )  # fmt: skip
    assert found.render(words) == b"Bonjour"


def test_a_file_without_a_channel_is_named(folder: Path) -> None:
    (folder / "forgotten_x.py").write_text("x = 1\n")
    with pytest.raises(BrokenPlugin, match="forgotten_x must export CHANNEL"):
        registry.load()
