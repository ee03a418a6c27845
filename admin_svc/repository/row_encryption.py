"""Rows of imports are encrypted while they wait: AES-256-GCM with a key for each import, derived from `ADMIN_IMPORT_KEY`."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from admin_svc.domain.imports import RowUnreadable

NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class AesRowEncryption:
    """Implements RowEncryption. A ciphertext is bound to its import and its line."""

    key: str = field(repr=False)

    def encrypt(self, import_id: UUID, line: int, fields: Mapping[str, Any]) -> str:
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = self._cipher(import_id).encrypt(nonce, json.dumps(dict(fields)).encode(), _associated_data(import_id, line))
        return base64.b64encode(nonce + ciphertext).decode()

    def decrypt(self, import_id: UUID, line: int, encrypted: str) -> dict[str, Any]:
        try:
            ciphertext = base64.b64decode(encrypted, validate=True)
            plain = self._cipher(import_id).decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], _associated_data(import_id, line))
        except (InvalidTag, ValueError):
            raise RowUnreadable from None
        return dict(json.loads(plain))

    def _cipher(self, import_id: UUID) -> AESGCM:
        derived = HKDF(SHA256(), length=32, salt=import_id.bytes, info=b"careslot rows of an import").derive(self.key.encode())
        return AESGCM(derived)


def _associated_data(import_id: UUID, line: int) -> bytes:
    """Return the associated data that binds a ciphertext to its import and line."""
    return f"careslot/import/{import_id}/{line}".encode()
