"""The one cipher of the store: AES-256-GCM with random nonces."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guichet.kit.ids import random_bytes

NONCE = 12


class Damaged(ValueError):
    """A ciphertext that does not belong where it stands, or was changed."""


def encrypt(key: bytes, plain: bytes, place: bytes) -> bytes:
    """Nonce and ciphertext. `place` says where it will stand: it opens nowhere else."""
    nonce = random_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, place)


def decrypt(key: bytes, sealed: bytes, place: bytes) -> bytes:
    """The opposite of `encrypt`. Raises Damaged."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], place)
    except InvalidTag as error:
        raise Damaged(f"cannot open what stands at {place.decode()}") from error


def derive(master: bytes, purpose: str) -> bytes:
    """A 256-bit key for one purpose (HKDF-Expand's first block: the master key is uniformly random)."""
    return hmac.new(master, purpose.encode() + b"\x01", hashlib.sha256).digest()
