"""The signing key: made once by whichever instance starts first, sealed at rest."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import insert, select

from auth_svc.repository.tables import SIGNING_KEYS
from shared.kit.ids import new_id
from shared.kit.settings import InvalidSettings
from shared.kit.sql import Database, insert_if_absent

SLOT = 1


async def signing_key(database: Database, key_secret: str) -> tuple[str, str]:
    """(kid, PEM of the private key). A key that `key_secret` does not open stops the start."""
    seal = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"signing" + key_secret.encode()).digest()))
    async with database.read() as connection:
        row = (await connection.execute(select(SIGNING_KEYS).where(SIGNING_KEYS.c.slot == SLOT))).one_or_none()
    if row is None:
        async with database.write() as connection:
            fresh = {"slot": SLOT, "kid": str(new_id()), "sealed": seal.encrypt(_made()).decode()}
            await insert_if_absent(connection, insert(SIGNING_KEYS).values(fresh))
        return await signing_key(database, key_secret)
    try:
        return row.kid, seal.decrypt(row.sealed.encode()).decode()
    except InvalidToken:
        raise InvalidSettings("AUTH_KEY_SECRET: does not open the signing key in the database") from None


def _made() -> bytes:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
