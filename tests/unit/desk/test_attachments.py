"""Files in and out: whose they are, how large they may be, and that nothing in them acts in our name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from guichet.channels.uploads import MAX_FILE
from guichet.desk.attachments import picture
from guichet.kit.ids import new_id
from tests.support.desk_centre import DeskCentre, with_centre

pytestmark = pytest.mark.unit

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@with_centre
async def test_what_is_uploaded_can_be_sent_and_read_again(centre: DeskCentre) -> None:
    await centre.chat("c1")
    await centre.take("c1", "paul")
    paul = centre.http("paul")
    name = {"X-Filename": "dossier%2Fre%C3%A7u%20%22du%22%3B1.png", "Content-Type": "image/png; charset=x"}
    answer = await paul.post("/api/attachments", params={"conversation": "c1"}, content=PNG, headers=name)
    assert answer.status_code == 201
    file = answer.json()
    assert (file["name"], file["type"], file["size"]) == ('reçu "du";1.png', "image/png", len(PNG))
    message = {"conversation": "c1", "message": new_id(), "text": "voici", "attachments": [file]}
    body = {"name": "send_message", "key": new_id(), "payload": message}
    assert (await paul.post("/api/commands", json=body)).is_success
    read = await paul.get(f"/api/attachments/c1/{file['address']}")
    assert (read.content, read.headers["content-type"]) == (PNG, "image/png")
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    how = read.headers["content-disposition"]
    assert how.startswith("inline; filename=\"re_u _du__1.png\"; filename*=UTF-8''re%C3%A7u")


@with_centre
async def test_only_pictures_are_shown_in_place_and_only_what_really_is_one(centre: DeskCentre) -> None:
    await centre.chat("c1")
    paul = centre.http("paul")
    for content, declared in (
        (SCRIPT, "image/svg+xml"), (SCRIPT, "image/png"), (b"<script>alert(1)</script>", "text/html"),
        (b"%PDF-1.4", "application/pdf"), (b"GIF", "image/gif"),
    ):  # fmt: skip
        stored = await paul.post(
            "/api/attachments",
            params={"conversation": "c1"},
            content=content,
            headers={"Content-Type": declared},
        )
        read = await paul.get(f"/api/attachments/c1/{stored.json()['address']}")
        assert read.headers["content-type"] == "application/octet-stream"
        assert read.headers["content-disposition"].startswith("attachment;")
    assert [picture(start + bytes(20)) for start in (b"\xff\xd8\xff", b"GIF89a", b"RIFF1234WEBP", b"RIFF1234WAVE")] == [
        "image/jpeg", "image/gif", "image/webp", None,
    ]  # fmt: skip


@with_centre
async def test_a_file_that_is_too_large_is_stopped_on_the_way(centre: DeskCentre) -> None:
    await centre.chat("c1")
    paul = centre.http("paul")
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < 2 * MAX_FILE:
            taken += 1_000_000
            yield bytes(1_000_000)

    answer = await paul.post("/api/attachments", params={"conversation": "c1"}, content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "attachment.too_large")
    assert (answer.json()["field"], answer.json()["limit"]) == ("body", MAX_FILE)
    said = {"Content-Length": str(MAX_FILE + 1)}
    answer = await paul.post("/api/attachments", params={"conversation": "c1"}, content=b"x", headers=said)
    assert answer.status_code == 413
    answer = await paul.post("/api/attachments", params={"conversation": "c1"}, content=b"")
    assert (answer.status_code, answer.json()["code"]) == (422, "attachment.empty")
    folder = centre.node.settings.data_dir / "blobs" / "incoming"
    assert not list(folder.iterdir())


@with_centre
async def test_another_customers_file_can_be_neither_read_nor_sent(centre: DeskCentre) -> None:
    for conversation, client in (("c1", "shop"), ("c2", "bank"), ("c3", "shop")):
        await centre.chat(conversation, client)
        await centre.take(conversation, "ada")
    ada = centre.http("ada")
    upload = await ada.post("/api/attachments", params={"conversation": "c2"}, content=PNG)
    file = upload.json()
    for conversation in ("c1", "c3"):
        assert (await ada.get(f"/api/attachments/{conversation}/{file['address']}")).status_code == 404
        message: dict[str, Any] = {
            "conversation": conversation, "message": new_id(), "text": "voici", "attachments": [file],
        }  # fmt: skip
        before = await centre.position()
        answer = await ada.post(
            "/api/commands", json={"name": "send_message", "key": "k", "payload": message}
        )
        assert (answer.json()["code"], answer.json()["field"]) == (
            "attachment.unknown",
            "attachments.0.address",
        )
        desk = await centre.desk("ada")
        assert (await desk.command("send_message", **message))["error"]["code"] == "attachment.unknown"
        await desk.leave()
        assert len(await centre.rows("message", conversation=conversation)) == 1
        assert await centre.position() - before <= 2  # at most that a desk was opened and closed
    assert (await ada.get(f"/api/attachments/c2/{file['address']}")).status_code == 200
    assert (await ada.get("/api/attachments/c2/nothing")).status_code == 404


@with_centre
async def test_a_mail_is_served_as_a_document_that_can_do_nothing(centre: DeskCentre) -> None:
    await centre.chat("c1")
    blobs = centre.node.store.blobs
    picture_at, _ = await blobs.put("c1-customer", PNG)
    script_at, _ = await blobs.put("c1-customer", SCRIPT)
    html = '<p>Bonjour</p><img alt="" src="cid:logo@x"><img src=\'cid:bad\'><img src="cid:none">'
    html_at, _ = await blobs.put("c1-customer", html.encode())
    files = [
        {"address": picture_at, "name": "logo.png", "type": "image/png", "size": 48, "cid": "logo@x"},
        {"address": script_at, "name": "bad.svg", "type": "image/svg+xml", "size": 70, "cid": "bad"},
    ]
    await centre.say("c1", "Bonjour", html_blob=html_at, attachments=files)
    read = await centre.http("paul").get(f"/api/attachments/c1/{html_at}")
    assert read.headers["content-type"] == "text/html; charset=utf-8"
    policy = read.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups")
    assert "allow-scripts" not in policy
    assert "default-src 'none'; img-src data:" in policy
    assert read.text.count('src="data:image/png;base64,') == 1
    assert read.text.count("src=''") == 1
    assert f'data-file="{picture_at}"' in read.text
    assert script_at not in read.text
    assert "cid:none" not in read.text
    assert "svg" not in read.text
