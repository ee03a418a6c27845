"""Stored answers are encrypted with the Idempotency-Key of their request, which is not stored: only who sends it again can read them."""

from __future__ import annotations

import os
import re
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = b"careslot-sealed-1 "
NONCE_BYTES = 12
UUID_TEXT = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def seal_body(body: bytes, key_id: UUID, key: str) -> bytes:
    """Return the body of an answer as it is stored: the ids in it, so that those who are erased are found, and the rest encrypted.

    `key` is the Idempotency-Key, and `key_id` the id of its row, to which the ciphertext is bound.
    """
    first_line = PREFIX + b" ".join(sorted(set(UUID_TEXT.findall(body)))) + b"\n"
    nonce = os.urandom(NONCE_BYTES)
    return first_line + nonce + _cipher(key_id, key).encrypt(nonce, body, first_line)


def open_body(stored: bytes, key_id: UUID, key: str) -> bytes:
    """Return the body as it was sent; one that an earlier release stored is returned as it is. Raises InvalidTag for another key."""
    if not stored.startswith(PREFIX):
        return stored
    first_line, _, sealed = stored.partition(b"\n")
    return _cipher(key_id, key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], first_line + b"\n")


def _cipher(key_id: UUID, key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=key_id.bytes, info=b"careslot stored answer").derive(key.encode()))
