"""What agents typed and have not sent, encrypted under the customer's key."""

from __future__ import annotations

import msgspec

from guichet.kit.errors import Refused
from guichet.store.ciphers import decrypt, encrypt
from guichet.store.keys import Keys, erased
from guichet.store.port import Draft
from guichet.store.side import Side


class _Words(msgspec.Struct):
    text: str
    attachments: list[str]


class Drafts:
    """`port.Drafts`."""

    def __init__(self, side: Side, keys: Keys) -> None:
        self._side = side
        self._keys = keys

    async def save(self, draft: Draft, subject: str) -> Draft:
        key = (await self._keys.get([subject])).get(subject)
        if key is None:
            raise erased()
        words = msgspec.json.encode(_Words(draft.text, draft.attachments))
        sealed = encrypt(key, words, _place(draft.org, draft.conversation, draft.kind))
        values = [
            draft.agent,
            subject,
            draft.revision,
            draft.t,
            sealed,
            draft.org,
            draft.conversation,
            draft.kind,
        ]
        if draft.revision == 1:
            sql = """INSERT INTO draft (agent, subject, revision, t, sealed, org, conversation, kind)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING revision"""
        else:
            sql = """UPDATE draft SET agent = ?, subject = ?, revision = ?, t = ?, sealed = ?
                WHERE org = ? AND conversation = ? AND kind = ? AND revision = ?
                RETURNING revision"""
            values.append(draft.revision - 1)
        if not await self._side.write(sql, *values):
            raise Refused("conflict", "draft.stale", "this draft was changed elsewhere: load it again")
        return draft

    async def get(self, org: str, conversation: str) -> list[Draft]:
        sql = """SELECT kind, agent, subject, revision, t, sealed FROM draft
            WHERE org = ? AND conversation = ? ORDER BY kind"""
        found = await self._side.read(sql, org, conversation)
        keys = await self._keys.get({row[2] for row in found})
        drafts = []
        for kind, agent, subject, revision, t, sealed in found:
            if subject in keys:
                plain = decrypt(keys[subject], sealed, _place(org, conversation, kind))
                words = msgspec.json.decode(plain, type=_Words)
                drafts.append(
                    Draft(org, conversation, kind, agent, words.text, words.attachments, revision, t)
                )
        return drafts

    async def delete(self, org: str, conversation: str, kind: str) -> None:
        sql = "DELETE FROM draft WHERE org = ? AND conversation = ? AND kind = ?"
        await self._side.write(sql, org, conversation, kind)

    async def erase(self, subject: str) -> None:
        await self._side.write("DELETE FROM draft WHERE subject = ?", subject)


def _place(org: str, conversation: str, kind: str) -> bytes:
    return f"draft/{org}/{conversation}/{kind}".encode()
