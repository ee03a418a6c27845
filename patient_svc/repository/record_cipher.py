"""Encryption of medical histories: AES-256-GCM with a key per patient, which is itself encrypted with a master key."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from patient_svc.ports.records import RecordsUnreadable
from shared.kit.logs import log_event

KEY_BITS, NONCE_BYTES = 256, 12
BLOCK_BYTES = 64
"""Texts are padded with NUL, which no text has, to a multiple of this length. So codes and short texts all look alike."""
FORMAT = b"\x01"
"""The first byte of every ciphertext. The nonce of 96 random bits follows, and then what AES-GCM returns."""


class NotDecrypted(Exception):
    """A ciphertext was made with another key, for another row or field, or was changed. The argument is a word for the log."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """The key of a patient, encrypted with the master key of this name."""

    master_key: str
    wrapped_key: bytes


class RecordKeyring:
    """The master keys by their names. The first one encrypts; the others only decrypt."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self.encrypting_name = next(iter(keys))
        self.names = tuple(keys)

    def create_key(self, patient_id: UUID) -> tuple[bytes, WrappedKey]:
        """Return a new random key for a patient, plain and wrapped."""
        key = AESGCM.generate_key(KEY_BITS)
        return key, self.wrap(patient_id, key)

    def wrap(self, patient_id: UUID, key: bytes) -> WrappedKey:
        """Return the key of a patient, encrypted with the first master key and bound to the patient."""
        return WrappedKey(self.encrypting_name, _encrypt(self._ciphers[self.encrypting_name], key, _key_associated_data(patient_id)))

    def unwrap(self, patient_id: UUID, wrapped: WrappedKey) -> bytes:
        """Return the key of a patient. Raises NotDecrypted."""
        cipher = self._ciphers.get(wrapped.master_key)
        if cipher is None:
            raise NotDecrypted("master_key_missing")
        return _decrypt(cipher, wrapped.wrapped_key, _key_associated_data(patient_id))

    def check_value(self, name: str) -> bytes:
        """Return a text that shows later whether the master key of this name is still the same."""
        return _encrypt(self._ciphers[name], b"check", _check_associated_data(name))

    def has_key(self, name: str, check_value: bytes) -> bool:
        """Return whether the master key of this name is the one that made the check value."""
        try:
            _decrypt(self._ciphers[name], check_value, _check_associated_data(name))
        except NotDecrypted:
            return False
        return True


class RecordCipher:
    """Encrypts the texts of one patient. Each ciphertext is bound to the patient, the row, its version and the field."""

    def __init__(self, patient_id: UUID, key: bytes) -> None:
        self._patient_id, self._cipher = patient_id, AESGCM(key)

    def encrypt(self, text: str, row_id: UUID, version: int, field: str) -> bytes:
        """Return the ciphertext of a field."""
        plain = text.encode()
        padded = plain.ljust((len(plain) // BLOCK_BYTES + 1) * BLOCK_BYTES, b"\0")
        return _encrypt(self._cipher, padded, self._associated_data(row_id, version, field))

    def decrypt(self, ciphertext: bytes, row_id: UUID, version: int, field: str) -> str:
        """Return the text of a field. Logs and raises RecordsUnreadable when it does not decrypt."""
        try:
            return _decrypt(self._cipher, ciphertext, self._associated_data(row_id, version, field)).rstrip(b"\0").decode()
        except NotDecrypted as error:
            raise unreadable(self._patient_id, row_id, field, error) from None

    def _associated_data(self, row_id: UUID, version: int, field: str) -> bytes:
        return f"careslot/record/{self._patient_id}/{row_id}/{version}/{field}".encode()


def unreadable(patient_id: UUID, row_id: UUID, field: str, error: NotDecrypted) -> RecordsUnreadable:
    """Log that a text, or the key of a patient, does not decrypt, and return the refusal of the request."""
    log_event("record_unreadable", logging.ERROR, patient_id=str(patient_id), row_id=str(row_id), field=field, reason=str(error))
    return RecordsUnreadable(retry_after=60)


def _key_associated_data(patient_id: UUID) -> bytes:
    return f"careslot/key/{patient_id}".encode()


def _check_associated_data(name: str) -> bytes:
    return f"careslot/check/{name}".encode()


def _encrypt(cipher: AESGCM, plain: bytes, context: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + cipher.encrypt(nonce, plain, context)


def _decrypt(cipher: AESGCM, ciphertext: bytes, context: bytes) -> bytes:
    if ciphertext[:1] != FORMAT:
        raise NotDecrypted("unknown_format")
    nonce, encrypted = ciphertext[1 : 1 + NONCE_BYTES], ciphertext[1 + NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, encrypted, context)
    except (InvalidTag, ValueError):
        raise NotDecrypted("not_authentic") from None
