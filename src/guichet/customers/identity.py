"""The keyed hash by which an identity is looked up: nobody finds out who is in the table without the secret."""

from __future__ import annotations

import hashlib
import hmac
import json

import phonenumbers


class IdentityHasher:
    """Hashes (organisation, client, kind, handle); the same person at two clients is two hashes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __call__(self, org: str, client: str, kind: str, handle: str) -> str:
        """64 hexadecimal digits. Equal for handles that reach the same person."""
        text = json.dumps([org, client, kind, normalised(kind, handle)], ensure_ascii=False)
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def normalised(kind: str, handle: str) -> str:
    """One way of writing a handle: addresses without case, phone numbers as E.164 where they can be read."""
    handle = handle.strip()
    if kind == "email":
        return handle.casefold()
    if kind == "phone":
        try:
            return phonenumbers.format_number(phonenumbers.parse(handle), phonenumbers.PhoneNumberFormat.E164)
        except phonenumbers.NumberParseException:
            return "".join(c for c in handle if c.isdigit() or c == "+")
    return handle


def identity_key(hash_: str, customer: str, *, proven: bool) -> str:
    """Where an identity stands in table `identity`. A proven one under its hash, so that it leads to one
    customer; one that is merely claimed under a key of its own: it is shown, and leads nowhere."""
    return hash_ if proven else hashlib.sha256(f"{hash_}:{customer}".encode()).hexdigest()
