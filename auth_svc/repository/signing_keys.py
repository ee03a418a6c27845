"""The keys that sign access tokens and heads of the audit trail: created by the instance that starts first, and stored encrypted."""

from __future__ import annotations

import base64
import hashlib
from enum import IntEnum

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert, select

from auth_svc.repository.tables import SIGNING_KEYS
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort
from shared.kit.settings import InvalidSettings
from shared.kit.sql import Database, insert_if_absent


class KeyPurpose(IntEnum):
    """What a key signs. It is the `slot` of the key, so that of two instances that create a key, only one succeeds."""

    ACCESS_TOKENS = 1
    AUDIT_HEADS = 2


ENCRYPTION_PREFIXES = {KeyPurpose.ACCESS_TOKENS: b"signing", KeyPurpose.AUDIT_HEADS: b"audit-signing"}


@retry_on_abort
async def load_or_create_signing_key(database: Database, key_secret: str, purpose: KeyPurpose) -> tuple[str, str]:
    """Return the key's id and its private half as PEM. Raises InvalidSettings when `key_secret` does not decrypt it."""
    cipher = Fernet(base64.urlsafe_b64encode(hashlib.sha256(ENCRYPTION_PREFIXES[purpose] + key_secret.encode()).digest()))
    key_query = select(SIGNING_KEYS).where(SIGNING_KEYS.c.slot == purpose)
    async with database.read() as connection:
        row = (await connection.execute(key_query)).one_or_none()
    if row is None:
        new_key = {"slot": int(purpose), "kid": str(new_id()), "sealed": cipher.encrypt(generate_private_key_pem()).decode()}
        async with database.write() as connection:
            await insert_if_absent(connection, insert(SIGNING_KEYS).values(new_key))
        async with database.read() as connection:
            row = (await connection.execute(key_query)).one()
    try:
        return row.kid, cipher.decrypt(row.sealed.encode()).decode()
    except InvalidToken:
        raise InvalidSettings("AUTH_KEY_SECRET: does not decrypt the signing key in the database") from None


def generate_private_key_pem() -> bytes:
    """Return a new RSA key of 2048 bits, unencrypted."""
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
