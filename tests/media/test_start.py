"""What the program says when it cannot start, and what its flags do."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.media.support.house import House
from tests.media.support.server import TOKEN

pytestmark = pytest.mark.e2e

FREE = dict.fromkeys(("control", "sip_udp", "sip_tcp", "web_udp", "web_tcp"), "127.0.0.1:0")


def start(program: Path, folder: Path, *flags: str, token: str = TOKEN, **config: Any) -> tuple[int, str]:
    """Starts the program, which must end by itself: its status and all it said."""
    file = folder / "other.json"
    file.write_text(json.dumps(config))
    ran = subprocess.run(
        [str(program), "-config", str(file), *flags],
        env={**os.environ, "GUICHET_MEDIA_TOKEN": token}, capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


def test_a_server_needs_a_token(media_program: Path, tmp_path: Path) -> None:
    status, said = start(media_program, tmp_path, token="")
    assert status == 1
    assert "set GUICHET_MEDIA_TOKEN" in said


def test_a_bad_configuration_is_told_and_nothing_is_bound(media_program: Path, tmp_path: Path) -> None:
    for flags in ((), ("-check",)):
        status, said = start(media_program, tmp_path, *flags, sip_udp="here:5060", rtp_first=70_000)
        assert status == 1
        assert "sip_udp" in said
        assert "rtp_first" in said


def test_check_is_content_with_a_good_one_though_its_ports_are_taken(
    house: House, media_program: Path
) -> None:
    assert start(media_program, house.server.folder, "-check", **house.server.config)[0] == 0


@pytest.mark.parametrize("field", list(FREE))
def test_a_taken_port_is_named(house: House, media_program: Path, tmp_path: Path, field: str) -> None:
    taken = {field: house.server.config[field]}
    status, said = start(media_program, tmp_path, state=str(tmp_path / "other"), **{**FREE, **taken})
    assert status == 1
    assert "another program has this port" in said
    assert field in said


def test_two_servers_never_share_a_state_folder(house: House, media_program: Path, tmp_path: Path) -> None:
    status, said = start(media_program, tmp_path, state=house.server.config["state"], **FREE)
    assert status == 1
    assert "another media server works on it" in said
