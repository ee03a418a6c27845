"""Issues RS256 access tokens for tests, signed with a key of the tests."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jwt
from jose.backends.base import Key

from shared.contracts.identity import Role

ISSUED_AT = 1_700_000_000
ISSUER = "http://localhost:8000"  # the default of `CARESLOT_PUBLIC_URL`


@cache
def _key() -> tuple[Key, dict[str, Any]]:
    """Return the private key and its public JWK. They are created once, because loading a key takes longer than signing."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return jwk.construct(pem, "RS256"), {**jwk.construct(public.decode(), "RS256").to_dict(), "kid": "test", "use": "sig"}


def jwks() -> dict[str, Any]:
    """Return the key set that verifies the tokens."""
    return {"keys": [_key()[1]]}


def token(role: Role | str, subject: UUID | str | None = None, **changes: Any) -> str:
    """Return a valid access token. `changes` replace claims; None removes a claim.

    Two names in `changes` are no claims: `headers` replaces headers of the token, `now` is the time of issue.
    """
    now = int(changes.pop("now", ISSUED_AT))
    headers = changes.pop("headers", {})
    claims = {
        "iss": ISSUER,
        "aud": "careslot",
        "sub": str(subject or uuid4()),
        "sid": str(uuid4()),
        "role": str(role),
        "scope": "",
        "iat": now,
        "exp": now + 10**9,
        "jti": str(uuid4()),
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return str(jwt.encode(claims, _key()[0], algorithm="RS256", headers={"kid": "test", "typ": "at+jwt"} | headers))


def bearer(role: Role | str, subject: UUID | str | None = None, **changes: Any) -> dict[str, str]:
    """Return the Authorization header of a person."""
    return {"Authorization": f"Bearer {token(role, subject, **changes)}"}


def service_bearer(name: str, **changes: Any) -> dict[str, str]:
    """Return the Authorization header of a service."""
    return bearer(Role.SERVICE, name, **changes)
